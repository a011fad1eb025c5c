"""Which sessions are looked at again, in which order, and when no longer."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from behind_the_lake import write
from conftest import NOW, a_client
from marketlake import settings
from marketlake.audit.due import AuditReason, audit_plan, reason_for, sessions_due
from marketlake.audit.visits import Visit, Visits
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.quality.reconciliation import Reconciliation
from marketlake.rows.bars import SECONDS
from marketlake.storage.local import LocalStorage
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

either_place = pytest.mark.places("folder", "bucket")
LAST = dt.date(2026, 11, 19)
"""The last session that is final at NOW, a Friday noon."""


def sessions_back(lake: Lake, count: int) -> dt.date:
    """The session that is that many sessions older than the last final one."""
    return lake.calendar.last_sessions(LAST, count + 1)[0]


def hold(lake: Lake, session: dt.date, waits: list[float], fetched_at: dt.datetime, **changed: object) -> None:
    """A partition that was fetched at a time; parts of its certificate as given."""
    ingest(Lake(lake.settings, now=lambda: NOW), SECOND_BARS, spy(session), a_client(lake, waits))
    found = kept_by(lake).partitions.certificate(spy(session))
    rows = kept_by(lake).partitions.read(spy(session))
    held = kept_by(lake).partitions.inspect(spy(session))
    assert found is not None
    assert rows is not None
    altered: Certificate = msgspec.structs.replace(found, fetched_at_ms=int(fetched_at.timestamp() * 1000), **changed)
    with lake.storage.exclusive("a test", 1) as writer:
        kept_by(lake).partitions.publish(writer, rows, altered, held)


def visited(lake: Lake, session: dt.date, at: dt.datetime) -> None:
    with lake.storage.exclusive("a test", 1) as writer:
        Visits(lake.storage).note(
            writer, "SPY", Visit(session, "revisit", "unchanged", "complete", 1, int(at.timestamp() * 1000))
        )


def final_from(session: dt.date) -> dt.datetime:
    return dt.datetime.combine(session + dt.timedelta(days=1), dt.time(16), dt.UTC)  # 11:00 New York in winter


HOUR = dt.timedelta(hours=1)
FAILED = Reconciliation(None, None, {"minute": "the request failed (ServerTrouble)"}, {})
NO_PLAN = Reconciliation(None, None, {"minute": "the plan does not include them"}, {})
NONE_THERE = Reconciliation(None, None, {"minute": "the API has none of this session"}, {})
SWITCHED_OFF = Reconciliation(
    None, None, {"minute": "reconcile.enabled was false", "day": "they were not asked for"}, {}
)

CASES = [
    # age in sessions, fetched how long after it was final, what its certificate says, due because of
    (0, HOUR, {}, None),
    (1, HOUR, {}, AuditReason.REVISIT),
    (1, 30 * HOUR, {}, None),
    (6, 30 * HOUR, {}, None),
    (7, 30 * HOUR, {}, AuditReason.REVISIT),
    (29, 20 * 24 * HOUR, {}, None),
    (30, 20 * 24 * HOUR, {}, AuditReason.REVISIT),
    (500, 700 * 24 * HOUR, {}, None),
    (40, 10 * HOUR, {}, AuditReason.REVISIT),  # a machine that slept over every age
    (0, HOUR, {"state": State.PROVISIONAL}, AuditReason.PROVISIONAL),
    (0, HOUR, {"state": State.SUSPECT}, None),
    (10, 14 * 24 * HOUR, {"state": State.SUSPECT}, None),  # looked at an hour ago
    (10, 12 * 24 * HOUR, {"state": State.SUSPECT}, AuditReason.SUSPECT),
    (500, 720 * 24 * HOUR, {"state": State.SUSPECT}, None),
    (500, 600 * 24 * HOUR, {"state": State.SUSPECT}, AuditReason.SUSPECT),
    (0, HOUR, {"reconciliation": None}, AuditReason.NOT_COMPARED),
    (0, HOUR, {"reconciliation": FAILED}, AuditReason.NOT_COMPARED),
    (0, HOUR, {"reconciliation": SWITCHED_OFF}, AuditReason.NOT_COMPARED),
    (0, HOUR, {"reconciliation": NO_PLAN}, None),
    (10, 12 * 24 * HOUR, {"reconciliation": NO_PLAN}, AuditReason.NOT_COMPARED),  # the plan may be another now
    (10, 14 * 24 * HOUR, {"reconciliation": NONE_THERE}, None),
    (500, 600 * 24 * HOUR, {"reconciliation": NONE_THERE}, AuditReason.NOT_COMPARED),
    (500, 720 * 24 * HOUR, {"reconciliation": NONE_THERE}, None),
]


@pytest.mark.parametrize(("age", "after", "says", "expected"), CASES)
def test_a_session_is_due_by_age_state_and_last_look(
    lake: Lake, waits: list[float], age: int, after: dt.timedelta, says: dict[str, object], expected: AuditReason | None
) -> None:
    session = sessions_back(lake, age)
    hold(lake, session, waits, final_from(session) + after, **says)
    found = sessions_due(lake, SECONDS.name, "SPY")
    assert [(one.session, one.reason) for one in found] == ([(session, expected)] if expected else [])
    assert reason_for(lake, SECONDS.name, "SPY", session) == (expected or AuditReason.REQUESTED)


@either_place
def test_a_visit_counts_as_a_look_and_a_note_that_cannot_be_read_does_not(lake: Lake, waits: list[float]) -> None:
    session = sessions_back(lake, 7)
    hold(lake, session, waits, final_from(session) + HOUR)
    assert [one.reason for one in sessions_due(lake, SECONDS.name, "SPY")] == [AuditReason.REVISIT]
    visited(lake, session, NOW - HOUR)
    assert sessions_due(lake, SECONDS.name, "SPY") == []
    write(lake, f"audit/spy/date={session}.json", b"{not json")
    assert [one.reason for one in sessions_due(lake, SECONDS.name, "SPY")] == [AuditReason.REVISIT]


@either_place
def test_a_file_that_proves_nothing_is_due_first(lake: Lake, waits: list[float]) -> None:
    for age in (1, 2):
        hold(lake, sessions_back(lake, age), waits, final_from(sessions_back(lake, age)))
    broken = sessions_back(lake, 1)
    write(lake, kept_by(lake).partitions.path(spy(broken)), b"PAR1 no more")
    assert [(one.session, one.reason) for one in sessions_due(lake, SECONDS.name, "SPY")] == [
        (broken, AuditReason.UNPROVEN),
        (sessions_back(lake, 2), AuditReason.REVISIT),
    ]


def test_urgent_ones_go_first_and_then_the_longest_unseen(lake: Lake, waits: list[float]) -> None:
    ages = {5: {"reconciliation": None}, 7: {}, 8: {}, 9: {"state": State.PROVISIONAL}}
    for age, says in ages.items():
        session = sessions_back(lake, age)
        fetched_at = NOW - HOUR if age == 5 else final_from(session) + HOUR
        hold(lake, session, waits, fetched_at, **says)
    assert [one.session for one in sessions_due(lake, SECONDS.name, "SPY")] == [
        sessions_back(lake, age) for age in (9, 8, 7, 5)
    ]


@either_place
def test_what_failed_last_comes_behind_everything_else_and_takes_turns(lake: Lake, waits: list[float]) -> None:
    first, second, third = (sessions_back(lake, age) for age in (7, 8, 9))
    for session in (first, second):
        hold(lake, session, waits, final_from(session))
    hold(lake, third, waits, NOW - HOUR, reconciliation=None)
    for session, hours in ((first, 2), (second, 3)):
        with lake.storage.exclusive("a test", 1) as writer:
            failed_at_ms = int((NOW - hours * HOUR).timestamp() * 1000)
            Visits(lake.storage).note(
                writer, "SPY", Visit(session, "revisit", "failed", "", 0, 0, failed_at_ms=failed_at_ms)
            )
    assert [one.session for one in sessions_due(lake, SECONDS.name, "SPY")] == [third, second, first]


def test_a_run_takes_its_share_and_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MARKETLAKE__AUDIT__SESSIONS_A_RUN", "2")
    modest = Lake(settings.load(), now=lambda: NOW)
    for age in (2, 3, 4):
        session = sessions_back(lake, age)
        hold(lake, session, waits, final_from(session))
    assert audit_plan(modest, SECONDS.name, "SPY", None, None) == [sessions_back(lake, 4), sessions_back(lake, 3)]
    assert "SPY: 3 sessions are due; 2 are looked at now" in caplog.text


@either_place
def test_a_range_takes_every_session_that_is_held_in_it(lake: Lake, waits: list[float]) -> None:
    for age in (0, 1, 2):
        hold(lake, sessions_back(lake, age), waits, NOW)
    emptied = f"{SECONDS.prefix}processed/spy/date={sessions_back(lake, 3)}"
    if isinstance(lake.storage, LocalStorage):  # a folder whose file is gone holds no session
        (lake.storage.root / emptied).mkdir(parents=True)
    first, last = sessions_back(lake, 3), sessions_back(lake, 1)
    assert audit_plan(lake, SECONDS.name, "SPY", first, last) == [sessions_back(lake, 2), last]
    assert audit_plan(lake, SECONDS.name, "SPY", None, last) == [sessions_back(lake, 2), last]
    assert audit_plan(lake, SECONDS.name, "SPY", last, None) == [last, LAST]


@either_place
def test_without_partitions_nothing_is_due(lake: Lake) -> None:
    assert sessions_due(lake, SECONDS.name, "SPY") == []


def test_sessions_outside_the_lakes_history_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, waits: list[float]
) -> None:
    session = sessions_back(lake, 7)
    hold(lake, session, waits, final_from(session))
    monkeypatch.setenv("MARKETLAKE__HISTORY__START_DATE", str(LAST))
    assert sessions_due(Lake(settings.load(), now=lambda: NOW), SECONDS.name, "SPY") == []


def test_where_nothing_is_compared_nothing_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, waits: list[float], simulator: Simulator
) -> None:
    hold(lake, LAST, waits, NOW, reconciliation=None)
    monkeypatch.setenv("MARKETLAKE__RECONCILE__ENABLED", "false")
    assert sessions_due(Lake(settings.load(), now=lambda: NOW), SECONDS.name, "SPY") == []
