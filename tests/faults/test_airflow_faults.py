"""Faults as a user of Airflow meets them: a backfill in trouble, killed processes, two runs on one date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conftest import KEY
from fault_lake import Ground, ground, require_whole, seen
from fault_table import FAULTS, THROUGH_AIRFLOW
from local_airflow.server.api import AirflowApi
from local_airflow.server.processes import Processes
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from polygon_simulator.server import Simulator
from rig import DAG, Rig, airflow_of, ended, instances, trigger, until
from seconds import spy
from sparse_days import SparseDays

pytestmark = pytest.mark.airflow

STALL_S = "5"
AROUND = ("2024-06-28", "2024-07-22")
OLD = {day for day, _, _ in THROUGH_AIRFLOW[1::3]}
"""The sessions that have an old partition before the backfill."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("airflow-faults")) as prepared:
        yield prepared


@pytest.fixture(scope="module")
def rig(made: Ground, migrated: Path) -> Rig:
    extra = {"MARKETLAKE__API__PAGE_LIMIT": "200", "MARKETLAKE__API__READ_TIMEOUT_S": STALL_S}
    return Rig(made.folder, made.vendor, extra).with_database(migrated)


@pytest.fixture(scope="module")
def api(rig: Rig) -> Iterator[AirflowApi]:
    with airflow_of(rig) as up:
        yield up


@pytest.fixture(autouse=True)
def faithful(made: Ground) -> Iterator[None]:
    yield
    made.faithful()


@pytest.fixture
def lake(made: Ground, rig: Rig) -> Lake:
    """The lake that Airflow writes."""
    return made.lake(rig.lake)


def undisturbed(made: Ground, day: str) -> str:
    """The content hash of a session that nothing disturbed, in a lake of its own."""
    lake = made.lake(made.folder / "beside")
    return ingest(lake, SECOND_BARS, spy(dt.date.fromisoformat(day)), made.client(lake)).content_hash


def reason(api: AirflowApi, run_id: str) -> str:
    """Why the one session of a run failed, as its log says it."""
    (failed,) = [
        one for one in api.task_instances(DAG, run_id) if (one["task_id"], one["state"]) == ("ingest_session", "failed")
    ]
    details = [event["error_detail"] for event in api.log_events(failed) if event.get("error_detail")]
    return f"{details[-1][0]['exc_type']}: {details[-1][0]['exc_value']}"


def of_vendor(rig: Rig) -> psutil.Process | None:
    """The process of this Airflow that is being answered by the vendor."""
    for pid in rig.processes():
        try:
            process = psutil.Process(pid)
            if any(one.raddr and one.raddr.port == rig.simulator.port for one in process.net_connections("tcp")):
                return process
        except psutil.Error:
            continue
    return None


def test_a_backfill_with_a_fault_a_session_and_the_same_again_without(
    made: Ground, rig: Rig, api: AirflowApi, lake: Lake
) -> None:
    named = {fault.what: fault for fault in FAULTS}
    whole = {day: undisturbed(made, day) for day in (*AROUND, *(day for day, _, _ in THROUGH_AIRFLOW))}
    old: dict[str, str | None] = dict.fromkeys(whole)
    made.vendor.faults.replace({day: [{"fault": "changed:17", "times": 0}] for day in OLD})
    for day in OLD:
        old[day] = ingest(lake, SECOND_BARS, spy(dt.date.fromisoformat(day)), made.client(lake)).content_hash
    with Simulator(SparseDays(), KEY) as elsewhere:
        made.vendor.faults.replace(
            {
                day: [{"fault": named[what].served.format(elsewhere=elsewhere.url), "times": times}]
                for day, what, times in THROUGH_AIRFLOW
            }
        )
        first, last = AROUND  # without a fault: the command asks for both before it creates anything
        done = rig.backfill(first, last)
        assert done.returncode == 2, done.stdout
        assert not elsewhere.requests

    dates = (dt.date.fromisoformat(first), dt.date.fromisoformat(last))
    runs = {run["logical_date"][:10]: run["dag_run_id"] for run in api.runs(DAG, *dates)}
    assert sorted(runs) == sorted(whole), done.stdout
    for day, what, times in THROUGH_AIRFLOW:
        state, label = instances(api, runs[day])["ingest_session", 0]
        assert (state, label) == ("success" if times else "failed", day), what
        if not times:
            assert reason(api, runs[day]).startswith(f"{named[what].error.__name__}: SPY {day}: "), what
            ends = "kept its old partition; the new fetch failed:" if day in OLD else "FAILED "
            assert f"SPY {day}  {ends} {named[what].error.__name__}: SPY {day}: " in done.stdout
        assert seen(lake, dt.date.fromisoformat(day)) == (whole[day] if times else old[day]), what
    require_whole(lake)

    made.faithful()
    again = rig.backfill(first, last)
    assert again.returncode == 0, again.stdout
    staying = [day for day, _, times in THROUGH_AIRFLOW if not times]
    assert f"0 created, {len(staying)} cleared, {len(whole) - len(staying)} skipped" in again.stdout
    assert {day: seen(lake, dt.date.fromisoformat(day)) for day in whole} == whole
    require_whole(lake)


