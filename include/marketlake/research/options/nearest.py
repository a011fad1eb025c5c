"""What could be known of a session's contracts at a moment: the last row of each that had ended, and the one nearest
to what is looked for. No row that ended later is looked at, for whatever.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.errors import BadArgument
from marketlake.options.symbol import CALL, PUT
from marketlake.research.arguments import one_of
from marketlake.research.options.rows import CONTRACT, DTE, EXPIRY, MONEYNESS, STRIKE, TYPE
from marketlake.research.pandas_frame import TIME
from marketlake.sessions import NEW_YORK

AGE, DELTA, IV = "age_s", "delta", "iv"


@dataclass(frozen=True)
class Nearest:
    """A contract, and the row of the panel that it was found by: its last one that had ended by ``at``.

    ``ended_at``: when that row's bar ended; ``age_s``: how many seconds before ``at``. ``price``: what the bar closed
    with, USD: a trade within the bar, not a quote at its end. ``row``: the whole row, as the panel has it.
    """

    contract: str
    expiry: dt.date
    type: str
    strike: float
    dte: int
    at: dt.datetime
    ended_at: dt.datetime
    age_s: float
    price: float
    iv: float
    delta: float
    row: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Target:
    """What is looked for: contracts of a type, with a delta or a moneyness."""

    type: str
    column: str
    value: float

    @classmethod
    def of(cls, type: str | None, delta: float | None, moneyness: float | None) -> Target:
        """From what a caller gives: a put's delta may be given with its sign or without. Raises BadArgument."""
        if (delta is None) is (moneyness is None):
            raise BadArgument("nearest takes one of delta and moneyness: give delta=0.25, say, or moneyness=0.0.")
        if delta is None or moneyness is not None:
            return cls(_type(type), MONEYNESS, float(moneyness or 0.0))
        if not 0 < abs(delta) < 1:
            raise BadArgument(f"delta={delta!r} is none: give a share between 0 and 1, such as 0.25.")
        kind = _type(type if type is not None else PUT if delta < 0 else CALL)
        if delta < 0 and kind == CALL:
            raise BadArgument(f"delta={delta!r} is of no call, which have one above 0: give type='put', or no sign.")
        return cls(kind, DELTA, -abs(delta) if kind == PUT else abs(delta))


def _type(given: str | None) -> str:
    if given is None:
        raise BadArgument("type is missing: give type='call' or type='put'.")
    return one_of("type", given, (CALL, PUT))


def nearest_expiry(listed: pa.Table, kind: str, dte: int) -> dt.date | None:
    """The expiry of contracts of a type that is nearest to so many calendar days, of two the earlier; None without one.

    ``listed``: contracts that were known before the session began, whatever became of them.
    """
    own = listed.filter(pc.equal(listed.column(TYPE), kind))
    days = dict(zip(own.column(DTE).to_pylist(), own.column(EXPIRY).to_pylist(), strict=True))
    return days[min(days, key=lambda one: (abs(one - dte), one))] if days else None


def last_ended(panel: pa.Table, bar_ms: int, at_ms: int, max_age_s: float | None) -> pa.Table:
    """The last row of each contract that had ended by a moment, and ``age_s``, how long ago; none that is older than
    ``max_age_s``. ``panel``: ascending by contract and ``timestamp``, the start of a bar, Unix ms UTC.
    """
    ended = panel.filter(pc.less_equal(panel.column(TIME), at_ms - bar_ms))
    contracts = ended.column(CONTRACT).combine_chunks()
    is_last = np.ones(len(contracts), np.bool_)
    is_last[:-1] = pc.not_equal(contracts[:-1], contracts[1:]).to_numpy(zero_copy_only=False)
    last = ended.filter(pa.array(is_last))
    ages = (at_ms - bar_ms - last.column(TIME).to_numpy()) / 1000
    last = last.append_column(pa.field(AGE, pa.float64(), nullable=False), pa.array(ages, pa.float64()))
    return last if max_age_s is None else last.filter(pc.less_equal(last.column(AGE), max_age_s))


def nearest(known: pa.Table, expiry: dt.date, target: Target, at_ms: int) -> Nearest | None:
    """The row of an expiry that is nearest to a target, of those that ``last_ended`` gave and that have an iv; None
    without one. Of several that are equally near the youngest row, then the first ticker.
    """
    rows = known.filter(pc.equal(known.column(EXPIRY), pa.scalar(expiry, pa.date32())))
    rows = rows.filter(pc.and_(pc.equal(rows.column(TYPE), target.type), pc.is_valid(rows.column(IV))))
    rows = rows.filter(pc.is_valid(rows.column(target.column)))
    if not rows.num_rows:
        return None
    distance = np.abs(rows.column(target.column).to_numpy() - target.value)
    # What differs by less than a billionth is equally near: two ways of adding up must not choose.
    ranks = zip(
        np.round(distance, 9).tolist(), *(rows.column(name).to_pylist() for name in (AGE, CONTRACT)), strict=True
    )
    place = min(enumerate(ranks), key=lambda one: one[1])[0]
    return _found(rows.slice(place, 1).to_pylist()[0], at_ms)


def _found(row: Mapping[str, Any], at_ms: int) -> Nearest:
    at = dt.datetime.fromtimestamp(at_ms / 1000, NEW_YORK)
    return Nearest(
        row[CONTRACT],
        row[EXPIRY],
        row[TYPE],
        row[STRIKE],
        row[DTE],
        at,
        at - dt.timedelta(seconds=row[AGE]),
        row[AGE],
        row["close"],
        row[IV],
        row[DELTA],
        row,
    )
