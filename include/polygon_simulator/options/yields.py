"""Made-up treasury yields, by the day, in the vendor's words; and the rate that a price is discounted with."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlake.sessions import FIRST_SESSION
from polygon_simulator.options.expiries import sessions

Floats = NDArray[np.float64]

FIRST = dt.date(1962, 1, 2)
YEARS = {
    "yield_1_month": 1 / 12, "yield_3_month": 0.25, "yield_6_month": 0.5, "yield_1_year": 1, "yield_2_year": 2,
    "yield_3_year": 3, "yield_5_year": 5, "yield_7_year": 7, "yield_10_year": 10, "yield_20_year": 20,
    "yield_30_year": 30,
}  # fmt: skip
"""The tenors, in years."""

_SINCE = {
    "yield_1_month": dt.date(2001, 7, 31), "yield_3_month": dt.date(1982, 1, 4), "yield_6_month": dt.date(1982, 1, 4),
    "yield_2_year": dt.date(1976, 6, 1), "yield_7_year": dt.date(1969, 7, 1), "yield_20_year": dt.date(1993, 10, 1),
    "yield_30_year": dt.date(1977, 2, 15),
}  # fmt: skip
"""The tenors that are younger than the series: an older row lacks them."""

_SATURDAY, _OCTOBER, _MONDAY = 5, 10, 0
_SECOND_WEEK = range(8, 15)


def is_published(day: dt.date) -> bool:
    """Whether there are yields of a day: of sessions, less the two holidays on which bonds alone rest."""
    if day < FIRST or day.weekday() >= _SATURDAY or (day.month, day.day) in {(11, 11), (1, 1), (7, 4), (12, 25)}:
        return False
    columbus = day.month == _OCTOBER and day.weekday() == _MONDAY and day.day in _SECOND_WEEK
    return not columbus and (day < FIRST_SESSION or sessions().is_session(day))


@lru_cache(maxsize=32_768)
def row(day: dt.date) -> dict[str, Any]:
    """The yields of a day in percent, bond-equivalent, as the vendor says them; a tenor not yet issued is absent."""
    noise = hashlib.sha256(f"yields {day}".encode()).digest()
    level = 3.6 + 0.9 * math.sin(day.toordinal() / 700) + 0.06 * (noise[0] / 127.5 - 1)
    found: dict[str, Any] = {"date": str(day)}
    for place, (name, years) in enumerate(YEARS.items(), 1):
        if day >= _SINCE.get(name, FIRST):
            slope = 0.9 * (1 - math.exp(-years / 8)) - 0.5 * (math.exp(-years / 2) - 1) * math.exp(-years / 3)
            found[name] = round(level + slope + 0.02 * (noise[place] / 127.5 - 1), 2)
    return found


def rows(before: dt.date) -> list[dict[str, Any]]:
    """Every row of a day before that one, ascending. They are shared: change copies."""
    return list(_rows(before))


@lru_cache(maxsize=2)
def _rows(before: dt.date) -> tuple[dict[str, Any], ...]:
    days = (FIRST + dt.timedelta(days=number) for number in range((before - FIRST).days))
    return tuple(row(day) for day in days if is_published(day))


def rates(session: dt.date, years: Floats) -> Floats:
    """Continuous rates for so many years (shape kept), from the yields of the last day before the session.

    ``r = 2 ln(1 + y / 2)`` at each tenor, linear between them, flat below a month and beyond thirty years.
    """
    day = session - dt.timedelta(days=1)
    while not is_published(day):
        day -= dt.timedelta(days=1)
    known = [(YEARS[name], value) for name, value in row(day).items() if name != "date"]
    tenors, continuous = zip(*((tenor, 2 * math.log1p(percent / 200)) for tenor, percent in known), strict=True)
    return np.asarray(np.interp(years, tenors, continuous), dtype=np.float64)
