"""What people do with a running Airflow: backfill, trigger, see a red date, clear it."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from conftest import KEY, RecordedElseSparse
from local_airflow.server.api import AirflowApi
from local_airflow.server.processes import Processes
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from rig import DAG, Rig, airflow_of, clear, ended, home_of, instances, trigger, until

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Rig]:
    with Simulator(RecordedElseSparse(), KEY) as simulator:
        yield Rig(tmp_path_factory.mktemp("runs"), simulator).with_database(migrated)


@pytest.fixture(scope="module")
def api(rig: Rig) -> Iterator[AirflowApi]:
    with airflow_of(rig) as up:
        yield up


@pytest.fixture(autouse=True)
def faithful(rig: Rig) -> Iterator[None]:
    """Every test starts with a vendor without faults, and leaves it so."""
    yield
    rig.simulator.faults.clear()
    rig.simulator.plan = Plan()
    rig.simulator.key = KEY


def fault(rig: Rig, day: str, name: str) -> None:
    rig.simulator.faults.set(day, [{"fault": name, "times": 0}])


def test_a_failing_date_is_named_others_succeed_and_clearing_it_makes_it_green(rig: Rig, api: AirflowApi) -> None:
    fault(rig, "2024-11-26", "500")
    done = rig.backfill("2024-11-25", "2024-12-02")
    assert done.returncode == 2, done.stdout  # make's own code for a failed recipe
    assert "Error 1" in done.stdout
    assert "using the Airflow that is up" in done.stdout
    assert "5 created, 0 cleared, 0 skipped" in done.stdout
    assert "SPY 2024-11-26  FAILED  ServerTrouble: SPY 2024-11-26: page 1: HTTP 500" in done.stdout
    assert "SPY: 4 of 5 sessions have their partition" in done.stdout
    assert not rig.partition("2024-11-26").exists()
    assert not rig.partition("2024-11-28").exists()
    assert rig.partition("2024-11-29").exists()

    week = (dt.date(2024, 11, 25), dt.date(2024, 12, 2))
    runs = {run["logical_date"][:10]: run["dag_run_id"] for run in api.runs(DAG, *week)}
    assert runs == {
        day: f"backfill__{day}T05:00:00+00:00"
        for day in ("2024-11-25", "2024-11-26", "2024-11-27", "2024-11-29", "2024-12-02")
    }
    red = instances(api, runs["2024-11-26"])
    assert red == {
        ("plan_sessions", -1): ("success", None),
        ("ingest_session", 0): ("failed", "2024-11-26"),
        ("dates_ended", -1): ("skipped", None),
        ("report", -1): ("skipped", None),
    }

    rig.simulator.faults.clear()
    clear(api, runs["2024-11-26"], ["ingest_session", 0])
    assert ended(api, runs["2024-11-26"]) == "success"
    assert instances(api, runs["2024-11-26"]) == green_backfill("2024-11-26")
    assert rig.partition("2024-11-26").exists()
    assert rig.backfill("2024-11-25", "2024-12-02").returncode == 0


def green_backfill(day: str) -> dict[tuple[str, int], tuple[str, str | None]]:
    """What is in a backfill's run that succeeded: its report was not even started."""
    return {
        ("plan_sessions", -1): ("success", None),
        ("ingest_session", 0): ("success", day),
        ("dates_ended", -1): ("skipped", None),
        ("report", -1): ("skipped", None),
    }


def error_of(api: AirflowApi, run: str, task_id: str) -> str:
    """What the log of a failed task ends with."""
    (failed,) = [one for one in api.task_instances(DAG, run) if one["state"] == "failed" and one["task_id"] == task_id]
    return str(
        [event["error_detail"] for event in api.log_events(failed) if event.get("error_detail")][-1][0]["exc_value"]
    )


