"""``make demo``: from nothing to a browsable result, on made-up days: ten sessions, one of which fails first."""

from __future__ import annotations

import datetime as dt
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from local_airflow.backfill.range import Range, backfill_range
from local_airflow.backfill.run import BackfillRun
from local_airflow.backfill.verdict import verdict
from local_airflow.demo.folder import DemoFolder
from local_airflow.server.api import AirflowApi
from local_airflow.server.home import AirflowTrouble, Home
from local_airflow.server.keeper import Keeper, of_home
from local_airflow.server.scheduler_log import SchedulerLog
from local_airflow.server.stack import end as end_processes
from local_airflow.server.stack import scheduled_dag_ids, start_unscheduled
from marketlake import commands, settings
from marketlake.console import say
from marketlake.coverage.coverage import Coverage
from marketlake.dataset_names import UNNAMED, dag_id, run_title
from marketlake.datasets import dataset_named
from marketlake.errors import SettingsError
from marketlake.lake import Lake, system_clock
from marketlake.polygon.request import Timespan
from marketlake.rows.spec import DatasetSpec, PartitionKey

TICKER = "SPY"
FIRST, LAST = "2025-11-19", "2025-12-03"
"""Ten sessions around Thanksgiving: a holiday on the 27th, an early close on the 28th."""
REAL = (dt.date(2024, 11, 25), dt.date(2024, 12, 2))
"""What to go on with."""
FAILING = dt.date(2025, 11, 25)
FAULTS = {str(FAILING): [{"fault": "empty", "times": 0, "timespan": span.value} for span in Timespan]}
"""That day's bars of every length: whichever dataset is shown, it fails there."""
_RETRY_S = 120
_POLL_S = 0.5


def run(*, keep: bool, dataset: str = "") -> int:
    """The whole demo, of that dataset, or of the first one that the settings have on; exit code 0 if every session is
    complete in the end. Raises AirflowTrouble.
    """
    started_s = time.monotonic()
    spec = dataset_named(dataset or _of_settings()).spec
    stage = DemoFolder.of_this_checkout()
    with stage.alone(), ExitStack() as at_exit:
        say(f"a demo on made-up {run_title(spec.name, TICKER)}: no key is used, and nothing leaves this machine")
        at_exit.callback(end_processes, stage.simulator)
        stage.use_demo_environment(spec.name)
        simulator_url = stage.start_simulator(FAULTS)
        lake = Lake(settings.load(), now=system_clock)
        home = Home.of(lake.settings)
        at_exit.callback(end_processes, stage.airflow)
        with home.starting():
            say(f"starting Airflow ({home.database}) ...")
            home.migrate()
            api = start_unscheduled(home, scheduled_dag_ids(lake.settings), "demo")
        say(f"Airflow is up after {time.monotonic() - started_s:.0f} s at {api.base_url}")
        wanted = backfill_range(lake, FIRST, LAST, say, spec.name)
        keep_alive = of_home(home, say)
        api.be_patient(keep_alive)
        _backfill_with_a_failure(api, keep_alive, SchedulerLog.of(stage.airflow), wanted)
        say("the simulator answers properly from now on; clearing that one task instance, as one does in the UI ...")
        stage.heal(simulator_url)
        _clear_failed(api, wanted)
        code = _show(lake, spec, api, wanted)
        say(f"{time.monotonic() - started_s:.0f} s in all")
        for line in _next_steps(stage, spec, api, home, keep=keep):
            say(line)
        if keep:
            at_exit.pop_all()
    return code


def _of_settings() -> str:
    """The dataset that a person's settings have on; if they cannot be read, nothing else of theirs is needed."""
    try:
        return settings.load().datasets.on[0]
    except SettingsError:
        return UNNAMED


def _backfill_with_a_failure(
    api: AirflowApi, keep_alive: Keeper, scheduler_log: SchedulerLog | None, wanted: Range
) -> None:
    """Backfill all sessions, and see one fail."""
    say(f"{FAILING} will fail: the simulator answers it with success and no bars, which is never taken for a holiday")
    filling = BackfillRun(api, dag_id(wanted.dataset, TICKER), wanted, say, scheduler_log)
    filling.create_or_attach(refetch=False)
    filling.watch(keep_alive, ours=True)
    reasons = filling.reasons()
    for session, reason in reasons.items():
        say(f"{PartitionKey(wanted.dataset, TICKER, session)}  FAILED  {reason}")
    if FAILING not in reasons:
        raise AirflowTrouble(f"{FAILING} was to fail, and did not: this demo shows nothing. Please report it.")


def _clear_failed(api: AirflowApi, wanted: Range) -> None:
    """Clear what has failed, one task instance at a time."""
    for instance in _instances(api, wanted):
        if instance["state"] == "failed":
            api.clear(instance)
            session = dt.date.fromisoformat(instance["rendered_map_index"])
            say(f"{PartitionKey(wanted.dataset, TICKER, session)}  {_await_end(api, instance)}")


