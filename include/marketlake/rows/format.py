"""What a table of the lake looks like: its schema, its key, how it is written, and the hash of its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class RowFacts:
    """What a certificate says of rows beside their number, of which some kinds have nothing to say.

    ``first_timestamp``, ``last_timestamp``: Unix ms UTC, 0 without rows. ``volume``: Σ, exact; ``transactions``: Σ,
    missing ones left out.
    """

    first_timestamp: int = 0
    last_timestamp: int = 0
    volume: float = 0.0
    transactions: int = 0


def no_facts(table: pa.Table) -> RowFacts:  # noqa: ARG001 (what a format is made with)
    """Of rows that are neither at a time nor add up."""
    return RowFacts()


@dataclass(frozen=True)
class RowFormat:
    """One kind of table, used by writer, reader and content hash alike.

    ``key``: the columns by which rows ascend, without duplicates. ``encodings`` and ``dictionary``: how Parquet keeps
    the columns, by name; both chosen by measurement. ``version`` counts changes of the schema. ``file_name``: what the
    one file of a partition is called; ``noun``: what its rows are called. ``subject``: the column that says whose rows
    they are, the same in all; empty if there is none. ``prices`` (USD) and ``shares``: columns of which a revision's
    largest change is told. ``incidental``: columns of how a row was come by, which are no part of the content: rows
    that differ in them alone are the same. ``group_rows``: how many rows lie in one row group of the file, so that who
    wants a few of them need not decode all; 0: all in one.
    """

    version: int
    schema: pa.Schema
    key: tuple[str, ...]
    encodings: Mapping[str, str]
    dictionary: tuple[str, ...]
    file_name: str = "bars.parquet"
    noun: str = "bars"
    subject: str = "ticker"
    prices: tuple[str, ...] = ()
    shares: str = ""
    group_rows: int = 0
    facts: Callable[[pa.Table], RowFacts] = no_facts
    incidental: tuple[str, ...] = ()

    def content_hash(self, table: pa.Table) -> str:
        """SHA-256 over the schema and the rows, whatever file, encoding or chunking they came in.

        For each column: its name and type, which rows are null, and the values as little-endian 64-bit
        words with null as zero; a string column as its distinct values in order of appearance and an
        index a row. Raises ``pa.ArrowInvalid`` if the table does not fit the schema.
        """
        digest = hashlib.sha256()
        for field in self.schema:
            if field.name in self.incidental:
                continue
            column = table.column(field.name).combine_chunks()
            if column.type != field.type:
                raise pa.ArrowInvalid(f"column {field.name} is {column.type}, the schema says {field.type}")
            digest.update(json.dumps([field.name, str(field.type), field.nullable, len(column)]).encode())
            if pa.types.is_boolean(field.type) or pa.types.is_date32(field.type):
                column = column.cast(pa.int32()).cast(pa.int64())
            if pa.types.is_string(field.type):
                encoded = column.dictionary_encode()
                digest.update(json.dumps(encoded.dictionary.to_pylist()).encode())
                column = encoded.indices.cast(pa.int64())
            if field.nullable:
                digest.update(np.packbits(column.is_null().to_numpy(zero_copy_only=False)).tobytes())
                column = column.fill_null(0)
            digest.update(column.to_numpy().astype(f"<{column.to_numpy().dtype.kind}8", copy=False).tobytes())
        return digest.hexdigest()
