"""XNYS sessions and their hours. The only place where times of day exist.

Source of the calendar: ``exchange_calendars`` XNYS, from 2003-09-10, where the vendor's history begins.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from marketlake.errors import NotASession, NotFinal
from marketlake.holidays import CLOSED, holiday_names

FIRST_SESSION = dt.date(2003, 9, 10)
NEW_YORK = ZoneInfo("America/New_York")
FINAL_AT = dt.time(11, 0)
"""New York time, on the day after a session, from which its bars no longer change of themselves."""

# Zones differ from UTC by whole hours, half hours, and in Nepal and the Chatham Islands by three quarters of one.
_MIDNIGHT_MINUTES = frozenset({0, 15, 30})
_NEXT_DATE_FROM = dt.time(11, 0)

_SATURDAY = 5

FULL_DAY_MS = 23_400_000
"""Regular hours of a day without an early close: 6.5 hours."""

EXTENDED = (dt.time(4), dt.time(20))
"""Extended hours, New York time, half-open; what trades outside of them trades overnight."""

REGULAR_HOURS, EXTENDED_HOURS, ALL_HOURS = WINDOWS = ("regular", "extended", "all")
"""The parts of a session that a reader may ask for."""


@dataclass(frozen=True)
class SessionHours:
    """One XNYS session. All bounds are Unix ms UTC and half-open ``[start, end)``."""

    session: dt.date
    day_start_ms: int
    day_end_ms: int
    regular_start_ms: int
    regular_end_ms: int

    @property
    def early_close(self) -> bool:
        """Whether regular hours are shorter than on a full day."""
        return self.regular_end_ms - self.regular_start_ms < FULL_DAY_MS

    def window_ms(self, window: str) -> tuple[int, int]:
        """The bounds of one of ``WINDOWS``, in Unix ms UTC, half-open."""
        if window == REGULAR_HOURS:
            return self.regular_start_ms, self.regular_end_ms
        if window == EXTENDED_HOURS:
            first, last = EXTENDED
            return new_york_ms(self.session, first), new_york_ms(self.session, last)
        return self.day_start_ms, self.day_end_ms


@dataclass(frozen=True)
class _Schedule:
    """Every session of the exchange, ascending, and its regular hours in Unix ms UTC, half-open."""

    days: tuple[dt.date, ...]
    regular_ms: dict[dt.date, tuple[int, int]]


@lru_cache(maxsize=2)
def _schedule(last_year: int) -> _Schedule:
    """The library's calendar as plain dates and numbers: a question of its own takes 0.1 ms, and a plan asks 6,000."""
    import exchange_calendars  # it pulls in pandas: half a second that parsing a DAG file must not cost

    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST_SESSION.isoformat(), end=f"{last_year}-12-31")
    days = tuple(calendar.sessions.date)
    opens, closes = (times.dt.as_unit("ms").astype("int64") for times in (calendar.opens, calendar.closes))
    return _Schedule(days, dict(zip(days, zip(opens.tolist(), closes.tolist(), strict=True), strict=True)))


def new_york_ms(day: dt.date, time: dt.time = dt.time(0)) -> int:
    """Unix ms UTC of a New York time of day."""
    return int(dt.datetime.combine(day, time, NEW_YORK).timestamp() * 1000)


def clock_time(at_ms: int) -> str:
    """A Unix ms UTC as New York's HH:MM."""
    return f"{dt.datetime.fromtimestamp(at_ms / 1000, NEW_YORK):%H:%M}"


def final_from(session: dt.date) -> dt.datetime:
    """The instant from which a session's bars are final: 11:00 New York on the following day."""
    return dt.datetime.combine(session + dt.timedelta(days=1), FINAL_AT, NEW_YORK)


def is_final(session: dt.date, now: dt.datetime) -> bool:
    """Whether the bars of a session are final at ``now``."""
    return now >= final_from(session)


def date_meant(moment: dt.datetime) -> dt.date:
    """The date that a person means who gives a moment in the place of a date. ``moment`` has a zone.

    A midnight stands for the date that begins with it: where it was written in, or, told in UTC, the midnight of
    some zone, which is the nearest one to UTC's (from 11:00 UTC on, that of the next date: New Zealand's summer
    belongs to it, and of Samoa and further east of there only UTC can be known). Any other moment is one of New York.
    """
    if moment.time() == dt.time(0):
        return dt.date(moment.year, moment.month, moment.day)
    at = dt.datetime.fromtimestamp(moment.timestamp(), dt.UTC)
    if at.time() == dt.time(at.hour, at.minute) and at.minute in _MIDNIGHT_MINUTES:
        return at.date() + dt.timedelta(days=1 if at.time() >= _NEXT_DATE_FROM else 0)
    return at.astimezone(NEW_YORK).date()