def test_no_report_makes_a_failed_date_green(rig: Rig, api: AirflowApi) -> None:
    day = "2024-01-03"
    assert rig.backfill(day, day).returncode == 0
    (backfill,) = [run["dag_run_id"] for run in api.runs(DAG, dt.date(2024, 1, 3), dt.date(2024, 1, 3))]
    assert instances(api, backfill) == green_backfill(day)
    manual = trigger(api, start_date="2024-01-04", end_date="2024-01-05")
    assert ended(api, manual) == "success"
    assert instances(api, manual)["report", -1] == ("success", None)
    result = f"dags/{DAG}/dagRuns/{backfill}/taskInstances/ingest_session/xcomEntries/return_value"
    assert (api._send("GET", result, params={"map_index": 0}) or {})["value"]["session"] == day

    for failing in (day, "2024-01-05"):
        fault(rig, failing, "negative")
    for run, index, report in ((backfill, 0, "skipped"), (manual, 1, "success")):
        clear(api, run, ["ingest_session", index], downstream=False)
        assert ended(api, run) == "failed"
        assert instances(api, run)["ingest_session", index][0] == "failed"
        assert instances(api, run)["report", -1] == (report, None)  # of the time before
    clear(api, manual, "report")
    until(lambda: instances(api, manual)["report", -1][0] == "failed")
    assert ended(api, manual) == "failed"
    assert error_of(api, manual, "report") == f"SPY second bars, run {manual}: 1 of 2 sessions failed: 2024-01-05"

    rig.simulator.faults.clear()
    for run, index, report in ((backfill, 0, "skipped"), (manual, 1, "success")):
        for _ in range(2):
            clear(api, run, ["ingest_session", index])
            assert ended(api, run) == "success"
            assert instances(api, run)["report", -1] == (report, None)


def test_a_run_marked_failed_by_hand_ends_red_although_no_date_failed(rig: Rig, api: AirflowApi) -> None:
    first, last = dt.date(2022, 3, 1), dt.date(2022, 3, 4)
    asked = {"from_date": f"{first}T00:00:00Z", "to_date": f"{last}T00:00:00Z", "reprocess_behavior": "failed"}
    api.set_paused(DAG, paused=True)  # so that no run begins before the backfill is paused
    backfill = api.create_backfill({"dag_id": DAG, "max_active_runs": 16, "dag_run_conf": {}, **asked})
    api.steer_backfill(backfill, "pause")
    api.set_paused(DAG, paused=False)
    waiting = {run["logical_date"][:10]: run["dag_run_id"] for run in api.runs(DAG, first, last)}
    assert list(waiting) == ["2022-03-01", "2022-03-02", "2022-03-03", "2022-03-04"]
    for day in ("2022-03-03", "2022-03-04"):
        api._send("PATCH", f"dags/{DAG}/dagRuns/{waiting[day]}", json={"state": "failed"})
    done = rig.backfill(str(first), str(last))
    assert done.returncode == 2, done.stdout  # make's own code for a failed recipe
    assert f"re-attached to backfill {backfill}: " in done.stdout
    states = {day: ended(api, run) for day, run in waiting.items()}
    assert states == {"2022-03-01": "success", "2022-03-02": "success", "2022-03-03": "failed", "2022-03-04": "failed"}
    for day in ("2022-03-03", "2022-03-04"):
        assert f"SPY {day}  FAILED  see the log of the run in the UI" in done.stdout
    assert "SPY: 2 of 4 sessions have their partition" in done.stdout


def test_a_scheduler_that_ends_by_itself_is_started_again(rig: Rig, api: AirflowApi) -> None:
    processes = Processes(rig.home)
    before = processes.running()
    assert before is not None
    rig.simulator.faults.set("*", [{"fault": "slow", "times": 0}])
    with rig.start_backfill("2024-08-05", "2024-08-07") as running:
        assert running.stdout is not None
        next(line for line in running.stdout if "3 running" in line)
        psutil.Process(before.pids["scheduler"][0]).terminate()
        rest = running.stdout.read()
    assert running.returncode == 0, rest
    assert "scheduler has ended by itself, and is started again: see " in rest
    assert "SPY: 3 of 3 sessions have their partition" in rest
    after = processes.running()
    assert after is not None
    assert after.pids["scheduler"] != before.pids["scheduler"]
    assert after.pids["api-server"] == before.pids["api-server"]


