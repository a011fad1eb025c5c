"""The chosen files as they lie, for engines that read them when a question is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from marketlake.errors import BadArgument
from marketlake.research.arguments import engine as installed
from marketlake.research.engines import ARROW, POLARS
from marketlake.research.selection import Chosen, Subject

SCANNED_BY = (ARROW, POLARS)
_DATE = pa.field("date", pa.date32())


def scan(subject: Subject, chosen: Sequence[Chosen], engine: str) -> Any:
    """A ``pyarrow.dataset.Dataset`` or a Polars LazyFrame over the files; ``date`` is the session of each."""
    if not chosen:
        raise BadArgument(f"{subject.title}: no session of that range is held, so there is no file to scan.")
    paths = [str(subject.file(one.path)) for one in chosen]
    return _polars(paths) if engine == POLARS else _arrow(paths, subject.spec.rows.schema)


def _arrow(paths: list[str], schema: pa.Schema) -> Any:
    import pyarrow.dataset as ds

    partitioning = ds.partitioning(pa.schema([_DATE]), flavor="hive")
    return ds.dataset(paths, schema=schema.append(_DATE), format="parquet", partitioning=partitioning)


def _polars(paths: list[str]) -> Any:
    polars = installed(POLARS)
    return polars.scan_parquet(paths, hive_partitioning=True, hive_schema={"date": polars.Date})
