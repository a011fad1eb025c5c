"""The chosen files as they lie, for engines that read them when a question is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from marketlake.errors import BadArgument
from marketlake.research.arguments import engine as installed
from marketlake.research.engines import ARROW, POLARS
from marketlake.research.object_files import arrow_filesystem, polars_options
from marketlake.research.selection import Chosen, Subject
from marketlake.storage.s3.storage import S3Storage

SCANNED_BY = (ARROW, POLARS)
_DATE = pa.field("date", pa.date32())


def scan(subject: Subject, chosen: Sequence[Chosen], engine: str) -> Any:
    """A ``pyarrow.dataset.Dataset`` or a Polars LazyFrame over the files; ``date`` is the session of each."""
    if not chosen:
        raise BadArgument(f"{subject.title}: no session of that range is held, so there is no file to scan.")
    if engine == POLARS:
        return _polars(subject, chosen)
    return arrow_files(subject, [one.path for one in chosen])


def arrow_files(subject: Subject, paths: Sequence[str]) -> Any:
    """A ``pyarrow.dataset.Dataset`` over files of a subject, with the ``date`` of each, read when it is asked."""
    import pyarrow.dataset as ds

    storage, root = subject.store.storage, str(subject.lake.settings.storage_root)
    filesystem = arrow_filesystem(storage) if isinstance(storage, S3Storage) else None
    scheme = "s3://" if filesystem else ""
    checked = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.dataset(
        [subject.address(path).removeprefix(scheme) for path in paths],
        filesystem=filesystem,
        schema=subject.spec.rows.schema.append(_DATE),
        format=ds.ParquetFileFormat(default_fragment_scan_options=checked),
        partitioning=ds.partitioning(pa.schema([_DATE]), flavor="hive"),
        partition_base_dir=root.removeprefix(scheme),  # a folder above the lake may be called date=...
    )


def _polars(subject: Subject, chosen: Sequence[Chosen]) -> Any:
    polars, storage = installed(POLARS), subject.store.storage
    paths = [subject.address(one.path) for one in chosen]
    there = {"storage_options": polars_options(storage)} if isinstance(storage, S3Storage) else {}
    if not any("=" in part for part in paths[0].split("/")[:-3]):
        return polars.scan_parquet(
            paths, glob=False, hive_partitioning=True, hive_schema={"date": polars.Date}, **there
        )
    # A folder above the lake would be taken for a key: the dates come from what was chosen.
    dates = [polars.lit(one.session).alias("date") for one in chosen]
    frames = (polars.scan_parquet(path, glob=False, hive_partitioning=False, **there) for path in paths)
    return polars.concat([frame.with_columns(date) for frame, date in zip(frames, dates, strict=True)])
