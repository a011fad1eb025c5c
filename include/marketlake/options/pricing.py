"""Implied volatility and greeks of European options on a forward, by Black-76.

SPY's options are American: what this leaves out is small out of the money (a quarter of a vol point at 45 days) and
large in the money, so that a reader takes the iv of the out-of-the-money option of a strike, and never an average.

The volatility is QuantLib's: ``blackFormulaImpliedStdDev``, which solves for the out-of-the-money option by parity. The
greeks are closed forms of it: QuantLib's own take twenty times as long, one object a row, and agree to 13 digits.
Source: F. Black, "The pricing of commodity contracts", 1976.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marketlake.errors import BadArgument, EngineMissing
from marketlake.options.transcendental import exp, log, normal

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

ADJUSTED_CONTRACT, MISSING, NO_PRICE, EXPIRED, BELOW_INTRINSIC, ABOVE_MAXIMUM, UNSOLVED = NO_IV = (
    "adjusted_contract",
    "missing",
    "no_price",
    "expired",
    "below_intrinsic",
    "above_maximum",
    "unsolved",
)
"""Why there is no iv, the first that applies: the contract is no standard one, which only the panel knows; a figure
that is no number, or a forward or strike that is not above 0; a price that is not above 0; no time left; no more than
the discounted intrinsic value; no less than the discounted forward (of a put: strike); QuantLib found none."""

SMALLEST_TIME_VALUE_USD = 1e-8
"""Below it there is none to speak of: an iv would be of rounding alone."""

_ACCURACY = 1e-12
_ITERATIONS = 100
_DAYS = 365
_ROOT_2_PI = math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class Options:
    """Options and their prices, a row each; arrays of one length, NaN for what is not known. Raises BadArgument.

    ``price``, ``strike``, ``spot``, ``forward``: USD a share; ``years`` to the expiry, ACT/365; ``rate``: continuous.
    ``spot`` less ``forward`` in today's money is what the dividends until the expiry are worth.
    """

    price: Floats
    is_call: Mask
    strike: Floats
    spot: Floats
    forward: Floats
    years: Floats
    rate: Floats

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in vars(self).items()}
        if len(set(lengths.values())) > 1:
            raise BadArgument(f"columns of options differ in length: {lengths}.")

    def __len__(self) -> int:
        return len(self.price)

    def rows(self, chosen: Mask) -> Options:
        """Some of the rows."""
        return Options(**{name: column[chosen] for name, column in vars(self).items()})


def valued(options: Options) -> pa.Table:
    """``iv``, ``delta``, ``gamma``, ``vega``, ``theta`` (float64) and ``no_iv`` (string) of each row.

    ``iv``: a fraction a year, 0.20 is 20 %. ``delta``: USD a USD of the underlying; ``gamma``: of delta, per USD;
    ``vega``: USD per 1.00 of iv; ``theta``: USD a calendar day, as time passes and spot, iv and rate stay, an instant's
    slope and no difference between two days. If there is no iv, all five are null and ``no_iv`` says why, one of
    ``NO_IV``; elsewhere it is null. No figure is NaN, and no iv is 0. Raises EngineMissing without QuantLib.
    """
    why = _why_not(options)
    solvable = why == ""
    rows = options.rows(solvable)
    with np.errstate(all="ignore"):  # figures that no market has overflow, and count as not found
        figures = _greeks(rows, np.array(_deviations(rows, _quantlib()), dtype=np.float64))
    found = np.logical_and.reduce([figures["iv"] > 0, *map(np.isfinite, figures.values())])
    why[solvable] = np.where(found, "", UNSOLVED)
    solved = why == ""
    columns = {name: _with_nulls(values[found], solved) for name, values in figures.items()}
    return pa.table(columns | {"no_iv": pa.array(why, pa.string(), mask=solved)})


def model() -> str:
    """By what options are valued, in words. Raises EngineMissing without QuantLib."""
    return f"Black-76 on the forward from theory, by QuantLib {_quantlib().__version__}"


def _why_not(options: Options) -> NDArray[np.object_]:
    """For each row why it cannot have an iv, as far as that can be said without looking for it; else empty."""
    figures = (options.price, options.strike, options.spot, options.forward, options.years, options.rate)
    with np.errstate(all="ignore"):  # what is not finite is decided first
        discount = exp(-options.rate * options.years)
        forward, strike = discount * options.forward, discount * options.strike
        finite = np.logical_and.reduce([np.isfinite(column) for column in (*figures, forward, strike)])
        intrinsic = np.maximum(np.where(options.is_call, forward - strike, strike - forward), 0)
        reasons = {
            MISSING: ~(finite & (options.forward > 0) & (options.strike > 0)),
            NO_PRICE: options.price <= 0,
            EXPIRED: options.years <= 0,
            BELOW_INTRINSIC: options.price - intrinsic <= SMALLEST_TIME_VALUE_USD,
            ABOVE_MAXIMUM: options.price >= np.where(options.is_call, forward, strike),
        }
    why = np.full(len(options), "", dtype=object)
    for reason, applies in reversed(reasons.items()):
        why[applies] = reason
    return why


def _quantlib() -> ModuleType:
    """Imported here, so that nobody pays for it who values no option: 0.4 s and 60 MB."""
    try:
        return import_module("QuantLib")
    except ImportError:
        raise EngineMissing("QuantLib is not installed: python -m pip install QuantLib", name="QuantLib") from None


def _deviations(options: Options, quantlib: ModuleType) -> list[float]:
    """``iv sqrt(years)`` of each row; NaN where none is found.

    A loop in Python: 250,000 rows take half a second. It runs in this thread alone, and keeps nothing between calls,
    so that a forked child does as well.
    """
    solve, guess = quantlib.blackFormulaImpliedStdDev, quantlib.nullDouble()
    call, put = quantlib.Option.Call, quantlib.Option.Put
    kinds = [call if is_call else put for is_call in options.is_call.tolist()]
    discounts = exp(-options.rate * options.years)
    columns = (one.tolist() for one in (options.strike, options.forward, options.price, discounts))
    found = []
    for row in zip(kinds, *columns, strict=True):
        try:
            found.append(solve(*row, 0.0, guess, _ACCURACY, _ITERATIONS))
        except RuntimeError:  # all that QuantLib raises: no root, or none within the iterations
            found.append(math.nan)
    return found


def _greeks(options: Options, deviation: Floats) -> dict[str, Floats]:
    """The iv and its greeks. Spot less dividends moves as spot does, so that both have one delta."""
    root = np.sqrt(options.years)
    iv = deviation / root
    prepaid = options.forward * exp(-options.rate * options.years)
    d1 = log(options.forward / options.strike) / deviation + deviation / 2
    density = exp(-d1 * d1 / 2) / _ROOT_2_PI
    sign = np.where(options.is_call, 1.0, -1.0)
    delta = sign * normal(sign * d1)
    gamma = density / (prepaid * deviation)
    # The equation of Black and Scholes: what an option earns is what its hedge costs.
    theta = options.rate * (options.price - options.spot * delta) - iv**2 * prepaid**2 * gamma / 2
    return {"iv": iv, "delta": delta, "gamma": gamma, "vega": prepaid * density * root, "theta": theta / _DAYS}


def _with_nulls(values: Floats, present: Mask) -> pa.Array:
    """The values in the rows that are present, null in the others."""
    column = np.zeros(len(present))
    column[present] = values
    return pa.array(column, mask=~present)
