"""One dense session in one process: CPU against the official client, plain pandas and the floor; and memory."""

from __future__ import annotations

import datetime as dt
import gc
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import requests

from benchmark.airflow_runs import environment
from benchmark.figures import Figure
from benchmark.peers import Floor, OfficialClient, PlainPandas
from benchmark.vendor import KEY
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from seconds import kept_by, spy

_MIB = 1 << 20


class Ours:
    """This project, as a task runs it: fetched, judged, kept with raw pages and certificate, synced to the disk."""

    def __init__(self, url: str, folder: Path, *, reconciled: bool = True) -> None:
        given = {"MARKETLAKE__STORAGE__ROOT": str(folder), "MARKETLAKE__RECONCILE__ENABLED": str(reconciled)}
        with environment(given | {"MARKETLAKE_ENV_FILE": ""}):
            configured = settings.load()
        self._lake = Lake(configured)
        self._client = PolygonClient(
            Transport(requests.Session(), ApiKey(KEY, "the benchmark"), configured.api, base_url=url)
        )

    def session(self, day: dt.date) -> Path:
        """Ingest one session. Raises AssertionError where it is not newly made and complete."""
        report = ingest(self._lake, SECOND_BARS, spy(day), self._client)
        assert report.outcome == "created", report
        return self._lake.storage.path(kept_by(self._lake).partitions.path(spy(day)))


def cpu(url: str, folder: Path, days: Sequence[dt.date]) -> list[Figure]:
    """CPU-seconds a session, taken in turns; the first session of each warms up and is held for its rows."""
    makers: dict[str, Callable[[str, Path], Any]] = {
        "client": OfficialClient,
        "pandas": PlainPandas,
        "floor": Floor,
        "ours": lambda url, folder: Ours(url, folder, reconciled=False),
        "reconciled": Ours,
    }
    sides = {name: make(url, _made(folder / name)) for name, make in makers.items()}
    _require_same_rows({name: side.session(days[0]) for name, side in sides.items()})
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for day in days[1:]:
        for name, side in sides.items():
            started_s = time.process_time()
            side.session(day)
            spent[name].append(time.process_time() - started_s)
    name = "CPU of one dense session"
    return [
        Figure(name, "s", spent["ours"], "official client", spent["client"], limit=0.18),
        Figure(name, "s", spent["ours"], "floor (decode and write, nothing else)", spent["floor"], limit=1.5),
        Figure(f"{name}, reconciled", "s", spent["reconciled"], "official client", spent["client"]),
        Figure(name, "s", spent["ours"], "requests and pandas", spent["pandas"]),
    ]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


_NAMES = {
    "timestamp": "t", "open": "o", "high": "h", "low": "l", "close": "c", "vwap": "vw", "transactions": "n",
    "volume_exact": "v",
}  # fmt: skip


def _require_same_rows(files: dict[str, Path]) -> None:
    """Every side has the same numbers, whatever it calls its columns."""
    ours = pq.read_table(files["ours"], partitioning=None)
    for side, file in files.items():
        theirs = pq.read_table(file, partitioning=None)
        assert theirs.num_rows == ours.num_rows > 0, (side, theirs.num_rows, ours.num_rows)
        for name, short in _NAMES.items():
            known = next(one for one in (name, short, name.removesuffix("_exact")) if one in theirs.column_names)
            assert np.array_equal(theirs.column(known).to_numpy(), ours.column(name).to_numpy()), (side, name)


def memory(url: str, folder: Path, days: Sequence[dt.date]) -> list[Figure]:
    """The most that a forked process holds of its own, beside what it shares with its parent, in MiB."""
    spent: dict[str, list[float]] = {"ours": [], "client": []}
    makers = {"ours": lambda at: Ours(url, at), "client": lambda at: OfficialClient(url, _made(at))}
    for name, make in makers.items():
        for number, day in enumerate(days):
            spent[name].append(_peak_mib(make, folder / name / str(number), day))
    name = "memory of one ingest over its parent process"
    return [
        Figure(name, "MiB", spent["ours"], limit=120),
        Figure(name, "MiB", spent["ours"], "official client", spent["client"]),
    ]


def _peak_mib(make: Callable[[Path], Any], folder: Path, day: dt.date) -> float:
    """Fork as Airflow's worker does, and look at what the child alone holds until it ends."""
    gc.collect()
    gc.freeze()
    child = os.fork()
    if child == 0:
        make(folder).session(day)
        os._exit(0)
    gc.unfreeze()
    peak, status, process = 0, None, psutil.Process(child)
    while status is None:
        with suppress(psutil.Error):  # it has just ended
            peak = max(peak, process.memory_full_info().uss)
        ended, code = os.waitpid(child, os.WNOHANG)
        status = code if ended else None
    assert (status, peak > 0) == (0, True), (status, peak)
    return peak / _MIB
