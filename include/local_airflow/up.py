"""``make up`` and ``make down``: Airflow with its daily schedule, on this machine only."""

from __future__ import annotations

import time

from local_airflow import client_of_tasks
from local_airflow.demo.folder import DemoFolder
from local_airflow.server.api import AirflowApi
from local_airflow.server.components import KEEPER, OF_UP, UNSCHEDULED, start_component, started_environment
from local_airflow.server.health import is_well
from local_airflow.server.home import AirflowTrouble, Home
from local_airflow.server.ports import port_is_free
from local_airflow.server.processes import Processes
from local_airflow.server.stack import end, find, restart_ended, wait_for
from marketlake import settings
from marketlake.console import say
from marketlake.dataset_names import OPTIONS
from marketlake.datasets import DATASETS, parts_of
from marketlake.errors import MarketLakeError, StopAndTell
from marketlake.ingest import preflight
from marketlake.ingest.options.preflight import probe_options
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.rows.spec import PartitionKey

_START_S = 180
_POLL_S = 0.3


def up() -> int:
    """Start Airflow with its schedule and leave it running; of one that is up, whatever has ended."""
    configured = settings.load()
    home = Home.of(configured)
    lake = client_of_tasks.lake(home, configured)
    with home.starting():
        already = find(home)
        if already is None:
            port = _start(home, lake)
        else:
            restarted = restart_ended(home, already, say)
    if already is not None:
        how = "again" if restarted else "already"
        say(f"Airflow is up {how} at {already.api.base_url}; user {home.user}, password in {home.passwords_file}")
        if already.started_by not in {"up", None}:
            say("a backfill started it, so it schedules nothing:  make down  and  make up  again once that has ended")
        return 0
    say(f"Airflow is up at http://127.0.0.1:{port} on {home.database}, this machine only")
    say(f"user {home.user}, password in {home.passwords_file};  make down  ends it")
    if home.database == "embedded SQLite":
        say("SQLite is good for a laptop's history; for more, set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN to PostgreSQL")
    return 0


def _start(home: Home, lake: Lake) -> int:
    """Start every component and wait until they are healthy. The port of the API server."""
    for name in lake.settings.on:
        preflight.require_place(lake, parts_of(name, lake.settings))
    home.migrate()
    unscheduled = {} if _key_works(home, lake) else UNSCHEDULED
    port = home.port
    if not port_is_free(port):
        raise AirflowTrouble(f"port {port} of 127.0.0.1 is taken: set AIRFLOW__API__PORT to another one.")
    processes = Processes(home.folder)
    environment = started_environment(home, port) | unscheduled
    api = AirflowApi(f"http://127.0.0.1:{port}", home.user, home.password())
    try:
        for component in OF_UP:
            start_component(processes, component, port, "up", environment)
        wait_for(lambda: is_well(processes, api) and api.log_in(), "Airflow", processes, _START_S)
        start_component(processes, KEEPER, port, "up", environment)
    except BaseException:
        end(processes)
        raise
    return port


def _key_works(home: Home, lake: Lake) -> bool:
    """Whether the schedule can run, by a question of each dataset. A key that does not work is reported at once;
    Airflow still starts, so that the UI can be looked at, but schedules nothing: each session would fail for the same
    reason.
    """
    last = lake.calendar.last_final(lake.now())
    if last is None:
        return True
    try:
        client = client_of_tasks.client(home, lake.settings)
        for name in lake.settings.on:
            _ask(home, lake, client, PartitionKey(name, lake.settings.tickers_of(name)[0], last))
    except StopAndTell as exc:
        say(f"WARNING: {exc}")
        say("so nothing is scheduled: once that is mended,  make down  and  make up  start the schedule")
        return False
    except MarketLakeError as exc:
        say(f"WARNING: {exc}")
    return True


def _ask(home: Home, lake: Lake, client: PolygonClient, key: PartitionKey) -> None:
    """Ask for a little of a session. Raises what a key, or a plan, that cannot serve it brings about."""
    if key.dataset != OPTIONS:
        preflight.sessions_without_rows(lake, DATASETS[key.dataset], client, [key])
        return
    source = client_of_tasks.source(home, lake.settings, client)
    for line in probe_options(lake, client, source, key.ticker, [key.session]):
        say(f"WARNING: {line}")


def down() -> int:
    """End what ``up`` started, and a demo that was kept."""
    of_demo = DemoFolder.of_this_checkout().end()
    if of_demo:
        say(f"ended {of_demo} processes of a demo")
    home = Home.of(settings.load())
    count = _end_all(home)
    if count or not of_demo:
        say(f"ended {count} processes" if count else "no Airflow of this checkout is up")
    return 0


def _end_all(home: Home) -> int:
    """End what is on record, and what a command that is starting Airflow just now comes to. How many there were."""
    processes, deadline = Processes(home.folder), time.monotonic() + _START_S
    count = end(processes)
    if home.is_starting():
        say("another command is starting Airflow: what it starts is ended")
    while home.is_starting():
        if time.monotonic() > deadline:
            raise AirflowTrouble(
                f"another command has been starting Airflow on {home.folder} for {_START_S} s without a process that"
                " could be ended: end that command, then give  make down  again."
            )
        time.sleep(_POLL_S)
        count += end(processes)
    return count
