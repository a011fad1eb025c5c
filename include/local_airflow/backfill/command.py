"""``make backfill``: history through Airflow's own backfill, with a verdict over the partitions."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from local_airflow import client_of_tasks
from local_airflow.backfill.options import options_ahead
from local_airflow.backfill.range import Range, backfill_range, estimate_line, probe_ends, require_lake
from local_airflow.backfill.run import BackfillRun
from local_airflow.backfill.verdict import verdict
from local_airflow.server.home import AirflowTrouble, Home
from local_airflow.server.process_tree import foreign_scheduler
from local_airflow.server.processes import Processes
from local_airflow.server.scheduler_log import SchedulerLog
from local_airflow.server.stack import Stack, scheduled_dag_ids, stack
from marketlake import settings
from marketlake.console import INTERRUPTED, say
from marketlake.coverage.joint import JointCoverage
from marketlake.dataset_names import OPTION_NAMES, OPTIONS, dag_id
from marketlake.datasets import DATASETS, EVERY, dataset_named
from marketlake.errors import SettingsError
from marketlake.ingest.collected import coverage_of
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.research.arguments import one_of


def run(first: str, last: str, *, dataset_name: str = "", ticker: str = "", refetch: bool) -> int:
    """Backfill a range of every ticker of a dataset, or of options, one after the other; with ``ticker`` of that one.
    Without a dataset's name: of what is on first.
    """
    configured = settings.load()
    name = _chosen(configured, dataset_name)
    every = configured.tickers_of(name)
    tickers = (one_of("TICKER", ticker.upper(), every),) if ticker else every
    home = Home.of(configured)
    lake = client_of_tasks.lake(home, configured)
    wanted = backfill_range(lake, first, last, say, name)
    require_lake(lake, tickers, wanted, refetch=refetch)
    with home.starting():
        if Processes(home.folder).running() is None and foreign_scheduler(home.folder) is None:
            home.migrate()
    client = client_of_tasks.client(home, configured)
    say(f"asking {client}")
    for symbol in tickers:
        for line in _ahead(home, lake, client, symbol, wanted, refetch=refetch):
            say(line)
    with stack(home, scheduled_dag_ids(configured), say) as airflow:
        codes = []
        for symbol in tickers:
            its_range = replace(wanted, ticker=symbol if len(every) > 1 else "")
            codes.append(_backfill(home, airflow, coverage_of(lake, name, symbol), its_range, refetch=refetch))
            if codes[-1] == INTERRUPTED:
                say(f"\npaused. Resume with  make backfill {its_range if ticker else wanted}")
                break
    return max(codes)


def _chosen(configured: settings.Settings, given: str) -> str:
    """What to fetch. Raises SettingsError for what there is none of, is fetched with others, or is off."""
    name = given or configured.on[0]
    if name in OPTION_NAMES:
        raise SettingsError(
            f"DATASET={name} is a part of a session of options, which is fetched whole: DATASET=options."
        )
    if name not in {*EVERY, OPTIONS}:
        raise SettingsError(f"there is no dataset {name!r}: those are {', '.join((*DATASETS, OPTIONS))}.")
    if name == OPTIONS and not configured.tickers_of(OPTIONS):
        raise SettingsError(
            "DATASET=options is off: set options.enabled: true, such as MARKETLAKE__OPTIONS__ENABLED=true, and the"
            f" underlyings in options.tickers. On: {', '.join(configured.on)}."
        )
    if name != OPTIONS and not configured.tickers_of(dataset_named(name).spec.name):
        raise SettingsError(
            f"DATASET={name} is off: name a ticker in datasets.{name}.tickers, such as"
            f" MARKETLAKE__DATASETS__{name.upper()}__TICKERS='[\"SPY\"]'. On: {', '.join(configured.on)}."
        )
    return name


def _ahead(
    home: Home, lake: Lake, client: PolygonClient, ticker: str, wanted: Range, *, refetch: bool
) -> Iterator[str]:
    """What is found out before anything is created: what cannot be had, and what the rest takes."""
    if wanted.dataset == OPTIONS:
        source = client_of_tasks.source(home, lake.settings, client)
        yield from options_ahead(lake, client, source, ticker, wanted, refetch=refetch)
        return
    dataset = DATASETS[wanted.dataset]
    yield from probe_ends(lake, dataset, client, ticker, wanted)
    yield estimate_line(lake, dataset, ticker, wanted, refetch=refetch)


def _backfill(home: Home, airflow: Stack, coverage: JointCoverage, wanted: Range, *, refetch: bool) -> int:
    """One ticker's backfill, from creation to the verdict. Its exit code."""
    dag = dag_id(coverage.name, coverage.ticker)
    if airflow.ours:
        for left in airflow.api.unfinished_runs(dag):
            say(f"also going on with {left}, which was under way when Airflow ended last")
    run = BackfillRun(airflow.api, dag, wanted, say, SchedulerLog.of(Processes(home.folder)))
    with _unpaused(airflow, dag):
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
            for request_to_end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(request_to_end, signal.SIG_IGN)
            run.pause()
            return INTERRUPTED
        return verdict(coverage, wanted, reasons, say)


@contextmanager
def _unpaused(airflow: Stack, dag: str) -> Iterator[None]:
    """A paused DAG leaves a backfill queued for ever. Unpaused only if that starts no schedule."""
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
