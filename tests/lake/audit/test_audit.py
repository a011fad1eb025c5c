"""One look again at a session, and the summary of a run."""

from __future__ import annotations

import datetime as dt
import json
import logging

import pytest

from behind_the_lake import bytes_of, keys_of, versions_of
from conftest import NOW, a_client
from marketlake.audit.audit import audit_session, summarise
from marketlake.audit.visits import Visits
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import NotEntitled, ServerTrouble
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.rows.bars import SECONDS
from polygon_simulator.server import Simulator
from seconds import spy

pytestmark = pytest.mark.places("folder", "bucket")
DAY, OTHER = dt.date(2024, 11, 26), dt.date(2024, 11, 27)
MINUTE = "without:1732631700000-1732631760000"  # 09:35 New York of DAY


def later(lake: Lake, hours: int = 24) -> Lake:
    return Lake(lake.settings, now=lambda: NOW + dt.timedelta(hours=hours))


def test_nothing_different_changes_no_partition_and_notes_the_visit(lake: Lake, waits: list[float]) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    before = versions_of(lake)
    visit = audit_session(later(lake), SECOND_BARS, spy(DAY), a_client(lake, waits))
    assert (visit.outcome, visit.state, visit.revision, visit.changes) == ("unchanged", "complete", 1, "")
    after = versions_of(lake)
    note = "audit/spy/date=2024-11-26.json"
    assert after.keys() - before.keys() == {note}
    assert {name: after[name] for name in before} == before
    assert json.loads(bytes_of(lake, note))["visited_at_ms"] == int(NOW.timestamp() * 1000) + 86_400_000


def test_seventeen_bars_that_changed_are_a_revision_with_seventeen_counted(
    lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    simulator.faults.set(str(DAY), [{"fault": "changed:17", "times": 0}])
    visit = audit_session(later(lake), SECOND_BARS, spy(DAY), a_client(lake, waits))
    assert (visit.outcome, visit.revision) == ("revised", 2)
    assert visit.changes == (
        "bars added 0, removed 0, changed 17 since revision 1; largest change of a price 0 USD, of a volume 1 shares"
    )


def test_a_suspect_session_that_came_right_is_complete_again(
    lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    simulator.faults.set(str(DAY), [{"fault": MINUTE, "times": 1}])
    assert ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits)).state == "suspect"
    visit = audit_session(later(lake), SECOND_BARS, spy(DAY), a_client(lake, waits))
    assert (visit.outcome, visit.state, visit.revision) == ("revised", "complete", 2)
    assert visit.changes.startswith("bars added 1, removed 0, changed 0 since revision 1")


def test_a_failed_look_keeps_the_partition_and_the_last_visit_and_notes_that_it_failed(
    lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    audit_session(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    before = keys_of(lake)
    simulator.faults.set(str(DAY), [{"fault": "500", "times": 0}])
    with pytest.raises(ServerTrouble):
        audit_session(later(lake), SECOND_BARS, spy(DAY), a_client(lake, waits))
    assert keys_of(lake) == before
    found = Visits(lake.storage).last("SPY", DAY)
    assert found is not None
    now_ms = int(NOW.timestamp() * 1000)
    assert (found.outcome, found.visited_at_ms, found.failed_at_ms) == ("unchanged", now_ms, now_ms + 86_400_000)


def test_a_first_look_that_fails_is_no_visit(lake: Lake, simulator: Simulator, waits: list[float]) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    simulator.faults.set(str(DAY), [{"fault": "not_entitled", "times": 0}])
    with pytest.raises(NotEntitled):
        audit_session(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    found = Visits(lake.storage).last("SPY", DAY)
    assert found is not None
    assert (found.outcome, found.visited_at_ms, found.failed_at_ms) == ("failed", 0, int(NOW.timestamp() * 1000))


def test_the_summary_names_what_failed_what_changed_and_every_suspect_session(
    lake: Lake, simulator: Simulator, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for day in (DAY, OTHER):
        ingest(lake, SECOND_BARS, spy(day), a_client(lake, waits))
    simulator.faults.set(str(DAY), [{"fault": MINUTE, "times": 0}])
    visit = audit_session(later(lake), SECOND_BARS, spy(DAY), a_client(lake, waits))
    audit = summarise(later(lake), SECONDS.name, "SPY", [str(OTHER), str(DAY)], [visit])
    reason = "minutes that traded without one second: 1, at 09:35 New York (reconcile.missing_minutes = 0)"
    assert audit.failed == ("2024-11-27",)
    assert audit.states == {"suspect": 1, "complete": 1}
    assert audit.suspect == {"2024-11-26": (reason,)}
    written = json.loads(bytes_of(lake, "audit/spy/audit.json"))
    assert written["visits"][0]["changes"].startswith("bars added 0, removed 1, changed 0")
    assert (written["failed"], written["left_over"]) == (["2024-11-27"], 0)
    assert "2024-11-26  asked for     revised           2  suspect: bars added 0, removed 1" in caplog.text
    assert "2024-11-27  FAILED" in caplog.text
    assert f"SPY 2024-11-26 is suspect: {reason}" in caplog.text


def test_a_run_with_nothing_to_do_says_so(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    audit = summarise(lake, SECONDS.name, "SPY", [], [])
    assert (audit.planned, audit.failed, audit.states) == ((), (), {})
    assert "SPY: 0 of 0 looked at; the lake holds no partition; 0 more are due" in caplog.text
