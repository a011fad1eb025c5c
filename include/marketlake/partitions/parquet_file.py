"""A partition's Parquet file: how rows and certificate are written into one, and read out of it."""

from __future__ import annotations

import io
from typing import BinaryIO

import msgspec
import pyarrow as pa
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
        writer.write_table(rows.replace_schema_metadata(None), row_group_size=max(1, rows.num_rows))
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
        metadata = opened.metadata.metadata or {}
        certificate = Certificate.decode(metadata[CERTIFICATE_KEY]) if CERTIFICATE_KEY in metadata else None
        if certificate is not None and certificate.rows != opened.metadata.num_rows:
            raise ValueError(f"it has {opened.metadata.num_rows} rows, its certificate is of {certificate.rows}")
        return certificate, opened.read(columns, use_threads=False).replace_schema_metadata(None).select(columns)
    except (pa.ArrowException, OSError, ValueError, KeyError, msgspec.DecodeError) as exc:
        raise _no_table(exc) from exc


def table_in(data: bytes) -> pa.Table:
    """A Parquet file's table as it stands: every column, and the metadata. Raises DamagedPartition."""
    try:
        table = _opened(pa.BufferReader(data)).read(use_threads=False)
        _ = table.column_names  # a name that is no UTF-8 raises only here
        return table
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise _no_table(exc) from exc


def _opened(source: BinaryIO | pa.NativeFile) -> pq.ParquetFile:
    """To be read in this thread alone: a process that ends while a thread of Arrow holds its file is aborted by C++."""
    return pq.ParquetFile(source, pre_buffer=False, page_checksum_verification=True)


def _no_table(exc: Exception) -> DamagedPartition:
    return DamagedPartition(f"no table can be read from it ({' '.join(str(exc).split())}). Fetch it again.")


def rows_in(data: bytes, row_format: RowFormat) -> pa.Table:
    """The rows of a partition file, in the format's columns. Raises DamagedPartition, or KeyError if one lacks."""
    return table_in(data).replace_schema_metadata(None).select(row_format.schema.names)
