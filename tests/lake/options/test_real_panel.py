"""A real day's panel: of the mid quotes of four contracts, of their trades, and what the two say of each other."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from functools import lru_cache
from statistics import mean, median, quantiles
from typing import Any

import pytest

from conftest import REAL
from marketlake.options.rates import TreasuryCurve
from marketlake.quality.panel_checks import check_panel
from panels import CALENDAR, MINUTE_MS, SECOND_MS, panel_of

DAY = dt.date(2023, 8, 3)
CURVE = TreasuryCurve(dt.date(2023, 8, 2), {"yield_1_month": 5.53, "yield_3_month": 5.55})
"""SPY went ex on 2023-06-16 and 2023-09-15: these contracts, to 2023-09-01, hold no dividend."""
LOW_CALL, HIGH_CALL, LOW_PUT, HIGH_PUT = (
    f"O:SPY230901{letter}00{strike}000" for letter in "CP" for strike in (430, 470)
)

pytestmark = pytest.mark.skipif(
    not (REAL / "options").is_dir(), reason="the recorded SPY options (shared/real beside the project) are absent"
)

Rows = dict[tuple[str, int], dict[str, Any]]


def read(name: str) -> Any:
    return json.loads(gzip.decompress((REAL / name).read_bytes()))


def valued(bars: list[tuple[str, int, float]]) -> Rows:
    """By contract and time. Minutes of SPY stand for their last second: its seconds of that day are not recorded."""
    minutes = read("minutes/SPY-2023-08-03.json.gz")
    seconds = [(minute["t"] + MINUTE_MS - SECOND_MS, minute["c"]) for minute in minutes]
    panel = panel_of(bars, seconds, DAY, rates=CURVE)
    assert [check.name for check in check_panel(panel, CALENDAR.hours(DAY)) if not check.ok] == []
    return {(row["contract"], row["timestamp"]): row for row in panel.to_pylist()}


@lru_cache
def mids() -> Rows:
    quotes = read("options/SPY-2023-08-03-option-quotes.json.gz")
    return valued(
        [(name, one["t"], (one["bid"] + one["ask"]) / 2) for name, of_one in quotes.items() for one in of_one]
    )


@lru_cache
def trades() -> Rows:
    recorded = read("options/SPY-2023-08-03-option-trades.json.gz")
    return valued([(name, one["t"], one["c"]) for name, of_one in recorded.items() for one in of_one])


def of_all_day(contract: str, column: str) -> list[float]:
    return [row[column] for (name, _), row in mids().items() if name == contract]


def percent(contract: str) -> list[float]:
    return [iv * 100 for iv in of_all_day(contract, "iv")]


def test_every_minute_of_four_contracts_has_an_iv_beside_an_underlying_of_its_own_minute() -> None:
    assert len(mids()) == 4 * 405
    for row in mids().values():
        assert (row["no_iv"], row["underlying_age_s"], row["stale_underlying"]) == (None, 0.0, False)
        assert (row["dividends_pv"], row["forward_parity"]) == (0.0, None)  # 4 % away from the forward
    late = [row for row in mids().values() if row["after_close"]]
    assert len(late) == 4 * 15
    assert len({row["underlying"] for row in late}) > 5  # after-hours SPY, which trades on
    assert {row["itm"] for (name, _), row in mids().items() if name in {LOW_CALL, HIGH_PUT}} == {True}
    assert {row["itm"] for (name, _), row in mids().items() if name in {HIGH_CALL, LOW_PUT}} == {False}


@pytest.mark.parametrize(
    ("contract", "vol"), [(LOW_CALL, 18.1), (LOW_PUT, 17.77), (HIGH_CALL, 11.04), (HIGH_PUT, 15.82)]
)  # another implementation of the same day: 18.2, 17.8, 11.1, 15.7
def test_the_iv_of_a_day(contract: str, vol: float) -> None:
    assert median(percent(contract)) == pytest.approx(vol, abs=0.01)
    *_, high = quantiles(percent(contract), n=20)
    low, *_ = quantiles(percent(contract), n=20)
    assert high - low < 3


def test_call_and_put_of_a_strike_agree_only_as_far_as_nobody_exercises_early() -> None:
    """Of 430 USD by a third of a point; of 470 the put is worth exercising, and its four points are no vol at all."""
    pairs = [(LOW_CALL, LOW_PUT), (HIGH_PUT, HIGH_CALL)]
    differences = [
        median(inside - outside for inside, outside in zip(percent(within), percent(out), strict=True))
        for within, out in pairs
    ]
    assert differences == [pytest.approx(0.3, abs=0.15), pytest.approx(4.8, abs=0.3)]


def test_the_smile_of_index_puts_falls_from_low_strikes_to_high_ones() -> None:
    assert median(percent(LOW_PUT)) > median(percent(HIGH_CALL)) + 5


def test_the_greeks_of_a_day() -> None:
    deltas = [mean(of_all_day(name, "delta")) for name in (LOW_CALL, LOW_PUT, HIGH_CALL, HIGH_PUT)]
    assert deltas == pytest.approx([0.85, -0.16, 0.11, -0.81], abs=0.03)
    for name in (LOW_CALL, LOW_PUT, HIGH_CALL, HIGH_PUT):
        assert min(*of_all_day(name, "gamma"), *of_all_day(name, "vega")) > 0
        assert max(of_all_day(name, "theta")) < 0


@pytest.mark.parametrize(
    ("contract", "count", "most"), [(HIGH_CALL, 82, 0.08), (LOW_PUT, 92, 0.35), (LOW_CALL, 9, 0.6), (HIGH_PUT, 7, 0.5)]
)
def test_trades_say_what_the_quotes_of_their_minute_do(contract: str, count: int, most: float) -> None:
    """A trade is at bid or ask, and up to 59 s old: out of the money that is a third of a vol point at most."""
    points = [
        (row["iv"] - mids()[key]["iv"]) * 100 for key, row in trades().items() if key[0] == contract and row["iv"]
    ]
    assert len(points) == count
    assert most / 2 < max(abs(point) for point in points) < most
