"""Bars against the longer bars of the same session: how much of what traded do they account for?

The vendor's second, minute and day bars differ legitimately: a window that held only odd prints has no bar,
so shorter bars lose more of them; the closing auction is in the day's bar and in no minute; late prints
reach the day first. So nothing is held to be equal. What is counted is what the shorter bars lack, and what could
not be compared is named, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.errors import MarketLakeError
from marketlake.polygon import aggregates
from marketlake.polygon.fetch import Listing
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.quality.comparison import MINUTE_MS, Day, Minutes, against_day, against_minutes
from marketlake.sessions import clock_time
from marketlake.settings.sections import Reconcile

_SHOWN_MINUTES = 12
NOT_ASKED = "they were not asked for"
SWITCHED_OFF = "reconcile.enabled was false"
NOT_FINAL = "the session was not final yet"
NEVER_MADE = (NOT_ASKED, SWITCHED_OFF, NOT_FINAL)
NOT_INCLUDED = "the plan does not include them"
FAILED = "the request failed"
"""How the reason begins if asking again may help."""


class Reconciliation(msgspec.Struct, frozen=True):
    """What a session's bars were compared with. A part that is None has its reason in ``not_compared``.

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

    def lost_since(self, earlier: Reconciliation | None) -> dict[str, str]:
        """Parts that were compared earlier and could not be now, with the reason, if asking again may help."""
        compared = {name for name in ("minute", "day") if earlier is not None and name not in earlier.not_compared}
        excused = (*NEVER_MADE, NOT_INCLUDED)
        return {name: why for name, why in self.not_compared.items() if name in compared and why not in excused}

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
    bars: pa.Table,
    longer: Mapping[str, Listing],
    request: BarRequest,
    limits: Reconcile,
    spans: Sequence[Timespan] = (Timespan.MINUTE, Timespan.DAY),
) -> Reconciliation:
    """Hold the bars of a request against whatever longer bars of ``spans`` came. Never raises on what those hold."""
    usable = {span: _usable(longer.get(span.value), request.of(span)) for span in spans}
    minutes, day = usable.get(Timespan.MINUTE), usable.get(Timespan.DAY)
    compared_minutes = against_minutes(bars, minutes, request.hours) if isinstance(minutes, pa.Table) else None
    compared_day = against_day(bars, day) if isinstance(day, pa.Table) else None
    return Reconciliation(
        compared_minutes,
        compared_day,
        {span.value: part for span, part in usable.items() if isinstance(part, str)},
        {
            **({"minute": tuple(_of_minutes(compared_minutes, limits))} if compared_minutes else {}),
            **({"day": tuple(_of_day(compared_day, limits, request.timespan))} if compared_day else {}),
        },
    )


def _usable(listing: Listing | None, request: BarRequest) -> pa.Table | str:
    """The bars, or in a few words why they cannot be compared with."""
    if listing is None:
        return NOT_ASKED
    if listing.absent_because:
        return listing.absent_because
    try:
        bars = pa.concat_tables([aggregates.decode(body).rows for body in listing.bodies])
    except MarketLakeError as exc:
        return f"they cannot be read ({type(exc).__name__})"
    return _wrong_with(bars, request) or bars


def _wrong_with(bars: pa.Table, request: BarRequest) -> str:
    """Why bars are nothing to hold this session against; empty if they are."""
    start, hours = bars.column("timestamp").to_numpy(), request.hours
    if not len(start):
        return "the API has none of this session"
    if start.min() < hours.day_start_ms or start.max() >= hours.day_end_ms:
        return "they are of another day"
    if request.timespan is Timespan.DAY and len(start) > 1:
        return "there are several of one day"
    if bool((start % MINUTE_MS).any()) or bool((np.diff(start) <= 0).any()):
        return "they do not ascend by the minute"
    return "" if pc.max(bars.column("volume_exact")).as_py() > 0 else "no share was traded in any of them"


def _of_minutes(minutes: Minutes, limits: Reconcile) -> list[str]:
    """What is wrong with the comparison, a line each; none if it is within the limits."""
    findings = []
    if minutes.missing > limits.missing_minutes:
        findings.append(
            f"minutes that traded without one second: {minutes.missing}, at {_times(minutes.missing_starts_ms)}"
            f" New York (reconcile.missing_minutes = {limits.missing_minutes})"
        )
    for name, share in (("trades", minutes.trades_share), ("volume", minutes.volume_share)):
        if share is not None and share < 1 - limits.short_share:
            findings.append(
                f"the seconds hold {share:.2%} of the minute bars' {name} (reconcile.short_share ="
                f" {limits.short_share:g})"
            )
    if minutes.surplus_share > limits.surplus_share:
        findings.append(
            f"the seconds hold {minutes.surplus_share:.2%} more than the minute bars (reconcile.surplus_share ="
            f" {limits.surplus_share:g})"
        )
    if minutes.price_excess > limits.price_share:
        findings.append(
            f"a price of the seconds leaves its minute bar's range by {minutes.price_excess:.2%}, at"
            f" {clock_time(minutes.price_excess_start_ms)} New York (reconcile.price_share = {limits.price_share:g})"
        )
    return findings


def _of_day(day: Day, limits: Reconcile, size: Timespan) -> list[str]:
    ratio = day.volume_ratio
    if ratio is None:
        return []
    finding = f"the {size}s hold {ratio:.2%} of the day bar's volume"
    if ratio < 1 - limits.day_short_share:
        return [f"{finding} (reconcile.day_short_share = {limits.day_short_share:g})"]
    if ratio > 1 + limits.surplus_share:
        return [f"{finding} (reconcile.surplus_share = {limits.surplus_share:g})"]
    return []


def _times(starts_ms: tuple[int, ...]) -> str:
    """Minutes as times of day in New York, the first dozen of them."""
    shown = ", ".join(clock_time(start) for start in starts_ms[:_SHOWN_MINUTES])
    left = len(starts_ms) - _SHOWN_MINUTES
    return f"{shown} and {left} more" if left > 0 else shown
