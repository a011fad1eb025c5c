"""The listing rule: which contracts of an underlying there are, as of a date.

Nothing is remembered: a chain follows from the date and from the underlying's price on the sessions up to
it, so that every process has the same one. Strikes are added as the price moves and never taken away, so
that of the same expiry a later chain holds all of an earlier one.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from marketlake.sessions import FIRST_SESSION
from polygon_simulator.options.contract import Contract
from polygon_simulator.options.expiries import Leads, is_monthly, listed, of_year, sessions

Level = Callable[[str, dt.date], float]
"""The price in USD of an underlying as a session begins; 0 of one that is unknown."""

_EXPIRED_KEPT = dt.timedelta(days=365)
_CHAINS_KEPT = 8
_STRIKES_KEPT = 4_096


@dataclass(frozen=True)
class Band:
    """Strikes every ``step`` USD from ``below`` under the price to ``above`` over it (shares of the price), on
    sessions at most ``days`` before the expiry; ``monthly``: of third Fridays alone."""

    step: float
    below: float
    above: float
    days: int = 9_999
    monthly: bool = False


@dataclass(frozen=True)
class Rule:
    """Which expiries are listed how early, and which strikes of each."""

    leads: Leads
    bands: tuple[Band, ...]


FULL = Rule(
    Leads(daily=14, weekly=45, month_end=75, monthly=365, quarter_end=455, leap=1_095),
    (
        Band(10, 0.5, 0.4),
        Band(5, 0.32, 0.22, days=400),
        Band(1, 0.13, 0.08, days=70),
        Band(1, 0.16, 0.1, days=10),
        Band(2.5, 0.03, 0.03, days=45, monthly=True),
    ),
)
"""Some 10,000 contracts of SPY."""

FEW = Rule(
    Leads(daily=4, weekly=9, month_end=0, monthly=40, quarter_end=100, leap=0),
    (Band(5, 0.03, 0.03), Band(25, 0.15, 0.15), Band(2.5, 0.005, 0.005, monthly=True)),
)
"""Some 150 to 250 contracts, for a demo and for tests."""

RULES = {"full": FULL, "few": FEW}


class Chain:
    """The contracts of any underlying that ``level`` has a price for. Safe to use from many threads."""

    def __init__(self, rule: Rule, level: Level) -> None:
        self._rule = rule
        self._level = lru_cache(maxsize=None)(level)
        self._strikes = lru_cache(maxsize=_STRIKES_KEPT)(self._strikes_of)
        self._records = lru_cache(maxsize=_CHAINS_KEPT)(self._records_of)

    def records(self, underlying: str, as_of: dt.date, *, expired: bool = False) -> list[dict[str, Any]]:
        """The records of every contract listed on ``as_of`` and expiring then or later, ascending by ticker.

        ``expired``: instead, of those that expired within the year before it. They are shared: change copies.
        """
        return self._records(underlying, as_of, expired)

    def strikes(self, underlying: str, expiry: dt.date, as_of: dt.date) -> tuple[float, ...]:
        """The strikes of an expiry that are listed on ``as_of``, ascending, in USD; none if it is no expiry."""
        return self._strikes(underlying, expiry, as_of)

    def listed_on(self, contract: Contract) -> dt.date | None:
        """The session that a contract was listed on; None if it never was."""
        lead = of_year(contract.expiration.year, self._rule.leads).get(contract.expiration)
        if lead is None:
            return None
        start = contract.expiration - dt.timedelta(days=lead)
        days = sessions().sessions(start, contract.expiration)
        held = (contract.strike in self.strikes(contract.underlying, contract.expiration, day) for day in days)
        return next((day for day, holds in zip(days, held, strict=True) if holds), None)

    def has(self, contract: Contract, day: dt.date) -> bool:
        """Whether a contract is listed on a day, and has not expired before it."""
        if day > contract.expiration:
            return False
        strikes = self.strikes(contract.underlying, contract.expiration, day)
        place = bisect_left(strikes, contract.strike)
        return strikes[place : place + 1] == (contract.strike,)

    def _records_of(self, underlying: str, as_of: dt.date, expired: bool) -> list[dict[str, Any]]:
        expiries = self._expired(as_of) if expired else listed(as_of, self._rule.leads)
        chain = (
            Contract(underlying, expiry, call, strike)
            for expiry in expiries
            for call in (True, False)
            for strike in self.strikes(underlying, expiry, min(as_of, expiry))
        )
        return [contract.record() for contract in chain]

    def _expired(self, as_of: dt.date) -> list[dt.date]:
        first = as_of - _EXPIRED_KEPT
        days = [day for year in (first.year, as_of.year) for day in of_year(year, self._rule.leads)]
        return sorted({day for day in days if first <= day < as_of})

    def _strikes_of(self, underlying: str, expiry: dt.date, as_of: dt.date) -> tuple[float, ...]:
        lead = of_year(expiry.year, self._rule.leads).get(expiry)
        if lead is None:
            return ()
        found: set[float] = set()
        for band in self._rule.bands:
            if not band.monthly or is_monthly(expiry):
                first = max(FIRST_SESSION, expiry - dt.timedelta(days=min(lead, band.days)))
                found.update(self._within(band, underlying, first, as_of))
        return tuple(sorted(found))

    def _within(self, band: Band, underlying: str, first: dt.date, as_of: dt.date) -> list[float]:
        """The strikes that a band has had from ``first`` on: the price moves by less than the band is wide."""
        levels = [self._level(underlying, day) for day in sessions().sessions(first, as_of)]
        if not levels or not all(levels):
            return []
        lowest, highest = min(levels) * (1 - band.below), max(levels) * (1 + band.above)
        steps = range(math.ceil(lowest / band.step), math.floor(highest / band.step) + 1)
        return [step * float(band.step) for step in steps]
