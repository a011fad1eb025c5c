"""Bars to draw: folded to a width of which a window has few enough, and stretches without any."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given, strategies

from marketlake.coverage_page.candles import candles, gaps_in
from marketlake.errors import BadArgument
from marketlake.rows.bars import BARS
from marketlake.sessions import SessionCalendar, new_york_ms

DAY = dt.date(2024, 11, 29)  # 09:30 to 13:00
HOURS = SessionCalendar(DAY).hours(DAY)


def at(hour: int, minute: int = 0, second: int = 0) -> int:
    return new_york_ms(DAY, dt.time(hour, minute, second))


def bars(*starts_ms: int) -> pa.Table:
    """One bar each, whose price is its place in the row, and whose volume is 1."""
    prices = [float(place) for place in range(1, len(starts_ms) + 1)]
    columns = {
        "timestamp": list(starts_ms), "open": prices, "high": prices, "low": prices, "close": prices, "vwap": prices,
        "volume": [1] * len(starts_ms), "transactions": [1] * len(starts_ms), "volume_exact": [1.0] * len(starts_ms),
        "ticker": ["SPY"] * len(starts_ms),
    }  # fmt: skip
    return pa.table({name: columns[name] for name in BARS.names}, schema=BARS)


EVERY_SECOND = bars(*range(at(9, 30), at(10), 1000))


@pytest.mark.parametrize(
    ("first", "end", "most", "width_s", "count"),
    [
        (at(9, 30), at(9, 35), 300, 1, 300),
        (at(9, 30), at(9, 35), 299, 5, 60),
        (at(9, 30), at(10), 1500, 5, 360),
        (at(9, 30), at(10), 359, 15, 120),
        (at(9, 30), at(10), 60, 30, 60),
        (at(9, 30), at(10), 30, 60, 30),
        (at(9, 30), at(10), 29, 300, 6),
        (at(9, 30), at(10), 1, 300, 6),
        (at(0), at(23), 1500, 60, 30),
    ],
)
def test_the_width_is_the_smallest_of_which_there_are_few_enough(
    first: int, end: int, most: int, width_s: int, count: int
) -> None:
    drawn = candles(EVERY_SECOND, HOURS, 1_000, (first, end), most)
    assert (drawn.width_s, len(drawn.times_ms)) == (width_s, count)


def test_minute_bars_are_never_folded_to_less_than_a_minute() -> None:
    minutes = bars(*range(at(9, 30), at(10), 60_000))
    assert candles(minutes, HOURS, 60_000, (at(9, 30), at(9, 40)), 2_000).width_s == 60


def test_a_candle_is_first_max_min_last_and_sum() -> None:
    drawn = candles(bars(at(9, 30), at(9, 30, 4), at(9, 30, 5)), HOURS, 1_000, (at(9, 30), at(9, 31)), 12)
    assert drawn.times_ms == [at(9, 30), at(9, 30, 5)]
    assert (drawn.open, drawn.high, drawn.low, drawn.close) == ([1, 3], [2, 3], [1, 3], [2, 3])
    assert (drawn.volume, drawn.vwap) == ([2, 1], [1.5, 3])


def test_candles_at_the_ends_of_a_window_are_whole() -> None:
    drawn = candles(EVERY_SECOND, HOURS, 1_000, (at(9, 30, 7), at(9, 32, 3)), 12)
    assert drawn.width_s == 15
    assert (drawn.times_ms[0], drawn.times_ms[-1]) == (at(9, 30), at(9, 32))
    assert (drawn.open[0], drawn.close[-1]) == (1, 135)


def test_a_window_is_cut_to_the_day() -> None:
    drawn = candles(EVERY_SECOND, HOURS, 1_000, (0, 10**15), 1500)
    assert (drawn.start_ms, drawn.end_ms) == (HOURS.day_start_ms, HOURS.day_end_ms)


@pytest.mark.parametrize(
    ("window", "most", "words"),
    [
        ((at(10), at(10)), 100, "is not before"),
        ((at(10), at(9)), 100, "is not before"),
        ((HOURS.day_end_ms, HOURS.day_end_ms + 1), 100, "is not before"),
        ((at(9), at(10)), 0, "most=0 is no number of candles: give 1 to 2000"),
        ((at(9), at(10)), 2001, "most=2001 is no number"),
    ],
)
def test_an_impossible_window_is_told(window: tuple[int, int], most: int, words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        candles(EVERY_SECOND, HOURS, 1_000, window, most)


@pytest.mark.parametrize(
    ("starts", "bar_ms", "gaps"),
    [
        ([], 1_000, [(at(9, 30), at(13))]),
        ([at(9, 30), at(9, 31)], 1_000, [(at(9, 31, 1), at(13))]),
        ([at(9, 31), at(12, 59, 59)], 1_000, [(at(9, 30), at(9, 31)), (at(9, 31, 1), at(12, 59, 59))]),
        (list(range(at(9, 30), at(13), 60_000)), 1_000, []),
        (list(range(at(9, 30), at(13), 61_000)), 1_000, "each of 60 s, a second after its bar"),
        ([at(4), at(19)], 1_000, [(at(9, 30), at(13))]),
        (list(range(at(9, 30), at(13), 300_000)), 60_000, []),
        (list(range(at(9, 30), at(13), 360_000)), 60_000, "each of 5 min"),
    ],
    ids=["nothing", "59 s are none", "before the first", "a minute's bars", "61 s", "outside", "4 min", "5 min"],
)
def test_a_gap_is_a_minute_and_five_bars_of_regular_hours_without_one(
    starts: list[int], bar_ms: int, gaps: list[tuple[int, int]] | str
) -> None:
    found = gaps_in(bars(*starts), HOURS, bar_ms)
    if isinstance(gaps, str):
        lengths = {end - start for start, end in found[:-1]}
        assert lengths == ({60_000} if bar_ms == 1_000 else {300_000})
    else:
        assert found == gaps


@given(
    places=strategies.sets(strategies.integers(0, 86_399), max_size=300),
    first=strategies.integers(0, 86_000),
    length=strategies.integers(1, 86_400),
    most=strategies.integers(1, 2_000),
)
def test_whatever_is_asked_for_no_share_is_lost_and_candles_are_few(
    places: set[int], first: int, length: int, most: int
) -> None:
    rows = bars(*(HOURS.day_start_ms + place * 1000 for place in sorted(places)))
    start_ms = HOURS.day_start_ms + first * 1000
    drawn = candles(rows, HOURS, 1_000, (start_ms, start_ms + length * 1000), most)
    end_ms = drawn.end_ms
    inside = sum(start_ms <= HOURS.day_start_ms + place * 1000 < end_ms for place in places)
    assert inside <= sum(drawn.volume) <= inside + 2 * drawn.width_s
    assert drawn.times_ms == sorted(set(drawn.times_ms))
    assert len(drawn.times_ms) <= max(most + 1, 289)
