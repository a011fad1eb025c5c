"""Days of few bars, for tests that are not about density."""

from __future__ import annotations

import datetime as dt
import random

from marketlake.errors import NotASession
from marketlake.sessions import SessionCalendar
from polygon_simulator.days import Bar


class SparseDays:
    """390 seconds a full session, spread evenly over its regular hours, the same for the same ticker and date."""

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The day's bars; none on a weekend or holiday."""
        try:
            hours = SessionCalendar(dt.datetime.now(dt.UTC).date()).hours(day)
        except NotASession:
            return []
        chance = random.Random(f"{ticker} {day}")
        return [_made_up(chance, start_ms) for start_ms in range(hours.regular_start_ms, hours.regular_end_ms, 60_000)]


def _made_up(chance: random.Random, start_ms: int) -> Bar:
    low = chance.randint(10_000, 60_000)
    opens, closes = low + chance.randint(0, 9), low + chance.randint(0, 9)
    high = max(opens, closes) + chance.randint(0, 9)
    shares = chance.randint(1, 90_000)
    return {
        "v": shares,
        "vw": (low + high) / 200,
        "o": opens / 100,
        "c": closes / 100,
        "h": high / 100,
        "l": low / 100,
        "t": start_ms,
        "n": 1 + shares // 300,
    }
