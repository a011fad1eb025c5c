"""Old against new: an Airflow home with the runs that an earlier version of this project left in it."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import KEY
from earlier_version import EarlierVersion, earlier_version
from polygon_simulator.server import Simulator
from rig import Rig, airflow_of, rows, until
from sparse_days import SparseDays

pytestmark = pytest.mark.airflow

FIRST, REFUSED, HELD, LAST = "2024-11-25", "2024-11-26", "2024-11-27", "2024-11-29"
RUNS = {
    FIRST: "backfill__2024-11-26T16:30:00+00:00",
    REFUSED: "backfill__2024-11-27T16:30:00+00:00",
    HELD: "backfill__2024-11-28T16:30:00+00:00",
    LAST: "backfill__2024-11-30T16:30:00+00:00",
}
"""As the earlier version named them: by when they were due, the day after the session."""
TASKS = ["dates_ended", "ingest_session", "plan_sessions", "report"]
ONCE = {"plan_sessions": (1, "success"), "ingest_session": (1, "success")}


@pytest.fixture
def earlier(tmp_path: Path) -> EarlierVersion:
    return earlier_version(tmp_path / "earlier version")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Simulator(SparseDays(), KEY) as simulator:
        yield Rig(tmp_path, simulator, {"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2"})


def earlier_backfill(rig: Rig, earlier: EarlierVersion, first: str, last: str) -> subprocess.Popen[str]:
    """The earlier version's command, on the home and the lake of the rig, with its own DAGs and plugins."""
    return subprocess.Popen(
        [sys.executable, "-m", "local_airflow", "backfill", "--from", first, "--to", last],
        cwd=earlier.folder,
        env=rig.environment | earlier.search_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def states(rig: Rig) -> dict[str, str]:
    """The state of every run of the home, by session; each has the id that it was created with."""
    found = rows(rig, "select substr(logical_date, 1, 10), run_id, state from dag_run order by 1")
    assert [(day, run) for day, run, _ in found] == list(RUNS.items())
    return {str(day): str(state) for day, _, state in found}


def tries(rig: Rig) -> dict[str, dict[str, tuple[object, ...]]]:
    """How often each task that has a process was begun, and its state, by session."""
    found = rows(rig, "select run_id, task_id, try_number, state from task_instance order by 1, 2")
    assert [(run, task) for run, task, *_ in found] == [(run, task) for run in RUNS.values() for task in TASKS]
    return {
        day: {str(task): tuple(rest) for of, task, *rest in found if of == run and task in ONCE}
        for day, run in RUNS.items()
    }


def fetches(rig: Rig) -> list[int]:
    """How often the seconds of each session were asked for that was not held."""
    return [len(rig.simulator.requests_for(dt.date.fromisoformat(day))) for day in RUNS if day != HELD]


def test_a_backfill_that_an_earlier_version_left_half_done_is_resumed_and_ends_complete(
    rig: Rig, earlier: EarlierVersion
) -> None:
    refused = {REFUSED: [{"fault": "low_above_open", "times": 0}]}
    rig.simulator.faults.replace(refused | {HELD: [{"fault": "stall", "times": 0}]})
    with earlier_backfill(rig, earlier, FIRST, LAST) as running:
        assert running.stdout is not None
        next(line for line in running.stdout if "2 success, 1 failed, 1 running" in line)
        until(lambda: rig.simulator.requests_for(dt.date.fromisoformat(HELD)))
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
    assert running.returncode == 130, rest
    until(lambda: rig.processes() == [], timeout_s=10)
    assert states(rig) == {FIRST: "success", REFUSED: "failed", HELD: "running", LAST: "success"}
    before = tries(rig)
    assert before.pop(HELD)["ingest_session"][0] == 1
    assert before == {FIRST: ONCE, REFUSED: ONCE | {"ingest_session": (1, "failed")}, LAST: ONCE}
    assert fetches(rig) == [2, 1, 2]  # of the first and the last, one is the question before the backfill

    rig.simulator.faults.replace(refused)
    rig.extra["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"] = "15"
    with airflow_of(rig):  # one start for both commands
        resumed = rig.backfill(FIRST, LAST)
        assert resumed.returncode == 2, resumed.stdout
        assert "re-attached to backfill 1: 1 runs are left" in resumed.stdout
        assert f"SPY {REFUSED}  FAILED  InvalidBars: SPY {REFUSED}: refused: low_above_open in 1 bar" in resumed.stdout
        assert "SPY: 3 of 4 sessions have their partition" in resumed.stdout
        assert states(rig) == {FIRST: "success", REFUSED: "failed", HELD: "success", LAST: "success"}

        rig.simulator.faults.clear()
        again = rig.backfill(FIRST, LAST)
        assert again.returncode == 0, again.stdout
        assert "backfill 2, runs: 0 created, 1 cleared, 3 skipped" in again.stdout
        assert "SPY: 4 of 4 sessions have their partition" in again.stdout
    assert states(rig) == dict.fromkeys(RUNS, "success")
    assert tries(rig) == {
        FIRST: ONCE,
        REFUSED: {"plan_sessions": (2, "success"), "ingest_session": (2, "success")},
        HELD: ONCE | {"ingest_session": (2, "success")},
        LAST: ONCE,
    }
    assert fetches(rig) == [4, 2, 4]
    assert [pq.read_metadata(rig.partition(day)).num_rows for day in RUNS] == [390, 390, 390, 210]
    assert rows(rig, "select count(*) from backfill") == [(2,)]
    assert rig.processes() == []
