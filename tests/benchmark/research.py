"""Reading for research: a year into Arrow and pandas against bare pyarrow, a tensor against pandas' reindex."""

from __future__ import annotations

import datetime as dt
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmark.airflow_runs import environment
from benchmark.figures import Figure
from benchmark.one_session import Ours
from marketlake import open_lake, settings
from marketlake.lake import Lake
from marketlake.partitions.parquet_file import encoded
from marketlake.rows.bars import STOCK_BARS
from marketlake.sessions import new_york_ms
from seconds import kept_by, spy

COLUMNS = ["open", "high", "low", "close", "volume", "vwap", "transactions", "volume_exact"]
FIELDS = ["open", "high", "low", "close", "volume"]
_GRID_S = 23_400


def research(url: str, folder: Path, days: Sequence[dt.date], tensor_days: int, runs: int) -> list[Figure]:
    """Dense sessions of some days, all hours and columns, read by each engine; and a part of them as a tensor."""
    with environment({"MARKETLAKE__STORAGE__ROOT": str(folder / "lake"), "MARKETLAKE_ENV_FILE": ""}):
        fill(url, folder / "lake", days)
        lake = open_lake()
    first, last, few = days[0], days[-1], days[:tensor_days]
    files = folder / "lake" / "processed" / "spy"

    def ours(engine: Any) -> Callable[[], Any]:
        return lambda: lake.bars(first, last, hours="all", columns=COLUMNS, engine=engine)

    what = f"{len(days)} dense sessions into"
    pairs = [
        (f"{what} Arrow", ours("arrow"), "bare pyarrow.dataset", lambda: _bare(files), 1.2),
        (f"{what} pandas", ours("pandas"), "bare pyarrow.dataset", lambda: _bare(files).to_pandas(), 1.3),
        (f"{what} Polars", ours("polars"), "bare pyarrow.dataset", lambda: _bare(files), None),
    ]
    figures = [_seconds(name, mine, peer_name, peer, limit, runs) for name, mine, peer_name, peer, limit in pairs]
    figures.append(_tensor(lake, files, few, runs))
    return [*figures, *_memory(folder / "lake", days)]


def fill(url: str, folder: Path, days: Sequence[dt.date]) -> None:
    """Partitions of the first of the days, with the times of each, under a certificate of its date."""
    lake = Lake(settings.load())
    rows = pq.read_table(Ours(url, folder).session(days[0]), partitioning=None).replace_schema_metadata(None)
    certificate = kept_by(lake).partitions.certificate(spy(days[0]))
    assert certificate is not None
    times = rows.column("timestamp").to_numpy() - new_york_ms(days[0])
    for day in days[1:]:
        path = lake.storage.path(kept_by(lake).partitions.path(spy(day)))
        path.parent.mkdir(parents=True)
        dated = rows.set_column(0, rows.schema.field(0), pa.array(times + new_york_ms(day)))
        path.write_bytes(encoded(dated, msgspec.structs.replace(certificate, session=day), STOCK_BARS, "zstd", 4))


def _bare(files: Path) -> pa.Table:
    return ds.dataset(files, format="parquet", partitioning="hive").to_table(columns=["timestamp", *COLUMNS])


def _seconds(
    name: str, ours: Callable[[], Any], peer_name: str, peer: Callable[[], Any], limit: float | None, runs: int
) -> Figure:
    """In turns: a machine changes its pace. The first of each is not counted."""
    assert len(ours()) == len(peer())
    took_s = [(_timed(ours), _timed(peer)) for _ in range(runs)]
    return Figure(name, "s", [one for one, _ in took_s], peer_name, [one for _, one in took_s], limit)


def _tensor(lake: Any, files: Path, days: Sequence[dt.date], runs: int) -> Figure:
    def ours() -> np.ndarray:
        values: np.ndarray = lake.tensor(days[0], days[-1], fields=FIELDS, step="1s", dtype="float64").values
        return values

    def peer() -> np.ndarray:
        return np.stack([_reindexed(files / f"date={day}" / "bars.parquet", day) for day in days])

    assert np.array_equal(ours(), peer(), equal_nan=True)
    took_s = [(_timed(ours), _timed(peer)) for _ in range(runs)]
    name = f"tensor of {len(days)} sessions, sessions a second"
    rates = [[len(days) / one[side] for one in took_s] for side in (0, 1)]
    return Figure(name, "/s", rates[0], "pandas reindex per day", rates[1], 5, more_is_better=True)


def _reindexed(file: Path, day: dt.date) -> np.ndarray:
    frame = pd.read_parquet(file, columns=["timestamp", *FIELDS], partitioning=None)
    frame.index = pd.to_datetime(frame.pop("timestamp"), unit="ms", utc=True).dt.tz_convert("America/New_York")
    opens = pd.Timestamp(day, tz="America/New_York") + pd.Timedelta(hours=9, minutes=30)
    return frame.reindex(pd.date_range(opens, periods=_GRID_S, freq="s")).to_numpy("float64")


def _memory(folder: Path, days: Sequence[dt.date]) -> list[Figure]:
    """The most that a process of its own holds more than before the first read; not forked: Arrow's threads are not."""
    found = []
    for engine, peer in (("arrow", "bare pyarrow.dataset"), ("pandas", "bare pyarrow.dataset"), ("polars", "")):
        name = f"peak memory, {len(days)} dense sessions into {engine}"
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
            sides = [
                pool.submit(_peak, folder, engine, bare, days[0], days[-1]) for bare in (False, True)[: 1 + bool(peer)]
            ]
            (ours_mib, result_mib), *theirs = [side.result() for side in sides]
        note = f"the result itself is {result_mib:.0f} MiB"
        found.append(Figure(name, "MiB", [ours_mib], peer, [one for one, _ in theirs], note=note))
    return found


def _peak(folder: Path, engine: Any, bare: bool, first: dt.date, last: dt.date) -> tuple[float, float]:
    """The most that reading adds to a new process, and how large the result is, both in MiB."""
    lake = open_lake(folder)
    lake.bars(first, first, engine=engine)
    before_kib = psutil.Process().memory_info().rss / 1024
    if bare:
        table = _bare(folder / "processed" / "spy")
        result = table.to_pandas() if engine == "pandas" else table
    else:
        result = lake.bars(first, last, hours="all", columns=COLUMNS, engine=engine)
    size = (
        result.memory_usage().sum()
        if engine == "pandas"
        else result.nbytes
        if engine == "arrow"
        else result.estimated_size()
    )
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024, size / (1 << 20)


def _timed(call: Callable[[], Any]) -> float:
    started_s = time.perf_counter()
    result = call()
    took_s = time.perf_counter() - started_s
    del result
    return took_s
