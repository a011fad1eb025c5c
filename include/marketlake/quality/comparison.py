"""A session's bars held against its longer ones: what agrees, and by how much the rest is off."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketlake.sessions import SessionHours

MINUTE_MS = 60_000

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class ShortMinute(msgspec.Struct, frozen=True, array_like=True):
    """A minute whose seconds hold less than its bar. ``start_ms`` is Unix ms UTC.

    ``trades``: how many fewer; 0 if the seconds or the bar do not count them, and volume decided.
    """

    start_ms: int
    trades: int


class Minutes(msgspec.Struct, frozen=True):
    """Seconds against minute bars: one class for every minute of the New York day.

    ``agreeing``: as many trades in both. ``quiet``: no bar in either. ``short``: fewer trades in the
    seconds, of which ``short_minutes`` says how many; ``missing``: a minute bar and not one second;
    ``extra``: more trades in the seconds, or no minute bar. If a bar does not say its trades, volume
    decides (``uncounted`` minutes). ``trades_share`` and ``volume_share``: what the seconds account for of
    the minute bars' sums, no minute making up for another; None if the minute bars sum to nothing.
    ``surplus_share``: what they hold beyond the minute bars, of trades or volume, whichever is more.
    ``*_differs``: minutes with seconds whose sum or extreme is another than the bar's. ``price_excess``: by how
    much a second's price leaves its minute bar's range at most, a share of that bar's price, and in which minute.
    """

    agreeing: int
    quiet: int
    short: int
    missing: int
    extra: int
    uncounted: int
    trades_share: float | None
    volume_share: float | None
    surplus_share: float
    short_trades: int
    missing_trades: int
    extra_trades: int
    volume_differs: int
    high_differs: int
    low_differs: int
    short_minutes: tuple[ShortMinute, ...]
    missing_starts_ms: tuple[int, ...]
    extra_starts_ms: tuple[int, ...]
    price_excess: float = 0.0
    price_excess_start_ms: int = 0


class Day(msgspec.Struct, frozen=True):
    """Σ of the shorter bars over the day bar's figure; above 1 if they hold more. None: it says none."""

    volume_ratio: float | None
    trades_ratio: float | None


@dataclass(frozen=True)
class _Sums:
    """By minute of the day: whether a bar lies in it, trades (and whether all say them), volume, extremes."""

    present: Mask
    trades: Floats
    counted: Mask
    volume: Floats
    high: Floats
    low: Floats


def _by_minute(bars: pa.Table, hours: SessionHours) -> _Sums:
    count = (hours.day_end_ms - hours.day_start_ms) // MINUTE_MS
    minute = (bars.column("timestamp").to_numpy() - hours.day_start_ms) // MINUTE_MS
    is_counted = bars.column("transactions").is_valid().to_numpy()
    trades = pc.fill_null(bars.column("transactions"), 0).to_numpy()
    starts = np.flatnonzero(np.diff(minute, prepend=-1))
    high, low = np.full(count, np.nan), np.full(count, np.nan)
    high[minute[starts]] = np.maximum.reduceat(bars.column("high").to_numpy(), starts)
    low[minute[starts]] = np.minimum.reduceat(bars.column("low").to_numpy(), starts)
    return _Sums(
        present=np.bincount(minute, minlength=count) > 0,
        trades=_summed(minute, trades, count),
        counted=np.bincount(minute, weights=~is_counted, minlength=count) == 0,
        volume=_summed(minute, bars.column("volume_exact").to_numpy(), count),
        high=high,
        low=low,
    )


def _summed(minute: NDArray[np.int64], values: Floats, count: int) -> Floats:
    return np.asarray(np.bincount(minute, weights=values, minlength=count), dtype=np.float64)


