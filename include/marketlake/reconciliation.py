"""Seconds against the longer bars of the same session: how much of what traded do they account for?

The vendor's second, minute and day bars differ legitimately: a window that held only odd prints has no bar,
so shorter bars lose more of them; the closing auction is in the day's bar and in no minute; late prints
reach the day first. So nothing is held to be equal. What is counted is what the seconds lack, and what could
not be compared is said, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketlake import parse
from marketlake.errors import MarketLakeError
from marketlake.model import BarRequest, Reference, SessionHours, Timespan
from marketlake.parameters import Reconcile
from marketlake.sessions import clock_time

_MINUTE_MS = 60_000
_SHOWN_MINUTES = 12
NOT_ASKED = "they were not asked for"
SWITCHED_OFF = "reconcile.enabled was false"
NOT_FINAL = "the session was not final yet"
NEVER_MADE = (NOT_ASKED, SWITCHED_OFF, NOT_FINAL)
FAILED = "the request failed"
"""How the reason begins where asking again may help."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class ShortMinute(msgspec.Struct, frozen=True, array_like=True):
    """A minute whose seconds hold fewer trades than its bar. ``start_ms`` is Unix ms UTC."""

    start_ms: int
    trades: int


class Minutes(msgspec.Struct, frozen=True):
    """Seconds against minute bars: one class for every minute of the New York day.

    ``agreeing``: as many trades in both. ``quiet``: no bar in either. ``short``: fewer trades in the
    seconds, of which ``short_minutes`` says how many; ``missing``: a minute bar and not one second;
    ``extra``: more trades in the seconds, or no minute bar. Where a bar does not say its trades, volume
    decides (``uncounted`` minutes). ``trades_share`` and ``volume_share``: what the seconds account for of
    the minute bars' sums, no minute making up for another; None where the minute bars sum to nothing.
    ``surplus_share``: what they hold beyond the minute bars, of trades or volume, whichever is more.
    ``*_differs``: minutes with seconds whose sum or extreme is another than the bar's.
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


class Day(msgspec.Struct, frozen=True):
    """Σ of the seconds over the day bar's figure; above 1 where the seconds hold more. None: it says none."""

    volume_ratio: float | None
    trades_ratio: float | None


class Reconciliation(msgspec.Struct, frozen=True):
    """What the seconds were compared with. A part that is None has its reason in ``not_compared``.

    ``findings`` say, by part, what makes the session suspect.
    """

    minutes: Minutes | None
    day: Day | None
    not_compared: dict[str, str]
    findings: dict[str, tuple[str, ...]]

    @property
    def is_suspicious(self) -> bool:
        """Whether any part was found to lack, or to hold, more than the settings allow."""
        return any(self.findings.values())

    @property
    def may_be_completed(self) -> bool:
        """Whether asking again may supply a part: its request failed, or was never made."""
        return any(reason.startswith((FAILED, *NEVER_MADE)) for reason in self.not_compared.values())

    def completed_by(self, earlier: Reconciliation | None) -> Reconciliation:
        """Parts that could not be compared this time, taken from an earlier comparison of the same rows."""
        if earlier is None:
            return self
        return Reconciliation(
            self.minutes or earlier.minutes,
            self.day or earlier.day,
            {name: reason for name, reason in self.not_compared.items() if name in earlier.not_compared},
            {**earlier.findings, **self.findings},
        )


def reconcile(
    bars: pa.Table, references: Mapping[Timespan, Reference], request: BarRequest, limits: Reconcile
) -> Reconciliation:
    """Hold a session's seconds against whatever longer bars came. Never raises on what those hold."""
    minutes, day = (_usable(references.get(span), request.of(span)) for span in (Timespan.MINUTE, Timespan.DAY))
    compared_minutes = against_minutes(bars, minutes, request.hours) if isinstance(minutes, pa.Table) else None
    compared_day = against_day(bars, day) if isinstance(day, pa.Table) else None
    return Reconciliation(
        compared_minutes,
        compared_day,
        {span.value: part for span, part in ((Timespan.MINUTE, minutes), (Timespan.DAY, day)) if isinstance(part, str)},
        {
            **({"minute": tuple(_of_minutes(compared_minutes, limits))} if compared_minutes else {}),
            **({"day": tuple(_of_day(compared_day, limits))} if compared_day else {}),
        },
    )


def _usable(reference: Reference | None, request: BarRequest) -> pa.Table | str:
    """The bars, or in a few words why they cannot be compared with."""
    if reference is None:
        return NOT_ASKED
    if reference.absent_because:
        return reference.absent_because
    try:
        bars = pa.concat_tables([parse.decode(body).bars for body in reference.bodies])
    except MarketLakeError as exc:
        return f"they cannot be read ({type(exc).__name__})"
    return _wrong_with(bars.column("timestamp").to_numpy(), request) or bars


