"""Implied volatility and greeks: textbook figures, parity, finite differences, and what has no iv."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import QuantLib
from hypothesis import assume, given
from hypothesis import strategies as st

from marketlake.errors import BadArgument, EngineMissing
from marketlake.options.pricing import NO_IV, Options, valued
from textbook_options import black, options, spot_price

INCLUDE = Path(__file__).resolve().parents[3] / "include"
GREEKS = ["delta", "gamma", "vega", "theta"]


def one(price: float, is_call: bool, strike: float, spot: float, forward: float, years: float, rate: float) -> dict:
    return valued(options((price, is_call, strike, spot, forward, years, rate))).to_pylist()[0]


@pytest.mark.parametrize(
    ("price", "is_call", "strike", "forward", "years", "rate", "iv"),
    [
        (1.7011, True, 19.0, 19.0, 0.75, 0.10, 0.28),  # Haug, Black-76
        (1.7011, False, 19.0, 19.0, 0.75, 0.10, 0.28),
        (1.1166, False, 20.0, 20.0, 4 / 12, 0.09, 0.25),  # Hull, a put on crude oil futures
        (1.875, True, 20.0, 21 * math.exp(0.025), 0.25, 0.10, 0.2345),  # Hull, section on implied volatilities
        (4.7594, True, 40.0, 42 * math.exp(0.05), 0.5, 0.10, 0.20),  # Hull, example 15.6
        (0.8086, False, 40.0, 42 * math.exp(0.05), 0.5, 0.10, 0.20),
    ],
)
def test_the_iv_of_textbooks(
    price: float, is_call: bool, strike: float, forward: float, years: float, rate: float, iv: float
) -> None:
    told = one(price, is_call, strike, forward * math.exp(-rate * years), forward, years, rate)
    assert told["iv"] == pytest.approx(iv, abs=5e-5)
    assert told["no_iv"] is None


def test_the_greeks_of_a_textbook() -> None:
    """Hull's chapter on Greek letters: S 49, K 50, r 5 %, sigma 20 %, 20 weeks; theta -4.31 a year."""
    years, forward = 0.3846, 49 * math.exp(0.05 * 0.3846)
    told = one(black(True, 50.0, forward, years, 0.05, 0.2), True, 50.0, 49.0, forward, years, 0.05)
    assert [round(told[name], 3) for name in ("delta", "gamma")] == [0.522, 0.066]
    assert (round(told["vega"], 1), round(told["theta"] * 365, 2)) == (12.1, -4.31)


# A market as wide as SPY's has been: a minute to three years, vols from 3 % to 300 %.
MARKETS = {
    "is_call": st.booleans(),
    "moneyness": st.floats(-0.3, 0.3),
    "spot": st.floats(50, 1000),
    "pv": st.floats(0, 0.02),
    "years": st.floats(60 / 31_536_000, 3),
    "rate": st.floats(-0.01, 0.1),
    "iv": st.floats(0.03, 3),
}


@given(**MARKETS)
def test_a_price_has_the_iv_it_was_made_with(
    is_call: bool, moneyness: float, spot: float, pv: float, years: float, rate: float, iv: float
) -> None:
    forward = spot * (1 - pv) * math.exp(rate * years)
    strike = forward * (1 + moneyness)
    call, put = (black(kind, strike, forward, years, rate, iv) for kind in (True, False))
    assume(min(call, put) >= 0.005)  # time value that a market quotes
    told = valued(
        options(
            (call, True, strike, spot, forward, years, rate),
            (put, False, strike, spot, forward, years, rate),
        )
    ).to_pylist()
    # To a millionth of a vol point at SPY's prices and a day; what double precision of prices leaves otherwise.
    vega = told[0]["vega"]
    assert [row["iv"] for row in told] == [pytest.approx(iv, abs=1e-8 + 1e-12 * spot / vega)] * 2
    assert told[0]["delta"] - told[1]["delta"] == pytest.approx(1, abs=1e-9)  # put-call parity
    assert told[0]["gamma"] == pytest.approx(told[1]["gamma"], rel=1e-5)
    assert vega == pytest.approx(told[1]["vega"], rel=1e-5)
    carry = (rate * (call - put) - rate * spot) / 365
    assert told[0]["theta"] - told[1]["theta"] == pytest.approx(carry, abs=1e-6 * (1 + abs(told[0]["theta"])))


