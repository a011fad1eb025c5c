"""Workers that a killed scheduler leaves behind are known by what they call themselves, however long that is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local_airflow.server.process_tree import end_idle, orphans, stop_all

TITLED = """
import sys, time
from setproctitle import setproctitle
setproctitle(sys.stdin.readline())
print("ready", flush=True)
time.sleep(60)
"""
IDLE = "airflow worker -- LocalExecutor: <idle>"
BUSY = "airflow worker -- LocalExecutor: spy_second_bars.ingest_session " + "scheduled__2024-11-26 " * 20


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[dict[str, subprocess.Popen[str]]]:
    with ExitStack() as at_exit:
        found = {}
        for title in (IDLE, BUSY, "something else " * 30):
            process = subprocess.Popen(
                [sys.executable, "-c", TITLED],
                cwd=tmp_path,
                env={"HOME": "/"},  # a title goes over it, too: the long ones are to fill all there is
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            at_exit.enter_context(process)
            at_exit.callback(process.kill)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(title + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            found[title] = process
        yield found


def test_workers_are_found_and_ended_also_at_a_task_whose_name_is_long(
    tmp_path: Path, workers: dict[str, subprocess.Popen[str]]
) -> None:
    left = orphans(tmp_path)
    assert {process.pid for process in left} == {workers[IDLE].pid, workers[BUSY].pid}
    assert end_idle(left)
    assert workers[IDLE].wait(timeout=10) == -9
    assert [process.pid for process in orphans(tmp_path)] == [workers[BUSY].pid]
    assert stop_all(orphans(tmp_path)) == 1
    assert workers[BUSY].wait(timeout=10) == -15
    assert orphans(tmp_path) == []
