"""Judging option bars, and what became of the contracts that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.options.hours import trading_ms
from marketlake.quality.checks import Check, flag, observed
from marketlake.rows.option_selection import EMPTY, EVIDENCE, NOT_SELECTED, STATES, WITH_BARS
from marketlake.sessions import SessionHours

_GRID_MS = 1_000
_MORE_EMPTY = 0.20
"""A share of empty contracts that is by so much larger than usual is no quiet day: answers are missing."""
_FEWEST_SESSIONS = 5


def check_option_bars(bars: pa.Table, hours: SessionHours) -> list[Check]:
    """Every check of a session's option bars, blocking ones first. They ascend by contract, then by time.

    Bars outside of the hours in which options trade (09:30 to 16:15, or to 13:15) are kept, and counted.
    """
    column = {name: bars.column(name).to_numpy() for name in bars.column_names if name != "contract"}
    start, numbers = column["timestamp"], [column[name] for name in ("open", "high", "low", "close", "vwap")]
    opens, closes = trading_ms(hours)
    masks = {
        "outside_day": (start < hours.day_start_ms) | (start >= hours.day_end_ms),
        "off_second": start % _GRID_MS != 0,
        **order(bars),
        "infinite_number": np.logical_or.reduce([np.isinf(values) for values in numbers]),
        "price_not_positive": np.logical_or.reduce([values <= 0 for values in numbers[:4]]),
        "negative_number": _negative(column),
        "low_above_open": column["low"] > column["open"],
        "low_above_close": column["low"] > column["close"],
        "high_below_open": column["high"] < column["open"],
        "high_below_close": column["high"] < column["close"],
    }
    return [
        *(flag(bars, name, np.asarray(mask)) for name, mask in masks.items()),
        observed("outside_option_hours", int(((start < opens) | (start >= closes)).sum())),
        observed("vwap_missing", bars.column("vwap").null_count),
        observed("transactions_missing", bars.column("transactions").null_count),
    ]


def order(bars: pa.Table) -> dict[str, np.ndarray]:
    """Rows that repeat the one before, or stand behind one that is later."""
    start, names = bars.column("timestamp").to_numpy(), bars.column("contract").combine_chunks()
    same, fewer = np.zeros(len(start), np.bool_), np.zeros(len(start), np.bool_)
    same[1:] = pc.equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
    fewer[1:] = pc.less(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
    step = np.diff(start, prepend=start[:1])
    return {"duplicate_bar": same & (step == 0), "descending": fewer | (same & (step < 0))}


def _negative(column: dict[str, np.ndarray]) -> np.ndarray:
    """A price below 0 offends as one that is not positive; a vwap, a volume and a count must not be below 0 either."""
    return np.asarray(np.logical_or.reduce([column[name] < 0 for name in ("vwap", "volume", "transactions")]))


def check_selection(selection: pa.Table) -> list[Check]:
    """Whether each contract's state, evidence and count agree; and how many are in which state."""
    column = {name: selection.column(name).to_pylist() for name in ("selected", "state", "evidence", "bars", "reason")}
    rows = list(zip(*column.values(), strict=True))
    wrong = np.array([not _agrees(*row) for row in rows], np.bool_)
    order = selection.column("contract").to_pylist()
    descending = np.array([False] * len(order), np.bool_)
    descending[1:] = [later <= earlier for earlier, later in pairwise(order)]
    counts = {state: column["state"].count(state) for state in STATES}
    return [
        flag(selection, "state_disagrees", wrong),
        flag(selection, "descending", descending),
        *(observed(f"contracts_{state}", count) for state, count in counts.items()),
    ]


def _agrees(selected: bool, state: str, evidence: str | None, bars: int, reason: str) -> bool:
    if not selected:
        return (state, evidence, bars) == (NOT_SELECTED, None, 0) and reason != "selected"
    known = {WITH_BARS: bars > 0, EMPTY: bars == 0}.get(state, False)
    return known and evidence in EVIDENCE and reason == "selected"


def empty_share(selected: int, empty: int) -> float:
    """The share of the selected contracts that had no bar."""
    return empty / selected if selected else 0.0


def too_many_empties(share: float, before: Sequence[float]) -> list[str]:
    """Why a session's empties are more than one expects, a line; none if they are not, or little is known of others.

    ``before``: the shares of the sessions before it.
    """
    if len(before) < _FEWEST_SESSIONS:
        return []
    usual = float(np.median(before))
    if share - usual <= _MORE_EMPTY:
        return []
    return [f"{share:.0%} of the selected contracts are empty, usual are {usual:.0%} (the last {len(before)} sessions)"]
