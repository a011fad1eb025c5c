"""What a test of every dataset needs, whichever it is: its place in the lake, and a vendor that answers otherwise."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from conftest import files_under, times_of
from local_airflow.backfill.range import backfill_range
from local_airflow.backfill.verdict import verdict
from marketlake.datasets.dataset import Dataset
from marketlake.ingest.collected import coverage_of
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate
from marketlake.rows.spec import PartitionKey
from polygon_simulator.questions import TIMESPANS
from polygon_simulator.server import Simulator


def fault_everywhere(simulator: Simulator, day: dt.date, *names: str, times: int = 0) -> None:
    """The faults of a day, one after the other, in bars of every length; ``times`` each, 0: for ever."""
    faults: list[dict[str, Any]] = [
        {"fault": name, "times": times, "timespan": span} for name in names for span in TIMESPANS
    ]
    simulator.faults.set(str(day), faults)


def place_of(lake: Lake, dataset: Dataset) -> Path:
    """The folder of all that is kept of a dataset."""
    return lake.storage.root / dataset.spec.prefix


def partition_of(lake: Lake, dataset: Dataset, key: PartitionKey) -> Path:
    """The one file of a partition."""
    return place_of(lake, dataset) / "processed" / "spy" / f"date={key.session}" / dataset.spec.rows.file_name


def kept_beside_pages(lake: Lake) -> set[str]:
    """Every file of the lake that is neither a page of the API nor what stands once for the whole lake."""
    return {
        path
        for path in files_under(lake.storage.root)
        if "/" in path and not {"raw", "raw-rejected"} & set(path.split("/"))
    }


def bytes_of(lake: Lake) -> dict[str, tuple[bytes, int]]:
    """Every file of the lake, and when it was written."""
    found = ((path, lake.storage.root / path) for path in times_of(lake.storage.root))
    return {path: (file.read_bytes(), file.stat().st_mtime_ns) for path, file in found}


def certificate_of(lake: Lake, dataset: Dataset, key: PartitionKey) -> Certificate:
    """The certificate that is held; there must be one."""
    held = lake.store(dataset.spec).partitions.inspect(key)
    assert held is not None
    assert held.certificate is not None
    return held.certificate


def judged_by_a_backfill(lake: Lake, dataset: Dataset, key: PartitionKey) -> tuple[int, list[str]]:
    """The exit code of a backfill of that one session, and its words."""
    told: list[str] = []
    wanted = backfill_range(lake, str(key.session), str(key.session), told.append, dataset.spec.name)
    return verdict(coverage_of(lake, dataset.spec.name, key.ticker), wanted, {}, told.append), told
