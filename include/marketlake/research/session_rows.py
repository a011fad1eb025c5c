"""From rows to a grid: each session's rows are read, and written to where they belong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Protocol

import numpy as np
import pyarrow as pa

from marketlake.errors import BadArgument, InvalidBars
from marketlake.research.fill import Floats, StepRows
from marketlake.research.tensor_arrays import TensorArrays
from marketlake.research.tensor_grid import Positions, TensorGrid
from marketlake.research.threads import in_turn


class SessionRows(Protocol):
    """How a session's rows are read; called from several threads at once."""

    def __call__(self, session: dt.date, /) -> pa.Table:
        """The rows of a session's regular hours, folded to the step: ``timestamp`` and every field.

        ``timestamp``: int64, Unix ms UTC, the start of a step (open + k · step), ascending, each once. Fields are
        numbers of any Arrow type, null where unknown. A step in which nothing traded has no row.
        """


class RowsOnAGrid:
    """Arrays built from rows. ``readers``: threads that read a session each; all have ended when a call returns."""

    def __init__(self, rows: SessionRows, readers: int) -> None:
        self._rows, self._readers = rows, readers

    def __call__(self, grid: TensorGrid) -> TensorArrays:
        """See LoadArrays. Raises what ``rows`` raises: of several errors the earliest session's."""
        sessions, steps, fields = grid.shape
        # Each field of a session lies in one piece, since it is written so. In Arrow's memory: what reading has let go
        # is taken again, where numpy's would come from the system, page by page.
        room = np.frombuffer(pa.allocate_buffer(sessions * fields * steps * grid.dtype.itemsize), grid.dtype)
        values = room.reshape(sessions, fields, steps).transpose(0, 2, 1)
        arrays = TensorArrays(values, np.empty((sessions, steps), np.bool_))

        def place(position: int) -> None:
            _place(self._rows(grid.sessions[position]), grid, position, arrays)

        _for_each(place, range(len(grid.sessions)), self._readers)
        return arrays


def _for_each(act: Callable[[int], None], positions: range, readers: int) -> None:
    """Act on every position; the first error ends it, and what has not begun by then is not begun."""
    if readers == 1:  # a thread of its own would take half as long again for rows that are in memory
        for position in positions:
            act(position)
        return
    for _ in in_turn(act, positions, readers):
        pass


def _place(rows: pa.Table, grid: TensorGrid, position: int, arrays: TensorArrays) -> None:
    """Write one session. Each has its own part of the arrays, so threads need not wait for each other."""
    length = int(grid.lengths[position])
    values, mask = arrays.values[position], arrays.mask[position]
    steps = _steps(rows, grid, position)
    mask[:], values[length:] = False, np.nan
    mask[steps] = True
    placed = StepRows(steps, length)
    for number, field in enumerate(grid.fields):
        values[:length, number] = placed.spread(_numbers(rows, field), grid.fill[field], grid.dtype)


def _steps(rows: pa.Table, grid: TensorGrid, position: int) -> Positions:
    """The step of each row.

    Raises InvalidBars on a row that lies between two steps, outside of the hours, or not after the one before it.
    """
    since_open_ms = rows.column("timestamp").to_numpy() - grid.opens_ms[position]
    steps: Positions = since_open_ms // grid.step_ms
    outside = len(steps) and (steps[0] < 0 or steps[-1] >= grid.lengths[position])
    if outside or (steps[1:] <= steps[:-1]).any() or (steps * grid.step_ms != since_open_ms).any():
        raise InvalidBars(
            f"The rows of {grid.sessions[position]} do not lie on the grid of its regular hours: they must ascend,"
            f" one a step of {grid.step_ms} ms from the open on, before the close."
        )
    return steps


def _numbers(rows: pa.Table, field: str) -> Floats:
    """A column as floats, NaN where it is null. Raises BadArgument if there is none of that name, or no numbers."""
    if field not in rows.column_names or not _is_numeric(rows.schema.field(field).type):
        allowed = ", ".join(one.name for one in rows.schema if _is_numeric(one.type))
        raise BadArgument(f"fields names {field!r}, which is no column of numbers: choose among {allowed}.")
    numbers: Floats = rows.column(field).to_numpy()
    return numbers


def _is_numeric(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))
