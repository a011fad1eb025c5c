"""What a contract is worth at a moment of a session: forward, vol and price.

The documented forward: ``F = (S - sum of PV of dividends) e^(r T)``, with the dividends whose ex-date comes
after the session and not after the expiry, each discounted from 09:30 of its ex-date at the rate of its own
term; T to the close of the expiry's session (16:00, 13:00 if early) in seconds over 31,536,000; r from the
treasury yields of the last day before the session, see ``yields.rates``. Amounts are the true ones.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polygon_simulator.options import black76, yields
from polygon_simulator.options.contract import Contract
from polygon_simulator.options.dividends import between
from polygon_simulator.options.expiries import sessions

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

YEAR_MS = 31_536_000_000
_LOWEST_VOL = 0.05
_SKEW_FROM, _SKEW_TO = -0.8, 0.6


@dataclass(frozen=True)
class Quote:
    """Of every moment asked for, in arrays of one shape: USD, fractions a year, and years to expiry."""

    spot: Floats
    years: Floats
    rate: Floats
    dividends_pv: Floats
    forward: Floats
    vol: Floats
    price: Floats


def quote(contract: Contract, session: dt.date, at_ms: Times, spot: Floats) -> Quote:
    """What a contract is worth at moments of a session, given the underlying's price at each; not rounded.

    The vol of a moment at or after the expiry is not a number.
    """
    years = (sessions().hours(contract.expiration).regular_end_ms - at_ms) / YEAR_MS
    rate = yields.rates(session, years)
    pv = np.zeros(spot.shape)
    for ex_date, amount in between(contract.underlying, session, contract.expiration):
        until = (sessions().hours(ex_date).regular_start_ms - at_ms) / YEAR_MS
        pv += amount * np.exp(-yields.rates(session, until) * until)
    lasting = np.maximum(years, 0.0)
    forward = (spot - pv) * np.exp(rate * lasting)
    vol = _vol(contract, session, forward, lasting)
    price = black76.price(
        call=contract.call, forward=forward, strike=contract.strike, years=lasting, rate=rate, vol=vol
    )
    return Quote(spot, years, rate, pv, forward, np.where(years > 0, vol, np.nan), price)


def _vol(contract: Contract, session: dt.date, forward: Floats, years: Floats) -> Floats:
    """The made-up surface: higher for later expiries, for lower strikes, and on some days than on others.

    A day's own unrest fades with the term; the smile is a parabola in ``ln(K / F) / sqrt(T)``, flat beyond it.
    """
    noise = hashlib.sha256(f"{contract.underlying} {session} vol".encode()).digest()[0] / 255
    middle = 0.13 + 0.05 * (1 - np.exp(-1.5 * years)) + 0.05 * noise * np.exp(-8 * years)
    moneyness = np.log(contract.strike / forward) / np.sqrt(np.maximum(years, 1e-9))
    within = np.clip(moneyness, _SKEW_FROM, _SKEW_TO)
    return np.asarray(np.maximum(middle - 0.22 * within + 0.25 * within**2, _LOWEST_VOL), dtype=np.float64)