def test_a_cleared_run_keeps_every_date_at_its_index(rig: Rig, api: AirflowApi) -> None:
    fault(rig, "2024-02-06", "negative")
    fault(rig, "2024-02-08", "500")
    run = trigger(api, start_date="2024-02-05", end_date="2024-02-08")
    assert ended(api, run) == "failed"
    assert instances(api, run) == {
        ("plan_sessions", -1): ("success", None),
        ("ingest_session", 0): ("success", "2024-02-05"),
        ("ingest_session", 1): ("failed", "2024-02-06"),
        ("ingest_session", 2): ("success", "2024-02-07"),
        ("ingest_session", 3): ("failed", "2024-02-08"),
        ("dates_ended", -1): ("success", None),
        ("report", -1): ("failed", None),
    }
    assert error_of(api, run, "report") == (
        f"SPY second bars, run {run}: 2 of 4 sessions failed: 2024-02-06, 2024-02-08"
    )
    rig.simulator.faults.clear()
    clear(api, run)
    until(lambda: instances(api, run)["ingest_session", 3][0] == "success")
    assert ended(api, run) == "success"
    assert instances(api, run) == {
        ("plan_sessions", -1): ("success", None),
        **{("ingest_session", index): ("success", f"2024-02-0{5 + index}") for index in range(4)},
        ("dates_ended", -1): ("success", None),
        ("report", -1): ("success", None),
    }


def test_refused_data_and_a_refused_key_are_not_tried_again(rig: Rig, api: AirflowApi) -> None:
    fault(rig, "2024-03-05", "duplicate")
    run = trigger(api, start_date="2024-03-05", end_date="2024-03-05")
    assert ended(api, run) == "failed"
    rig.simulator.faults.clear()
    rig.simulator.key = "a-key-that-nobody-has"
    other = trigger(api, start_date="2024-03-06", end_date="2024-03-06")
    assert ended(api, other) == "failed"
    for one, words in ((run, "duplicate_second"), (other, "Unknown API Key")):
        failed = [task for task in api.task_instances(DAG, one) if task["state"] == "failed"]
        assert sorted((task["task_id"], task["try_number"]) for task in failed) == [
            ("ingest_session", 1),
            ("report", 1),
        ]
        assert words in error_of(api, one, "ingest_session")


def test_trouble_that_outlasts_the_client_is_tried_again_by_airflow(rig: Rig, api: AirflowApi) -> None:
    rig.simulator.faults.set("2024-03-07", [{"fault": "503", "times": 2}])
    run = trigger(api, start_date="2024-03-07", end_date="2024-03-07")
    assert ended(api, run) == "success"
    assert [task["try_number"] for task in api.task_instances(DAG, run) if task["map_index"] == 0] == [2]


def test_a_manual_run_takes_only_what_is_missing_unless_told_otherwise(rig: Rig, api: AirflowApi) -> None:
    first = trigger(api, start_date="2024-04-01", end_date="2024-04-01")
    assert ended(api, first) == "success"
    second = trigger(api, start_date="2024-04-01", end_date="2024-04-02")
    assert ended(api, second) == "success"
    assert {label for _, label in instances(api, second).values()} == {None, "2024-04-02"}
    nothing = trigger(api, start_date="2024-04-01", end_date="2024-04-02")
    assert ended(api, nothing) == "success"
    assert instances(api, nothing)["ingest_session", -1][0] == "skipped"
    third = trigger(api, start_date="2024-04-01", end_date="2024-04-02", refetch=True)
    assert ended(api, third) == "success"
    assert len(instances(api, third)) == 5


def test_raw_pages_rebuild_a_partition_without_a_call(rig: Rig, api: AirflowApi) -> None:
    assert ended(api, trigger(api, logical_date="2024-04-04T00:00:00Z")) == "success"
    rig.partition("2024-04-04").unlink()
    asked = len(rig.simulator.requests)
    run = trigger(api, start_date="2024-04-04", end_date="2024-04-04", source="raw")
    assert ended(api, run) == "success"
    assert rig.partition("2024-04-04").exists()
    assert len(rig.simulator.requests) == asked


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "no dates: give start_date and end_date, or sessions, or a logical date"),
        ({"start_date": "2024-04-09", "end_date": "2024-04-08"}, "is before start_date"),
        ({"start_date": "2024-04-06", "end_date": "2024-04-07"}, "no session of the New York Stock Exchange"),
    ],
)
def test_a_manual_run_without_a_session_fails_with_one_line(api: AirflowApi, given: dict[str, str], words: str) -> None:
    run = trigger(api, **given)
    assert ended(api, run) == "failed"
    failed = [one for one in api.task_instances(DAG, run) if one["state"] == "failed"]
    assert sorted((one["task_id"], one["try_number"]) for one in failed) == [("plan_sessions", 1), ("report", 1)]
    assert words in error_of(api, run, "plan_sessions")
    assert error_of(api, run, "report").endswith(": the plan failed, so nothing was fetched")
    assert instances(api, run)["ingest_session", -1][0] == "upstream_failed"


