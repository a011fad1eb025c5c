"""Bars to draw: folded to a width at which a window has few enough of them, and the stretches without any."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from marketlake.errors import BadArgument
from marketlake.research.frequency import Bins, fold, within
from marketlake.sessions import SessionHours

WIDTHS_S = (1, 5, 15, 30, 60, 300)
MOST = 2_000
"""More candles than any screen has columns."""

_GAP_S, _GAP_BARS = 60, 5
_COLUMNS = {
    "times_ms": "timestamp",
    **{name: name for name in ("open", "high", "low", "close", "vwap")},
    "volume": "volume_exact",
}


class Candles(msgspec.Struct, frozen=True):
    """Bars of one width, a column each. Times are Unix ms UTC, the start of a bar; a bar without a trade is absent.

    ``gaps``: stretches of regular hours without a bar, half-open, of at least a minute and five bars.
    """

    width_s: int
    start_ms: int
    end_ms: int
    times_ms: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]
    vwap: list[float | None]
    gaps: list[tuple[int, int]]


def candles(rows: pa.Table, hours: SessionHours, bar_ms: int, window_ms: tuple[int, int], most: int) -> Candles:
    """The bars of a window of one session, at most ``most`` of them, or as few as the largest width makes of them.

    Raises BadArgument for an impossible window.
    """
    start_ms, end_ms = cut_to_day(hours, window_ms)
    drawn = folded(rows, hours, (start_ms, end_ms), width_ms(end_ms - start_ms, bar_ms, most))
    gaps = [gap for gap in gaps_in(rows, hours, bar_ms) if gap[0] < end_ms and gap[1] > start_ms]
    return msgspec.structs.replace(drawn, gaps=gaps)


def cut_to_day(hours: SessionHours, window_ms: tuple[int, int]) -> tuple[int, int]:
    """The part of a window that lies in the session's New York day. Raises BadArgument if there is none."""
    start_ms, end_ms = max(window_ms[0], hours.day_start_ms), min(window_ms[1], hours.day_end_ms)
    if start_ms >= end_ms:
        raise BadArgument(f"start_ms={window_ms[0]} is not before end_ms={window_ms[1]} within the New York day.")
    return start_ms, end_ms


def folded(rows: pa.Table, hours: SessionHours, window_ms: tuple[int, int], width_ms: int) -> Candles:
    """The bars of a window as candles of one width, whole ones also at its ends; gaps are not looked for."""
    bins = bins_of(hours, width_ms)
    first_ms, last_ms = (int(start) for start in bins.starts_ms(np.array([window_ms[0], window_ms[1] - 1])))
    drawn = fold(within(rows, first_ms, last_ms + width_ms).select([*_COLUMNS.values(), "transactions"]), bins)
    columns: dict[str, Any] = {field: drawn.column(name).to_pylist() for field, name in _COLUMNS.items()}
    return Candles(width_s=width_ms // 1000, start_ms=window_ms[0], end_ms=window_ms[1], gaps=[], **columns)


def bins_of(hours: SessionHours, width_ms: int) -> Bins:
    """The bins of a session's candles."""
    return Bins(width_ms, hours.regular_start_ms, hours.day_start_ms, hours.day_end_ms)


def gaps_in(rows: pa.Table, hours: SessionHours, bar_ms: int) -> list[tuple[int, int]]:
    """The stretches of regular hours in which no bar begins, that are long enough to be worth a mark."""
    first_ms, end_ms = hours.regular_start_ms, hours.regular_end_ms
    starts = within(rows, first_ms, end_ms).column("timestamp").to_numpy()
    marks = np.concatenate([[first_ms - bar_ms], starts, [end_ms]])
    long = np.flatnonzero(np.diff(marks) - bar_ms >= max(_GAP_S * 1000, _GAP_BARS * bar_ms))
    return [(int(marks[number]) + bar_ms, int(marks[number + 1])) for number in long]


def width_ms(window_ms: int, bar_ms: int, most: int) -> int:
    """The smallest width of which a window has at most ``most``, else the largest. Raises BadArgument."""
    if not bar_ms:
        raise BadArgument("these rows are no bars: see them with  chain?date=  or  certificate?date= .")
    if not 1 <= most <= MOST:
        raise BadArgument(f"most={most} is no number of candles: give 1 to {MOST}.")
    fitting = [width_s * 1000 for width_s in WIDTHS_S if width_s * 1000 % bar_ms == 0]
    return next((width for width in fitting if -(-window_ms // width) <= most), fitting[-1])
