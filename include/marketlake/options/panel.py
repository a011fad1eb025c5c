"""The panel of a session: bars of options beside what they are priced by, with implied volatility and greeks.

Every figure of a row is made of what could be known by the end of its bar. The underlying's price is that of the last
second that had ended; the forward of parity looks at its own bar's time alone; rates and dividends are those that the
session began with.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketlake.errors import BadArgument
from marketlake.options.dividends import Dividends, ToExpiry, to_expiry
from marketlake.options.forward import Quotes, parity, theory
from marketlake.options.hours import years_to_expiry
from marketlake.options.pricing import ADJUSTED_CONTRACT, BELOW_INTRINSIC, Options, valued
from marketlake.options.rates import ConstantRate, TreasuryCurve
from marketlake.options.symbol import CALL, adjusted_roots, strikes_milli
from marketlake.options.transcendental import exp
from marketlake.rows.option_bars import BARS
from marketlake.rows.option_panel import PANEL, SOLVED, SOLVED_BITS
from marketlake.sessions import SessionCalendar

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

STALE_S = 60.0
"""A price of the underlying that is older says little of the option's: ``stale_underlying``."""

_SECOND_MS = 1_000
_OF_CHAIN = ["expiration_date", "contract_type", "strike_price", "standard"]


def panel_rows(
    bars: pa.Table,
    seconds: pa.Table,
    chain: pa.Table,
    *,
    session: dt.date,
    calendar: SessionCalendar,
    bar_ms: int,
    rates: ConstantRate | TreasuryCurve,
    dividends: Dividends,
) -> pa.Table:
    """The panel of a session's option bars: rows and columns of ``rows.option_panel.PANEL``, in the bars' order.

    ``bars``: as ``rows.option_bars.BARS``, each ``bar_ms`` long; ``seconds``: the underlying's second bars, of which
    ``timestamp``, ascending, and ``close`` (USD) are looked at; ``chain``: as ``rows.option_chain.CHAIN``. Raises
    BadArgument for a contract that is not in the chain, and as ``years_to_expiry``, ``to_expiry`` and ``valued`` do.
    """
    bars, listed = _of_own_root(bars, chain)
    ends_ms = bars.column("timestamp").to_numpy() + bar_ms
    expirations = listed.column("expiration_date")
    years = years_to_expiry(ends_ms, expirations, calendar)
    rate = rates.rates(years)
    rows = _Rows(
        bars, listed, ends_ms, *as_of(seconds, ends_ms), years, rate, to_expiry(dividends, session, expirations, rate)
    )
    return _table(rows, after_close=ends_ms > calendar.hours(session).regular_end_ms)


def as_of(seconds: pa.Table, at_ms: Integers) -> tuple[Floats, Floats]:
    """The close of the last second bar that has ended by each moment (USD), and how long ago that was (seconds).

    ``seconds``: ``timestamp`` (start, Unix ms UTC), ascending, and ``close``. Both are NaN before the first one.
    """
    ends_ms = seconds.column("timestamp").to_numpy() + _SECOND_MS
    place = np.searchsorted(ends_ms, at_ms, side="right")
    closes, ends = (np.concatenate([[np.nan], column]) for column in (seconds.column("close").to_numpy(), ends_ms))
    return closes[place], (at_ms - ends[place]) / _SECOND_MS


