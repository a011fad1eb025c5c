"""``python -m local_airflow demo|up|down|backfill|airflow``: what ``make`` calls."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from local_airflow import backfill, demo
from local_airflow.demo_folder import DemoFolder
from local_airflow.home import AirflowTrouble, Home
from local_airflow.processes import Processes, foreign_scheduler, port_is_free
from local_airflow.stack import Stack, dag_id, end, find, stack, start_component, started_environment, wait_for
from marketlake import preflight, settings
from marketlake.client import PolygonClient
from marketlake.errors import MarketLakeError
from marketlake.lake import Lake, system_clock
from marketlake.parameters import Api

_COMPONENTS = ("api-server", "dag-processor", "scheduler", "triggerer")
_START_S = 180


def say(line: str) -> None:
    """One line to the person in front of it."""
    print(line, flush=True)


def _client(home: Home, api: Api) -> PolygonClient:
    """The client that tasks would use: key and host from connection or environment."""
    # As a server, or Airflow would look for connections in the environment only, not in its database.
    os.environ.update(
        home.environment | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING", "_AIRFLOW_PROCESS_CONTEXT": "server"}
    )
    sys.path.insert(0, str(settings.project_folder() / "plugins"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from marketlake_airflow.hook import PolygonHook

        client: PolygonClient = PolygonHook().client(api)
    return client


def run_backfill(first: str, last: str, *, refetch: bool) -> int:
    """Backfill a range of every configured ticker, one after the other."""
    configured = settings.load()
    lake = Lake(configured, now=system_clock)
    wanted = backfill.asked_range(lake, first, last, say)
    for ticker in configured.tickers:
        backfill.require_lake(lake, ticker, wanted, refetch=refetch)
    home = Home.of(configured)
    with home.starting():
        if Processes(home.folder).running() is None and foreign_scheduler(home.folder) is None:
            home.migrate()
    client = _client(home, configured.api)
    say(f"asking {client}")
    for ticker in configured.tickers:
        backfill.ask_first(lake, client, ticker, wanted, say)
        say(backfill.estimate_line(lake, ticker, wanted, refetch=refetch))
    with stack(home, [dag_id(ticker) for ticker in configured.tickers], say) as airflow:
        codes = []
        for ticker in configured.tickers:
            codes.append(_fill(home, lake, airflow, ticker, wanted, refetch=refetch))
            if codes[-1] == backfill.INTERRUPTED:
                break
    return max(codes)


def _fill(home: Home, lake: Lake, airflow: Stack, ticker: str, wanted: backfill.Range, *, refetch: bool) -> int:
    """One ticker's backfill, from creation to the verdict. Its exit code."""
    run = backfill.BackfillRun(airflow.api, dag_id(ticker), wanted, say)
    with _unpaused(airflow, dag_id(ticker)):
        try:
            if run.create_or_attach(refetch=refetch):
                run.watch(Processes(home.folder) if airflow.ours else None)
            reasons = run.reasons()
        except AirflowTrouble as exc:
            if airflow.ours or run.backfill_id is None:
                raise
            say(f"{exc} Judging what is there.")
            reasons = {}
        except KeyboardInterrupt:
            for asked_to_end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(asked_to_end, signal.SIG_IGN)
            run.pause()
            say(f"\npaused. Resume with  make backfill {wanted}")
            return backfill.INTERRUPTED
        return backfill.verdict(lake, ticker, wanted, reasons, say)


@contextmanager
def _unpaused(airflow: Stack, dag: str) -> Iterator[None]:
    """A paused DAG leaves a backfill queued for ever. Unpaused only where that starts no schedule."""
    known = airflow.api.dag(dag)
    paused = known is not None and known["is_paused"]
    if paused and not airflow.ours:
        raise AirflowTrouble(
            f"{dag} is paused, and unpausing it would start its schedule: unpause it in the UI, or end this"
            " Airflow with  make down"
        )
    if not paused:
        yield
        return
    airflow.api.set_paused(dag, paused=False)
    try:
        yield
    finally:
        airflow.api.set_paused(dag, paused=True)


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
    _warn_of_key(home, lake)
    port = int(home.environment.get("AIRFLOW__API__PORT", "8080"))
    if not port_is_free(port):
        raise AirflowTrouble(f"port {port} of 127.0.0.1 is taken: set AIRFLOW__API__PORT to another one.")
    processes = Processes(home.folder)
    try:
        for component in _COMPONENTS:
            start_component(processes, component, port, "up", started_environment(home, port))
        wait_for(lambda: _all_healthy(home), "Airflow", processes, _START_S)
    except BaseException:
        end(processes)
        raise
    return port


def _all_healthy(home: Home) -> bool:
    found = find(home)
    health = found.api.healthy() if found else None
    return health is not None and all(health[name]["status"] == "healthy" for name in ("scheduler", "dag_processor"))


def _warn_of_key(home: Home, lake: Lake) -> None:
    """A key that does not work is told at once; Airflow still starts, so that the UI can be looked at."""
    last = lake.calendar.last_final(lake.now())
    if last is None:
        return
    try:
        client = _client(home, lake.settings.api)
        preflight.require_served(lake, client, lake.settings.tickers[0], last, last)
    except MarketLakeError as exc:
        say(f"WARNING: {exc}")


def down() -> int:
    """End what ``up`` started, and a demo that was kept."""
    count = Processes(Home.of(settings.load()).folder).stop() + DemoFolder.of_this_checkout().end()
    say(f"ended {count} processes" if count else "no Airflow of this checkout is up")
    return 0


def airflow(arguments: list[str]) -> NoReturn:
    """Become Airflow's own command, on the home and with the folders of this checkout."""
    home = Home.of(settings.load())
    home.claim()
    os.execve(sys.executable, [sys.executable, "-m", "airflow", *arguments], home.environment)  # noqa: S606


def main() -> int:
    """Run one command; every known error is one line and exit code 2."""
    parser = argparse.ArgumentParser(prog="local_airflow", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo").add_argument("--keep", action="store_true")
    commands.add_parser("up")
    commands.add_parser("down")
    filling = commands.add_parser("backfill")
    filling.add_argument("--from", dest="first", required=True)
    filling.add_argument("--to", dest="last", required=True)
    filling.add_argument("--refetch", action="store_true")
    commands.add_parser("airflow").add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    for asked_to_end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(asked_to_end, signal.default_int_handler)
    try:
        if given.command == "airflow":
            airflow(given.arguments)
        if given.command == "backfill":
            return run_backfill(given.first, given.last, refetch=given.refetch)
        if given.command == "demo":
            return demo.run(keep=given.keep, say=say)
        return up() if given.command == "up" else down()
    except MarketLakeError as exc:
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
        return backfill.UNUSABLE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return backfill.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
