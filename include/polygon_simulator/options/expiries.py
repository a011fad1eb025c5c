"""Which dates options expire on, and how long before it each is listed."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from marketlake.sessions import SessionCalendar

_THURSDAY, _FRIDAY = 3, 4
_LEAP_MONTHS = {1, 6, 12}
_QUARTERS = {3, 6, 9, 12}
_YEARS_AHEAD = 5


@dataclass(frozen=True)
class Leads:
    """For how many calendar days before its expiry a contract of each kind is listed; 0: the kind is not."""

    daily: int
    weekly: int
    month_end: int
    monthly: int
    quarter_end: int
    leap: int

    @property
    def longest(self) -> int:
        """The days of the kind that is listed first."""
        return max(self.daily, self.weekly, self.month_end, self.monthly, self.quarter_end, self.leap)


def sessions() -> SessionCalendar:
    """The exchange's days as far as any contract may reach."""
    return _sessions(dt.datetime.now(dt.UTC).year)


@lru_cache(maxsize=2)
def _sessions(year: int) -> SessionCalendar:
    return SessionCalendar(dt.date(year + _YEARS_AHEAD, 1, 1))


def listed(as_of: dt.date, leads: Leads) -> dict[dt.date, int]:
    """Every expiry on or after ``as_of`` that is listed by then, ascending, and its days of listing."""
    last = as_of + dt.timedelta(days=leads.longest)
    ahead = {day: lead for year in range(as_of.year, last.year + 1) for day, lead in of_year(year, leads).items()}
    return {day: lead for day, lead in ahead.items() if as_of <= day <= as_of + dt.timedelta(days=lead)}


@lru_cache(maxsize=64)
def of_year(year: int, leads: Leads) -> dict[dt.date, int]:
    """Every expiry of a year, ascending, and for how many calendar days before it it is listed."""
    found: dict[dt.date, int] = {}
    open_days = sessions()
    for nominal, lead in _nominal(year, leads):
        day = nominal
        while not open_days.is_session(day) and nominal - day < dt.timedelta(days=7):
            day -= dt.timedelta(days=1)
        if open_days.is_session(day) and lead:
            found[day] = max(lead, found.get(day, 0))
    return dict(sorted(found.items()))


def third_friday(year: int, month: int) -> dt.date:
    """The day that monthly contracts expire on, unless it is a holiday."""
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)


def is_monthly(expiry: dt.date) -> bool:
    """Whether it is a third Friday, or the Thursday before one that is a holiday."""
    friday = third_friday(expiry.year, expiry.month)
    eve = friday - dt.timedelta(days=1)
    return expiry == friday or (expiry == eve and not sessions().is_session(friday))


def _nominal(year: int, leads: Leads) -> Iterator[tuple[dt.date, int]]:
    """Every date that contracts would expire on if the exchange never closed on a weekday."""
    for number in range(366 if calendar.isleap(year) else 365):
        day = dt.date(year, 1, 1) + dt.timedelta(days=number)
        if day.weekday() <= _THURSDAY and sessions().is_session(day):
            yield day, leads.daily
        elif day.weekday() == _FRIDAY:
            yield day, leads.weekly
    for month in range(1, 13):
        last = dt.date(year, month, calendar.monthrange(year, month)[1])
        yield last, leads.quarter_end if month in _QUARTERS else leads.month_end
        yield third_friday(year, month), max(leads.monthly, leads.leap if month in _LEAP_MONTHS else 0)