def test_a_killed_task_is_tried_again_and_ends_complete(made: Ground, rig: Rig, api: AirflowApi, lake: Lake) -> None:
    day = "2024-09-03"
    made.vendor.faults.set(day, [{"fault": "stall", "times": 0, "page": 2}])
    run = trigger(api, start_date=day, end_date=day)
    until(lambda: len(made.vendor.requests_for(dt.date.fromisoformat(day))) > 1)
    process = until(lambda: of_vendor(rig))
    process.kill()
    made.vendor.faults.clear()
    assert ended(api, run) == "success"
    assert [one["try_number"] for one in api.task_instances(DAG, run) if one["map_index"] == 0] == [2]
    assert seen(lake, dt.date.fromisoformat(day)) == undisturbed(made, day)
    require_whole(lake)


def test_two_runs_on_the_same_date_take_turns(made: Ground, rig: Rig, api: AirflowApi, lake: Lake) -> None:
    day = "2024-09-05"
    made.vendor.faults.set(day, [{"fault": "slow", "times": 1, "page": 2}])
    with rig.start_backfill(day, day) as running:
        assert running.stdout is not None
        until(lambda: [one for one in made.vendor.requests_for(dt.date.fromisoformat(day)) if one["page"] == 2])
        run = trigger(api, start_date=day, end_date=day, refetch=True)
        rest = running.stdout.read()
    assert running.returncode == 0, rest
    assert ended(api, run) == "success"
    asked = [(one["timespan"], one["page"]) for one in made.vendor.requests if one["day"] == day]
    turn = [("second", 1), ("second", 2), ("minute", 1), ("minute", 2), ("day", 1)]
    assert asked[-10:] == [*turn, *turn]
    assert seen(lake, dt.date.fromisoformat(day)) == undisturbed(made, day)
    assert lake.storage.folders(f"raw/spy/date={day}") == ["rev=1"]
    require_whole(lake)


def test_a_killed_scheduler_is_started_again_and_the_backfill_completes(
    made: Ground, rig: Rig, api: AirflowApi, lake: Lake
) -> None:
    days = ["2024-08-05", "2024-08-06", "2024-08-07"]
    made.vendor.faults.set("*", [{"fault": "slow", "times": 0}])
    processes = Processes(rig.home)
    with rig.start_backfill(days[0], days[-1]) as running:
        assert running.stdout is not None
        next(line for line in running.stdout if "3 running" in line)
        found = processes.running()
        assert found is not None
        psutil.Process(found.pids["scheduler"][0]).kill()
        rest = running.stdout.read()
    assert running.returncode == 0, rest
    assert "scheduler has ended by itself, and is started again: see " in rest
    made.faithful()
    for day in days:
        assert seen(lake, dt.date.fromisoformat(day)) == undisturbed(made, day)
    require_whole(lake)
