"""The one schema of a partition, used by the writer, the reader and the content hash."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa

BARS = pa.schema(
    [
        pa.field("timestamp", pa.int64(), nullable=False),
        pa.field("open", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("close", pa.float64(), nullable=False),
        pa.field("volume", pa.int64(), nullable=False),
        pa.field("vwap", pa.float64(), nullable=True),
        pa.field("ticker", pa.string(), nullable=False),
        pa.field("transactions", pa.int64(), nullable=True),
        pa.field("volume_exact", pa.float64(), nullable=False),
    ]
)
"""Rows ascend by ``timestamp`` (start of the second, Unix ms UTC), one a second. Prices in USD."""

SCHEMA_VERSION = 1


def content_hash(table: pa.Table) -> str:
    """SHA-256 over the schema and the rows, whatever file, encoding or chunking they came in.

    For each column: its name and type, which rows are null, and the values as little-endian 64-bit
    words with null as zero; a string column as its distinct values in order of appearance and an
    index a row. Raises ``pa.ArrowInvalid`` where the table does not fit the schema.
    """
    digest = hashlib.sha256()
    for field in BARS:
        column = table.column(field.name).combine_chunks()
        if column.type != field.type:
            raise pa.ArrowInvalid(f"column {field.name} is {column.type}, the schema says {field.type}")
        digest.update(json.dumps([field.name, str(field.type), field.nullable, len(column)]).encode())
        if pa.types.is_string(field.type):
            encoded = column.dictionary_encode()
            digest.update(json.dumps(encoded.dictionary.to_pylist()).encode())
            column = encoded.indices.cast(pa.int64())
        if field.nullable:
            digest.update(np.packbits(column.is_null().to_numpy(zero_copy_only=False)).tobytes())
            column = column.fill_null(0)
        digest.update(column.to_numpy().astype(f"<{column.to_numpy().dtype.kind}8", copy=False).tobytes())
    return digest.hexdigest()
