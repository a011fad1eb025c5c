"""Reading for research: a year into Arrow and pandas against bare pyarrow, a tensor against pandas' reindex."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmark.airflow_runs import environment
from benchmark.figures import Figure
from benchmark.one_session import Ours
from benchmark.plans import filled
from marketlake import open_lake, settings
from marketlake.lake import Lake
from marketlake.partitions.parquet_file import encoded
from marketlake.research.engines import ENGINES
from marketlake.rows.bars import STOCK_BARS
from marketlake.sessions import new_york_ms
from seconds import kept_by, spy

COLUMNS = ["open", "high", "low", "close", "volume", "vwap", "transactions", "volume_exact"]
FIELDS = ["open", "high", "low", "close", "volume"]
FILL: dict[str, Any] = dict.fromkeys(FIELDS, "ffill") | {"volume": "zero"}
_GRID_S = 23_400


def research(
    url: str, folder: Path, days: Sequence[dt.date], *, tensor_days: int, runs: int, held: Sequence[str] = ENGINES
) -> list[Figure]:
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
    return [*figures, *(_memory(folder / "lake", days, engine) for engine in held)]


def one_session(url: str, folder: Path, first: dt.date, last: dt.date, runs: int) -> list[Figure]:
    """One session out of many years, against a dataset over all files that is asked for its date."""
    with environment({"MARKETLAKE__STORAGE__ROOT": str(folder), "MARKETLAKE_ENV_FILE": ""}):
        count = filled(Lake(settings.load()), url, folder, first, last)
    lake, files = open_lake(folder), folder / "processed" / "spy"
    session = lake.sessions()[count // 2]
    opened: set[str] = set()
    storage = lake._lake.storage
    plain, storage.open = storage.open, lambda key: opened.add(key) or plain(key)  # type: ignore[method-assign]

    def ours() -> Any:
        return lake.bars(session, hours="all", engine="arrow")

    def peer() -> Any:
        found = ds.dataset(files, format="parquet", partitioning="hive")
        return found.to_table(filter=ds.field("date") == str(session))

    figure = _seconds(f"one session out of {count}", ours, "bare pyarrow.dataset", peer, None, runs)
    assert opened == {f"processed/spy/date={session}/bars.parquet"}, opened
    return [replace(figure, note="one file was opened")]


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
        values: np.ndarray = lake.tensor(days[0], days[-1], fields=FIELDS, step="1s", fill=FILL, dtype="float64").values
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
    grid = frame.reindex(pd.date_range(opens, periods=_GRID_S, freq="s"))
    prices, volume = grid[FIELDS[:-1]].ffill(), grid[FIELDS[-1]].fillna(0)
    return prices.assign(volume=volume).to_numpy("float64")


def _memory(folder: Path, days: Sequence[dt.date], engine: str) -> Figure:
    """The most that a process of its own holds more than before the first read; not forked: Arrow's threads are not."""
    name = f"peak memory, {len(days)} dense sessions into {engine}"
    sides = [False] if engine == "polars" else [False, True]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        asked = [pool.submit(_peak, folder, engine, days[0], days[-1], bare=bare) for bare in sides]
        (ours_mib, result_mib), *theirs = [side.result() for side in asked]
    peer = "bare pyarrow.dataset" if theirs else ""
    note = f"the result itself is {result_mib:.0f} MiB"
    return Figure(name, "MiB", [ours_mib], peer, [peak_mib for peak_mib, _ in theirs], note=note)


def _peak(folder: Path, engine: Any, first: dt.date, last: dt.date, *, bare: bool) -> tuple[float, float]:
    """The most that reading adds to a new process, and how large the result is, both in MiB."""
    lake = open_lake(folder)
    lake.bars(first, first, engine=engine)
    before_mib = most_mib()
    result = _read_bare(folder, engine) if bare else lake.bars(first, last, hours="all", columns=COLUMNS, engine=engine)
    return most_mib() - before_mib, _bytes(result, engine) / (1 << 20)


def _bytes(result: Any, engine: str) -> int:
    if engine == "pandas":
        return int(result.memory_usage().sum())
    return int(result.nbytes if engine == "arrow" else result.estimated_size())


def _read_bare(folder: Path, engine: str) -> Any:
    table = _bare(folder / "processed" / "spy")
    return table.to_pandas() if engine == "pandas" else table


def most_mib() -> float:
    """The most that this process has held so far; ``ru_maxrss`` would begin with what its parent held."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _timed(call: Callable[[], Any]) -> float:
    started_s = time.perf_counter()
    result = call()
    took_s = time.perf_counter() - started_s
    del result
    return took_s
