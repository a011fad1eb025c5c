"""Which dividends an option's price holds, as far as they could be known on the session.

SPY's ex-dates of a year are declared in its first days, with amounts that nobody could know then: the vendor writes
an amount into a row when it becomes known, and the row still carries the day on which its date was declared. So a
declared **ex-date** counts from its declaration on, and an **amount** from the ex-date on; before it, the amount of the
same quarter a year earlier stands in. What the option holds lies ahead, so that its amounts are always estimates.
Source: the vendor's ``/stocks/v1/dividends``.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketlake.errors import BadArgument
from marketlake.options.transcendental import exp
from marketlake.sessions import SessionCalendar

NEAR_DAYS = 10
"""How soon before the expiration an ex-date lies that makes calls worth exercising early."""

_YEAR_DAYS = 365
_YEARS_BACK = 5
_FRIDAY = 4


@dataclass(frozen=True, order=True)
class Dividend:
    """One cash dividend of the vendor's: USD a share, unadjusted. Raises BadArgument for an amount that is none.

    ``declaration_date`` None: not known before its ex-date. ``frequency``: how many a year; 0 of a special one,
    which says nothing of later ones.
    """

    ex_date: dt.date
    amount_usd: float
    declaration_date: dt.date | None = None
    frequency: int = 4

    def __post_init__(self) -> None:
        if not (math.isfinite(self.amount_usd) and self.amount_usd >= 0):
            raise BadArgument(f"the dividend of {self.ex_date}: {self.amount_usd} is no amount in USD.")


@dataclass(frozen=True, order=True)
class Expected:
    """A dividend that lies ahead. ``estimated``: its amount, or its date, is not the declared one."""

    ex_date: dt.date
    amount_usd: float
    estimated: bool


class Dividends(Protocol):
    """A source of dividends."""

    @property
    def source(self) -> str:
        """What was used, in words."""

    def ahead(self, session: dt.date, last: dt.date) -> tuple[Expected, ...]:
        """What was expected on a session: ``session < ex_date <= last``, ascending."""


@dataclass(frozen=True)
class NoDividends:
    """The underlying pays none, or they are to be left out."""

    source: str = "none"

    def ahead(self, session: dt.date, last: dt.date) -> tuple[Expected, ...]:  # noqa: ARG002  # the protocol's
        """Nothing."""
        return ()


@dataclass(frozen=True)
class ConstantDividends:
    """The same amount every quarter, USD a share, on SPY's ex-dates: the third Friday of its last month."""

    amount_usd: float
    calendar: SessionCalendar

    def __post_init__(self) -> None:
        if not (math.isfinite(self.amount_usd) and self.amount_usd >= 0):
            raise BadArgument(f"dividends.constant_usd={self.amount_usd} is no amount in USD a quarter.")

    @property
    def source(self) -> str:
        """What was used, in words."""
        return f"constant {self.amount_usd} USD a quarter"

    def ahead(self, session: dt.date, last: dt.date) -> tuple[Expected, ...]:
        """One dividend a quarter, every one an estimate."""
        months = ((year, month) for year in range(session.year, last.year + 1) for month in (3, 6, 9, 12))
        days = (_session_at(_nth_weekday(year, month, _FRIDAY, 3), self.calendar) for year, month in months)
        return tuple(Expected(day, self.amount_usd, True) for day in days if session < day <= last)


@dataclass(frozen=True)
class KnownDividends:
    """The vendor's dividends of one ticker, in any order, read as they could be known on a session."""

    history: Sequence[Dividend]
    calendar: SessionCalendar

    @property
    def source(self) -> str:
        """What was used, in words. Not how many: some of them are of later."""
        return "the vendor's dividends"

    def ahead(self, session: dt.date, last: dt.date) -> tuple[Expected, ...]:
        """Declared dates, and those of a year earlier for quarters of which none is declared.

        A date that is not declared is the same weekday of the same month as a year earlier: the third Friday, say.
        Special ones are left out: nobody knows their amount before. Raises BadArgument for a declared dividend that
        has no earlier one to estimate its amount by.
        """
        regular = sorted(one for one in self.history if one.frequency > 0)
        paid = [one for one in regular if one.ex_date <= session]
        declared = [one for one in regular if one.ex_date > session and _is_declared(one, session)]
        dates = {one.ex_date: one for one in declared}
        for pattern in self._patterns(paid, session, last):
            if not any(_same_quarter(pattern, known) for known in declared):
                dates[pattern.ex_date] = pattern
        ahead = sorted(day for day in dates if session < day <= last)
        return tuple(Expected(day, _amount(dates[day], paid), True) for day in ahead)

    def _patterns(self, paid: Sequence[Dividend], session: dt.date, last: dt.date) -> Iterable[Dividend]:
        """The dividends of the last year, in each later year up to ``last``; none if a year went by without any."""
        if not paid or (session - paid[-1].ex_date).days > _YEAR_DAYS:
            return
        newest = paid[-1].ex_date
        recent = [one for one in paid if (newest - one.ex_date).days < _YEAR_DAYS - _half_a_period(one)]
        for year in range(1, last.year - newest.year + 2):
            for one in recent:
                yield Dividend(_years_later(one.ex_date, year, self.calendar), 0.0, None, one.frequency)


