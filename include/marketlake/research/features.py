"""What describes one session: an example of features on arrays, not a framework.

Arrays hold one session, a number a step, in the order of time, cut at the session's length: of a SessionTensor,
``values[s, : lengths[s], f]``. Take float64: float32's seven digits move a realised variance in the fifth.
"""

from __future__ import annotations

import math
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from marketlake.errors import BadArgument
from marketlake.research.counts import count
from marketlake.research.fill import carried

Numbers = NDArray[np.floating[Any]]
Line = NDArray[np.float64]


def price_grid(open: Numbers, close: Numbers) -> Line:
    """Prices at the ends of the steps, and the opening price in front: n + 1 of n steps, so that they span the day.

    ``open`` and ``close``, each n: USD, NaN in steps without a trade. The opening price is that of the first trade;
    a step without a trade keeps the price before it (previous tick). All NaN if there was no trade.
    Raises BadArgument on another shape, or a price that is not above 0.

    >>> price_grid(np.array([np.nan, 10.0, np.nan]), np.array([np.nan, 11.0, np.nan])).tolist()
    [10.0, 10.0, 11.0, 11.0]
    """
    opens, closes = _prices("open", open), _prices("close", close)
    if len(opens) != len(closes):
        raise BadArgument(f"open has {len(opens)} prices and close {len(closes)}: give those of the same steps.")
    return carried(np.append(next(iter(_known(opens)), np.nan), closes))


def realised_variance(close: Numbers, step: SupportsIndex = 1, offset: SupportsIndex = 0) -> float:
    """RV = Σ r², of the log returns r between every ``step``-th price from ``offset`` on.

    ``close``: prices on a grid (closes of steps, or ``price_grid``), USD; a NaN takes the price before it (previous
    tick), those before the first trade are left out. The unit is squared log return over the span of the points, no
    annual rate; its root is the realised volatility. 0 or more; NaN without a return. Steps after the last point are
    not in it: of 23,401 prices of ``price_grid``, step 300 takes all 79 from 09:30 to 16:00 and so 78 returns.
    Raises BadArgument on a price that is not above 0, step below 1, or an offset outside of [0, step).

    Andersen & Bollerslev (1998), Answering the skeptics, International Economic Review 39(4), 885–905.

    >>> round(realised_variance(np.array([100.0, 101.0, np.nan, 100.0])), 10)
    0.0001980182
    """
    returns = _returns(close, step, offset)
    return float(np.sum(returns**2)) if returns.size else math.nan


def subsampled_variance(close: Numbers, step: SupportsIndex) -> float:
    """The mean of the realised variances of all ``step`` offsets, of those that have a return; NaN if none has.

    Each offset's points are a grid of their own, [Y, Y]^(k), k = 1 … K: their average uses every price, and takes
    less of the noise between bid and ask than a return a second does. Input, unit, bounds and errors as of
    ``realised_variance``. As some begin late and others end early, they span step − 1 steps less on average.

    Zhang, Mykland & Aït-Sahalia (2005), A tale of two time scales, JASA 100(472), 1394–1411: its [Y, Y]^(avg).

    >>> round(subsampled_variance(np.array([100.0, 101.0, 100.0, 102.0]), 2), 10)
    4.85339e-05
    """
    apart = count("step", step)
    prices = _known(carried(_prices("close", close)))
    overlapping = _log_ratio(prices[:-apart], prices[apart:])  # every return of every offset's grid, each once
    grids = min(apart, len(overlapping))
    return float(np.sum(overlapping**2)) / grids if grids else math.nan


def bipower_variation(close: Numbers, step: SupportsIndex = 1, offset: SupportsIndex = 0) -> float:
    """BV = π/2 · Σ |r_i| · |r_i−1|: the variation that jumps leave alone, without a correction for few returns.

    Input, unit, bounds and errors as of ``realised_variance``; NaN with fewer than two returns. RV − BV estimates the
    part of the jumps; on seconds that mostly do not move it is far too small, so take minutes.

    Barndorff-Nielsen & Shephard (2004), Power and bipower variation with stochastic volatility and jumps, Journal of
    Financial Econometrics 2(1), 1–37.

    >>> round(bipower_variation(np.array([100.0, 101.0, 100.0])), 10)
    0.0001555231
    """
    sizes = np.abs(_returns(close, step, offset))
    return math.pi / 2 * float(np.sum(sizes[1:] * sizes[:-1])) if sizes.size > 1 else math.nan


