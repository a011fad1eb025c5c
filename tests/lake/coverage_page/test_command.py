"""``python -m marketlake coverage``: the table, the JSON, and the page to send to somebody."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
from pathlib import Path

import pytest

from commanded import commanded
from marketlake.coverage_page.calendar import CoverageCalendar, Holiday, SessionCell, Summary
from marketlake.coverage_page.standalone import standalone_page
from marketlake.coverage_page.terminal import table_of
from research_lake import EARLY, MADE_UP, Ground, ground, prepared

__all__ = ["ground", "prepared"]  # fixtures

MONDAY = MADE_UP[0]
MARKUP = "</script><script>alert(1)</script>\"'&{{script}}"


def shown(ground: Ground, *options: str) -> tuple[int, list[str]]:
    done = commanded(
        "coverage", *options,
        MARKETLAKE__STORAGE__ROOT=str(ground.root),
        MARKETLAKE__HISTORY__START_DATE="2024-11-22", MARKETLAKE__HISTORY__END_DATE="2024-12-04",
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_a_table_says_what_is_held_and_what_needs_attention(ground: Ground) -> None:
    ground.partition(MONDAY).write_bytes(b"no Parquet")
    code, lines = shown(ground)
    assert code == 0
    assert re.fullmatch(
        r"SPY second bars, 2024-11-22 to 2024-12-04: 5 of 8 sessions complete, 1,770 bars, 0\.\d MB", lines[0]
    )
    assert [line.split() for line in lines[1:3]] == [
        ["year", "sessions", "complete", "provisional", "suspect", "empty", "missing", "failed"],
        ["2024", "8", "5", "-", "-", "-", "2", "1"],
    ]
    assert lines[3:] == [
        "failed:",
        "  2024-11-25: no certificate of this session can be read from its file, which is damaged or not of this lake",
        "missing:",
        "  2024-12-04",
        "  2024-11-22",
    ]


def test_of_an_empty_lake_it_says_what_to_do_first(tmp_path: Path) -> None:
    done = commanded("coverage", MARKETLAKE__STORAGE__ROOT=str(tmp_path), MARKETLAKE__HISTORY__END_DATE="2024-12-04")
    first, second = done.stdout.splitlines()
    assert (done.returncode, first.partition(": ")[2]) == (0, "0 of 5,346 sessions complete, 0 bars, 0.0 MB")
    assert second == (
        "Nothing is held yet. Put a key into .env, then fetch the first sessions:"
        "  make backfill FROM=2024-11-27 TO=2024-12-04"
    )


def test_neighbours_of_one_reason_share_a_line_and_of_many_the_newest_are_named() -> None:
    first = dt.date(2024, 1, 1)
    cells = [
        SessionCell(first + dt.timedelta(days=day), "complete" if day % 3 == 0 else "missing") for day in range(36)
    ]
    lines = list(table_of(a_calendar(cells)))
    assert lines[3:5] == ["missing:", "  2024-02-04 to 2024-02-05, 2 sessions"]
    assert lines[13:] == ["  2024-01-08 to 2024-01-09, 2 sessions", "  and 2 more, with --json"]


def test_the_json_is_that_of_the_api(ground: Ground, tmp_path: Path) -> None:
    shown(ground, "--json", str(tmp_path / "coverage.json"))
    written = json.loads((tmp_path / "coverage.json").read_text())
    assert [(one["date"], one["state"]) for one in written["sessions"]][:2] == [
        ("2024-11-22", "missing"), ("2024-11-25", "complete"),
    ]  # fmt: skip
    assert written["summary"]["complete"] == 6


def test_the_json_of_several_datasets_has_each_under_its_name(prepared: Ground, tmp_path: Path) -> None:
    shown(prepared, "--json", str(tmp_path / "coverage.json"))
    written = json.loads((tmp_path / "coverage.json").read_text())
    assert list(written) == ["second_bars SPY", "minute_bars SPY"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--json", "/nowhere/a.json"], "StorageError: cannot write /nowhere/a.json: .*Name another file with --json"),
        (["--html", "/nowhere/a.html"], "StorageError: cannot write /nowhere/a.html: .*Name another file with --html"),
        (["--ticker", "QQQ"], "BadArgument: ticker='QQQ' is none of SPY"),
        (["--dataset", "bars"], "BadArgument: dataset='bars' is none of second_bars, minute_bars"),
    ],
)
def test_what_cannot_be_done_is_one_line(ground: Ground, options: list[str], words: str) -> None:
    done = commanded("coverage", *options, MARKETLAKE__STORAGE__ROOT=str(ground.root))
    assert done.returncode == 2
    assert re.match(words, done.stderr)
    assert done.stderr.count("\n") == 1


def a_calendar(cells: list[SessionCell], holiday: str = "A holiday") -> CoverageCalendar:
    first, last = cells[0].date, cells[-1].date
    return CoverageCalendar(
        "second_bars", "SPY", "spy_second_bars", "SPY second bars", first, last,
        Summary(len(cells), 0, 0, 0, first, last), cells, [Holiday(EARLY, holiday)], running=0,
    )  # fmt: skip


def test_the_page_holds_its_data_and_runs_nothing_but_its_own_script(ground: Ground, tmp_path: Path) -> None:
    shown(ground, "--html", str(tmp_path / "coverage.html"))
    page = (tmp_path / "coverage.html").read_text()
    (data,) = re.findall(r'<script type="application/json" id="coverage">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data)[0]["summary"]["complete"] == 6
    (script,) = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    assert f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in page
    assert not re.search(r"^import ", script, re.MULTILINE)
    assert "{{" not in page.replace(script, "")
    assert re.findall(r'(?:src|href)="([^"]*)"', page.replace(script, "")) == ["data:,"]


def test_no_text_of_the_lake_ends_the_element_that_it_stands_in() -> None:
    plain = [SessionCell(MONDAY, "complete")]
    hostile = [SessionCell(MONDAY, "failed", reasons=(MARKUP,))]
    page, calm = standalone_page([a_calendar(hostile, MARKUP)]), standalone_page([a_calendar(plain)])
    assert page.count("<script") == calm.count("<script")
    (data,) = re.findall(r'<script type="application/json" id="coverage">(.*?)</script>', page, re.DOTALL)
    (read,) = json.loads(data)
    assert (read["sessions"][0]["reasons"], read["holidays"][0]["name"]) == ([MARKUP], MARKUP)
