"""The forward of the underlying: what a share to be delivered at the expiry costs today.

It comes from theory, with rate and dividends. The parity of calls and puts is a check of it and never its source:
American options are worth more than parity knows, by up to half a USD around an ex-date.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketlake.options.transcendental import exp

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NEAR = 0.01
"""How far from the forward a strike lies at most whose call and put are a check of it: a share of the forward."""


def theory(spot: Floats, dividends_pv: Floats, rate: Floats, years: Floats) -> Floats:
    """``(spot - dividends_pv) e^(rate years)``, USD; dividends after today and up to the expiry, in today's money."""
    return (spot - dividends_pv) * exp(rate * years)


@dataclass(frozen=True)
class Quotes:
    """Prices of options, a row each; arrays of one length.

    ``timestamp``: Unix ms UTC; ``expiry``: any number that is equal for equal expirations; ``strike``: thousandths of
    a USD; ``price``: USD; ``forward``: from theory, USD; ``growth``: ``e^(rate years)``. One underlying, without
    adjusted contracts.
    """

    timestamp: Integers
    expiry: Integers
    is_call: NDArray[np.bool_]
    strike: Integers
    price: Floats
    forward: Floats
    growth: Floats


def parity(quotes: Quotes) -> Floats:
    """The forward that call and put imply, for each row: ``K + e^(rT) (C - P)``, USD; NaN if there is no such pair.

    Of each minute and expiry: of the strikes within 1 % of the forward at which both have a price in that very minute,
    the nearest to the forward, of two the lower one.
    """
    order = np.lexsort((quotes.is_call, quotes.strike, quotes.expiry, quotes.timestamp))
    put, call = _pairs(quotes, order)
    forward, strike = quotes.forward[put], quotes.strike[put] / 1000
    distance = np.abs(strike - forward)
    near = distance <= NEAR * forward
    put, call, distance, strike = put[near], call[near], distance[near], strike[near]
    implied = strike + quotes.growth[put] * (quotes.price[call] - quotes.price[put])
    group = _groups(quotes, order)
    found = np.full(int(group.max(initial=-1)) + 1, np.nan)
    farthest_first = np.lexsort((strike, distance, group[put]))[::-1]
    found[group[put][farthest_first]] = implied[farthest_first]  # of equal ones the last, which is the nearest, stays
    return np.asarray(found[group], dtype=np.float64)


def _pairs(quotes: Quotes, order: Integers) -> tuple[Integers, Integers]:
    """Rows of puts and of calls of the same minute, expiry and strike. In ``order`` they follow each other."""
    first, second = order[:-1], order[1:]
    same = quotes.is_call[second] & ~quotes.is_call[first]
    for column in (quotes.timestamp, quotes.expiry, quotes.strike):
        same &= column[first] == column[second]
    return first[same], second[same]


def _groups(quotes: Quotes, order: Integers) -> Integers:
    """A number for each row, the same for rows of one minute and expiry."""
    differs = np.zeros(len(order), dtype=np.int64)
    for column in (quotes.timestamp, quotes.expiry):
        differs[1:] |= column[order][1:] != column[order][:-1]
    group = np.empty(len(order), dtype=np.int64)
    group[order] = np.cumsum(differs)
    return group