def overnight_return(previous_close: Numbers, open: Numbers) -> float:
    """ln(first price of ``open`` / last price of ``previous_close``, the closes of the session before); NaN if none.

    Prices as traded are not adjusted: on an ex-dividend day (of SPY four a year) the dividend is in it.
    Raises BadArgument on a price that is not above 0.

    >>> round(overnight_return(np.array([99.0, 100.0, np.nan]), np.array([np.nan, 101.0])), 10)
    0.0099503309
    """
    return _between(_known(_prices("previous_close", previous_close))[-1:], _known(_prices("open", open))[:1])


def open_to_close_return(open: Numbers, close: Numbers) -> float:
    """ln(last price of ``close`` / first price of ``open``) of one session; NaN if there was no trade.

    Raises BadArgument on a price that is not above 0.

    >>> round(open_to_close_return(np.array([np.nan, 100.0]), np.array([np.nan, 99.0])), 10)
    -0.0100503359
    """
    return _between(_known(_prices("open", open))[:1], _known(_prices("close", close))[-1:])


def volume_profile(volume: Numbers, bin_steps: SupportsIndex = 1800) -> Line:
    """Shares traded in each ``bin_steps`` steps: of seconds half hours, 13 on a full day, 7 on an early close.

    ``volume``: shares a step, NaN or 0 without a trade. The last bin may be of fewer steps. Divided by its sum it is
    the intraday pattern (Wood, McInish & Ord 1985, Journal of Finance 40(3), 723–739).
    Raises BadArgument on a volume below 0, or bin_steps below 1.

    >>> volume_profile(np.array([5.0, np.nan, 1.0, 2.0, 4.0]), 2).tolist()
    [5.0, 3.0, 4.0]
    """
    shares, size = np.nan_to_num(_line("volume", volume), nan=0.0), count("bin_steps", bin_steps)
    if (shares < 0).any() or np.isinf(shares).any():
        raise BadArgument(
            f"volume holds {shares[(shares < 0) | np.isinf(shares)][0]}: shares are finite and at least 0."
        )
    return np.add.reduceat(shares, np.arange(0, len(shares), size))


def quiet_share(traded: NDArray[np.bool_]) -> float:
    """The share of steps in which nothing traded, in [0, 1]; NaN of no steps. ``traded``: a row of a tensor's mask.

    Raises BadArgument unless it is bool, in one dimension.

    >>> quiet_share(np.array([True, False, True, True]))
    0.25
    """
    mask = _mask(traded)
    return 1 - float(np.mean(mask)) if mask.size else math.nan


def largest_gap_s(traded: NDArray[np.bool_], step_s: float = 1.0) -> float:
    """The longest run of steps in which nothing traded, in seconds; one at an end of the session counts. 0 if none.

    ``step_s``: seconds a step. Raises BadArgument unless ``traded`` is bool, in one dimension, and step_s above 0.

    >>> largest_gap_s(np.array([True, False, False, True, False]))
    2.0
    """
    if not step_s > 0:
        raise BadArgument(f"step_s={step_s!r} is not allowed: give seconds above 0.")
    at = np.flatnonzero(np.concatenate([[True], _mask(traded), [True]]))
    return (int(np.diff(at).max()) - 1) * float(step_s)


def _line(name: str, numbers: Numbers) -> Line:
    line = np.asarray(numbers, dtype=np.float64)
    if line.ndim != 1:
        raise BadArgument(f"{name} has the shape {line.shape}: give one session, in one dimension.")
    return line


def _prices(name: str, numbers: Numbers) -> Line:
    prices = _line(name, numbers)
    wrong = ~np.isnan(prices) & ~((prices > 0) & np.isfinite(prices))
    if wrong.any():
        raise BadArgument(f"{name} holds {prices[wrong][0]}: prices are finite and above 0, or NaN without a trade.")
    return prices


def _mask(traded: NDArray[np.bool_]) -> NDArray[np.bool_]:
    mask = np.asarray(traded)
    if mask.ndim != 1 or mask.dtype != np.bool_:
        raise BadArgument(f"traded is {mask.dtype} of the shape {mask.shape}: give one session's bools.")
    return mask


def _known(prices: Line) -> Line:
    return prices[~np.isnan(prices)]


def _returns(close: Numbers, step: SupportsIndex, offset: SupportsIndex) -> Line:
    """The log returns between every ``step``-th point that has a price."""
    apart, first = count("step", step), count("offset", offset, least=0)
    if first >= apart:
        raise BadArgument(f"offset={first} is not allowed: give one below step={apart}.")
    prices = _known(carried(_prices("close", close))[first::apart])
    return _log_ratio(prices[:-1], prices[1:])


def _log_ratio(before: Line, after: Line) -> Line:
    """ln(after / before). The difference of two logs would lose five of the digits of a second's return."""
    return np.log1p((after - before) / before)


def _between(before: Line, after: Line) -> float:
    return float(_log_ratio(before, after)[0]) if before.size and after.size else math.nan
