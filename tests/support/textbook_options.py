"""Black's formula as a textbook writes it, for the tests alone: nothing of it is taken from the lake."""

from __future__ import annotations

import math

import numpy as np

from marketlake.options.pricing import Options


def normal(value: float) -> float:
    return (1 + math.erf(value / math.sqrt(2))) / 2


def black(is_call: bool, strike: float, forward: float, years: float, rate: float, iv: float) -> float:
    """The price of a European option on a forward, USD."""
    deviation = iv * math.sqrt(years)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    sign = 1 if is_call else -1
    return math.exp(-rate * years) * sign * (forward * normal(sign * d1) - strike * normal(sign * d2))


def spot_price(
    is_call: bool, strike: float, spot: float, pv: float, years: float, rate: float, iv: float, passed: float = 0.0
) -> float:
    """The price when some time has passed, in years, and the spot has stayed: dividends are nearer, and worth more."""
    left = years - passed
    return black(is_call, strike, (spot - pv * math.exp(rate * passed)) * math.exp(rate * left), left, rate, iv)


def options(*rows: tuple[float, bool, float, float, float, float, float]) -> Options:
    """Of rows with price, is_call, strike, spot, forward, years and rate."""
    price, is_call, *others = zip(*rows, strict=True) if rows else [()] * 7
    strike, spot, forward, years, rate = (np.array(column, dtype=float) for column in others)
    return Options(np.array(price, dtype=float), np.array(is_call, dtype=bool), strike, spot, forward, years, rate)