def test_a_range_of_1100_dates_maps_1100_instances(rig: Rig, api: AirflowApi) -> None:
    run = trigger(api, start_date="2005-01-03", end_date="2009-05-15")
    path = f"dags/{DAG}/dagRuns/{run}/taskInstances"

    def count(**of: Any) -> int:  # by Airflow itself: eleven pages of instances at each look would take a second of CPU
        return int((api._send("GET", path, params={**of, "limit": 1}) or {})["total_entries"])

    def mapped() -> int:
        found = count(task_id="ingest_session")
        return found if found > 1 else 0

    try:
        assert until(mapped) == 1_100
    finally:
        api._send("PATCH", f"dags/{DAG}/dagRuns/{run}", json={"state": "failed"})
    until(lambda: count(state=("running", "queued")) == 0)


def test_a_refetching_backfill_takes_over_a_manual_run_without_its_dates(rig: Rig, api: AirflowApi) -> None:
    manual = trigger(api, logical_date="2024-06-04T00:00:00Z", start_date="2024-06-10", end_date="2024-06-11")
    assert ended(api, manual) == "success"
    trigger(api, logical_date="2024-06-04T14:03:00Z", start_date="2024-06-10", end_date="2024-06-11")
    done = rig.backfill("2024-06-03", "2024-06-04", REFETCH="1")
    assert done.returncode == 0, done.stdout
    assert "1 created, 1 cleared, 0 skipped" in done.stdout
    labels = {label for state, label in instances(api, manual).values() if state == "success"}
    assert labels == {None, "2024-06-04"}
    assert rig.partition("2024-06-04").exists()


OLDER = {
    "2003-09-10": "scheduled__2003-09-11T15:30:00+00:00",
    "2003-09-11": "backfill__2003-09-12T15:30:00+00:00",
}
"""Runs as versions up to 0.1.0 named them, by when they were due. 2003-09-10: a schedule has no session before it."""

MAKE_OLDER = """
import sys, pendulum
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

name, *given = sys.argv[1:]
with create_session() as session:
    dag = session.scalar(SerializedDagModel.latest_item_select_object(name)).dag
    for logical_date, run_id in zip(given[::2], given[1::2], strict=True):
        run_type, due = run_id.split("__")
        start = pendulum.parse(logical_date)
        dag.create_dagrun(
            run_id=run_id, logical_date=start, data_interval=(start, start.add(days=1)), run_after=pendulum.parse(due),
            run_type=DagRunType(run_type), triggered_by=DagRunTriggeredByType.TIMETABLE, state=DagRunState.QUEUED,
            session=session,
        )
"""


def make_older(rig: Rig) -> None:
    """Create those runs in the way that Airflow's scheduler and its backfills do, which take any id."""
    given = [word for run in OLDER.items() for word in run]
    with home_of(rig) as home:
        subprocess.run([sys.executable, "-c", MAKE_OLDER, DAG, *given], env=home.environment, check=True, timeout=60)


def tries(api: AirflowApi, run: str) -> dict[str, int]:
    """How often each task of a run was begun that has a process."""
    numbers = {one["task_id"]: one["try_number"] for one in api.task_instances(DAG, run)}
    return {task: numbers[task] for task in ("plan_sessions", "ingest_session")}


def test_runs_that_an_older_version_named_are_found_by_their_session(rig: Rig, api: AirflowApi) -> None:
    make_older(rig)
    assert [ended(api, run) for run in OLDER.values()] == ["success", "success"]

    again = rig.backfill("2003-09-10", "2003-09-11")
    assert again.returncode == 0, again.stdout
    assert "nothing to do: all 2 sessions have a run" in again.stdout
    more = rig.backfill("2003-09-10", "2003-09-12")
    assert more.returncode == 0, more.stdout
    assert "1 created, 0 cleared, 2 skipped" in more.stdout
    for run in OLDER.values():
        assert tries(api, run) == {"plan_sessions": 1, "ingest_session": 1}
    refetched = rig.backfill("2003-09-10", "2003-09-11", REFETCH="1")
    assert refetched.returncode == 0, refetched.stdout
    assert "0 created, 2 cleared, 0 skipped" in refetched.stdout

    runs = {run["logical_date"][:10]: run["dag_run_id"] for run in api.runs(DAG, *_year(2003))}
    assert runs == OLDER | {"2003-09-12": "backfill__2003-09-12T04:00:00+00:00"}
    for session, run in runs.items():
        assert instances(api, run) == green_backfill(session)
    for run in OLDER.values():
        assert tries(api, run) == {"plan_sessions": 2, "ingest_session": 2}


