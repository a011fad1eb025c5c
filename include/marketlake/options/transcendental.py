"""Exponentials and logarithms, number by number, by the C library.

numpy's own are a hundred times as fast, which is a tenth of a second of a panel, and differ in the last digit from
processor to processor (with and without AVX-512, say): made anew on another machine of the same inputs, every tenth row
would be another one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LARGEST = math.log(np.finfo(np.float64).max)
"""The largest number whose exponential is one."""


def exp(values: Floats) -> Floats:
    """e to each of the values; infinite if that is no number any more, NaN of NaN."""
    found = _each(math.exp, np.minimum(values, _LARGEST))
    return np.where(values > _LARGEST, np.inf, found)


def log(values: Floats) -> Floats:
    """The natural logarithm of each of the values; NaN of what is not above 0."""
    return _each(math.log, np.where(values > 0, values, np.nan))


def log1p(values: Floats) -> Floats:
    """The natural logarithm of 1 and each of the values; NaN of what is not above -1."""
    return _each(math.log1p, np.where(values > -1, values, np.nan))


def normal(values: Floats) -> Floats:
    """The cumulative normal distribution."""
    return _each(math.erfc, -values / math.sqrt(2)) / 2


def _each(function: Callable[[float], float], values: Floats) -> Floats:
    return np.fromiter(map(function, values.ravel().tolist()), np.float64, values.size).reshape(values.shape)
