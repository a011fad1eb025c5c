"""Bytes a bar of recorded sessions, and whether every reader finds the same rows."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

from benchmark.figures import Figure
from benchmark.one_session import Ours
from benchmark.vendor import KEY
from polygon_simulator.days import RecordedDays
from polygon_simulator.server import Simulator


def sizes(recorded: Path, folder: Path) -> list[Figure]:
    """The partitions of every recorded session, against pandas' default for the same table."""
    days = sorted(dt.date.fromisoformat(file.name[4:14]) for file in recorded.glob("SPY-*.json.gz"))
    with Simulator(RecordedDays(recorded), KEY) as simulator:
        files = [Ours(simulator.url, folder).session(day) for day in days]
    bars = bytes_ours = bytes_pandas = 0
    for file in files:
        table = pq.read_table(file, partitioning=None)
        bars += table.num_rows
        bytes_ours += file.stat().st_size
        plain = io.BytesIO()
        table.replace_schema_metadata(None).to_pandas().to_parquet(plain)
        bytes_pandas += len(plain.getvalue())
        _require_readable(file, table.num_rows, int(table.column("timestamp").to_numpy().sum()))
    return [
        Figure(
            f"size of {len(files)} recorded sessions, certificates included", "bytes a bar",
            [bytes_ours / bars], "pandas' default", [bytes_pandas / bars], limit=0.5,
            note="the same rows by pandas, pyarrow, DuckDB and Polars",
        )
    ]  # fmt: skip


def _require_readable(file: Path, rows: int, checksum: int) -> None:
    pandas, polars = pd.read_parquet(file, partitioning=None), pl.read_parquet(file, hive_partitioning=False)
    query = "SELECT count(*), sum(timestamp)::HUGEINT, sum(volume_exact) FROM read_parquet(?)"
    with duckdb.connect() as connection:
        found = connection.execute(query, [str(file)]).fetchone()
    volume = float(pandas["volume_exact"].sum())
    assert found is not None
    assert (len(pandas), int(pandas["timestamp"].sum())) == (rows, checksum)
    assert (polars.height, int(polars["timestamp"].sum())) == (rows, checksum)
    assert (found[0], int(found[1])) == (rows, checksum)
    assert abs(float(polars["volume_exact"].sum()) - volume) <= 1e-6 * volume
    assert abs(float(found[2]) - volume) <= 1e-6 * volume