def _is_declared(dividend: Dividend, session: dt.date) -> bool:
    return dividend.declaration_date is not None and dividend.declaration_date <= session


def _half_a_period(dividend: Dividend) -> int:
    return _YEAR_DAYS // (2 * dividend.frequency)


def _same_quarter(one: Dividend, other: Dividend) -> bool:
    """Whether two dividends are one and the same of a year: less than half a period apart."""
    return abs((one.ex_date - other.ex_date).days) < _half_a_period(one)


def _amount(dividend: Dividend, paid: Sequence[Dividend]) -> float:
    """The amount of the same quarter of the last year of which one was paid; else the last that was paid."""
    for year in range(1, _YEARS_BACK):
        near = [(abs((dividend.ex_date - one.ex_date).days - year * _YEAR_DAYS), one) for one in paid]
        fitting = [(days, one) for days, one in near if days < _half_a_period(one)]
        if fitting:
            return min(fitting)[1].amount_usd
    if not paid:
        raise BadArgument(
            f"the dividend of {dividend.ex_date} has no earlier one to estimate its amount by: set"
            f" options.dividends.source: constant, or none."
        )
    return paid[-1].amount_usd


def _nth_weekday(year: int, month: int, weekday: int, number: int) -> dt.date:
    """The ``number``-th of a weekday (0 is Monday) in a month; the last if there are fewer."""
    first = dt.date(year, month, 1)
    day = first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))
    return day if day.month == month else day - dt.timedelta(days=7)


def _session_at(day: dt.date, calendar: SessionCalendar) -> dt.date:
    """That day if it is a session, else the last one before it; beyond the calendar, the day."""
    known = calendar.last_sessions(day, 1) if day <= calendar.last else []
    return known[0] if known else day


def _years_later(day: dt.date, years: int, calendar: SessionCalendar) -> dt.date:
    """The same weekday of the same month, or the session before it.

    A day whose following weekday was a holiday is taken for that weekday: SPY's ex-date of June 2026 is a Thursday,
    because Juneteenth is the third Friday.
    """
    following = day + dt.timedelta(days=1)
    moved = following.weekday() <= _FRIDAY and following.month == day.month and not calendar.is_session(following)
    meant = following if moved else day
    return _session_at(_nth_weekday(day.year + years, day.month, meant.weekday(), (meant.day + 6) // 7), calendar)


@dataclass(frozen=True)
class ToExpiry:
    """Of each row: the present value of the dividends up to its expiration (USD), and what is to be said of them.

    ``estimated``: at least one is an estimate. ``near_ex_date``: the last ex-date is at most 10 days before the
    expiration, so that calls may be worth exercising early, and a European model errs the most.
    """

    present_value_usd: NDArray[np.float64]
    estimated: NDArray[np.bool_]
    near_ex_date: NDArray[np.bool_]


def to_expiry(
    dividends: Dividends, session: dt.date, expirations: pa.ChunkedArray, rates: NDArray[np.float64]
) -> ToExpiry:
    """What the dividends with ``session < ex_date <= expiration`` are worth on a session, for each row.

    ``expirations``: date32, without nulls. ``rates``: continuous, of each row's expiry, by which each dividend is
    discounted over the calendar days from session to ex-date.
    """
    days = pc.cast(expirations, pa.int32()).to_numpy()
    today = (session - dt.date(1970, 1, 1)).days
    last = session + dt.timedelta(days=max(int(days.max(initial=today)) - today, 0))
    value, estimated, near = np.zeros(len(days)), np.zeros(len(days), bool), np.zeros(len(days), bool)
    for one in dividends.ahead(session, last):
        until = (one.ex_date - session).days
        holds = days >= today + until
        value += np.where(holds, one.amount_usd * exp(-rates * until / _YEAR_DAYS), 0.0)
        estimated |= holds & one.estimated
        near |= holds & (days - today - until <= NEAR_DAYS)
    return ToExpiry(value, estimated, near)
