"""The calendar: every session of settings and lake, in the state in which it is, or is being fetched."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from conftest import NOW
from marketlake import settings
from marketlake.coverage.index import CoverageIndex, HeldFacts
from marketlake.coverage_page.attempts import Attempt, Run
from marketlake.coverage_page.calendar import CoverageCalendar, SessionCell, calendar_of, cell
from marketlake.coverage_page.subjects import subject_named
from marketlake.lake import Lake
from marketlake.partitions.certificate import State
from research_lake import EARLY, MADE_UP, Ground, ground, prepared

__all__ = ["ground", "prepared"]  # fixtures

DAY = dt.date(2024, 11, 26)
AT_MS = 1_700_000_000_000
HELD = HeldFacts("v", 100, State.COMPLETE, 390, 5.5, 0.99, 2, AT_MS)
SUSPECT = HeldFacts("v", 100, State.SUSPECT, 390, 5.5, 0.9, 1, AT_MS, ("it is short",))
DAMAGED = HeldFacts("v", 100, reasons=("it is damaged",))


def attempt(state: str, ended_ms: int = 0, reason: str = "") -> Attempt:
    return Attempt(Run(state, "a run", "dags/a"), ended_ms, reason)


@pytest.mark.parametrize(
    ("held", "tried", "state", "reasons", "has_run"),
    [
        (None, None, "missing", (), False),
        (HELD, None, "complete", (), False),
        (SUSPECT, None, "suspect", ("it is short",), False),
        (DAMAGED, None, "failed", ("it is damaged",), False),
        (None, attempt("running"), "running", (), True),
        (HELD, attempt("running"), "running", (), True),
        (DAMAGED, attempt("running"), "running", ("it is damaged",), True),
        (None, attempt("failed", reason="refused"), "failed", ("refused",), True),
        (None, attempt("failed"), "failed", ("its task ended without a reason: see its log",), True),
        (DAMAGED, attempt("failed", reason="refused"), "failed", ("it is damaged", "refused"), True),
        (HELD, attempt("failed", AT_MS + 1, "refused"), "complete", ("fetching it again failed: refused",), True),
        (HELD, attempt("failed", AT_MS - 1, "refused"), "complete", (), False),
        (SUSPECT, attempt("failed", AT_MS, "refused"), "suspect", ("it is short",), False),
    ],
)
def test_a_session_is_what_is_held_unless_an_attempt_says_otherwise(
    held: HeldFacts | None, tried: Attempt | None, state: str, reasons: tuple[str, ...], has_run: bool
) -> None:
    shown = cell(DAY, held, tried)
    assert (shown.state, shown.reasons, shown.run is not None) == (state, reasons, has_run)


def test_figures_are_those_of_a_partition_that_can_be_believed() -> None:
    assert cell(DAY, HELD, None) == SessionCell(DAY, "complete", False, 390, 5.5, 0.99, 2, 100)
    assert cell(DAY, DAMAGED, None) == SessionCell(DAY, "failed", bytes=100, reasons=("it is damaged",))


def shown(ground: Ground, monkeypatch: pytest.MonkeyPatch, **history: str) -> CoverageCalendar:
    for name, value in history.items():
        monkeypatch.setenv(f"MARKETLAKE__HISTORY__{name}", value)
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(ground.root))
    subject = subject_named(Lake(settings.load(), now=lambda: NOW), "second_bars", "SPY")
    return calendar_of(subject, CoverageIndex(subject.lake, subject.spec, "SPY", keep=False).look(), {})


WEEK = {"START_DATE": "2024-11-25", "END_DATE": "2024-12-03"}


def test_every_session_of_the_history_is_there_with_what_is_held_of_it(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.partition(MADE_UP[0]).unlink()
    calendar = shown(ground, monkeypatch, **WEEK)
    assert [(one.date, one.state) for one in calendar.sessions] == [
        (MADE_UP[0], "missing"), *((day, "complete") for day in MADE_UP[1:]),
    ]  # fmt: skip
    assert [one.date for one in calendar.sessions if one.early_close] == [EARLY]
    assert [(one.date, one.name) for one in calendar.holidays] == [(dt.date(2024, 11, 28), "Thanksgiving Day")]
    summary = calendar.summary
    assert (summary.expected, summary.complete, summary.bars) == (6, 5, 390 * 4 + 210)
    assert (summary.first_held, summary.last_held) == (MADE_UP[1], MADE_UP[-1])
    assert summary.bytes == sum(ground.partition(day).stat().st_size for day in MADE_UP[1:])
    assert calendar.what_first is None


@pytest.mark.parametrize(
    ("history", "first", "last", "expected"),
    [
        ({"START_DATE": "2024-11-20", "END_DATE": "2024-12-05"}, "2024-11-20", "2024-12-05", 11),
        ({"START_DATE": "2024-11-27", "END_DATE": "2024-11-27"}, "2024-11-25", "2024-12-03", 6),
        ({"START_DATE": "2026-11-17"}, "2024-11-25", "2026-11-19", 498),
        ({"START_DATE": "2026-12-01"}, "2024-11-25", "2024-12-03", 6),
    ],
    ids=["wider than what is held", "narrower", "to the last final session", "not begun yet"],
)
def test_the_calendar_reaches_over_settings_and_lake(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, history: dict[str, str], first: str, last: str, expected: int
) -> None:
    calendar = shown(ground, monkeypatch, **history)
    assert (str(calendar.first), str(calendar.last), calendar.summary.expected) == (first, last, expected)


def test_an_empty_lake_says_what_to_do_first(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = calendar_of(subject_named(lake, None, None), {}, {})
    assert {one.state for one in calendar.sessions} == {"missing"}
    assert calendar.what_first == (
        "Nothing is held yet. Put a key into .env, then fetch the first sessions:"
        "  make backfill FROM=2026-11-13 TO=2026-11-19"
    )


def test_a_history_that_has_not_begun_is_told(monkeypatch: pytest.MonkeyPatch, lake: Lake) -> None:
    monkeypatch.setenv("MARKETLAKE__HISTORY__START_DATE", "2027-01-04")
    calendar = calendar_of(subject_named(Lake(settings.load(), now=lambda: NOW), None, None), {}, {})
    assert calendar.sessions == []
    assert calendar.what_first == (
        "Nothing is held, and the settings' history has no session that is final yet: see history in them."
    )


def test_the_names_in_its_json_are_a_promise(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown(ground, monkeypatch, **WEEK)))
    assert list(sent) == [
        "dataset", "ticker", "dag_id", "title", "first", "last", "summary", "sessions", "holidays", "running",
        "what_first", "action",
    ]  # fmt: skip
    assert list(sent["sessions"][0]) == [
        "date", "state", "early_close", "rows", "volume", "reconciled", "revision", "bytes", "reasons", "run",
    ]  # fmt: skip
    assert sent["dag_id"] == "spy_second_bars"