@dataclass(frozen=True)
class DateRange:
    """The dates from ``first`` to ``last``, both included; None: without that bound."""

    first: dt.date | None
    last: dt.date | None

    def __contains__(self, day: dt.date) -> bool:
        return (self.first or day) <= day <= (self.last or day)


class SessionCalendar:
    """XNYS sessions less the closures that the calendar library does not know yet.

    ``today`` bounds the calendar to the end of the following year; it is a date, not a clock, so that
    a long-lived process passes a new one rather than running out of calendar.
    """

    def __init__(self, today: dt.date, closures: Iterable[dt.date] = ()) -> None:
        self._schedule = _schedule(today.year + 1)
        self._closures = frozenset(closures)

    def sessions(self, start: dt.date, end: dt.date) -> list[dt.date]:
        """Every session from ``start`` to ``end``, both included, ascending."""
        days = self._schedule.days
        within = days[bisect_left(days, start) : bisect_right(days, end)]
        return [day for day in within if day not in self._closures]

    def closings(self, start: dt.date, end: dt.date) -> dict[dt.date, str]:
        """Every weekday without a session from ``start`` to ``end``, both included, and why, ascending."""
        open_days, names = set(self.sessions(start, end)), holiday_names(FIRST_SESSION.year, self.last.year)
        days = (start + dt.timedelta(days=number) for number in range((end - start).days + 1))
        closed = (day for day in days if day.weekday() < _SATURDAY and day not in open_days)
        return {day: names.get(day, CLOSED) for day in closed}

    @property
    def last(self) -> dt.date:
        """The last date of the calendar: the end of the year after ``today``."""
        return dt.date(self._schedule.days[-1].year, 12, 31)

    def is_session(self, day: dt.date) -> bool:
        """Whether the exchange traded on that date."""
        return day in self._schedule.regular_ms and day not in self._closures

    def closes_early(self, session: dt.date) -> bool:
        """Whether regular hours of a session are shorter than on a full day; False of any other date."""
        opens_ms, closes_ms = self._schedule.regular_ms.get(session, (0, FULL_DAY_MS))
        return closes_ms - opens_ms < FULL_DAY_MS

    def next_session(self, day: dt.date) -> dt.date | None:
        """The first session on or after ``day``; None past the end of the calendar."""
        day = max(day, FIRST_SESSION)
        return next(iter(self.sessions(day, day + dt.timedelta(days=30))), None)

    def last_sessions(self, end: dt.date, count: int) -> list[dt.date]:
        """The last ``count`` sessions up to and including ``end``, ascending."""
        if count <= 0:
            return []
        return self.sessions(end - dt.timedelta(days=count * 2 + 30), end)[-count:]

    def last_final(self, now: dt.datetime) -> dt.date | None:
        """The last session whose bars are final at ``now``; None before the first."""
        today = now.astimezone(NEW_YORK).date()
        final = [day for day in self.last_sessions(today, 5) if is_final(day, now)]
        return final[-1] if final else None

    def hours(self, session: dt.date) -> SessionHours:
        """The hours of one session. Raises NotASession on a weekend, holiday or closure."""
        if not self.is_session(session):
            raise NotASession(
                f"{session} is no session of the New York Stock Exchange (weekend, holiday or a closure in"
                f" calendar.closures). The calendar runs from {FIRST_SESSION}; choose a session."
            )
        opens_ms, closes_ms = self._schedule.regular_ms[session]
        return SessionHours(
            session=session,
            day_start_ms=new_york_ms(session),
            day_end_ms=new_york_ms(session + dt.timedelta(days=1)),
            regular_start_ms=opens_ms,
            regular_end_ms=closes_ms,
        )

    def require_final(self, session: dt.date, now: dt.datetime, *, allow_provisional: bool) -> None:
        """Raise NotFinal if the session is not final at ``now`` and must be.

        A session that has begun may be fetched as provisional if the caller allows it; one that has
        not begun has no bars, and the vendor answers a future date with "not entitled".
        """
        if is_final(session, now):
            return
        if int(now.timestamp() * 1000) < new_york_ms(session):
            raise NotFinal(f"{session} has not begun yet. Choose a session up to {self.last_final(now)}.")
        if not allow_provisional:
            raise NotFinal(
                f"{session} is not final before {final_from(session):%Y-%m-%d %H:%M} New York: late trades may"
                f" still change its bars. Wait, or use a manual run with allow_provisional."
            )