@given(
    is_call=st.booleans(),
    moneyness=st.floats(-0.1, 0.1),
    pv=st.floats(0, 5),
    years=st.floats(1 / 365, 1),
    rate=st.floats(0, 0.08),
    iv=st.floats(0.08, 0.8),
)
def test_the_greeks_are_slopes_of_the_price(
    is_call: bool, moneyness: float, pv: float, years: float, rate: float, iv: float
) -> None:
    spot, strike = 480.0, round(480 * (1 + moneyness), 1)

    def price(spot: float = spot, iv: float = iv, passed: float = 0.0) -> float:
        return spot_price(is_call, strike, spot, pv, years, rate, iv, passed)

    forward = (spot - pv) * math.exp(rate * years)
    intrinsic = math.exp(-rate * years) * max(forward - strike if is_call else strike - forward, 0)
    assume(price() - intrinsic >= 0.01)
    told = one(price(), is_call, strike, spot, forward, years, rate)
    step, tick, moment = spot * iv * math.sqrt(years) / 1000, iv / 10_000, years / 10_000
    assert told["delta"] == pytest.approx((price(spot + step) - price(spot - step)) / (2 * step), abs=1e-5)
    curvature = (price(spot + step) - 2 * price() + price(spot - step)) / step**2
    assert told["gamma"] == pytest.approx(curvature, rel=1e-3, abs=1e-6)
    assert told["vega"] == pytest.approx((price(iv=iv + tick) - price(iv=iv - tick)) / (2 * tick), rel=1e-4)
    slope = (price(passed=moment) - price(passed=-moment)) / (2 * moment) / 365
    assert told["theta"] == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_the_greeks_are_quantlibs() -> None:
    forward, years, rate, iv = 481.5, 0.08, 0.05, 0.17
    spot = forward * math.exp(-rate * years)
    for is_call in (True, False):
        for strike in (440.0, 480.0, 481.5, 530.0):
            kind = QuantLib.Option.Call if is_call else QuantLib.Option.Put
            theirs = QuantLib.BlackCalculator(
                QuantLib.PlainVanillaPayoff(kind, strike), forward, iv * math.sqrt(years), math.exp(-rate * years)
            )
            told = one(black(is_call, strike, forward, years, rate, iv), is_call, strike, spot, forward, years, rate)
            expected = [
                theirs.delta(spot),
                theirs.gamma(spot),
                theirs.vega(years),
                theirs.theta(spot, years) / 365,
            ]
            assert [told[name] for name in GREEKS] == pytest.approx(expected, rel=1e-8)


NAN, INF = math.nan, math.inf
CALL = (5.0, True, 480.0, 480.0, 481.0, 0.05, 0.04)


def changed(**fields: float | bool) -> tuple[float, bool, float, float, float, float, float]:
    names = ("price", "is_call", "strike", "spot", "forward", "years", "rate")
    return tuple((dict(zip(names, CALL, strict=True)) | fields).values())  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (CALL, None),
        (changed(price=NAN), "missing"),
        (changed(price=INF), "missing"),
        (changed(strike=0.0), "missing"),
        (changed(strike=-1.0), "missing"),
        (changed(spot=NAN), "missing"),
        (changed(forward=NAN), "missing"),
        (changed(forward=-3.0), "missing"),
        (changed(years=NAN), "missing"),
        (changed(rate=INF), "missing"),
        (changed(price=0.0), "no_price"),
        (changed(price=-0.01), "no_price"),
        (changed(price=0.0, years=0.0), "no_price"),
        (changed(years=0.0), "expired"),
        (changed(years=-900 / 31_536_000), "expired"),
        (changed(price=20.0, forward=501.0), "below_intrinsic"),  # 21 USD in it, discounted 20.958
        (changed(price=20.95804, forward=501.0), "below_intrinsic"),
        (changed(price=20.9581, forward=501.0), None),
        (changed(price=18.0, is_call=False, forward=460.0), "below_intrinsic"),
        (changed(price=480.04, forward=481.0), "above_maximum"),  # 481 USD, discounted 480.039
        (changed(price=479.05, is_call=False), "above_maximum"),  # 480 USD, discounted 479.041
        (changed(price=479.0, is_call=False), None),
        (changed(strike=1e300), "unsolved"),
        (changed(price=1.0, strike=1.4e154, spot=0.0, forward=1.4e154), "unsolved"),  # what overflows a figure
        (changed(price=1e-9, strike=500.0), "below_intrinsic"),
    ],
)
def test_what_has_no_iv_says_why(row: tuple[float, bool, float, float, float, float, float], why: str | None) -> None:
    told = one(*row)
    assert told["no_iv"] == why
    assert {told[name] is None for name in ("iv", *GREEKS)} == {why is not None}


