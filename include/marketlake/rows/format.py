"""What a table of the lake looks like: its schema, its key, how it is written, and the hash of its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class RowFormat:
    """One kind of table, used by writer, reader and content hash alike.

    ``key``: the columns by which rows ascend, without duplicates. ``encodings`` and ``dictionary``: how Parquet keeps
    the columns, by name; both chosen by measurement. ``version`` counts changes of the schema. ``file_name``: what the
    one file of a partition is called.
    """

    version: int
    schema: pa.Schema
    key: tuple[str, ...]
    encodings: Mapping[str, str]
    dictionary: tuple[str, ...]
    file_name: str = "bars.parquet"

    def content_hash(self, table: pa.Table) -> str:
        """SHA-256 over the schema and the rows, whatever file, encoding or chunking they came in.

        For each column: its name and type, which rows are null, and the values as little-endian 64-bit
        words with null as zero; a string column as its distinct values in order of appearance and an
        index a row. Raises ``pa.ArrowInvalid`` if the table does not fit the schema.
        """
        digest = hashlib.sha256()
        for field in self.schema:
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
