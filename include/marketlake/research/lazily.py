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
    return _polars(paths, chosen) if engine == POLARS else _arrow(paths, str(subject.lake.storage.root), subject)


def _arrow(paths: list[str], root: str, subject: Subject) -> Any:
    import pyarrow.dataset as ds

    checked = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.dataset(
        paths,
        schema=subject.spec.rows.schema.append(_DATE),
        format=ds.ParquetFileFormat(default_fragment_scan_options=checked),
        partitioning=ds.partitioning(pa.schema([_DATE]), flavor="hive"),
        partition_base_dir=root,  # a folder above the lake may be called date=...
    )


def _polars(paths: list[str], chosen: Sequence[Chosen]) -> Any:
    polars = installed(POLARS)
    if not any("=" in part for part in paths[0].split("/")[:-3]):
        return polars.scan_parquet(paths, glob=False, hive_partitioning=True, hive_schema={"date": polars.Date})
    # A folder above the lake would be taken for a key: the dates come from what was chosen.
    dates = [polars.lit(one.session).alias("date") for one in chosen]
    frames = (polars.scan_parquet(path, glob=False, hive_partitioning=False) for path in paths)
    return polars.concat([frame.with_columns(date) for frame, date in zip(frames, dates, strict=True)])
