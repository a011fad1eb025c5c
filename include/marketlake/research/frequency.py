"""Longer bars of shorter ones, of one session at a time.

Bins are anchored at the session's regular open, labelled by their start, and never reach across the window that was
asked for; a bin in which nothing traded is absent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from marketlake.errors import BadArgument
from marketlake.sessions import SessionHours

_UNITS_MS = {"s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
DAY_MS = _UNITS_MS["d"]


def length_ms(argument: str, value: object, bar_ms: int) -> int:
    """How long a bin is, in ms: ``"5s"``, ``"1min"``, ``"30min"``, ``"1h"``, ``"1d"``.

    Raises BadArgument for what is no length, is no multiple of the bars' own (``bar_ms``), or longer than a day.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})(s|min|h|d)", value) if isinstance(value, str) else None
    wanted = int(match[1]) * _UNITS_MS[match[2]] if match else 0
    if not 0 < wanted <= DAY_MS or wanted % bar_ms:
        raise BadArgument(
            f"{argument}={value!r} is no length of a bin: give seconds, minutes or hours, such as '5s', '1min', '1h',"
            f" or '1d'; a multiple of the bars' {bar_ms // 1000} s, at most a day."
        )
    return wanted


@dataclass(frozen=True)
class Bins:
    """The bins of one session, each ``step_ms`` long. ``first_ms`` and ``end_ms``: the window, Unix ms UTC, half-open.

    ``closing_print``: a bar that starts when the window ends belongs to the last bin.
    """

    step_ms: int
    anchor_ms: int
    first_ms: int
    end_ms: int
    closing_print: bool = False

    @classmethod
    def of(cls, hours: SessionHours, window: str, step_ms: int, *, closing_print: bool = False) -> Bins:
        """The bins of a session's window; one of a day is the whole window, whatever its length."""
        first_ms, end_ms = hours.window_ms(window)
        anchor_ms = first_ms if step_ms == DAY_MS else hours.regular_start_ms
        return cls(max(step_ms, end_ms - first_ms) if step_ms == DAY_MS else step_ms, anchor_ms, first_ms, end_ms,
                   closing_print)  # fmt: skip

    def starts_ms(self, times_ms: np.ndarray) -> np.ndarray:
        """The start of the bin of each bar, of which the last may be the closing print."""
        within_ms = np.minimum(times_ms, self.end_ms - 1) if self.closing_print else times_ms
        starts = self.anchor_ms + (within_ms - self.anchor_ms) // self.step_ms * self.step_ms
        return np.asarray(np.maximum(starts, self.first_ms))


def within(rows: pa.Table, first_ms: int, end_ms: int) -> pa.Table:
    """The rows of a half-open window, of a table that ascends by ``timestamp``. Nothing is copied."""
    first, end = np.searchsorted(rows.column("timestamp").to_numpy(), (first_ms, end_ms))
    return rows.slice(int(first), int(end - first))


def fold(rows: pa.Table, bins: Bins) -> pa.Table:
    """Bars of whole bins, of one session's bars that ascend by ``timestamp``, in the same columns and types.

    ``open`` is the first, ``high`` the largest, ``low`` the smallest, ``close`` the last; ``volume``,
    ``transactions`` and ``volume_exact`` are sums; ``vwap`` is weighted by ``volume_exact``, which must be there.
    A sum or a vwap of which a part is not known (a null, of a vwap: with shares) is null.
    """
    if rows.num_rows == 0:
        return rows
    starts_ms = bins.starts_ms(rows.column("timestamp").to_numpy())
    firsts = np.flatnonzero(np.diff(starts_ms, prepend=starts_ms[0] - 1))
    folded = {name: _folded(rows, name, firsts) for name in rows.column_names if name != "timestamp"}
    times = pa.array(starts_ms[firsts], pa.int64())
    columns = [times if name == "timestamp" else folded[name] for name in rows.column_names]
    return pa.Table.from_arrays(columns, schema=rows.schema)


def _folded(rows: pa.Table, name: str, firsts: np.ndarray) -> pa.Array:
    """One column, a value a bin; ``firsts``: the row at which each bin begins."""
    column = rows.column(name)
    if name in {"ticker", "open"}:
        return column.take(pa.array(firsts)).combine_chunks()
    if name == "close":
        lasts = np.append(firsts[1:], rows.num_rows) - 1
        return column.take(pa.array(lasts)).combine_chunks()
    if name == "vwap":
        return _vwap(column, rows.column("volume_exact").to_numpy(), firsts)
    reduced = {"high": np.maximum, "low": np.minimum}.get(name, np.add)
    unknown = column.is_null().to_numpy()
    values = reduced.reduceat(column.fill_null(0).to_numpy(), firsts)
    return pa.array(values, column.type, mask=np.logical_or.reduceat(unknown, firsts))


def _vwap(column: pa.ChunkedArray, shares: np.ndarray, firsts: np.ndarray) -> pa.Array:
    unknown = column.is_null().to_numpy() & (shares > 0)
    total = np.add.reduceat(shares, firsts)
    traded = np.add.reduceat(column.fill_null(0.0).to_numpy() * shares, firsts)
    absent = np.logical_or.reduceat(unknown, firsts) | (total <= 0)
    return pa.array(traded / np.where(total > 0, total, 1.0), pa.float64(), mask=absent)
