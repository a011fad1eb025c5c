"""A frame of pandas, filled session after session: a year is never held twice.

Whole numbers and flags of which some may be missing, by the schema, are ``Int64`` and ``boolean``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

TIME = "timestamp"


class _Numbers:
    """One column of numbers or flags. Room for all of it is set aside at once; what is not needed of it is never
    touched.
    """

    def __init__(self, field: pa.Field, at_most: int) -> None:
        self._as_read = {pa.date32(): pa.int32()}.get(field.type, field.type)
        dtype = "bool" if pa.types.is_boolean(field.type) else "int64"
        self._values = _room(at_most, "float64" if pa.types.is_floating(field.type) else dtype)
        self._absent = np.empty(at_most, "bool") if _may_be_absent(field) else None

    def put(self, first: int, column: pa.ChunkedArray) -> None:
        """The values of one session, from position ``first`` on."""
        last = first + len(column)
        if self._absent is not None:
            self._absent[first:last] = column.is_null().to_numpy() if column.null_count else False
            column = column.fill_null(pa.scalar(0).cast(column.type)) if column.null_count else column
        self._values[first:last] = (column if self._as_read == column.type else column.cast(self._as_read)).to_numpy()

    def taken(self, count: int) -> Any:
        """The first ``count`` of them, as pandas holds the column."""
        values = self._values[:count]
        if self._absent is None:
            return values
        of = pd.arrays.BooleanArray if values.dtype == np.bool_ else pd.arrays.IntegerArray
        return of(values, self._absent[:count])


def _may_be_absent(field: pa.Field) -> bool:
    """Of floats NaN says so, and dates are there always."""
    return bool(field.nullable and (pa.types.is_integer(field.type) or pa.types.is_boolean(field.type)))


def _room(at_most: int, dtype: str) -> np.ndarray:
    """Values that are not set yet, in Arrow's memory: what a table has let go is taken again without the system."""
    return np.frombuffer(pa.allocate_buffer(at_most * np.dtype(dtype).itemsize), dtype)


class _Dates(_Numbers):
    """Days since 1970, as pandas has dates."""

    def taken(self, count: int) -> Any:
        return self._values[:count].view("datetime64[D]").astype("datetime64[ms]")


class _Texts:
    """One column of text."""

    def __init__(self) -> None:
        self._parts: list[pa.ChunkedArray] = []

    def put(self, _first: int, column: pa.ChunkedArray) -> None:
        """The values of one session."""
        self._parts.append(column)

    def taken(self, _count: int) -> Any:
        """All of them, as pandas holds the column."""
        chunks = [chunk for part in self._parts for chunk in part.chunks]
        return pa.chunked_array(chunks, pa.string()).to_pandas().array


def frame_of(tables: Iterable[pa.Table], schema: pa.Schema, rows_at_most: int, zone: str) -> pd.DataFrame:
    """The rows of all tables, one after the other. If the first column is ``timestamp``, in Unix ms UTC, it is the
    index in ``zone``; else the index counts.
    """
    columns = {field.name: _column(field, rows_at_most) for field in schema}
    count = 0
    for table in tables:
        for name, column in columns.items():
            column.put(count, table.column(name))
        count += table.num_rows
    values = {name: column.taken(count) for name, column in columns.items()}
    if next(iter(values)) != TIME:
        return pd.DataFrame(values, copy=False)
    times = pd.DatetimeIndex(values.pop(TIME).view("datetime64[ms]"), name=TIME)
    return pd.DataFrame(values, index=times.tz_localize("UTC").tz_convert(zone), copy=False)


def _column(field: pa.Field, at_most: int) -> Any:
    if pa.types.is_string(field.type):
        return _Texts()
    return (_Dates if pa.types.is_date32(field.type) else _Numbers)(field, at_most)
