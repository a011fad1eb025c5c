"""Which contracts, and which of their rows, a reader asks for."""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketlake.errors import BadArgument
from marketlake.options.symbol import TYPES, parse
from marketlake.research.arguments import one_of, period

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Value = TypeVar("Value")
Span = tuple[Value | None, Value | None]
"""The least and the greatest that is taken, both included; None: without that bound."""

_EPOCH = dt.date(1970, 1, 1)
_CLOSE_USD = 1e-9
"""Strikes are thousandths of a USD and prices ten-thousandths: what is nearer to a bound than this lies on it."""


@dataclass(frozen=True)
class ContractFilter:
    """What is asked for, of which each that is given must hold. ``of`` makes it from a caller's arguments.

    ``moneyness``: strike / price - 1, of whichever price the reader holds strikes against. ``contracts``: tickers;
    None: any.
    """

    expiry: Span[dt.date] = (None, None)
    dte: Span[int] = (None, None)
    moneyness: Span[float] = (None, None)
    type: str | None = None
    strike: Span[float] = (None, None)
    contracts: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls, *, expiry: object, dte: object, moneyness: object, type: object, strike: object, contract: object
    ) -> ContractFilter:
        """From what a caller gives. Raises BadArgument, which names the argument."""
        if moneyness is not None and not _is_pair(moneyness):
            raise BadArgument(f"moneyness={moneyness!r} is no range: give two numbers, such as (-0.02, 0.02).")
        return cls(
            expiry=_dates("expiry", expiry),
            dte=_span("dte", dte, _whole),
            moneyness=_span("moneyness", moneyness, _number),
            type=None if type is None else one_of("type", type, TYPES),
            strike=_span("strike", strike, _number),
            contracts=None if contract is None else _tickers(contract),
        )

    @property
    def is_of_contracts(self) -> bool:
        """Whether it leaves out contracts by their ticker alone."""
        by_ticker = (self.expiry, self.dte, self.strike) != ((None, None),) * 3
        return by_ticker or self.type is not None or self.contracts is not None

    @property
    def is_of_prices(self) -> bool:
        """Whether it leaves out strikes by how far they are from a price."""
        return self.moneyness != (None, None)

    def takes(self, contracts: pa.Array, terms: pa.Table, session: dt.date) -> Mask:
        """Which contracts it takes, prices aside. ``terms``: what ``options.symbol.terms`` says of them."""
        days = pc.cast(terms.column("expiry"), pa.int32()).to_numpy().astype(np.int64)
        today = (session - _EPOCH).days
        first, last = (None if day is None else (day - _EPOCH).days for day in self.expiry)
        mask = _within(days, (first, last)) & _within(days - today, self.dte)
        mask &= _within(terms.column("strike").to_numpy(), self.strike)
        if self.type is not None:
            mask &= pc.equal(terms.column("type"), self.type).to_numpy()
        if self.contracts is not None:
            mask &= pc.is_in(contracts, pa.array(self.contracts, pa.string())).to_numpy(zero_copy_only=False)
        return np.asarray(mask)

    def near(self, strikes: Floats, prices: Floats) -> Mask:
        """Which strikes lie within the moneyness of a price each (USD); none of those whose price is NaN."""
        low, high = self.moneyness
        mask = np.ones(len(strikes), np.bool_)
        if low is not None:
            mask &= strikes >= prices * (1 + low) - _CLOSE_USD
        if high is not None:
            mask &= strikes <= prices * (1 + high) + _CLOSE_USD
        return np.asarray(mask)


def _within(values: NDArray[Any], span: Span[Any]) -> Mask:
    low, high = span
    mask = np.ones(len(values), np.bool_)
    if low is not None:
        mask &= values >= low
    if high is not None:
        mask &= values <= high
    return mask


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list)


def _span(argument: str, value: object, one: Callable[[str, object], Value]) -> Span[Value]:
    """A value alone, or the least and the greatest. Raises BadArgument."""
    if value is None:
        return None, None
    if not isinstance(value, tuple | list):
        return (only := one(argument, value)), only
    low, high = (None if bound is None else one(argument, bound) for bound in _two(argument, value))
    return _ascending(argument, value, low, high)


def _dates(argument: str, value: object) -> Span[dt.date]:
    """A date, a month or a year, or from one to another. Raises BadArgument."""
    if value is None:
        return None, None
    if not isinstance(value, tuple | list):
        return period(argument, value)
    low, high = _two(argument, value)
    first = None if low is None else period(argument, low)[0]
    return _ascending(argument, value, first, None if high is None else period(argument, high)[1])


def _two(argument: str, value: Sequence[object]) -> Sequence[object]:
    if len(value) != 2:  # noqa: PLR2004
        raise BadArgument(f"{argument}={value!r} is no range: give the least and the greatest; None: without a bound.")
    return value


def _ascending(argument: str, value: object, low: Any, high: Any) -> Span[Any]:
    if low is not None and high is not None and high < low:
        raise BadArgument(f"{argument}={value!r} descends: both ends are included, the lesser one comes first.")
    return low, high


def _whole(argument: str, value: object) -> int:
    """Raises BadArgument for what is no whole number."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None:
        raise BadArgument(f"{argument}={value!r} is no whole number: give calendar days to the expiration.")
    return number


def _number(argument: str, value: object) -> float:
    """Raises BadArgument for what is no finite number."""
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise BadArgument(f"{argument}={value!r} is no number.")
    return number


def _tickers(value: object) -> tuple[str, ...]:
    """Raises BadArgument for what is no option ticker."""
    every = [value] if isinstance(value, str) else value
    if not isinstance(every, Sequence | set | frozenset) or not all(isinstance(one, str) for one in every):
        raise BadArgument(f"contract={value!r} is neither an option ticker nor a list of them.")
    return tuple(parse(str(one)).ticker for one in every)
