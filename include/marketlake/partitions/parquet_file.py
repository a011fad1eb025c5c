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
from marketlake.rows.bars import BARS

CERTIFICATE_KEY = b"marketlake.certificate"
_LEVELLED = frozenset({"zstd", "gzip"})

# Measured on three real sessions of 2013 (63,474 bars), bytes a bar: pandas' default 20.6; these encodings with
# zstd level 3 10.1, level 4 9.7, level 6 9.5, which takes half as long again as level 4. Prices repeat (dictionary),
# seconds step by small amounts (delta), a vwap hardly ever repeats (plain beats dictionary and byte-stream-split),
# and of a volume that is mostly whole, the lower bytes are mostly zeros (byte-stream-split).
_ENCODINGS = {"timestamp": "DELTA_BINARY_PACKED", "vwap": "PLAIN", "volume_exact": "BYTE_STREAM_SPLIT"}
_DICTIONARY = ["open", "high", "low", "close", "volume", "ticker", "transactions"]


def encoded(bars: pa.Table, certificate: Certificate, compression: str, level: int) -> bytes:
    """The sealed file of rows and their certificate. ``level`` is for compressions that have some."""
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        bars.schema.remove_metadata(),
        compression=compression,
        compression_level=level if compression in _LEVELLED else None,
        use_dictionary=_DICTIONARY,
        column_encoding=_ENCODINGS,
        write_page_checksum=True,
    ) as writer:
        writer.write_table(bars.replace_schema_metadata(None), row_group_size=max(1, bars.num_rows))
        writer.add_key_value_metadata({CERTIFICATE_KEY: certificate.encode(), SEAL_KEY: UNSEALED})
    return sealed(buffer.getvalue())


def certificate_in(file: BinaryIO) -> Certificate | None:
    """The certificate in the footer of a Parquet file; None where there is none that can be read."""
    try:
        metadata = pq.read_metadata(file).metadata or {}
        return Certificate.decode(metadata[CERTIFICATE_KEY])
    except (pa.ArrowException, OSError, ValueError, KeyError, msgspec.DecodeError):  # ValueError: a name is no UTF-8
        return None


def table_in(data: bytes) -> pa.Table:
    """A Parquet file's table as it stands: every column, and the metadata. Raises DamagedPartition."""
    try:
        # In this thread alone: a process that ends while a thread of Arrow still holds its file is aborted by C++.
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False, page_checksum_verification=True)
        table = file.read(use_threads=False)
        _ = table.column_names  # a name that is no UTF-8 raises only here
        return table
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise DamagedPartition(f"no table can be read from it ({' '.join(str(exc).split())}). Fetch it again.") from exc


def rows_in(data: bytes) -> pa.Table:
    """The rows of a partition file. Raises DamagedPartition, or KeyError where a column is not there."""
    return table_in(data).replace_schema_metadata(None).select(BARS.names)
