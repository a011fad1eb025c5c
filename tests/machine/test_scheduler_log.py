"""Why a task ended before its own process began, out of what the scheduler printed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from local_airflow.backfill.range import Range
from local_airflow.backfill.run import BackfillRun
from local_airflow.server import scheduler_log
from local_airflow.server.processes import Processes
from local_airflow.server.scheduler_log import SchedulerLog

FIRST, SECOND, THIRD = "01a21809-883d", "01a21809-8859", "01a21809-8860"
QUEUED = "2026-11-26T13:26:52.4Z [info     ] Trying to enqueue tasks: [<TaskInstance: spy [scheduled] ti_id={}>]\n"
ENDED = "2026-11-26T13:26:53.2Z [error    ] the task instance <TaskInstance: spy [queued] ti_id={}> finished\n"
FAILED = """2026-11-26T13:26:53.1Z [error    ] Workload execution failed.     [LocalExecutor] workload_type=ExecuteTask
Traceback (most recent call last):
  File "_urlparse.py", line 411, in normalize_port
    raise InvalidURL(f"Invalid port: {{port!r}}")
httpx.InvalidURL: Invalid port: '{}'
2026-11-26T13:26:53.1Z [info     ] Received executor event with state failed
"""
TWO = (
    QUEUED.format(FIRST)
    + FAILED.format("a")
    + ENDED.format(FIRST)
    + QUEUED.format(SECOND)
    + FAILED.format("b")
    + ENDED.format(SECOND)
    + QUEUED.format(THIRD)
    + ENDED.format(THIRD)
)


@pytest.fixture
def log(tmp_path: Path) -> SchedulerLog:
    return SchedulerLog(tmp_path / "scheduler.log", tmp_path / "scheduler-before.log")


@pytest.mark.parametrize(
    ("task_instance", "cause"),
    [
        (FIRST, "httpx.InvalidURL: Invalid port: 'a'"),
        (SECOND, "httpx.InvalidURL: Invalid port: 'b'"),
        (THIRD, ""),
        ("01a21809-9999", ""),
    ],
    ids=["the first", "the second", "without a traceback", "unknown"],
)
def test_the_cause_is_the_one_that_stands_where_that_task_was_under_way(
    log: SchedulerLog, task_instance: str, cause: str
) -> None:
    log.path.write_text(TWO)
    assert log.cause_of(task_instance) == cause


def test_a_scheduler_that_was_started_again_leaves_the_cause_in_the_log_before(log: SchedulerLog) -> None:
    log.before.write_text(QUEUED.format(FIRST) + FAILED.format("a"))
    log.path.write_text(ENDED.format(FIRST))
    assert log.cause_of(FIRST) == "httpx.InvalidURL: Invalid port: 'a'"


def test_of_a_long_log_the_end_is_read(monkeypatch: pytest.MonkeyPatch, log: SchedulerLog) -> None:
    log.path.write_bytes(b"\xff" * 1000 + TWO.encode())
    monkeypatch.setattr(scheduler_log, "_MOST_BYTES", len(TWO) - len(QUEUED.format(FIRST)))
    assert log.cause_of(SECOND) == "httpx.InvalidURL: Invalid port: 'b'"
    assert log.cause_of(FIRST) == "", "its first mention is cut off"


def test_without_a_log_there_is_no_cause(log: SchedulerLog) -> None:
    assert log.cause_of(FIRST) == ""


def test_the_log_is_that_of_a_scheduler_which_the_commands_started(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    assert SchedulerLog.of(processes) is None
    processes.start("scheduler", [sys.executable, "-c", "import time; time.sleep(60)"], 9, "up", {})
    try:
        assert SchedulerLog.of(processes) == SchedulerLog(
            tmp_path / "process-logs" / "scheduler.log", tmp_path / "process-logs" / "scheduler-before.log"
        )
    finally:
        processes.stop()


class OneFailedRun:
    """Airflow's API, as far as a reason needs it, with one failed task and what stands in its log."""

    base_url = "http://127.0.0.1:8080"

    def __init__(self, *events: dict[str, Any]) -> None:
        self._events = list(events)

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return [
            {"id": FIRST, "task_id": "report", "state": "failed"},
            {"id": FIRST, "task_id": "plan_sessions", "state": "failed"},
        ]

    def log_events(self, instance: dict[str, Any]) -> list[dict[str, Any]]:
        return self._events


NO_LOG = {"event": "Could not read served logs: Hostname not available for worker."}
BEGAN = "plan_sessions ended before its own process began"


@pytest.mark.parametrize(
    ("events", "printed", "told"),
    [
        ([NO_LOG], TWO, f"{BEGAN}: httpx.InvalidURL: Invalid port: 'a' (LOG)"),
        ([NO_LOG], ENDED.format(FIRST), f"{BEGAN}: see LOG"),
        ([NO_LOG], None, f"{BEGAN}: what the scheduler of the Airflow at http://127.0.0.1:8080 printed says why"),
        ([{"event": "a word", "timestamp": "2026-11-26"}], TWO, "see the log of plan_sessions in the UI (make up)"),
        ([{"event": "x", "error_detail": [{"exc_type": "KeyRefused", "exc_value": "no"}]}], TWO, "KeyRefused: no"),
    ],
    ids=["its cause", "no cause", "of others", "a log", "an error in its log"],
)  # fmt: skip
def test_a_failed_task_is_told_by_its_own_log_else_by_the_schedulers(
    log: SchedulerLog, events: list[dict[str, Any]], printed: str | None, told: str
) -> None:
    log.path.write_text(printed or "")
    api: Any = OneFailedRun(*events)
    nothing_asked: Any = Range
    run = BackfillRun(api, "spy_second_bars", nothing_asked, print, log if printed else None)
    assert run._reason("a run") == told.replace("LOG", str(log.path))