def _instances(api: AirflowApi, wanted: Range) -> list[dict[str, Any]]:
    """Every instance of the mapped task over the range."""
    runs = api.runs(dag_id(wanted.dataset, TICKER), wanted.first, wanted.last)
    return [
        instance
        for run in runs
        for instance in api.task_instances(dag_id(wanted.dataset, TICKER), run["dag_run_id"])
        if instance["task_id"] == "ingest_session"
    ]


def _await_end(api: AirflowApi, cleared: dict[str, Any]) -> str:
    """Wait for the state that a cleared instance comes to. Raises AirflowTrouble when time is up."""
    deadline = time.monotonic() + _RETRY_S
    while time.monotonic() < deadline:
        for instance in api.task_instances(cleared["dag_id"], cleared["dag_run_id"]):
            same = (instance["task_id"], instance["map_index"]) == (cleared["task_id"], cleared["map_index"])
            if same and instance["state"] in {"success", "failed"}:
                return str(instance["state"])
        time.sleep(_POLL_S)
    raise AirflowTrouble(
        f"the cleared {cleared['rendered_map_index']} has not ended within {_RETRY_S} s: the machine may be busy."
        " Call again."
    )


@dataclass(frozen=True)
class _Row:
    session: dt.date
    bars: int
    bytes: int
    state: str
    tries: int
    took_s: float

    def __str__(self) -> str:
        return (
            f"{self.session:%Y-%m-%d %a}  {self.bars:>8,}  {self.bytes / 1000:>8,.0f}  {self.state:<9}"
            f"  {self.tries:>5}  {self.took_s:>6.1f}"
        )


def _show(lake: Lake, spec: DatasetSpec, api: AirflowApi, wanted: Range) -> int:
    """The table of sessions, each read back and held against its certificate. The verdict's exit code."""
    lines: list[str] = []
    code = verdict(Coverage(lake, spec, TICKER), wanted, {}, lines.append)
    by_session = {instance["rendered_map_index"]: instance for instance in _instances(api, wanted)}
    rows, partitions = [], lake.store(spec).partitions
    for session in wanted.sessions:
        key = spec.key(TICKER, session)
        certificate = partitions.certificate(key)
        instance = by_session.get(str(session), {})
        rows.append(
            _Row(
                session,
                certificate.rows if certificate else 0,
                partitions.size_bytes(key),
                certificate.state.value if certificate else "MISSING",
                int(instance.get("try_number") or 0),
                float(instance.get("duration") or 0),
            )
        )
    say(f"\n{'session':<14}  {'bars':>8}  {'kB':>8}  {'state':<9}  {'tries':>5}  {'took s':>6}")
    for row in rows:
        say(str(row))
    say(f"{len(rows)} sessions     {sum(row.bars for row in rows):>9,}  {sum(row.bytes for row in rows) / 1000:>8,.0f}")
    say("no 2025-11-27: Thanksgiving. 2025-11-28 closed at 13:00.")
    for line in lines:
        say(line)
    return code


def _next_steps(stage: DemoFolder, spec: DatasetSpec, api: AirflowApi, home: Home, *, keep: bool) -> list[str]:
    """What to do now, as lines to copy."""
    data = stage.path / "data" / spec.prefix / "processed" / TICKER.lower()
    if data.is_relative_to(settings.project_folder()):
        data = data.relative_to(settings.project_folder())
    on = [TICKER] if spec.name == UNNAMED else []  # by default
    lines = [
        "\nread it:",
        f"  .venv/bin/python -c \"import pandas as pd; print(pd.read_parquet('{data}').groupby('date').close.last())\"",
        f"  .venv/bin/python -c \"import pyarrow.parquet as pq; print(pq.read_metadata('{data}/date=2025-11-28/"
        "bars.parquet').metadata[b'marketlake.certificate'].decode())\"",
        "look at it in a notebook:",
        "  make notebook",
        "look at it in Airflow's UI:",
    ]
    if keep:
        lines.append(
            f"  {api.base_url}/dags/{dag_id(spec.name, TICKER)}  user {home.user}, password in {home.passwords_file}"
        )
        lines.append(f"  {api.base_url}/coverage/?dataset={spec.name}&ticker={TICKER}  which sessions it holds")
        lines.append("  it stays up until  make down  or the next  make demo")
    else:
        lines.append("  make demo KEEP=1")
    return [
        *lines,
        "go on with a real key:",
        "  make env                                      # writes .env; put your key there as POLYGON_API_KEY",
        f"  {commands.fetching(spec.name, TICKER, *REAL, tickers=on, again=False)}",
    ]
