"""A partition's Parquet file: how rows and certificate are written into one, and read out of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from marketlake.errors import DamagedPartition
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.seal import SEAL_KEY, UNSEALED, sealed
from marketlake.rows.format import RowFormat

CERTIFICATE_KEY = b"marketlake.certificate"
_LEVELLED = frozenset({"zstd", "gzip"})


def encoded(rows: pa.Table, certificate: Certificate, row_format: RowFormat, compression: str, level: int) -> bytes:
    """The sealed file of rows and their certificate. ``level`` is for compressions that have some."""
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        rows.schema.remove_metadata(),
        compression=compression,
        compression_level=level if compression in _LEVELLED else None,
        use_dictionary=list(row_format.dictionary),
        column_encoding=dict(row_format.encodings),
        write_page_checksum=True,
    ) as writer:
        group_rows = row_format.group_rows or max(1, rows.num_rows)
        writer.write_table(rows.replace_schema_metadata(None), row_group_size=group_rows)
        writer.add_key_value_metadata({CERTIFICATE_KEY: certificate.encode(), SEAL_KEY: UNSEALED})
    return sealed(buffer.getvalue())


def certificate_in(file: BinaryIO) -> Certificate | None:
    """The certificate in the footer of a Parquet file; None if there is none that can be read."""
    try:
        metadata = pq.read_metadata(file).metadata or {}
        return Certificate.decode(metadata[CERTIFICATE_KEY])
    except (pa.ArrowException, OSError, ValueError, KeyError, msgspec.DecodeError):  # ValueError: a name is no UTF-8
        return None


def certified_columns(file: BinaryIO, columns: list[str]) -> tuple[Certificate | None, pa.Table]:
    """The certificate of a Parquet file and some of its columns, both of the same bytes. Raises DamagedPartition.

    Only those columns are read; each page is held against its checksum.
    """
    try:
        opened = _opened(file)
        certificate = _certificate_of(opened)
        return certificate, opened.read(columns, use_threads=False).replace_schema_metadata(None).select(columns)
    except (pa.ArrowException, OSError, ValueError, KeyError, msgspec.DecodeError) as exc:
        raise _no_table(exc) from exc


def certified_rows(
    file: BinaryIO, columns: list[str], key: str, takes: Callable[[pa.Array], pa.Array]
) -> tuple[Certificate | None, pa.Table]:
    """As ``certified_columns``, of the rows alone whose ``key``, a column of text, is taken. Raises DamagedPartition.

    ``takes``: of each of some distinct values, whether (bool). Row groups without such a row are not decoded, but for
    that column, which comes as a dictionary.
    """
    try:
        opened = _opened(file, read_dictionary=[key])
        certificate = _certificate_of(opened)
        parts = [_group(opened, number, columns, key, takes) for number in range(opened.num_row_groups)]
        kept = [part for part in parts if part is not None]
        rows = pa.concat_tables(kept) if kept else opened.schema_arrow.empty_table()
        return certificate, rows.replace_schema_metadata(None).select(columns)
    except (pa.ArrowException, OSError, ValueError, KeyError, msgspec.DecodeError) as exc:
        raise _no_table(exc) from exc


def _group(
    opened: pq.ParquetFile, number: int, columns: list[str], key: str, takes: Callable[[pa.Array], pa.Array]
) -> pa.Table | None:
    """The rows of a group that are taken; None without one."""
    keys = opened.read_row_group(number, [key], use_threads=False).column(0).combine_chunks()
    mask = takes(keys.dictionary).take(keys.indices)
    if not pc.any(mask).as_py():
        return None
    return opened.read_row_group(number, columns, use_threads=False).filter(mask)


def _certificate_of(opened: pq.ParquetFile) -> Certificate | None:
    """The certificate of a file. Raises ValueError if it is of another number of rows."""
    metadata = opened.metadata.metadata or {}
    certificate = Certificate.decode(metadata[CERTIFICATE_KEY]) if CERTIFICATE_KEY in metadata else None
    if certificate is not None and certificate.rows != opened.metadata.num_rows:
        raise ValueError(f"it has {opened.metadata.num_rows} rows, its certificate is of {certificate.rows}")
    return certificate


def table_in(data: bytes) -> pa.Table:
    """A Parquet file's table as it stands: every column, and the metadata. Raises DamagedPartition."""
    try:
        table = _opened(pa.BufferReader(data)).read(use_threads=False)
        _ = table.column_names  # a name that is no UTF-8 raises only here
        return table
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise _no_table(exc) from exc


def _opened(source: BinaryIO | pa.NativeFile, **more: Any) -> pq.ParquetFile:
    """To be read in this thread alone: a process that ends while a thread of Arrow holds its file is aborted by C++."""
    return pq.ParquetFile(source, pre_buffer=False, page_checksum_verification=True, **more)


def _no_table(exc: Exception) -> DamagedPartition:
    return DamagedPartition(f"no table can be read from it ({' '.join(str(exc).split())}). Fetch it again.")


def rows_in(data: bytes, row_format: RowFormat) -> pa.Table:
    """The rows of a partition file, in the format's columns. Raises DamagedPartition, or KeyError if one lacks."""
    return table_in(data).replace_schema_metadata(None).select(row_format.schema.names)