def test_two_runs_by_hand_of_the_same_session_are_two_runs(rig: Rig, api: AirflowApi) -> None:
    moments = ("2020-08-03T00:00:00Z", "2020-08-03T14:03:00Z")
    first, second = (trigger(api, logical_date=moment) for moment in moments)
    assert first != second
    for run in (first, second):
        assert run.startswith("manual__2")
        assert ended(api, run) == "success"
    assert len(instances(api, first)) == 4
    assert len(instances(api, second)) == 4


@pytest.mark.parametrize("zone", ["utc", "America/New_York", "Asia/Tokyo"])
def test_airflows_own_command_reads_the_dag_and_its_timetable_whatever_its_zone(
    rig: Rig, api: AirflowApi, zone: str
) -> None:
    # Dates of this test alone: a dry run lists only those without a run.
    asked = "backfill create --dag-id spy_second_bars --from-date 2021-11-24 --to-date 2021-11-26 --dry-run"
    done = rig.make("airflow", f"ARGS={asked}", AIRFLOW__CORE__DEFAULT_TIMEZONE=zone)
    assert done.returncode == 0, done.stdout
    attempted = done.stdout.partition("Runs to be attempted")[2]
    assert [day for day in ("2021-11-24", "2021-11-25", "2021-11-26") if day in attempted] == [
        "2021-11-24",
        "2021-11-26",
    ]


def test_every_ingested_date_is_an_event_of_the_asset(rig: Rig, api: AirflowApi) -> None:
    for _ in range(2):
        run = trigger(api, start_date="2024-05-06", end_date="2024-05-07", refetch=True)
        assert ended(api, run) == "success"
    found = api._send("GET", "assets/events", params={"limit": 100, "order_by": "-timestamp"}) or {}
    events = [event for event in found["asset_events"] if str(event["partition_key"]).startswith("2024-05-0")]
    assert sorted(event["partition_key"] for event in events) == [
        "2024-05-06",
        "2024-05-06",
        "2024-05-07",
        "2024-05-07",
    ]
    assert {(event["extra"]["rows"], event["extra"]["state"], event["extra"]["revision"]) for event in events} == {
        (390, "complete", 1)
    }


def test_a_wrong_key_stops_the_command_before_anything_is_created(rig: Rig, api: AirflowApi) -> None:
    done = rig.backfill("2023-06-01", "2023-06-05", POLYGON_API_KEY="wrong-key-of-somebody-else")
    assert done.returncode == 2
    assert "KeyRefused: SPY 2023-06-01: page 1: HTTP 401" in done.stdout
    assert "****else from POLYGON_API_KEY is not accepted" in done.stdout
    assert "wrong-key-of-somebody" not in done.stdout
    assert list(api.runs(DAG, *_year(2023))) == []
    assert backfills_from(api, 2023) == []


def test_a_plan_without_seconds_or_without_the_date_stops_the_command(rig: Rig, api: AirflowApi) -> None:
    for plan in (Plan(seconds=False), Plan(first_date=dt.date(2023, 7, 4))):
        rig.simulator.plan = plan
        done = rig.backfill("2023-07-03", "2023-07-05")
        assert done.returncode == 2
        assert "NotEntitled: SPY 2023-07-03" in done.stdout
    assert list(api.runs(DAG, *_year(2023))) == []


def test_a_missing_key_says_where_to_put_it(rig: Rig, api: AirflowApi) -> None:
    done = rig.backfill("2023-07-03", "2023-07-05", POLYGON_API_KEY="")
    assert done.returncode == 2
    assert "KeyMissing: no API key: put POLYGON_API_KEY=... into .env" in done.stdout


def test_a_paused_dag_is_not_unpaused_behind_the_users_back(rig: Rig, api: AirflowApi) -> None:
    api.set_paused(DAG, paused=True)
    try:
        done = rig.backfill("2023-07-03", "2023-07-05")
    finally:
        api.set_paused(DAG, paused=False)
    assert done.returncode == 2
    assert "spy_second_bars is paused, and unpausing it would start its schedule" in done.stdout
    assert backfills_from(api, 2023) == []