FIGURES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=64),
    st.sampled_from([0.0, -0.0, 1e-300, 1e300, 1e-9, 0.01, 1.0, 480.0]),
)


@given(
    st.lists(st.tuples(FIGURES, st.booleans(), FIGURES, FIGURES, FIGURES, FIGURES, FIGURES), max_size=5),
    st.permutations(range(6)),
)
def test_no_figure_is_nan_whatever_comes_in(
    rows: list[tuple[float, bool, float, float, float, float, float]], order: list[int]
) -> None:
    mixed = [[*rows, CALL][number] for number in order if number <= len(rows)]
    table = valued(options(*mixed))
    assert table.schema.names == ["iv", *GREEKS, "no_iv"]
    expected = one(*CALL)
    for figures_in, row in zip(mixed, table.to_pylist(), strict=True):
        figures = [row[name] for name in ("iv", *GREEKS)]
        if row["no_iv"] is None:
            assert all(math.isfinite(figure) for figure in figures)
            assert row["iv"] > 0
        else:
            assert row["no_iv"] in NO_IV
            assert figures == [None] * 5
        if figures_in is CALL:
            assert row == expected  # a row is valued the same whoever stands beside it


def test_no_options_have_no_values() -> None:
    table = valued(options())
    assert table.num_rows == 0
    assert table.schema.types == [pa.float64()] * 5 + [pa.string()]


def test_columns_of_different_length_are_refused() -> None:
    column = np.array([1.0])
    with pytest.raises(BadArgument, match="'price': 2"):
        Options(np.array([1.0, 2.0]), np.array([True]), column, column, column, column, column)


def test_without_quantlib_a_line_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "QuantLib", None)
    with pytest.raises(EngineMissing, match="^QuantLib is not installed: python -m pip install QuantLib$"):
        valued(options(CALL))


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(INCLUDE)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def test_nobody_pays_for_quantlib_before_an_option_is_valued() -> None:
    modules = "dividends, forward, hours, pricing, rates, selection, symbol"
    told = python(f"import sys; from marketlake.options import {modules}; print('QuantLib' in sys.modules)")
    assert told == "False\n"


FORKED = """
import multiprocessing, threading
import numpy as np
from marketlake.options.pricing import Options, valued

def some():
    count = 20_000
    strike = np.linspace(430.0, 530.0, count)
    full = lambda value: np.full(count, value)
    return valued(Options(full(40.0), strike > 480, strike, full(480.0), full(481.0), full(0.1), full(0.04)))

def child(expected, results):
    results.put(some().equals(expected))

expected = some()  # in this thread, and in another, before anything is forked
other = threading.Thread(target=some)
other.start()
other.join()
context = multiprocessing.get_context("fork")
results = context.SimpleQueue()
children = [context.Process(target=child, args=(expected, results)) for _ in range(2)]
for one in children:
    one.start()
for one in children:
    one.join(60)
    if one.exitcode is None:
        one.kill()
print([one.exitcode for one in children], [results.get() for one in children if one.exitcode == 0])
print(expected.column("iv").null_count < 20_000, some().equals(expected))
"""


def test_a_forked_child_values_what_its_parent_did() -> None:
    """Airflow forks its tasks from a process that may have valued options before."""
    assert python(FORKED) == "[0, 0] [True, True]\nTrue True\n"
