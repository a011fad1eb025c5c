"""Days whose price drifts like a market's, of one second a minute: what options are priced from, made at once."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass

from marketlake.errors import NotASession
from marketlake.sessions import SessionCalendar, new_york_ms
from polygon_simulator.days import Bar
from polygon_simulator.market import level

MINUTE_MS, SECOND_MS = 60_000, 1_000
_MINUTES = 960  # of extended hours, 04:00 to 20:00


@dataclass(frozen=True)
class SmoothDays:
    """One bar a minute, in its last second, so that it has ended when the minute has; 04:00 to 20:00 New York."""

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The day's bars; none on a weekend or holiday, or for an unknown ticker."""
        try:
            SessionCalendar(max(day, dt.datetime.now(dt.UTC).date())).hours(day)
        except NotASession:
            return []
        first, last = level(ticker, day), level(ticker, day + dt.timedelta(days=1))
        if not first:
            return []
        chance = random.Random(f"{ticker} {day}")
        start_ms, wave = new_york_ms(day, dt.time(4)), 0.0
        bars = []
        for minute in range(_MINUTES):
            wave = 0.98 * wave + chance.gauss(0, 0.0003)
            price = round((first + (last - first) * minute / _MINUTES) * (1 + wave), 2)
            t = start_ms + (minute + 1) * MINUTE_MS - SECOND_MS
            bars.append({"v": 900, "vw": price, "o": price, "c": price, "h": price, "l": price, "t": t, "n": 9})
        return bars
