"""The bodies of the tasks, by run type, with a context as Airflow gives it."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from conftest import KEY, NOW
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import SettingsError
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake_airflow import tasks
from marketlake_airflow.hook import PolygonHook
from polygon_simulator.server import Simulator
from seconds import kept_by, spy
from task_context import Event, context


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch: pytest.MonkeyPatch, lake: Lake) -> None:
    monkeypatch.setattr("marketlake_airflow.lake.system_clock", lambda: NOW)
    monkeypatch.setattr(PolygonHook, "_connection", lambda _self: None)
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    monkeypatch.setenv("MARKETLAKE__STORAGE__MIN_FREE_BYTES", "0")
    monkeypatch.setenv("MARKETLAKE__SCHEDULE__CATCH_UP_SESSIONS", "1")


@pytest.mark.parametrize(
    ("given", "planned"),
    [
        (context("scheduled", "2013-10-09T00:00:00+00:00"), ["2013-10-09", "2013-10-08"]),
        (context("backfill", "2013-10-09T00:00:00+00:00"), ["2013-10-09"]),
        (context("manual", "2013-10-09T00:00:00+00:00"), ["2013-10-09"]),
        (context("manual", "2013-10-09T04:00:00+00:00"), ["2013-10-09"]),
        (context("manual", "2013-10-08T15:00:00+00:00"), ["2013-10-09"]),
        (context("manual", "2013-10-09T01:02:03+00:00"), ["2013-10-08"]),
        (context("manual", None, start_date="2013-10-04", end_date="2013-10-07"), ["2013-10-04", "2013-10-07"]),
    ],
)
def test_each_run_type_has_its_plan(given: dict[str, Any], planned: list[str]) -> None:
    assert tasks.plan_sessions("second_bars", "SPY", given) == planned


@pytest.mark.parametrize("run_type", ["asset_triggered", "operator_triggered", "something new"])
def test_any_other_run_type_raises(run_type: str) -> None:
    with pytest.raises(SettingsError, match="has no plan"):
        tasks.plan_sessions("second_bars", "SPY", context(run_type, "2013-10-09T00:00:00+00:00"))


def test_a_plan_is_made_once_and_kept(lake: Lake, client: PolygonClient) -> None:
    given = context("manual", None, start_date="2013-10-04", end_date="2013-10-07")
    first = tasks.plan_sessions("second_bars", "SPY", given)
    ingest(lake, SECOND_BARS, spy(dt.date(2013, 10, 4)), client)
    assert tasks.plan_sessions("second_bars", "SPY", given) == first == ["2013-10-04", "2013-10-07"]
    assert given["task_state_store"].for_good == {"plan of a manual run"}


def test_a_backfill_that_takes_over_a_run_plans_its_own_session() -> None:
    given = context("manual", "2013-10-09T00:00:00+00:00", start_date="2013-10-04", end_date="2013-10-07")
    assert tasks.plan_sessions("second_bars", "SPY", given) == ["2013-10-04", "2013-10-07"]
    given["dag_run"].run_type = "backfill"
    assert tasks.plan_sessions("second_bars", "SPY", given) == ["2013-10-09"]
    assert given["task_state_store"].for_good == {"plan of a manual run"}  # a row a session would stay for good


def test_an_empty_plan_is_kept_too(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(dt.date(2013, 10, 4)), client)
    path = lake.storage.path(kept_by(lake).partitions.path(spy(dt.date(2013, 10, 4))))
    given = context("manual", None, start_date="2013-10-04", end_date="2013-10-04")
    assert tasks.plan_sessions("second_bars", "SPY", given) == []
    path.unlink()
    assert tasks.plan_sessions("second_bars", "SPY", given) == []


def test_an_ingested_session_is_reported_and_told_to_the_asset(lake: Lake) -> None:
    event = Event()
    given = context("backfill", "2024-11-29T00:00:00+00:00") | {"outlet_events": {"bars": event}}
    for outcome in ("created", "unchanged"):
        report = tasks.ingest_session("second_bars", "SPY", "2024-11-29", "bars", given)  # type: ignore[arg-type]
        assert (report["outcome"], report["rows"]) == (outcome, 210)
    assert event.partitions == ["2024-11-29", "2024-11-29"]
    assert event.extra == {
        "rows": 210,
        "state": "complete",
        "content_hash": report["content_hash"],
        "revision": 1,
        "source_host": report["source_host"],
    }
    assert str(report["source_host"]).startswith("127.0.0.1:")


def test_the_tasks_of_a_dataset_go_by_what_is_held_of_that_one(lake: Lake, client: PolygonClient) -> None:
    event = Event()
    day = {"start_date": "2024-11-29", "end_date": "2024-11-29"}
    ingest(lake, SECOND_BARS, spy(dt.date(2024, 11, 29)), client)
    assert tasks.plan_sessions("second_bars", "SPY", context("manual", None, **day)) == []
    assert tasks.plan_sessions("minute_bars", "SPY", context("manual", None, **day)) == ["2024-11-29"]
    given = context("manual", None, **day) | {"outlet_events": {"bars": event}}
    told = tasks.ingest_session("minute_bars", "SPY", "2024-11-29", "bars", given)  # type: ignore[arg-type]
    assert (told["dataset"], told["outcome"], told["rows"]) == ("minute_bars", "created", 210)
    assert tasks.plan_sessions("minute_bars", "SPY", context("manual", None, **day)) == []
    assert tasks.plan_audit("minute_bars", "SPY", context("manual", None, **day)) == ["2024-11-29"]
    visit, told_of = audited("minute_bars", "2024-11-29")
    assert (visit["outcome"], visit["state"], told_of.partitions) == ("unchanged", "complete", [])
    assert (lake.storage.root / "minute_bars/audit/spy/date=2024-11-29.json").is_file()


def audited(dataset: str, day: str, given: dict[str, Any] | None = None) -> tuple[dict[str, Any], Event]:
    """What an audit of one session gives, and what it tells the asset. No event at all needs an empty ``outlets``."""
    event, task = Event(), SimpleNamespace(outlets=["bars"])
    given = (given or context("manual")) | {"outlet_events": {"bars": event}, "task": task}
    visit = tasks.audit_session(dataset, "SPY", day, "bars", given)  # type: ignore[arg-type]
    assert bool(task.outlets) is bool(event.partitions)
    return visit, event


DAY = "2024-11-26"


def held(lake: Lake, client: PolygonClient) -> str:
    return ingest(lake, SECOND_BARS, spy(dt.date.fromisoformat(DAY)), client).content_hash


def test_an_audit_tells_of_a_new_revision_alone(lake: Lake, client: PolygonClient, simulator: Simulator) -> None:
    before = held(lake, client)
    visit, event = audited("second_bars", DAY)
    assert (visit["outcome"], event.partitions, event.extra) == ("unchanged", [], {})
    simulator.faults.set(DAY, [{"fault": "changed:17", "times": 0}])
    visit, event = audited("second_bars", DAY)
    assert (visit["outcome"], event.partitions, event.extra["revision"]) == ("revised", [DAY], 2)
    assert event.extra.keys() == {"rows", "state", "content_hash", "revision", "source_host"}
    assert event.extra["content_hash"] != before
    assert audited("second_bars", DAY)[1].partitions == []


def test_an_audit_tells_of_the_same_rows_in_another_state(
    lake: Lake, client: PolygonClient, simulator: Simulator
) -> None:
    early = Lake(lake.settings, now=lambda: dt.datetime(2024, 11, 27, 2, tzinfo=dt.UTC))
    key = spy(dt.date.fromisoformat(DAY))
    first = ingest(early, SECOND_BARS, key, client, allow_provisional=True)
    assert first.state == "provisional"
    visit, event = audited("second_bars", DAY)
    assert (visit["outcome"], event.partitions) == ("renewed", [DAY])
    assert (event.extra["state"], event.extra["revision"]) == ("complete", 1)
    assert event.extra["content_hash"] == first.content_hash


def test_an_audit_tells_nothing_of_a_comparison_that_was_made_up_for(
    lake: Lake, client: PolygonClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETLAKE__RECONCILE__ENABLED", "false")
    held(Lake(settings.load(), now=lambda: NOW), client)
    monkeypatch.delenv("MARKETLAKE__RECONCILE__ENABLED")
    visit, event = audited("second_bars", DAY)
    assert (visit["outcome"], visit["state"], event.partitions) == ("renewed", "complete", [])


def test_a_revision_whose_audit_died_is_told_of_by_the_next_try(
    lake: Lake, client: PolygonClient, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    held(lake, client)
    simulator.faults.set(DAY, [{"fault": "changed:17", "times": 0}])
    given, audit = context("manual"), tasks.audit

    def dies_behind(*arguments: Any) -> None:
        audit(*arguments)
        raise MemoryError

    monkeypatch.setattr(tasks, "audit", dies_behind)
    with pytest.raises(MemoryError):
        audited("second_bars", DAY, given)
    monkeypatch.setattr(tasks, "audit", audit)
    visit, event = audited("second_bars", DAY, given)
    assert (visit["outcome"], event.partitions, event.extra["revision"]) == ("unchanged", [DAY], 2)
    assert given["task_state_store"].for_good == set()


def test_a_partition_that_proved_nothing_is_told_of_once_it_does(lake: Lake, client: PolygonClient) -> None:
    held(lake, client)
    path = lake.storage.path(kept_by(lake).partitions.path(spy(dt.date.fromisoformat(DAY))))
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    visit, event = audited("second_bars", DAY)
    assert (visit["outcome"], event.partitions) == ("revised", [DAY])
