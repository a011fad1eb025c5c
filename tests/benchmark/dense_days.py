"""Dense sessions: 46,800 seconds with a trade each, as many as a busy day of SPY has.

They are the simulator's made-up days, laid over each other until no second is quiet that need not be.
"""

from __future__ import annotations

import datetime as dt
from functools import cache

from marketlake.sessions import new_york_ms
from polygon_simulator.days import Bar
from polygon_simulator.market import MadeUpDays

BARS = 46_800
_OVERLAID = [dt.date(2024, 1, day) for day in (8, 9, 10, 11, 12)]
_REGULAR_MS = range(34_200_000, 57_600_000)  # since midnight in New York


class DenseDays:
    """The same market on every day: what differs is when it was."""

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The day's bars, ascending: all regular hours, and as much of the hours around them as it takes."""
        return [bar | {"t": new_york_ms(day) + since_ms} for since_ms, bar in _of_a_day(ticker).items()]


@cache
def _of_a_day(ticker: str) -> dict[int, Bar]:
    """The bars by the milliseconds since midnight in New York, ascending."""
    overlaid: dict[int, Bar] = {}
    for day in _OVERLAID:
        overlaid = {int(bar["t"]) - new_york_ms(day): bar for bar in MadeUpDays().bars(ticker, day)} | overlaid
    regular_first = sorted(overlaid, key=lambda since_ms: (since_ms not in _REGULAR_MS, since_ms))
    return {since_ms: overlaid[since_ms] for since_ms in sorted(regular_first[:BARS])}
