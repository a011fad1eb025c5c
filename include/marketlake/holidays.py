"""Why the exchange was closed on a weekday: the names of its holidays and of single closures.

Source of the holidays: ``exchange_calendars`` XNYS; of the single closures: the exchange's own announcements.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

_NAMES = {
    "Dr. Martin Luther King Jr. Day": "Martin Luther King Jr. Day",
    "President's Day": "Washington's Birthday",
    "July 4th": "Independence Day",
    "Thanksgiving": "Thanksgiving Day",
    "Christmas": "Christmas Day",
    "Juneteenth National Independence Day": "Juneteenth",
}
"""The library's names that the exchange does not use, and its own."""

_ONCE = {
    dt.date(2004, 6, 11): "Mourning for President Reagan",
    dt.date(2007, 1, 2): "Mourning for President Ford",
    dt.date(2012, 10, 29): "Hurricane Sandy",
    dt.date(2012, 10, 30): "Hurricane Sandy",
    dt.date(2018, 12, 5): "Mourning for President G. H. W. Bush",
    dt.date(2025, 1, 9): "Mourning for President Carter",
}

CLOSED = "Closed"
"""What a weekday without a session is called that has no name."""


@lru_cache(maxsize=2)
def holiday_names(first_year: int, last_year: int) -> dict[dt.date, str]:
    """Every holiday and single closure of those years, by its date."""
    import exchange_calendars  # as in ``sessions``: parsing a DAG file must not cost half a second

    calendar = exchange_calendars.get_calendar("XNYS", start=f"{first_year}-01-01", end=f"{last_year}-12-31")
    named = calendar.regular_holidays.holidays(f"{first_year}-01-01", f"{last_year}-12-31", return_name=True)
    regular = {day.date(): _NAMES.get(name, name) for day, name in named.items()}
    return regular | {day: name for day, name in _ONCE.items() if first_year <= day.year <= last_year}
