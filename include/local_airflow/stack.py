"""An Airflow to work with: the one that is up on this home, or one of our own for as long as needed."""

from __future__ import annotations

import datetime as dt
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from local_airflow.api import AirflowApi
from local_airflow.home import AirflowTrouble, Home
from local_airflow.processes import Processes, foreign_scheduler, free_port, variables_of_the_lake
from marketlake.dataset_names import audit_dag_id, dag_id
from marketlake.redaction import redacted_url
from marketlake.settings import Settings

_START_S = 180
_MOST_RESTARTS = 3
_UNSCHEDULED = {"MARKETLAKE__SCHEDULE__ENABLED": "false"}


@dataclass(frozen=True)
class Stack:
    """A running Airflow. ``ours`` says that this process started it and will end it."""

    api: AirflowApi
    ours: bool


def scheduled_dag_ids(configured: Settings) -> list[str]:
    """Every DAG that has a schedule: of each ticker its bars and, unless that is switched off, their audit."""
    audits = [audit_dag_id(ticker) for ticker in configured.tickers if configured.audit.enabled]
    return [*(dag_id(ticker) for ticker in configured.tickers), *audits]


@contextmanager
def stack(home: Home, dag_ids: list[str], say: Callable[[str], None]) -> Iterator[Stack]:
    """The Airflow that is up, else one that schedules nothing and ends with the block."""
    with home.starting():
        found = find(home)
        if found is None:
            say(f"starting Airflow ({home.database}) ...")
            found = Stack(start_unscheduled(home, dag_ids), ours=True)
    if not found.ours:
        _require_same_lake(home)
        say(f"using the Airflow that is up at {found.api.base_url}")
    try:
        yield found
    finally:
        if found.ours:
            end(Processes(home.folder))


def find(home: Home) -> Stack | None:
    """The Airflow that is up on this home; None where there is none. Raises AirflowTrouble if it is unusable."""
    running = Processes(home.folder).running()
    port = running.port if running else home.port
    api = AirflowApi(f"http://127.0.0.1:{port}", home.user, home.password())
    if running:
        wait_for(lambda: api.healthy() is not None, "the API server that is up", Processes(home.folder), _START_S)
        if not api.log_in():
            raise AirflowTrouble(f"the Airflow at {api.base_url} does not know {home.user} of {home.passwords_file}.")
        return Stack(api, ours=False)
    pid = foreign_scheduler(home.folder)
    if pid is None:
        return None
    if api.healthy() is None or not api.log_in():
        raise AirflowTrouble(
            f"process {pid} runs Airflow on {home.folder}, but its API on port {port} does not take the password in"
            f" {home.passwords_file}. Set AIRFLOW__API__PORT to its port, or stop it."
        )
    return Stack(api, ours=False)


def _require_same_lake(home: Home) -> None:
    """Raise AirflowTrouble where our Airflow that is up was started for another lake, which its tasks would write."""
    running = Processes(home.folder).running()
    here, there = variables_of_the_lake(home.environment), running.given if running else {}
    differing = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
    if running and differing:
        told = "; ".join(f"{name} is {_told(here, name)} here and {_told(there, name)} there" for name in differing)
        raise AirflowTrouble(
            f"the Airflow that is up was started with other settings, by which its tasks would go: {told}. Give the"
            " same ones, or  make down  first."
        )


def _told(given: Mapping[str, str], name: str) -> str:
    return repr(redacted_url(given[name])) if name in given else "unset"


def start_unscheduled(home: Home, dag_ids: list[str], started_by: str = "backfill") -> AirflowApi:
    """Start an Airflow that runs backfills and schedules nothing, within ``home.starting``.

    API server and DAG processor first: the scheduler starts once the DAGs say that nothing is scheduled.
    """
    processes = Processes(home.folder)
    started = dt.datetime.now(dt.UTC)
    port = free_port()
    environment = started_environment(home, port) | _UNSCHEDULED
    try:
        for component in ("api-server", "dag-processor"):
            start_component(processes, component, port, started_by, environment)
        api = AirflowApi(f"http://127.0.0.1:{port}", home.user, home.password())
        wait_for(lambda: api.healthy() is not None and api.log_in(), "the API server", processes, _START_S)
        wait_for(lambda: _unscheduled(api, dag_ids, started), f"the DAG {dag_ids[0]}", processes, _START_S, api)
        start_component(processes, "scheduler", port, started_by, environment)
    except BaseException:
        end(processes)
        raise
    return api


class Keeper:
    """Starts again what has ended by itself, a few times: on SQLite, a lock at the wrong moment ends a scheduler."""

    def __init__(self, home: Home, say: Callable[[str], None]) -> None:
        self._home = home
        self._say = say
        self._left = _MOST_RESTARTS

    def __call__(self) -> None:
        """Look after the processes of the home. Raises AirflowTrouble where they end too often, or on purpose."""
        processes = Processes(self._home.folder)
        if not processes.ended():
            processes.require_alive()
            return
        with self._home.starting():
            for name in processes.ended():
                running = processes.running()
                if running is None or running.ending or self._left == 0:
                    processes.require_alive()
                    return
                self._left -= 1
                environment = started_environment(self._home, running.port)
                environment |= {} if running.started_by == "up" else _UNSCHEDULED
                start_component(processes, name, running.port, running.started_by, environment)
                self._say(f"{name} has ended by itself, and is started again: see {processes.log_of(f'{name}-before')}")


def start_component(
    processes: Processes, component: str, port: int, started_by: str, environment: dict[str, str]
) -> None:
    """Start one component (``api-server``, ``scheduler``, ...). Only the API server listens, on 127.0.0.1."""
    arguments = {
        "api-server": ["--port", str(port)],
        # Their log servers listen on every address; logs lie on this machine, where the API server reads them.
        "scheduler": ["--skip-serve-logs"],
        "triggerer": ["--skip-serve-logs"],
    }
    command = [sys.executable, "-m", "airflow", component, *arguments.get(component, [])]
    processes.start(component, command, port, started_by, environment)


def end(processes: Processes) -> int:
    """Stop everything, and let no second Ctrl-C, or closed terminal, leave half of it behind."""
    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        return processes.stop()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def started_environment(home: Home, port: int) -> dict[str, str]:
    """The environment of every process of one stack: they find the API server at that port."""
    return home.environment | {
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
    }


def _unscheduled(api: AirflowApi, dag_ids: list[str], since: dt.datetime) -> bool:
    """Whether every DAG was read again since then, and gives the scheduler nothing."""
    for dag in (api.dag(one) for one in dag_ids):
        if dag is None or not dag["last_parsed_time"] or dag["next_dagrun_run_after"] is not None:
            return False
        if dt.datetime.fromisoformat(dag["last_parsed_time"]) < since:
            return False
    return True


def wait_for(
    ready: Callable[[], bool], what: str, processes: Processes, timeout_s: float, api: AirflowApi | None = None
) -> None:
    """Poll until ready. Raises AirflowTrouble when a process ends, a DAG cannot be read, or time is up."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        processes.require_alive()
        errors = api.import_errors() if api else []
        if errors:
            raise AirflowTrouble(f"a DAG file cannot be read: {errors[0]}")
        if time.monotonic() > deadline:
            raise AirflowTrouble(
                f"{what} was not ready within {timeout_s:.0f} s: see {processes.log_of('api-server').parent}."
            )
        time.sleep(0.3)
