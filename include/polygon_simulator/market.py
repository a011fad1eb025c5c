"""Made-up days: as dense and as uneven as SPY's are today, the same for the same ticker and date.

They look like a market and mean nothing: no price, volume or time in them ever happened.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketlake.errors import NotASession
from marketlake.sessions import FIRST_SESSION, SessionCalendar, SessionHours
from polygon_simulator.days import Bar

Floats = NDArray[np.float64]

PRICES_IN_2003 = {"SPY": 100.0, "QQQ": 33.0, "DIA": 94.0, "IWM": 50.0}
"""The tickers that are known, with a price for 2003 in USD. Any other has no bars, as at the vendor."""

FRACTIONAL_FROM = dt.date(2026, 2, 23)
"""From this session on, volumes can be fractional."""

_KEYS = ("v", "vw", "o", "c", "h", "l", "t", "n")
_GROWTH_A_YEAR = 0.085
_PRE_MARKET_S = 19_800
_AFTER_HOURS_S = 14_400
_OPENING_CROSS = 400_000
_CLOSING_CROSS = 2_500_000
_VWAP_OUTSIDE_SHARE = 0.02
_FRACTIONAL_SHARE = 0.04


@dataclass(frozen=True)
class MadeUpDays:
    """Some 30 to 47 thousand seconds a full session: sparse before the open, dense and U-shaped within
    regular hours, fading after them. An early close ends the day three hours sooner, and then alone the
    closing auction is a second of its own, as it was seen at the vendor.
    """

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The day's bars; none on a weekend or holiday, before the history, or for an unknown ticker."""
        if ticker not in PRICES_IN_2003:
            return []
        try:
            hours = SessionCalendar(max(day, dt.datetime.now(dt.UTC).date())).hours(day)
        except NotASession:
            return []
        return _made_up(ticker, hours)


def _made_up(ticker: str, hours: SessionHours) -> list[Bar]:
    seed = hashlib.sha256(f"{ticker} {hours.session}".encode()).digest()
    chance = np.random.Generator(np.random.PCG64(int.from_bytes(seed[:8], "big")))
    start_ms = hours.regular_start_ms - _PRE_MARKET_S * 1000
    regular_s = (hours.regular_end_ms - hours.regular_start_ms) // 1000
    arrivals = _arrivals(regular_s) * np.clip(np.exp(0.25 * _normal(chance, 1)), 0.7, 1.6)
    traded = np.flatnonzero(chance.random(arrivals.size) < 1 - np.exp(-arrivals))
    if hours.early_close:
        traded = np.union1d(traded, [_PRE_MARKET_S + regular_s])

    trades = 1 + np.floor(-np.log1p(-chance.random(traded.size)) * arrivals[traded] * 4).astype(np.int64)
    shares = np.ceil(trades * 100 * np.exp(0.8 * _normal(chance, traded.size))).astype(np.int64)
    opening = int(np.searchsorted(traded, _PRE_MARKET_S))
    shares[opening] += _OPENING_CROSS
    if hours.early_close:
        shares[np.searchsorted(traded, _PRE_MARKET_S + regular_s)] += _CLOSING_CROSS

    cents = _path_cents(chance, ticker, hours.session, arrivals)[traded]
    opens, closes = (np.rint(cents + 0.6 * _normal(chance, traded.size)).astype(np.int64) for _ in range(2))
    reach = np.floor(-np.log1p(-chance.random((2, traded.size))) * 1.2).astype(np.int64)
    highs, lows = np.maximum(opens, closes) + reach[0], np.minimum(opens, closes) - reach[1]
    volumes = _volumes(chance, shares, fractional=hours.session >= FRACTIONAL_FROM)
    prices = (column.tolist() for column in (opens / 100, closes / 100, highs / 100, lows / 100))
    rows = zip(
        volumes, _vwaps(chance, highs, lows).tolist(), *prices, (start_ms + traded * 1000).tolist(), trades.tolist(),
        strict=True,
    )  # fmt: skip
    return [dict(zip(_KEYS, row, strict=True)) for row in rows]


def _arrivals(regular_s: int) -> Floats:
    """Expected trades a second, by second from the start of the pre-market: floats of shape (seconds,)."""
    before = 0.15 + 2.5 * np.linspace(0, 1, _PRE_MARKET_S) ** 3
    since_open = np.arange(regular_s, dtype=np.float64)
    during = 4 * (1 + 5 * np.exp(-since_open / 600) + 3 * np.exp(-since_open[::-1] / 420))
    after = 0.3 + 2.5 * np.exp(-np.arange(_AFTER_HOURS_S) / 2400)
    return np.concatenate([before, during, after])


def _path_cents(chance: np.random.Generator, ticker: str, session: dt.date, arrivals: Floats) -> Floats:
    """The price by second, in cents: a walk that moves with the trades, pinned to the day's two ends."""
    steps = _normal(chance, arrivals.size) * np.sqrt(arrivals / arrivals.sum())
    walk = np.cumsum(steps) * 0.01
    first, last = (np.log(level(ticker, day)) for day in (session, session + dt.timedelta(days=1)))
    pinned = walk + (last - first - walk[-1]) * np.linspace(0, 1, arrivals.size)
    return np.asarray(np.exp(first + pinned) * 100, dtype=np.float64)


def level(ticker: str, day: dt.date) -> float:
    """The price in USD as a day begins, which the day before ends at too, wherever one starts to read; 0 if unknown."""
    if ticker not in PRICES_IN_2003:
        return 0.0
    noise = hashlib.sha256(f"{ticker} {day} price".encode()).digest()
    growth = _GROWTH_A_YEAR * (day - FIRST_SESSION).days / 365.25
    return PRICES_IN_2003[ticker] * float(np.exp(growth + 0.01 * (noise[0] / 127.5 - 1)))


def _vwaps(chance: np.random.Generator, highs: NDArray[np.int64], lows: NDArray[np.int64]) -> Floats:
    """In USD with four decimals; now and then outside [low, high], as the vendor's are."""
    inside = lows + (highs - lows) * chance.random(highs.size)
    above = np.where(chance.random(highs.size) < _VWAP_OUTSIDE_SHARE, highs + 1.5 - inside, 0)
    return np.asarray(np.rint((inside + above) * 100) / 10_000, dtype=np.float64)


def _volumes(chance: np.random.Generator, shares: NDArray[np.int64], *, fractional: bool) -> list[float]:
    """Whole shares as integers; of a fractional session, one bar in twenty-five with a fraction."""
    fractions = np.where(chance.random(shares.size) < _FRACTIONAL_SHARE, np.rint(chance.random(shares.size) * 9_999), 0)
    if not fractional:
        return list(shares.tolist())
    return [
        whole if not part else (whole * 10_000 + part) / 10_000
        for whole, part in zip(shares.tolist(), fractions.astype(np.int64).tolist(), strict=True)
    ]


def _normal(chance: np.random.Generator, size: int) -> Floats:
    """Standard normals from uniforms, so that they depend on the generator's bits alone."""
    radius = np.sqrt(-2 * np.log1p(-chance.random(size)))
    return np.asarray(radius * np.cos(2 * np.pi * chance.random(size)), dtype=np.float64)
