"""No look-ahead: whatever happens after a moment of the day, no row of the panel that ends by it is another one."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlake.options.dividends import ConstantDividends
from panels import CALENDAR, SECOND_MS, chain_of, panel_of

DAY = dt.date(2024, 11, 27)
TEN_MS = 1_732_719_600_000
BARS = 4
STRIKES = [("241127", "598"), ("241220", "598"), ("241220", "602")]
CONTRACTS = [f"O:SPY{expiry}{kind}00{strike}000" for expiry, strike in STRIKES for kind in "CP"]
CHAIN = chain_of(CONTRACTS, SPY241220P00602000={"standard": False})
DIVIDENDS = ConstantDividends(1.8, CALENDAR)

PRICES = st.integers(1, 3_000).map(lambda cents: cents / 100)
LEVELS = st.integers(59_000, 61_000).map(lambda cents: cents / 100)

Bars = dict[tuple[str, int], float]
Seconds = dict[int, float]


@st.composite
def days(draw: st.DrawFn, bar_ms: int) -> tuple[Bars, Seconds]:
    """Bars by contract and start, many of them pairs of call and put; and seconds by start, near the bars' ends."""
    times = st.integers(0, BARS).map(lambda number: TEN_MS + number * bar_ms)
    sides = st.sampled_from(["C", "P", "CP", "CP"])
    quoted = draw(st.dictionaries(st.tuples(st.sampled_from(STRIKES), times), sides, min_size=1, max_size=8))
    bars = {
        (f"O:SPY{expiry}{side}00{strike}000", start): draw(PRICES)
        for ((expiry, strike), start), kinds in quoted.items()
        for side in kinds
    }
    starts = st.builds(lambda end_ms, second: end_ms + second * SECOND_MS, times, st.integers(-2, 1))
    return bars, draw(st.dictionaries(starts, LEVELS, max_size=8))


def spliced(before: dict, after: dict, is_over: dict) -> dict:
    """What is over is that of the one day, and the rest that of the other."""
    known = {key: value for key, value in before.items() if is_over[key]}
    return known | {key: value for key, value in after.items() if not is_over[key]}


def panel(bars: Bars, seconds: Seconds, bar_ms: int) -> pa.Table:
    rows = [(contract, start, price) for (contract, start), price in bars.items()]
    return panel_of(rows, list(seconds.items()), DAY, chain=CHAIN, bar_ms=bar_ms, dividends=DIVIDENDS)


@pytest.mark.parametrize("bar_ms", [60_000, 1_000])
@settings(max_examples=60)  # a length of bars
@given(data=st.data())
def test_nothing_that_happens_later_changes_a_row(bar_ms: int, data: st.DataObject) -> None:
    bars, seconds = data.draw(days(bar_ms))
    other_bars, other_seconds = data.draw(days(bar_ms))
    ends = sorted({start + bar_ms for _, start in bars})
    moment_ms = data.draw(st.sampled_from(ends)) + data.draw(st.sampled_from([0, 0, -1_000, -500, 999, 1_000]))
    bar_over = {key: key[1] + bar_ms <= moment_ms for key in bars | other_bars}
    second_over = {start: start + SECOND_MS <= moment_ms for start in seconds | other_seconds}
    here = panel(bars, seconds, bar_ms)
    there = panel(spliced(bars, other_bars, bar_over), spliced(seconds, other_seconds, second_over), bar_ms)
    known = [
        rows.filter(pc.less_equal(rows.column("timestamp"), moment_ms - bar_ms)).to_pylist() for rows in (here, there)
    ]
    assert known[0] == known[1]


def test_a_pair_of_another_minute_says_nothing() -> None:
    """The property above, where it is most easily broken: the put comes a minute later."""
    call, put = "O:SPY241220C00598000", "O:SPY241220P00598000"
    seconds = {TEN_MS: 600.0}
    alone = panel({(call, TEN_MS): 9.3}, seconds, 60_000)
    later = panel({(call, TEN_MS): 9.3, (put, TEN_MS + 60_000): 11.2}, seconds, 60_000)
    paired = panel({(call, TEN_MS): 9.3, (put, TEN_MS): 11.2}, seconds, 60_000)
    parities = [rows.column("forward_parity").to_pylist() for rows in (alone, later, paired)]
    assert parities == [[None], [None, None], [pytest.approx(596.0952, abs=1e-4)] * 2]
