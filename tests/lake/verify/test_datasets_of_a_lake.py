"""``make verify`` of a lake with several datasets: which of them are read, and what is said and written of each."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from commanded import commanded
from conftest import NOW, a_client
from every_dataset import partition_of
from marketlake import settings
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient

PROJECT = Path(__file__).resolve().parents[3]
TUESDAY, WEDNESDAY = dt.date(2024, 11, 26), dt.date(2024, 11, 27)


@pytest.fixture
def both(lake: Lake, client: PolygonClient) -> Lake:
    """Second bars of two sessions, minute bars of one."""
    for session in (TUESDAY, WEDNESDAY):
        ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", session), client)
    ingest(lake, MINUTE_BARS, MINUTE_BARS.spec.key("SPY", TUESDAY), client)
    return lake


def verified(*arguments: str, **environment: str) -> tuple[int, list[str]]:
    """Exit code and lines, the seconds left out."""
    done = commanded("verify", *arguments, **environment)
    return done.returncode, re.sub(r"; \d+\.\d s$", "", done.stdout + done.stderr, flags=re.MULTILINE).splitlines()


def test_without_a_name_every_dataset_of_the_lake_is_verified_with_a_line_each(both: Lake, tmp_path: Path) -> None:
    code, lines = verified("--json", str(tmp_path / "found.json"))
    assert (code, lines) == (
        0,
        [
            f"SPY: 2 partitions under {both.storage.root}, 780 rows, 0.0 MB, 2 complete; 0 findings",
            f"SPY minute bars: 1 partitions under {both.storage.root}/minute_bars, 390 rows, 0.0 MB, 1 complete;"
            " 0 findings",
        ],
    )
    written = json.loads((tmp_path / "found.json").read_text())
    assert list(written) == ["second_bars", "minute_bars"]
    assert [(one["dataset"], one["partitions"], one["rows"], one["findings"]) for one in written.values()] == [
        ("second_bars", 2, 780, []),
        ("minute_bars", 1, 390, []),
    ]


@pytest.mark.parametrize(("name", "rows"), [("second_bars", 780), ("minute_bars", 390)])
def test_a_dataset_that_is_named_is_verified_alone(both: Lake, tmp_path: Path, name: str, rows: int) -> None:
    code, lines = verified("--dataset", name, "--json", str(tmp_path / "found.json"))
    assert (code, len(lines)) == (0, 1)
    written = json.loads((tmp_path / "found.json").read_text())
    assert (written["dataset"], written["rows"], written["findings"]) == (name, rows, [])


def test_a_finding_says_its_dataset_its_folder_and_how_that_one_is_fetched_again(both: Lake, tmp_path: Path) -> None:
    partition_of(both, MINUTE_BARS, MINUTE_BARS.spec.key("SPY", TUESDAY)).write_bytes(b"")
    (both.storage.root / "minute_bars/processed/spy/_SUCCESS").touch()
    shutil.rmtree(partition_of(both, SECOND_BARS, SECOND_BARS.spec.key("SPY", TUESDAY)).parent)
    (both.storage.root / "processed/note").touch()
    own = "MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS='[\"SPY\"]' "
    fetched_again = "make backfill DATASET=minute_bars FROM=2024-11-26 TO=2024-11-26 REFETCH=1"
    for variables, before in (({}, own), ({"MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS": '["SPY"]'}, "")):
        code, lines = verified("--json", str(tmp_path / "found.json"), **variables)
        assert (code, lines) == (
            1,
            [
                "-  -  stray  'processed/note' is no partition: move it out of processed/",
                f"SPY: 1 partitions under {both.storage.root}, 390 rows, 0.0 MB, 1 complete; 1 findings",
                "SPY minute bars  -           stray    'minute_bars/processed/spy/_SUCCESS' is no partition:"
                " move it out of minute_bars/processed/",
                f"SPY minute bars  2024-11-26  damaged  the file is empty: {before}{fetched_again}",
                f"SPY minute bars: 1 partitions under {both.storage.root}/minute_bars, 0 rows, 0.0 MB, 1 not proven;"
                " 2 findings",
            ],
        )
    written = json.loads((tmp_path / "found.json").read_text())
    assert [(one["dataset"], one["kind"]) for of in written.values() for one in of["findings"]] == [
        ("second_bars", "stray"),
        ("minute_bars", "stray"),
        ("minute_bars", "damaged"),
    ]


def test_one_dataset_with_a_finding_among_sound_ones_is_no_success(both: Lake) -> None:
    partition_of(both, SECOND_BARS, SECOND_BARS.spec.key("SPY", TUESDAY)).write_bytes(b"")
    assert verified()[0] == 1
    assert verified("--dataset", "minute_bars")[0] == 0
    assert verified("--dataset", "second_bars")[0] == 1


def test_a_range_is_looked_for_in_every_dataset(both: Lake) -> None:
    code, lines = verified("--from", "2024-11-26", "--to", "2024-11-27")
    assert code == 1
    assert lines[1] == (
        "SPY minute bars  2024-11-27  missing  it has no partition: MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS="
        "'[\"SPY\"]' make backfill DATASET=minute_bars FROM=2024-11-27 TO=2024-11-27 REFETCH=1"
    )


def test_of_a_ticker_only_the_datasets_that_hold_it_are_verified(
    monkeypatch: pytest.MonkeyPatch, both: Lake, client: PolygonClient
) -> None:
    ingest(both, MINUTE_BARS, MINUTE_BARS.spec.key("QQQ", TUESDAY), client)
    code, lines = verified("--ticker", "QQQ")
    assert (code, len(lines)) == (0, 1)
    assert lines[0].startswith("QQQ minute bars: 1 partitions under ")


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, "lake/processed"),
        (
            {"MARKETLAKE__TICKERS": "[]", "MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS": '["SPY"]'},
            "lake/minute_bars/processed",
        ),
    ],
)
def test_an_empty_lake_is_no_success_and_the_first_dataset_that_is_on_is_named(
    lake: Lake, variables: dict[str, str], folder: str
) -> None:
    code, (line,) = verified(**variables)
    assert code == 2
    assert line.startswith(f"SettingsError: nothing to verify under {lake.storage.root.parent}/{folder}: check ")


def test_a_dataset_that_is_held_is_verified_whether_it_is_on_or_not(both: Lake) -> None:
    off = {"MARKETLAKE__TICKERS": "[]", "MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS": '["QQQ"]'}
    code, lines = verified(**off)
    assert (code, len(lines)) == (0, 2)


def test_a_lake_without_second_bars_is_verified_without_a_word_of_them(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient
) -> None:
    alone = Lake(settings.load(), now=lambda: NOW)
    ingest(alone, MINUTE_BARS, MINUTE_BARS.spec.key("SPY", TUESDAY), a_client(alone, []))
    code, (line,) = verified()
    assert code == 0
    assert line.startswith("SPY minute bars: 1 partitions under ")


def test_make_passes_the_name_on_and_tells_one_that_there_is_none_of(both: Lake) -> None:
    def made(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            ["make", "--no-print-directory", "verify", *words],
            cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    code, told = made("DATASET=minute_bars")
    assert code == 0, told
    assert re.fullmatch(r"SPY minute bars: 1 partitions under \S+/lake/minute_bars, .* 0 findings; \S+ s\n", told)
    code, told = made("DATASET=minutes")
    assert code == 2
    known = (
        "second_bars, minute_bars, option_chain, option_selection, option_bars, option_panel, option_snapshots, options"
    )
    assert told.splitlines()[0] == f"SettingsError: there is no dataset 'minutes': those are {known}."