def against_minutes(seconds: pa.Table, minutes: pa.Table, hours: SessionHours) -> Minutes:
    """Classify every minute of the day. Both tables ascend and lie within the day."""
    ours, theirs = _by_minute(seconds, hours), _by_minute(minutes, hours)
    both, counted = ours.present & theirs.present, ours.counted & theirs.counted
    trades_off = theirs.trades - ours.trades
    volume_equal = np.isclose(ours.volume, theirs.volume, rtol=1e-9, atol=1e-6)
    lacking = np.where(counted, trades_off, np.where(volume_equal, 0, theirs.volume - ours.volume))
    missing, short = theirs.present & ~ours.present, both & (lacking > 0)
    extra = (ours.present & ~theirs.present) | (both & (lacking < 0))
    trades_share, trades_surplus = _shares(ours.trades, theirs.trades, (ours.present | theirs.present) & counted)
    volume_share, volume_surplus = _shares(ours.volume, theirs.volume, ours.present | theirs.present)
    excess = _price_excess(ours, theirs, both)

    def starts_ms(mask: Mask) -> list[int]:
        return [int(hours.day_start_ms + minute * MINUTE_MS) for minute in np.flatnonzero(mask)]

    return Minutes(
        agreeing=int((both & (lacking == 0)).sum()),
        quiet=int((~ours.present & ~theirs.present).sum()),
        short=int(short.sum()),
        missing=int(missing.sum()),
        extra=int(extra.sum()),
        uncounted=int((both & ~counted).sum()),
        trades_share=trades_share,
        volume_share=volume_share,
        surplus_share=max(trades_surplus, volume_surplus),
        short_trades=int(trades_off[short & counted].sum()),
        missing_trades=int(theirs.trades[missing].sum()),
        extra_trades=int(-trades_off[extra & counted].sum()),
        volume_differs=int((both & ~volume_equal).sum()),
        high_differs=int((both & (ours.high != theirs.high)).sum()),
        low_differs=int((both & (ours.low != theirs.low)).sum()),
        short_minutes=tuple(
            ShortMinute(start, int(by))
            for start, by in zip(starts_ms(short), np.where(counted, trades_off, 0)[short], strict=True)
        ),
        missing_starts_ms=tuple(starts_ms(missing)),
        extra_starts_ms=tuple(starts_ms(extra)),
        price_excess=round(float(excess.max()), 6),
        price_excess_start_ms=starts_ms(excess == excess.max())[0] if excess.any() else 0,
    )


def _price_excess(ours: _Sums, theirs: _Sums, both: Mask) -> Floats:
    """By minute: how far our extremes lie outside of theirs, as a share of theirs; 0 if they do not."""
    excess = np.zeros(len(both))
    priced = both & (theirs.low > 0) & (theirs.high > 0)
    above, below = ours.high[priced] / theirs.high[priced] - 1, 1 - ours.low[priced] / theirs.low[priced]
    excess[priced] = np.maximum(0, np.maximum(above, below))
    return excess


def _shares(ours: Floats, theirs: Floats, where: Mask) -> tuple[float | None, float]:
    """What ours account for of theirs, minute by minute, and what they hold beyond; shares of theirs."""
    total = float(theirs[where].sum())
    if not total:
        return None, 0.0
    accounted = float(np.minimum(ours, theirs)[where].sum())
    return round(accounted / total, 6), round(float(np.maximum(ours - theirs, 0)[where].sum()) / total, 6)


def against_day(bars: pa.Table, day: pa.Table) -> Day:
    """The bars' sums over those of the one day bar; 0 if there are no bars."""
    trades = day.column("transactions")[0].as_py()
    counted = bars.column("transactions").null_count == 0
    volume = math.fsum(bars.column("volume_exact").to_pylist())
    return Day(
        volume_ratio=_ratio(volume, day.column("volume_exact")[0].as_py()),
        trades_ratio=_ratio(pc.sum(bars.column("transactions")).as_py() or 0, trades) if counted else None,
    )


def _ratio(ours: float, theirs: float | None) -> float | None:
    return round(ours / theirs, 6) if theirs else None
