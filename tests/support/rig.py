"""A real Airflow on a home of its own, whose vendor is the simulator of the test process."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from conftest import KEY, forget_the_machine
from local_airflow.server.api import AirflowApi
from local_airflow.server.home import Home
from local_airflow.server.migration import Migration
from local_airflow.server.processes import Processes
from local_airflow.server.stack import scheduled_dag_ids, stack
from marketlake import settings
from polygon_simulator.server import Simulator

PROJECT = Path(__file__).resolve().parents[2]
DAG = "spy_second_bars"


@dataclass
class Rig:
    """Folders, environment and commands of one Airflow under test."""

    folder: Path
    simulator: Simulator
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "airflow"

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def environment(self) -> dict[str, str]:
        """What a user would export: key and address of the API, folders, and short waits."""
        foreign = ("AIRFLOW", "MARKETLAKE", "MAKE", "MFLAGS")  # the last two: of a `make test` around this one
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {
            **kept,
            "AIRFLOW_HOME": str(self.home),
            "MARKETLAKE_DEMO_FOLDER": str(self.folder / "a demo"),
            "POLYGON_API_KEY": KEY,
            "POLYGON_BASE_URL": self.simulator.url,
            "MARKETLAKE__STORAGE__ROOT": str(self.lake),
            "MARKETLAKE__LOGGING__FOLDER": str(self.folder / "logs"),
            "MARKETLAKE__STORAGE__MIN_FREE_BYTES": "1000000",
            "MARKETLAKE__API__ATTEMPTS": "2",
            "MARKETLAKE__API__BACKOFF_BASE_S": "0.05",
            "MARKETLAKE__TASKS__RETRIES": "1",
            "MARKETLAKE__TASKS__RETRY_DELAY_S": "1",
            # Once is enough for files that stay as they are: a change would be seen by the file's time all the same.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
            **self.extra,
        }

    def make(self, *arguments: str, timeout_s: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``make`` as a user would; what it prints is captured, both streams in order."""
        return subprocess.run(
            ["make", "--no-print-directory", *arguments],
            cwd=PROJECT,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def backfill(self, first: str, last: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.make("backfill", f"FROM={first}", f"TO={last}", **environment)

    def start_backfill(self, first: str, last: str) -> subprocess.Popen[str]:
        """The command without ``make`` around it, to send signals to."""
        return subprocess.Popen(
            [sys.executable, "-m", "local_airflow", "backfill", "--from", first, "--to", last],
            cwd=PROJECT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self) -> list[int]:
        """The processes that work on this home."""
        return [process.pid for process in processes_in(self.home)]

    def partition(self, day: str) -> Path:
        return self.lake / "processed" / "spy" / f"date={day}" / "bars.parquet"

    def with_database(self, migrated: Path) -> Rig:
        """With the empty database of another home, as if it had been made in this one.

        Of such a database no process of Airflow asks whether it is of its revision: to read every migration that
        there has been takes each of them 0.2 s of CPU.
        """
        self.extra = {**self.extra, "AIRFLOW__DATABASE__CHECK_MIGRATIONS": "False"}
        with home_of(self) as home:
            home.claim()
            shutil.copy(migrated / "airflow.db", home.folder)
            folder = str(home.folder).replace("%", "%%")  # as Airflow's file of settings has it
            text = (migrated / "airflow.cfg").read_text().replace(str(migrated), folder)
            (home.folder / "airflow.cfg").touch(mode=0o600)
            (home.folder / "airflow.cfg").write_text(text)
            Migration(home.folder, home.environment).note()
        return self


@contextmanager
def home_of(rig: Rig) -> Iterator[Home]:
    """The home of a rig, with the rig's environment around it."""
    environment = rig.environment
    with pytest.MonkeyPatch.context() as patched:
        forget_the_machine(patched)
        for name, value in environment.items():
            patched.setenv(name, value)
        yield Home.of(settings.load())


@contextmanager
def airflow_of(rig: Rig) -> Iterator[AirflowApi]:
    """An Airflow that is up, schedules nothing, and is ended with the block, with every process of it."""
    with home_of(rig) as home:
        with home.starting():
            home.migrate()
        with stack(home, scheduled_dag_ids(settings.load()), lambda line: warnings.warn(line, stacklevel=1)) as up:
            assert up.ours
            yield up.api
    assert Processes(home.folder).running() is None
    until(lambda: rig.processes() == [], timeout_s=10)


def processes_in(folder: Path) -> list[psutil.Process]:
    """The living processes that work in a folder. Not known by their environment: Airflow's write over theirs."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != "zombie":
                found.append(process)
        except psutil.Error:
            continue
    return found


def rows(rig: Rig, query: str) -> list[tuple[object, ...]]:
    """What a query finds in the database of a rig's Airflow."""
    with sqlite3.connect(rig.home / "airflow.db") as database:
        return database.execute(query).fetchall()


def until(condition: Callable[[], Any], timeout_s: float = 120, every_s: float = 0.1) -> Any:
    """What the condition gives once it gives something; an error when the time is up."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError("the condition did not come true in time")


def trigger(api: AirflowApi, logical_date: str | None = None, *, dag: str = DAG, **conf: Any) -> str:
    """Trigger the DAG by hand; the run's id."""
    body = {"logical_date": logical_date, "conf": conf}
    return str((api._send("POST", f"dags/{dag}/dagRuns", json=body) or {})["dag_run_id"])


def ended(api: AirflowApi, run_id: str, timeout_s: float = 120, *, dag: str = DAG) -> str:
    """The final state of a run."""

    def state() -> str | None:
        run = api._send("GET", f"dags/{dag}/dagRuns/{run_id}") or {}
        return run["state"] if run["state"] in {"success", "failed"} else None

    return str(until(state, timeout_s, every_s=0.4))  # each look costs Airflow's API server some 20 ms of CPU


def instances(api: AirflowApi, run_id: str, *, dag: str = DAG) -> dict[tuple[str, int], tuple[str, str | None]]:
    """State and label of every task instance of a run, by task and map index."""
    return {
        (one["task_id"], one["map_index"]): (one["state"], one["rendered_map_index"])
        for one in api.task_instances(dag, run_id)
    }


def clear(api: AirflowApi, run_id: str, *task_ids: Any, dag: str = DAG, downstream: bool = True) -> None:
    """Clear a whole run, or the named task instances of it; as in the UI, with the report after them."""
    body: dict[str, Any] = {
        "dag_run_id": run_id,
        "dry_run": False,
        "only_failed": False,
        "reset_dag_runs": True,
        "include_downstream": downstream,
    }
    if task_ids:
        body["task_ids"] = list(task_ids)
    api._send("POST", f"dags/{dag}/clearTaskInstances", json=body)