def _of_own_root(bars: pa.Table, chain: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The bars of contracts of the underlying's own root, and of each its row of the chain."""
    names = bars.column("contract").combine_chunks()
    place = pc.index_in(names, value_set=chain.column("contract").combine_chunks())
    if place.null_count:
        unknown = names.filter(place.is_null())[0]
        raise BadArgument(f"{unknown} has bars and is not in the chain that they are said to be of.")
    own = pc.invert(adjusted_roots(chain.column("contract"))).take(place)
    return bars.filter(own), chain.select(_OF_CHAIN).take(place.filter(own))


@dataclass(frozen=True)
class _Rows:
    """Bars, the rows of the chain that they are of, and what they are priced by: arrays of one length, NaN if unknown.

    ``years`` and ``rate`` of the time to expiry; the underlying's price in USD and its age in seconds.
    """

    bars: pa.Table
    listed: pa.Table
    ends_ms: Integers
    underlying: Floats
    age_s: Floats
    years: Floats
    rate: Floats
    dividends: ToExpiry

    @property
    def lasting(self) -> Floats:
        """The years that are left: none once the expiry has passed, when a share is delivered for its price."""
        return np.maximum(self.years, 0.0)

    @cached_property
    def forward(self) -> Floats:
        """From theory, USD."""
        return theory(self.underlying, self.dividends.present_value_usd, self.rate, self.lasting)

    @property
    def price(self) -> Floats:
        """What each bar closed with, USD."""
        return np.asarray(self.bars.column("close").to_numpy())

    @property
    def strike(self) -> Floats:
        """USD."""
        return np.asarray(self.listed.column("strike_price").to_numpy())

    @property
    def is_call(self) -> Mask:
        """Else it is a put."""
        return np.asarray(pc.equal(self.listed.column("contract_type"), CALL).to_numpy())

    @property
    def standard(self) -> Mask:
        """Whether the contract delivers 100 shares and nothing else, so that its price can be read."""
        return np.asarray(self.listed.column("standard").to_numpy())


def _table(rows: _Rows, *, after_close: Mask) -> pa.Table:
    known = {
        "underlying": rows.underlying,
        "underlying_age_s": rows.age_s,
        "years_to_expiry": rows.years,
        "rate": rows.rate,
        "dividends_pv": rows.dividends.present_value_usd,
        "forward": rows.forward,
        "forward_parity": _parity(rows),
    }
    model = _valued(rows)
    flags = {
        "itm": np.where(rows.is_call, rows.strike < rows.forward, rows.strike > rows.forward),
        "stale_underlying": ~(rows.age_s <= STALE_S),
        "estimated_dividend": rows.dividends.estimated,
        "near_ex_dividend": rows.dividends.near_ex_date,
        "below_intrinsic": pc.fill_null(pc.equal(model["no_iv"], BELOW_INTRINSIC), False).to_numpy(),
        "after_close": after_close,
        "adjusted_contract": ~rows.standard,
    }
    columns = {name: pa.array(values, mask=np.isnan(values)) for name, values in known.items()}
    columns |= model | {name: pa.array(values) for name, values in flags.items()}
    columns |= {name: rows.bars.column(name) for name in BARS.names}
    return pa.table([columns[name] for name in PANEL.names], schema=PANEL)


def _parity(rows: _Rows) -> Floats:
    """The forward that calls and puts of the same time and expiry imply, among standard contracts; else NaN."""
    chosen = rows.standard
    quotes = Quotes(
        timestamp=rows.ends_ms[chosen],
        expiry=pc.cast(rows.listed.column("expiration_date"), pa.int32()).to_numpy()[chosen].astype(np.int64),
        is_call=rows.is_call[chosen],
        strike=strikes_milli(rows.listed.column("strike_price"))[0][chosen],
        price=rows.price[chosen],
        forward=rows.forward[chosen],
        growth=exp(rows.rate * rows.lasting)[chosen],
    )
    found = np.full(len(chosen), np.nan)
    found[chosen] = parity(quotes)
    return found


def _valued(rows: _Rows) -> dict[str, pa.Array]:
    """The columns of ``pricing.valued``, of standard contracts; of the others nothing, and why."""
    chosen = rows.standard
    options = Options(
        price=rows.price,
        is_call=rows.is_call,
        strike=rows.strike,
        spot=rows.underlying,
        forward=rows.forward,
        years=rows.years,
        rate=rows.rate,
    )
    model = valued(options.rows(chosen))
    place = pa.array(np.cumsum(chosen) - 1, mask=~chosen)
    columns = {name: _rounded(model.column(name)).take(place) for name in SOLVED}
    why = model.column("no_iv").take(place)
    return columns | {"no_iv": pc.if_else(pa.array(chosen), why, ADJUSTED_CONTRACT)}


def _rounded(column: pa.ChunkedArray) -> pa.Array:
    """A column to ``SOLVED_BITS`` of its digits: nobody knows more of them, and the others take half of the file."""
    values = column.to_numpy()
    share, exponent = np.frexp(values)
    kept = np.ldexp(np.rint(np.ldexp(share, SOLVED_BITS)), exponent - SOLVED_BITS)
    return pa.array(kept, mask=np.isnan(values))