def _wrong_with(start: NDArray[np.int64], request: BarRequest) -> str:
    """Why bars that start then, in Unix ms, are no reference for this session; empty where they are one."""
    hours = request.hours
    if not len(start):
        return "the API has none of this session"
    if start.min() < hours.day_start_ms or start.max() >= hours.day_end_ms:
        return "they are of another day"
    if request.timespan is Timespan.DAY and len(start) > 1:
        return "there are several of one day"
    if bool((start % _MINUTE_MS).any()) or bool((np.diff(start) <= 0).any()):
        return "they do not ascend by the minute"
    return ""


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
    count = (hours.day_end_ms - hours.day_start_ms) // _MINUTE_MS
    minute = (bars.column("timestamp").to_numpy() - hours.day_start_ms) // _MINUTE_MS
    said = bars.column("transactions").is_valid().to_numpy()
    trades = pc.fill_null(bars.column("transactions"), 0).to_numpy()
    starts = np.flatnonzero(np.diff(minute, prepend=-1))
    high, low = np.full(count, np.nan), np.full(count, np.nan)
    high[minute[starts]] = np.maximum.reduceat(bars.column("high").to_numpy(), starts)
    low[minute[starts]] = np.minimum.reduceat(bars.column("low").to_numpy(), starts)
    return _Sums(
        present=np.bincount(minute, minlength=count) > 0,
        trades=_summed(minute, trades, count),
        counted=np.bincount(minute, weights=~said, minlength=count) == 0,
        volume=_summed(minute, bars.column("volume_exact").to_numpy(), count),
        high=high,
        low=low,
    )


def _summed(minute: NDArray[np.int64], values: Floats, count: int) -> Floats:
    return np.asarray(np.bincount(minute, weights=values, minlength=count), dtype=np.float64)


def against_minutes(seconds: pa.Table, minutes: pa.Table, hours: SessionHours) -> Minutes:
    """Classify every minute of the day. Both tables ascend and lie within the day, and neither is empty."""
    ours, theirs = _by_minute(seconds, hours), _by_minute(minutes, hours)
    both, counted = ours.present & theirs.present, ours.counted & theirs.counted
    trades_off = theirs.trades - ours.trades
    volume_equal = np.isclose(ours.volume, theirs.volume, rtol=1e-9, atol=1e-6)
    lacking = np.where(counted, trades_off, np.where(volume_equal, 0, theirs.volume - ours.volume))
    missing, short = theirs.present & ~ours.present, both & (lacking > 0)
    extra = (ours.present & ~theirs.present) | (both & (lacking < 0))
    trades_share, trades_surplus = _shares(ours.trades, theirs.trades, (ours.present | theirs.present) & counted)
    volume_share, volume_surplus = _shares(ours.volume, theirs.volume, ours.present | theirs.present)

    def starts_ms(mask: Mask) -> list[int]:
        return [int(hours.day_start_ms + minute * _MINUTE_MS) for minute in np.flatnonzero(mask)]

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
            ShortMinute(start, int(by)) for start, by in zip(starts_ms(short), trades_off[short], strict=True)
        ),
        missing_starts_ms=tuple(starts_ms(missing)),
        extra_starts_ms=tuple(starts_ms(extra)),
    )


def _shares(ours: Floats, theirs: Floats, where: Mask) -> tuple[float | None, float]:
    """What ours account for of theirs, minute by minute, and what they hold beyond; shares of theirs."""
    total = float(theirs[where].sum())
    if not total:
        return None, 0.0
    accounted = float(np.minimum(ours, theirs)[where].sum())
    return round(accounted / total, 6), round(float(np.maximum(ours - theirs, 0)[where].sum()) / total, 6)


def against_day(seconds: pa.Table, day: pa.Table) -> Day:
    """The seconds' sums over those of the one day bar."""
    trades = day.column("transactions")[0].as_py()
    counted = seconds.column("transactions").null_count == 0
    volume = math.fsum(seconds.column("volume_exact").to_pylist())
    return Day(
        volume_ratio=_ratio(volume, day.column("volume_exact")[0].as_py()),
        trades_ratio=_ratio(pc.sum(seconds.column("transactions")).as_py(), trades) if counted else None,
    )


def _ratio(ours: float, theirs: float | None) -> float | None:
    return round(ours / theirs, 6) if theirs else None


def _of_minutes(minutes: Minutes, limits: Reconcile) -> list[str]:
    """What is wrong with the comparison, a line each; none where it is within the limits."""
    found = []
    if minutes.missing > limits.missing_minutes:
        found.append(
            f"minutes that traded without one second: {minutes.missing}, at {_times(minutes.missing_starts_ms)}"
            f" New York (reconcile.missing_minutes = {limits.missing_minutes})"
        )
    for name, share in (("trades", minutes.trades_share), ("volume", minutes.volume_share)):
        if share is not None and share < 1 - limits.short_share:
            found.append(
                f"the seconds hold {share:.2%} of the minute bars' {name} (reconcile.short_share ="
                f" {limits.short_share:g})"
            )
    if minutes.surplus_share > limits.surplus_share:
        found.append(
            f"the seconds hold {minutes.surplus_share:.2%} more than the minute bars (reconcile.surplus_share ="
            f" {limits.surplus_share:g})"
        )
    return found


def _of_day(day: Day, limits: Reconcile) -> list[str]:
    ratio = day.volume_ratio
    if ratio is None:
        return []
    if ratio < 1 - limits.day_short_share:
        return [f"the seconds hold {ratio:.2%} of the day bar's volume (reconcile.day_short_share"
                f" = {limits.day_short_share:g})"]  # fmt: skip
    if ratio > 1 + limits.surplus_share:
        return [f"the seconds hold {ratio:.2%} of the day bar's volume (reconcile.surplus_share"
                f" = {limits.surplus_share:g})"]  # fmt: skip
    return []


def _times(starts_ms: tuple[int, ...]) -> str:
    """Minutes as times of day in New York, the first dozen of them."""
    shown = ", ".join(clock_time(start) for start in starts_ms[:_SHOWN_MINUTES])
    left = len(starts_ms) - _SHOWN_MINUTES
    return f"{shown} and {left} more" if left > 0 else shown
