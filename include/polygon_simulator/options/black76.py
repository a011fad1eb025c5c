"""Black's model of 1976, from its formula: European options on a forward."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def price(*, call: bool, forward: Floats, strike: float, years: Floats, rate: Floats, vol: Floats) -> Floats:
    """Discounted prices in USD, all arrays of one shape; where no time is left, what exercise brings.

    ``vol`` and ``rate`` are fractions a year, the rate continuous.
    """
    sign = 1 if call else -1
    intrinsic = np.maximum(sign * (forward - strike), 0.0)
    lasting = years > 0
    spread = np.where(lasting, vol * np.sqrt(np.where(lasting, years, 1.0)), 1.0)
    d1 = np.log(forward / strike) / spread + spread / 2
    worth = sign * (forward * _normal(sign * d1) - strike * _normal(sign * (d1 - spread)))
    return np.asarray(np.where(lasting, np.exp(-rate * years) * worth, intrinsic), dtype=np.float64)


def _normal(values: Floats) -> Floats:
    """The cumulative normal distribution."""
    halves = (math.erf(value) for value in (values / math.sqrt(2)).ravel().tolist())
    return 0.5 * (1 + np.fromiter(halves, np.float64, values.size).reshape(values.shape))
