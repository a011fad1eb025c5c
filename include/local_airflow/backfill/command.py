"""``make backfill``: history through Airflow's own backfill, with a verdict over the partitions."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from local_airflow import client_of_tasks
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
from marketlake.coverage.coverage import Coverage
from marketlake.dataset_names import dag_id
from marketlake.datasets import dataset_named
from marketlake.datasets.dataset import ListedDataset
from marketlake.errors import SettingsError
from marketlake.lake import Lake, system_clock


def run(first: str, last: str, *, dataset_name: str = "", refetch: bool) -> int:
    """Backfill a range of every ticker of a dataset, one after the other. Without a name: of the first that is on."""
    configured = settings.load()
    dataset = _chosen(configured, dataset_name)
    tickers = configured.datasets.tickers_of(dataset.spec.name)
    lake = Lake(configured, now=system_clock)
    wanted = backfill_range(lake, first, last, say, dataset.spec.name)
    for ticker in tickers:
        require_lake(lake, dataset, ticker, wanted, refetch=refetch)
    home = Home.of(configured)
    with home.starting():
        if Processes(home.folder).running() is None and foreign_scheduler(home.folder) is None:
            home.migrate()
    client = client_of_tasks.client(home, configured)
    say(f"asking {client}")
    for ticker in tickers:
        for line in probe_ends(lake, dataset, client, ticker, wanted):
            say(line)
        say(estimate_line(lake, dataset, ticker, wanted, refetch=refetch))
    with stack(home, scheduled_dag_ids(configured), say) as airflow:
        codes = []
        for ticker in tickers:
            codes.append(_backfill(home, airflow, Coverage(lake, dataset.spec, ticker), wanted, refetch=refetch))
            if codes[-1] == INTERRUPTED:
                break
    return max(codes)


def _chosen(configured: settings.Settings, name: str) -> ListedDataset:
    """The dataset to fetch. Raises SettingsError for one that there is none of, or that is off."""
    dataset = dataset_named(name or configured.datasets.on[0])
    if not configured.datasets.tickers_of(dataset.spec.name):
        raise SettingsError(
            f"DATASET={name} is off: name a ticker in datasets.{name}.tickers, such as"
            f" MARKETLAKE__DATASETS__{name.upper()}__TICKERS='[\"SPY\"]'. On: {', '.join(configured.datasets.on)}."
        )
    return dataset


def _backfill(home: Home, airflow: Stack, coverage: Coverage, wanted: Range, *, refetch: bool) -> int:
    """One ticker's backfill, from creation to the verdict. Its exit code."""
    dag = dag_id(coverage.spec.name, coverage.ticker)
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
            say(f"\npaused. Resume with  make backfill {wanted}")
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
