"""``make up`` and ``make down``: Airflow with its daily schedule, on this machine only."""

from __future__ import annotations

from local_airflow import vendor
from local_airflow.demo_folder import DemoFolder
from local_airflow.home import AirflowTrouble, Home
from local_airflow.processes import Processes, port_is_free
from local_airflow.stack import end, find, start_component, started_environment, wait_for
from marketlake import preflight, settings
from marketlake.console import say
from marketlake.errors import MarketLakeError, StopAndTell
from marketlake.lake import Lake, system_clock

_COMPONENTS = ("api-server", "dag-processor", "scheduler", "triggerer")
_START_S = 180


def up() -> int:
    """Start Airflow with its schedule and leave it running."""
    configured = settings.load()
    lake = Lake(configured, now=system_clock)
    home = Home.of(configured)
    with home.starting():
        already = find(home)
        if already is None:
            port = _start(home, lake)
    if already is not None:
        say(f"Airflow is up already at {already.api.base_url}; user {home.user}, password in {home.passwords_file}")
        running = Processes(home.folder).running()
        if running is not None and running.started_by != "up":
            say("a backfill started it, so it schedules nothing:  make down  and  make up  again once that has ended")
        return 0
    say(f"Airflow is up at http://127.0.0.1:{port} on {home.database}, this machine only")
    say(f"user {home.user}, password in {home.passwords_file};  make down  ends it")
    if home.database == "embedded SQLite":
        say("SQLite is good for a laptop's history; for more, set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN to PostgreSQL")
    return 0


def _start(home: Home, lake: Lake) -> int:
    """Start every component and wait until they are healthy. The port of the API server."""
    for ticker in lake.settings.tickers:
        preflight.require_lake(lake, ticker)
    home.migrate()
    environment = {} if _key_works(home, lake) else {"MARKETLAKE__SCHEDULE__ENABLED": "false"}
    port = home.port
    if not port_is_free(port):
        raise AirflowTrouble(f"port {port} of 127.0.0.1 is taken: set AIRFLOW__API__PORT to another one.")
    processes = Processes(home.folder)
    try:
        for component in _COMPONENTS:
            start_component(processes, component, port, "up", started_environment(home, port) | environment)
        wait_for(lambda: _all_healthy(home), "Airflow", processes, _START_S)
    except BaseException:
        end(processes)
        raise
    return port


def _all_healthy(home: Home) -> bool:
    found = find(home)
    health = found.api.healthy() if found else None
    return health is not None and all(health[name]["status"] == "healthy" for name in ("scheduler", "dag_processor"))


def _key_works(home: Home, lake: Lake) -> bool:
    """Whether the schedule can run. A key that does not work is told at once; Airflow still starts, so that
    the UI can be looked at, but schedules nothing: each session would fail for the same reason.
    """
    last = lake.calendar.last_final(lake.now())
    if last is None:
        return True
    try:
        client = vendor.client(home, lake.settings)
        preflight.require_served(lake, client, lake.settings.tickers[0], last, last)
    except StopAndTell as exc:
        say(f"WARNING: {exc}")
        say("so nothing is scheduled: once that is mended,  make down  and  make up  start the schedule")
        return False
    except MarketLakeError as exc:
        say(f"WARNING: {exc}")
    return True


def down() -> int:
    """End what ``up`` started, and a demo that was kept."""
    of_demo = DemoFolder.of_this_checkout().end()
    if of_demo:
        say(f"ended {of_demo} processes of a demo")
    count = end(Processes(Home.of(settings.load()).folder))
    if count or not of_demo:
        say(f"ended {count} processes" if count else "no Airflow of this checkout is up")
    return 0
