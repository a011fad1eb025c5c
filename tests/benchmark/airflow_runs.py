"""Sessions through a real Airflow: how long a run of them takes, and what it costs in CPU."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

from benchmark.vendor import KEY
from local_airflow.server.api import AirflowApi
from local_airflow.server.home import Home
from local_airflow.server.processes import Processes
from local_airflow.server.stack import end, scheduled_dag_ids, start_unscheduled
from marketlake import settings

PLAIN_DAGS = Path(__file__).parent / "plain_dags"
_POLL_S = 3.0  # each look costs the API server as much as a third of a task
_LONGEST_S = 900


@dataclass(frozen=True)
class Spent:
    """What some sessions took, from the request for them until their last run had ended."""

    sessions: int
    wall_s: float
    cpu_of: Mapping[str, float]

    @property
    def cpu_s(self) -> float:
        """CPU-seconds of all of Airflow."""
        return sum(self.cpu_of.values())

    @property
    def cpu_ms_a_session(self) -> str:
        """CPU-milliseconds a session, by component of Airflow; the scheduler's are without the tasks it forks."""
        shares = {name: round(spent_s / self.sessions * 1000) for name, spent_s in self.cpu_of.items()}
        return ", ".join(f"{name} {spent_ms} ms" for name, spent_ms in sorted(shares.items()))

    @property
    def a_minute(self) -> float:
        """Sessions a minute."""
        return self.sessions / self.wall_s * 60


class BenchAirflow:
    """One Airflow that is up, its lake, and the ways to ask it for sessions."""

    def __init__(self, api: AirflowApi, home: Home) -> None:
        self.api = api
        self.home = home

    def manual(self, dag_id: str, days: Sequence[dt.date], **conf: Any) -> Spent:
        """One manual run over a range, one task a session. Raises AssertionError where a session is not a success."""
        body = {"logical_date": None, "conf": {"start_date": str(days[0]), "end_date": str(days[-1])} | conf}
        with self._measured(dag_id, len(days)) as measured:
            run_id = self.api._send("POST", f"dags/{dag_id}/dagRuns", json=body)["dag_run_id"]  # type: ignore[index]
        states = Counter(one["state"] for one in self.api.task_instances(dag_id, run_id) if one["map_index"] >= 0)
        assert states == {"success": len(days)}, states
        return measured[0]

    @contextmanager
    def _measured(self, dag_id: str, sessions: int) -> Iterator[list[Spent]]:
        """What it takes until no run is left, asked now and then: the last run says itself when it ended."""
        found: list[Spent] = []
        before, asked = _cpu_of(self.home), dt.datetime.now(dt.UTC)
        yield found
        _until(lambda: self._count(dag_id, "queued", "running") == 0)
        spent = _cpu_of(self.home)
        spent.subtract(before)
        latest = self.api._send("GET", f"dags/{dag_id}/dagRuns", params={"limit": 1, "order_by": "-end_date"})
        ended = dt.datetime.fromisoformat(latest["dag_runs"][0]["end_date"])  # type: ignore[index]
        found.append(Spent(sessions, (ended - asked).total_seconds(), dict(spent)))

    def _count(self, dag_id: str, *states: str) -> int:
        """How many runs are in a state. Not the runs: each would be answered with the versions of all its tasks."""
        params = {"state": states, "limit": 1, "offset": 10_000}
        return int(self.api._send("GET", f"dags/{dag_id}/dagRuns", params=params)["total_entries"])  # type: ignore[index]

    def backfill(self, dag_id: str, days: Sequence[dt.date]) -> Spent:
        """Airflow's own backfill, one run a session. Raises AssertionError where a session is not a success."""
        body = {
            "dag_id": dag_id,
            "from_date": f"{days[0]}T00:00:00Z",
            "to_date": f"{days[-1]}T00:00:00Z",
            "reprocess_behavior": "completed",
            "max_active_runs": 10,
            "dag_run_conf": {},
        }
        _until(lambda: self.api.active_backfill(dag_id) is None)  # Airflow closes one that has ended within 30 s
        with self._measured(dag_id, len(days)) as measured:
            self.api.create_backfill(body)
        assert self.api.count_runs(dag_id, days[0], days[-1], "success") == len(days)
        return measured[0]


@contextmanager
def airflow(
    folder: Path, vendor_url: str, database_url: str | None, *, plain: bool = False, **more: str
) -> Iterator[BenchAirflow]:
    """An Airflow of the benchmark's own, with this project's DAGs, or the plain ones; it schedules nothing."""
    given = {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "POLYGON_API_KEY": KEY,
        "POLYGON_BASE_URL": vendor_url,
        "MARKETLAKE__STORAGE__ROOT": str(folder / "lake"),
        "MARKETLAKE__LOGGING__FOLDER": str(folder / "logs"),
        "MARKETLAKE_ENV_FILE": "",
        **({"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url} if database_url else {}),
        **more,
    }
    with environment(given):
        configured = settings.load()
        home, dag_ids = Home.of(configured), scheduled_dag_ids(configured)
    if plain:  # without what this project loads before it forks: people's DAGs come without it
        dag_ids = ["plain_bars"]
        given = {"AIRFLOW__CORE__DAGS_FOLDER": str(PLAIN_DAGS), "PYTHONPATH": str(PLAIN_DAGS / "nothing_preloaded")}
        home = replace(home, environment=home.environment | given | {"PLAIN_FOLDER": str(folder / "plain")})
    with home.starting():
        home.migrate()
        api = start_unscheduled(home, dag_ids)
    try:
        yield BenchAirflow(api, home)
    finally:
        end(Processes(home.folder))


@contextmanager
def environment(given: Mapping[str, str]) -> Iterator[None]:
    """The process environment with ``given``, and nothing of a user's lake or Airflow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MARKETLAKE", "MAKE"))}
    with mock.patch.dict(os.environ, kept | dict(given), clear=True):
        yield


def _cpu_of(home: Home) -> Counter[str]:
    """CPU-seconds so far by component of Airflow, with their children that have ended; not the database's.

    ``tasks`` are the processes that a component has forked: of the scheduler, those that run tasks.
    """
    running = Processes(home.folder).running()
    names = {pid: name for name, (pid, _) in running.pids.items()} if running else {}
    spent: Counter[str] = Counter()
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(home.folder):
                times = process.cpu_times()
                name = names.get(process.pid, "tasks")
                spent[name] += times.user + times.system  # type: ignore[assignment]
                spent["tasks"] += times.children_user + times.children_system  # type: ignore[assignment]
        except psutil.Error:
            continue
    return spent


def _until(condition: Any) -> Any:
    deadline = time.monotonic() + _LONGEST_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(_POLL_S)
    raise AssertionError(f"not ended after {_LONGEST_S} s")
