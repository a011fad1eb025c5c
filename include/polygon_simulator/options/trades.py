"""When a contract trades within a session, and the bars of it: seconds, and what they fold to.

A minute that trades at all trades in its last second too, so that second, minute and day bars alike close
with a price of the moment that they end at. Every close is the model's price of that moment in whole cents,
0.01 at least. The rounding, half a cent at most, moves the vol that a close implies by 0.005 USD / vega: a
hundredth of a vol point at the money in 30 days, a tenth for 0.30 USD half a day from expiry, and without
bound for what is worth a few cents or has no time value.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketlake.sessions import SessionHours
from polygon_simulator.days import Bar
from polygon_simulator.options.contract import Contract
from polygon_simulator.options.pricing import quote

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

_KEYS = ("v", "vw", "o", "c", "h", "l", "t", "n")
_MINUTE_MS, _SECOND_MS = 60_000, 1_000
_AFTER_CLOSE_MINUTES = 15
_BUSIEST_SECOND = 0.25
_ROUND_STRIKE_USD = 5
_ODD, _WHOLE, _ROUND = 0.3, 0.6, 1.0
_IN_THE_MONEY = 0.2


@dataclass(frozen=True)
class Underlying:
    """A day's prices of the underlying: the Unix ms at which each bar ended, ascending, and its close."""

    ends_ms: Times
    closes: Floats

    def at(self, at_ms: Times) -> Floats:
        """The close of the last bar that has ended by each moment; not a number before the first."""
        place = np.searchsorted(self.ends_ms, at_ms, side="right")
        return np.concatenate([[np.nan], self.closes])[place]


@dataclass(frozen=True)
class Trades:
    """Bars as columns of one length, ascending by ``t``: starts in Unix ms, prices in USD, contracts, trades."""

    t: Times
    o: Floats
    h: Floats
    l: Floats  # noqa: E741  the vendor's key
    c: Floats
    v: Times
    vw: Floats
    n: Times

    def bars(self) -> list[Bar]:
        """In the vendor's keys and types."""
        columns = (getattr(self, key).tolist() for key in _KEYS)
        return [dict(zip(_KEYS, row, strict=True)) for row in zip(*columns, strict=True)]

    def only(self, wanted: NDArray[np.bool_]) -> Trades:
        """Those of the bars."""
        return Trades(**{key: column[wanted] for key, column in vars(self).items()})

    def folded(self, starts: Times) -> Trades:
        """One bar for each of the ascending starts, of which every bar here has one."""
        first = np.flatnonzero(np.diff(starts, prepend=-1))
        if not first.size:
            return self
        last = np.append(first[1:], starts.size) - 1
        volume = np.add.reduceat(self.v, first)
        return Trades(
            t=starts[first], o=self.o[first], c=self.c[last], v=volume, n=np.add.reduceat(self.n, first),
            h=np.maximum.reduceat(self.h, first), l=np.minimum.reduceat(self.l, first),
            vw=np.round(np.add.reduceat(self.vw * self.v, first) / volume, 4),
        )  # fmt: skip

    def minutes(self) -> Trades:
        """The minute bars of second bars."""
        return self.folded(self.t // _MINUTE_MS * _MINUTE_MS)


def trades(contract: Contract, hours: SessionHours, underlying: Underlying) -> Trades:
    """The second bars of a contract that is listed, from 09:30 to 16:15 (13:15 if early); mostly there are none."""
    seed = hashlib.sha256(f"{contract.ticker} {hours.session}".encode()).digest()
    chance = np.random.Generator(np.random.PCG64(int.from_bytes(seed[:8], "big")))
    arrivals = _arrivals(contract, hours, underlying) * 3 * chance.random() ** 2
    minutes = np.flatnonzero(chance.random(arrivals.size) < 1 - np.exp(-arrivals))
    busy = np.minimum(1 - np.exp(-arrivals[minutes] / 40), _BUSIEST_SECOND)
    traded = chance.random((minutes.size, 60)) < busy[:, None]
    traded[:, 59] = True
    rows, seconds = np.nonzero(traded)
    starts = hours.regular_start_ms + minutes[rows] * _MINUTE_MS + seconds * _SECOND_MS
    starts = starts[~np.isnan(underlying.at(starts + _SECOND_MS))]
    return _priced(contract, hours.session, starts, underlying, chance)


def _arrivals(contract: Contract, hours: SessionHours, underlying: Underlying) -> Floats:
    """Expected trades a minute: most near the money and the expiry, at the open and the close, at round strikes."""
    count = (hours.regular_end_ms - hours.regular_start_ms) // _MINUTE_MS
    since = np.arange(count + _AFTER_CLOSE_MINUTES, dtype=np.float64)
    shape = 1 + 1.5 * np.exp(-since / 25) + np.exp(-np.maximum(count - since, 0) / 20)
    shape[count:] *= 0.15
    spot = float(underlying.at(np.array([hours.regular_start_ms + _MINUTE_MS]))[0])
    if not spot > 0:
        return np.zeros(since.size)
    days = (contract.expiration - hours.session).days
    away = abs(math.log(contract.strike / spot)) / (0.16 * math.sqrt((days + 1) / 365) + 0.002)
    usual = 20 / (1 + days) ** 1.1 * math.exp(-0.9 * away**1.7)
    in_the_money = (spot > contract.strike) == contract.call
    whole = _WHOLE if contract.strike == int(contract.strike) else _ODD
    liked = _ROUND if contract.strike % _ROUND_STRIKE_USD == 0 else whole
    return np.asarray(usual * liked * (_IN_THE_MONEY if in_the_money else 1.0) * shape, dtype=np.float64)


def _priced(
    contract: Contract, session: dt.date, starts: Times, underlying: Underlying, chance: np.random.Generator
) -> Trades:
    """Bars of one second from the model's price as it begins, if there is one then, to that as it ends."""
    ends = starts + _SECOND_MS
    closes = cents(quote(contract, session, ends, underlying.at(ends)).price)
    begun = underlying.at(starts)
    opens = cents(quote(contract, session, starts, np.where(np.isnan(begun), underlying.at(ends), begun)).price)
    beyond = np.floor(chance.random((2, starts.size)) * 2)
    highs = np.rint((np.maximum(opens, closes)) * 100 + beyond[0]) / 100
    lows = np.maximum(np.rint(np.minimum(opens, closes) * 100 - beyond[1]), 1) / 100
    count = 1 + np.floor(-np.log1p(-chance.random(starts.size)) * 1.5).astype(np.int64)
    volume = count + np.floor(-np.log1p(-chance.random(starts.size)) * 6 * count).astype(np.int64)
    middle = np.round((opens + highs + lows + closes) / 4, 4)
    return Trades(t=starts, o=opens, h=highs, l=lows, c=closes, v=volume, vw=middle, n=count)


def cents(prices: Floats) -> Floats:
    """USD in steps of 0.01, and 0.01 at least."""
    return np.asarray(np.maximum(np.rint(prices * 100), 1) / 100, dtype=np.float64)
