"""``make demo``: from nothing to a browsable result, on made-up days: ten sessions, one of which fails first."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import Any

from local_airflow.backfill.range import Range, backfill_range
from local_airflow.backfill.verdict import verdict
from local_airflow.demo.folder import tickers_of
from local_airflow.demo.running import TICKER, Demo, a_demo
from local_airflow.server.api import AirflowApi
from local_airflow.server.home import AirflowTrouble
from marketlake import commands, settings
from marketlake.console import say
from marketlake.dataset_names import OPTIONS, UNNAMED, dag_id, run_title
from marketlake.datasets import dataset_named
from marketlake.errors import SettingsError
from marketlake.ingest.collected import coverage_of
from marketlake.lake import Lake
from marketlake.polygon.request import Timespan
from marketlake.rows.spec import DatasetSpec, PartitionKey

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
    if dataset == OPTIONS:
        raise SettingsError("the demo of options has a name of its own: make demo OPTIONS=1.")
    spec = dataset_named(dataset or _of_settings()).spec
    with a_demo(run_title(spec.name, TICKER), tickers_of(spec.name), FAULTS, keep=keep) as demo:
        wanted = backfill_range(demo.lake, FIRST, LAST, say, spec.name)
        _backfill_with_a_failure(demo, wanted)
        say("the simulator answers properly from now on; clearing that one task instance, as one does in the UI ...")
        demo.stage.heal(demo.simulator_url)
        _clear_failed(demo.api, wanted)
        code = _show(demo.lake, spec, demo.api, wanted)
        say(f"{demo.seconds:.0f} s in all")
        for line in _next_steps(demo, spec, keep=keep):
            say(line)
    return code


def _of_settings() -> str:
    """The dataset that a person's settings have on; if they cannot be read, nothing else of theirs is needed."""
    try:
        return next(iter(settings.load().datasets.on), UNNAMED)
    except SettingsError:
        return UNNAMED


def _backfill_with_a_failure(demo: Demo, wanted: Range) -> None:
    """Backfill all sessions, and see one fail."""
    say(f"{FAILING} will fail: the simulator answers it with success and no bars, which is never taken for a holiday")
    reasons = demo.backfill(wanted)
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
    code = verdict(coverage_of(lake, spec.name, TICKER), wanted, {}, lines.append)
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


def _next_steps(demo: Demo, spec: DatasetSpec, *, keep: bool) -> list[str]:
    """What to do now, as lines to copy."""
    data = demo.data / spec.prefix / "processed" / TICKER.lower()
    on = [TICKER] if spec.name == UNNAMED else []  # by default
    return [
        "\nread it:",
        f"  .venv/bin/python -c \"import pandas as pd; print(pd.read_parquet('{data}').groupby('date').close.last())\"",
        f"  .venv/bin/python -c \"import pyarrow.parquet as pq; print(pq.read_metadata('{data}/date=2025-11-28/"
        "bars.parquet').metadata[b'marketlake.certificate'].decode())\"",
        *demo.looking(spec.name, "make demo KEEP=1", keep=keep),
        "go on with a real key:",
        "  make env                                      # writes .env; put your key there as POLYGON_API_KEY",
        f"  {commands.fetching(spec.name, TICKER, *REAL, tickers=on, again=False)}",
    ]
