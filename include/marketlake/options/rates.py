"""What money costs until an option expires: a continuous rate a year, 0.04 is 4 %.

Source: the US Treasury's par yields, as the vendor's ``/fed/v1/treasury-yields`` gives them: percent, bond-equivalent
(two coupons a year). A day's yields are published in its evening, so that a session knows those of the date before.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from marketlake.errors import BadArgument
from marketlake.options.transcendental import log1p

TENORS = {
    "yield_1_month": 1 / 12,
    "yield_3_month": 0.25,
    "yield_6_month": 0.5,
    "yield_1_year": 1.0,
    "yield_2_year": 2.0,
    "yield_3_year": 3.0,
    "yield_5_year": 5.0,
    "yield_7_year": 7.0,
    "yield_10_year": 10.0,
    "yield_20_year": 20.0,
    "yield_30_year": 30.0,
}
"""The vendor's field of each tenor, and its years."""

OLDEST_DAYS = 10
"""Yields older than that say nothing of a session: holidays in a row make five days at most."""

_PERCENT_MOST = 100.0


@dataclass(frozen=True)
class ConstantRate:
    """One continuous rate for every time to expiry. Raises BadArgument for what is no rate."""

    rate: float

    def __post_init__(self) -> None:
        if not -1 < self.rate < 1:
            raise BadArgument(f"rates.constant={self.rate} is no rate: 0.04 is 4 % a year.")

    def rates(self, years: NDArray[np.float64]) -> NDArray[np.float64]:
        """The continuous rate for each time to expiry."""
        return np.full(np.shape(years), self.rate)

    @property
    def source(self) -> str:
        """What was used, in words."""
        return f"constant {self.rate}"


@dataclass(frozen=True)
class TreasuryCurve:
    """The yields of one date: percent a year, bond-equivalent, by the vendor's field; not all tenors need be there.

    Raises BadArgument for a yield that is none, an unknown tenor, and a curve without any.
    """

    date: dt.date
    percent: Mapping[str, float]
    _years: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    _yields: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unknown = sorted(self.percent.keys() - TENORS.keys())
        if unknown or not self.percent:
            raise BadArgument(f"treasury yields of {self.date}: {unknown[0] if unknown else 'no tenor at all'}.")
        for name, percent in self.percent.items():
            if not (math.isfinite(percent) and abs(percent) < _PERCENT_MOST):
                raise BadArgument(f"treasury yields of {self.date}: {name}={percent} is no yield in percent.")
        known = [name for name in TENORS if name in self.percent]
        object.__setattr__(self, "_years", np.array([TENORS[name] for name in known]))
        object.__setattr__(self, "_yields", np.array([self.percent[name] / 100 for name in known]))

    def rates(self, years: NDArray[np.float64]) -> NDArray[np.float64]:
        """The continuous rate for each time to expiry: ``2 ln(1 + y / 2)`` of its yield.

        Yields are linear between tenors, and flat below the shortest (a month) and beyond the longest.
        """
        return 2 * log1p(np.interp(years, self._years, self._yields) / 2)

    @property
    def source(self) -> str:
        """What was used, in words."""
        return f"treasury yields of {self.date}"


def curve_before(curves: Iterable[TreasuryCurve], session: dt.date) -> TreasuryCurve:
    """The curve of the last date before a session. Raises BadArgument if none is of the ten days before it."""
    known = [curve for curve in curves if curve.date < session]
    last = max(known, key=lambda curve: curve.date, default=None)
    if last is None or (session - last.date).days > OLDEST_DAYS:
        held = f"the last before it are of {last.date}" if last else "there are none before it"
        raise BadArgument(
            f"{session}: no treasury yields of the {OLDEST_DAYS} days before it ({held}). Try again once the vendor"
            f" has them, or set options.rates.source: constant."
        )
    return last
