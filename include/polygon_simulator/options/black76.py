"""Black's model of 1976, from its formula: European options on a forward."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def price(*, call: bool, forward: Floats, strike: float, years: Floats, rate: Floats, vol: Floats) -> Floats:
    """Discounted prices in USD, all arrays of one shape; if no time is left, what exercise brings.

    ``vol`` and ``rate`` are fractions a year, the rate continuous.
    """
    sign = 1 if call else -1
    intrinsic = np.maximum(sign * (forward - strike), 0.0)
    lasting = years > 0
    spread = np.where(lasting, vol * np.sqrt(np.where(lasting, years, 1.0)), 1.0)
    d1 = np.log(forward / strike) / spread + spread / 2
    worth = sign * (forward * _normal(sign * d1) - strike * _normal(sign * (d1 - spread)))
    return np.asarray(np.where(lasting, np.exp(-rate * years) * worth, intrinsic), dtype=np.float64)


def greeks(*, call: bool, spot: float, strike: float, years: float, rate: float, vol: float) -> dict[str, float]:
    """Delta, gamma, theta in USD a calendar day and vega in USD a vol point; without a time to live, not numbers.

    ``spot`` is without the present value of the dividends that the option holds.
    """
    root = math.sqrt(years) if years > 0 else math.nan
    d1 = (math.log(spot / strike) + (rate + vol * vol / 2) * years) / (vol * root)
    density, sign = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi), 1 if call else -1
    below, d2 = strike * math.exp(-rate * years), d1 - vol * root
    decay = spot * density * vol / (2 * root) + sign * rate * below * _share(sign * d2)
    return {
        "delta": sign * _share(sign * d1),
        "gamma": density / (spot * vol * root),
        "theta": -decay / 365,
        "vega": spot * density * root / 100,
    }


def _share(value: float) -> float:
    return (1 + math.erf(value / math.sqrt(2))) / 2


def _normal(values: Floats) -> Floats:
    """The cumulative normal distribution."""
    halves = (math.erf(value) for value in (values / math.sqrt(2)).ravel().tolist())
    return 0.5 * (1 + np.fromiter(halves, np.float64, values.size).reshape(values.shape))
