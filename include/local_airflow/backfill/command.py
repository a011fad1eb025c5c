"""``make backfill``: history through Airflow's own backfill, with a verdict over the partitions."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from local_airflow import client_of_tasks
from local_airflow.backfill.range import Range, ask_first, asked_range, estimate_line, require_lake
from local_airflow.backfill.run import BackfillRun
from local_airflow.backfill.verdict import verdict
from local_airflow.server.home import AirflowTrouble, Home
from local_airflow.server.processes import Processes, foreign_scheduler
from local_airflow.server.scheduler_log import SchedulerLog
from local_airflow.server.stack import Stack, scheduled_dag_ids, stack
from marketlake import settings
from marketlake.console import INTERRUPTED, say
from marketlake.dataset_names import dag_id
from marketlake.lake import Lake, system_clock


def run(first: str, last: str, *, refetch: bool) -> int:
    """Backfill a range of every configured ticker, one after the other."""
    configured = settings.load()
    lake = Lake(configured, now=system_clock)
    wanted = asked_range(lake, first, last, say)
    for ticker in configured.tickers:
        require_lake(lake, ticker, wanted, refetch=refetch)
    home = Home.of(configured)
    with home.starting():
        if Processes(home.folder).running() is None and foreign_scheduler(home.folder) is None:
            home.migrate()
    client = client_of_tasks.client(home, configured)
    say(f"asking {client}")
    for ticker in configured.tickers:
        ask_first(lake, client, ticker, wanted, say)
        say(estimate_line(lake, ticker, wanted, refetch=refetch))
    with stack(home, scheduled_dag_ids(configured), say) as airflow:
        codes = []
        for ticker in configured.tickers:
            codes.append(_fill(home, lake, airflow, ticker, wanted, refetch=refetch))
            if codes[-1] == INTERRUPTED:
                break
    return max(codes)


def _fill(home: Home, lake: Lake, airflow: Stack, ticker: str, wanted: Range, *, refetch: bool) -> int:
    """One ticker's backfill, from creation to the verdict. Its exit code."""
    if airflow.ours:
        for left in airflow.api.unfinished_runs(dag_id(ticker)):
            say(f"also going on with {left}, which was under way when Airflow ended last")
    run = BackfillRun(airflow.api, dag_id(ticker), wanted, say, SchedulerLog.of(Processes(home.folder)))
    with _unpaused(airflow, dag_id(ticker)):
        try:
            if run.create_or_attach(refetch=refetch):
                run.watch(airflow.keep_alive, ours=airflow.ours)
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
            return INTERRUPTED
        return verdict(lake, ticker, wanted, reasons, say)


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
