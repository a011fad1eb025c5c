"""An Airflow to work with: the one that is up on this home, or one of our own for as long as needed."""

from __future__ import annotations

import datetime as dt
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from local_airflow.server import keeper
from local_airflow.server.api import AirflowApi
from local_airflow.server.components import (
    KEEPER,
    UNSCHEDULED,
    command_of,
    environment_again,
    start_component,
    started_environment,
)
from local_airflow.server.health import require_well
from local_airflow.server.home import AirflowTrouble, Home
from local_airflow.server.ports import free_port
from local_airflow.server.process_tree import foreign_scheduler
from local_airflow.server.processes import Processes, variables_of_the_lake
from marketlake.dataset_names import OPTION_SNAPSHOTS, audit_dag_id, dag_id
from marketlake.redaction import redacted_url
from marketlake.settings import Settings

_START_S = 180
_READ_S = 0.2  # a DAG, ten times as long as it takes the first time


@dataclass(frozen=True)
class Stack:
    """A running Airflow. ``ours`` says that this process started it and will end it. ``started_by``: which command,
    None for an Airflow of somebody else's. ``keep_alive`` is to be called now and then.
    """

    api: AirflowApi
    ours: bool
    started_by: str | None
    keep_alive: Callable[[], None] | None = None


def scheduled_dag_ids(configured: Settings) -> list[str]:
    """Every DAG that has a schedule: of each ticker of each dataset, and of options, its rows and, unless switched off,
    their audit; and what collects snapshots.
    """
    subjects, snapshots = configured.each, [(OPTION_SNAPSHOTS, ticker) for ticker in configured.snapshot_tickers]
    audits = subjects if configured.audit.enabled else ()
    return [*(dag_id(*subject) for subject in (*subjects, *snapshots)), *(audit_dag_id(*subject) for subject in audits)]


@contextmanager
def stack(home: Home, dag_ids: list[str], say: Callable[[str], None]) -> Iterator[Stack]:
    """The Airflow that is up, else one that schedules nothing and ends with the block."""
    with home.starting():
        airflow = find(home)
        if airflow is None:
            say(f"starting Airflow ({home.database}) ...")
            airflow = Stack(start_unscheduled(home, dag_ids), ours=True, started_by="backfill")
        airflow = _with_keeper(home, airflow, say)
        if not airflow.ours:
            _require_same_lake(home)
            restart_ended(home, airflow, say)
            say(f"using the Airflow that is up at {airflow.api.base_url}")
    try:
        yield airflow
    finally:
        if airflow.ours:
            end(Processes(home.folder))


def _with_keeper(home: Home, airflow: Stack, say: Callable[[str], None]) -> Stack:
    """With what keeps it alive from here: nothing that somebody else has started, nor a second time what has its
    own keeper.
    """
    if airflow.started_by is None:
        return airflow
    keep_alive = keeper.Patience(home.folder, say) if airflow.started_by == "up" else keeper.of_home(home, say)
    airflow.api.be_patient(keep_alive)
    return replace(airflow, keep_alive=keep_alive)


def find(home: Home) -> Stack | None:
    """The Airflow that is up on this home, well or not; None if there is none. Raises AirflowTrouble if it is
    somebody else's and out of reach.
    """
    running = Processes(home.folder).wait_settled()
    port = running.port if running else home.port
    api = AirflowApi(f"http://127.0.0.1:{port}", home.user, home.password())
    if running:
        return Stack(api, ours=False, started_by=running.started_by)
    pid = foreign_scheduler(home.folder)
    if pid is None:
        return None
    if api.healthy() is None or not api.log_in():
        raise AirflowTrouble(
            f"process {pid} runs Airflow on {home.folder}, but its API on port {port} does not take the password in"
            f" {home.passwords_file}. Set AIRFLOW__API__PORT to its port, or stop it."
        )
    return Stack(api, ours=False, started_by=None)


def restart_ended(home: Home, airflow: Stack, say: Callable[[str], None]) -> bool:
    """Wait, within ``home.starting``, until every component of an Airflow that is up is well, and be logged in: of
    that of ``make up``, what has ended is started again. Whether anything was. Raises AirflowTrouble.
    """
    processes = Processes(home.folder)
    running = processes.running()
    if running is not None and airflow.started_by == "up" and KEEPER not in running.living():
        _require_same_lake(home)
        processes.start_again(KEEPER, command_of(KEEPER, running.port), environment_again(home, running))
    next_step = "To start all of it anew:  make down  and  make up" if running else "Restart it, then call again."
    watched = airflow.keep_alive or (keeper.Patience(home.folder, say) if running else None)
    require_well(processes, airflow.api, next_step, watched)
    if not airflow.api.log_in():
        raise AirflowTrouble(
            f"the Airflow at {airflow.api.base_url} does not know {home.user} of {home.passwords_file}."
        )
    again = processes.take_restarted()
    for name in again:
        say(f"{name} had ended by itself, and is started again: its logs are in {processes.log_of(name).parent}")
    return bool(again)


def _require_same_lake(home: Home) -> None:
    """Raise AirflowTrouble if our Airflow that is up was started for another lake, which its tasks would write."""
    running = Processes(home.folder).running()
    here, there = variables_of_the_lake(home.environment), running.given if running else {}
    differing = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
    if running and differing:
        settings = "; ".join(
            f"{name} is {_shown(here, name)} here and {_shown(there, name)} there" for name in differing
        )
        raise AirflowTrouble(
            f"the Airflow that is up was started with other settings, by which its tasks would go: {settings}. Give the"
            " same ones, or  make down  first."
        )


def _shown(given: Mapping[str, str], name: str) -> str:
    return repr(redacted_url(given[name])) if name in given else "unset"


def start_unscheduled(home: Home, dag_ids: list[str], started_by: str = "backfill") -> AirflowApi:
    """Start an Airflow that runs backfills and schedules nothing, within ``home.starting``.

    API server and DAG processor first: the scheduler starts once the DAGs say that nothing is scheduled.
    """
    processes = Processes(home.folder)
    started = dt.datetime.now(dt.UTC)
    port = free_port()
    environment = started_environment(home, port) | UNSCHEDULED
    try:
        for component in ("api-server", "dag-processor"):
            start_component(processes, component, port, started_by, environment)
        api = AirflowApi(f"http://127.0.0.1:{port}", home.user, home.password())
        wait_for(lambda: api.healthy() is not None and api.log_in(), "the API server", processes, _START_S)
        within_s = max(_START_S, len(dag_ids) * _READ_S)
        wait_for(lambda: _unscheduled(api, dag_ids, started), f"the DAG {dag_ids[0]}", processes, within_s, api)
        start_component(processes, "scheduler", port, started_by, environment)
    except BaseException:
        end(processes)
        raise
    return api


def end(processes: Processes) -> int:
    """Stop everything, and let no second Ctrl-C, or closed terminal, leave half of it behind."""
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        return processes.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _unscheduled(api: AirflowApi, dag_ids: list[str], since: dt.datetime) -> bool:
    """Whether every DAG was read again since then, and gives the scheduler nothing."""
    known = api.dags()
    for dag in (known.get(name) for name in dag_ids):
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
            causes = "".join(f". {name} says: {text}" for name, text in processes.last_exceptions().items())
            raise AirflowTrouble(
                f"{what} was not ready within {timeout_s:.0f} s: see {processes.log_of('api-server').parent}{causes}."
            )
        time.sleep(0.3)