def backfills_from(api: AirflowApi, year: int) -> list[str]:
    """The backfills that start in a year. Those of other tests may not be closed yet: Airflow looks every 30 s."""
    found = api._send("GET", "backfills", params={"dag_id": DAG, "limit": 100}) or {}
    return [one["from_date"] for one in found["backfills"] if one["from_date"].startswith(str(year))]


def _year(year: int) -> tuple[dt.date, dt.date]:
    return dt.date(year, 1, 1), dt.date(year, 12, 31)


def test_the_key_is_in_no_file_of_airflow_or_the_lake(rig: Rig, api: AirflowApi) -> None:
    assert ended(api, trigger(api, start_date="2024-05-09", end_date="2024-05-09")) == "success"
    holding = [
        str(path)
        for folder in (rig.home, rig.lake, rig.folder / "logs")
        for path in Path(folder).rglob("*")
        if path.is_file() and KEY.encode() in path.read_bytes()
    ]
    assert holding == []


AUDIT = "spy_bars_audit"


def events_of(api: AirflowApi, run_id: str) -> list[dict[str, Any]]:
    """Every event of an asset that a run raised, with a partition key or without."""
    found = api._send("GET", "assets/events", params={"source_run_id": run_id, "limit": 100}) or {}
    return list(found["asset_events"])


def test_an_audit_publishes_what_the_vendor_changed_and_is_red_where_a_date_failed(rig: Rig, api: AirflowApi) -> None:
    week = ["2023-05-01", "2023-05-02", "2023-05-03"]
    assert ended(api, trigger(api, start_date=week[0], end_date=week[2])) == "success"
    fault(rig, week[1], "changed:17")
    fault(rig, week[2], "500")

    run_id = trigger(api, dag=AUDIT, start_date="2023-04-28", end_date="2023-05-04")
    assert ended(api, run_id, dag=AUDIT) == "failed"
    assert instances(api, run_id, dag=AUDIT) == {
        ("plan_audit", -1): ("success", None),
        ("audit_session", 0): ("success", week[0]),
        ("audit_session", 1): ("success", week[1]),
        ("audit_session", 2): ("failed", week[2]),
        ("dates_ended", -1): ("success", None),
        ("summarise_audit", -1): ("failed", None),
    }
    told = json.loads((rig.lake / "audit/spy/audit.json").read_text())
    assert told["failed"] == [week[2]]
    assert [(one["session"], one["outcome"], one["revision"]) for one in told["visits"]] == [
        (week[0], "unchanged", 1),
        (week[1], "revised", 2),
    ]
    assert "changed 17 since revision 1" in told["visits"][1]["changes"]
    assert (rig.lake / f"revisions/spy/date={week[1]}/rev=1.parquet").exists()
    (event,) = events_of(api, run_id)
    assert (event["partition_key"], event["name"], event["source_map_index"]) == (week[1], DAG, 1)
    certificate = json.loads(pq.read_metadata(rig.partition(week[1])).metadata[b"marketlake.certificate"])
    assert event["extra"] == {
        "rows": 390,
        "state": "complete",
        "content_hash": certificate["content_hash"],
        "revision": 2,
        "source_host": rig.simulator.url.removeprefix("http://"),
    }

    rig.simulator.faults.clear()
    clear(api, run_id, ["audit_session", 2], dag=AUDIT)
    assert ended(api, run_id, dag=AUDIT) == "success"
    assert json.loads((rig.lake / "audit/spy/audit.json").read_text())["failed"] == []
    assert [event["partition_key"] for event in events_of(api, run_id)] == [week[1]]  # and none without a key


def test_an_audit_of_nothing_is_green_and_says_so(rig: Rig, api: AirflowApi) -> None:
    run_id = trigger(api, dag=AUDIT, start_date="1999-01-04", end_date="1999-01-08")
    assert ended(api, run_id, dag=AUDIT) == "success"
    assert instances(api, run_id, dag=AUDIT) == {
        ("plan_audit", -1): ("success", None),
        ("audit_session", -1): ("skipped", None),
        ("dates_ended", -1): ("success", None),
        ("summarise_audit", -1): ("success", None),
    }
    assert json.loads((rig.lake / "audit/spy/audit.json").read_text())["planned"] == []
