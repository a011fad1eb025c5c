"""Forwards, from theory and from parity."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.options.forward import Quotes, parity, theory


@pytest.mark.parametrize(
    ("spot", "dividends", "rate", "years", "expected"),
    [
        (40.0, 0.0, 0.05, 0.25, 40.5031),  # Hull, example 5.1's first lines: 40 e^0.0125
        (50.0, 2.162, 0.08, 10 / 12, 51.14),  # Hull, example 5.3: a stock with three dividends
        (480.0, 1.6, 0.05, 0.0, 478.4),
    ],
)
def test_the_forward_of_theory(spot: float, dividends: float, rate: float, years: float, expected: float) -> None:
    told = theory(np.array([spot]), np.array([dividends]), np.array([rate]), np.array([years]))
    assert told[0] == pytest.approx(expected, abs=0.005)


def quotes(rows: list[tuple[int, int, str, float, float]], forward: float = 500.0, growth: float = 1.0) -> Quotes:
    """Of rows with minute, expiry, C or P, strike and price."""
    return Quotes(
        timestamp=np.array([row[0] for row in rows], dtype=np.int64),
        expiry=np.array([row[1] for row in rows], dtype=np.int64),
        is_call=np.array([row[2] == "C" for row in rows], dtype=bool),
        strike=np.array([round(row[3] * 1000) for row in rows], dtype=np.int64),
        price=np.array([row[4] for row in rows], dtype=float),
        forward=np.full(len(rows), forward),
        growth=np.full(len(rows), growth),
    )


NAN = pytest.approx(math.nan, nan_ok=True)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([(0, 7, "C", 500, 6.0), (0, 7, "P", 500, 5.0)], [501.0, 501.0]),
        # every row of the minute and the expiry gets it, also one without a pair
        ([(0, 7, "P", 480, 0.1), (0, 7, "P", 500, 5.0), (0, 7, "C", 500, 6.0)], [501.0, 501.0, 501.0]),
        # another minute, another expiry, another strike is no pair
        ([(0, 7, "C", 500, 6.0), (1, 7, "P", 500, 5.0)], [NAN, NAN]),
        ([(0, 7, "C", 500, 6.0), (0, 8, "P", 500, 5.0)], [NAN, NAN]),
        ([(0, 7, "C", 500, 6.0), (0, 7, "P", 501, 5.0)], [NAN, NAN]),
        # the nearest strike; of two the lower one
        ([(0, 7, "C", 502, 4), (0, 7, "P", 502, 5), (0, 7, "C", 499, 6), (0, 7, "P", 499, 5)], [500.0] * 4),
        ([(0, 7, "C", 501, 4), (0, 7, "P", 501, 6), (0, 7, "C", 499, 6), (0, 7, "P", 499, 3)], [502.0] * 4),
        # one per cent away, and beyond
        ([(0, 7, "C", 505, 3), (0, 7, "P", 505, 7)], [501.0, 501.0]),
        ([(0, 7, "C", 505.001, 3), (0, 7, "P", 505.001, 7)], [NAN, NAN]),
    ],
)
def test_the_forward_of_parity(rows: list[tuple[int, int, str, float, float]], expected: list[float]) -> None:
    assert parity(quotes(rows)).tolist() == expected
    assert parity(quotes(rows[::-1])).tolist() == expected[::-1]


def test_prices_are_of_today_and_the_forward_of_the_expiry() -> None:
    pair = quotes([(0, 7, "C", 500, 6.0), (0, 7, "P", 500, 5.0)], growth=1.02)
    assert parity(pair).tolist() == [501.02, 501.02]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, 2), st.sampled_from("CP"), st.integers(493, 507), st.floats(0.01, 20)
        ),
        max_size=40,
        unique_by=lambda row: row[:4],
    )
)
def test_the_forward_of_parity_is_that_of_a_plain_search(rows: list[tuple[int, int, str, float, float]]) -> None:
    prices = {row[:4]: row[4] for row in rows}
    expected = []
    for minute, expiry, *_ in rows:
        strikes = sorted(range(495, 506), key=lambda strike: (abs(strike - 500), strike))
        sides = (
            (strike, prices.get((minute, expiry, "C", strike)), prices.get((minute, expiry, "P", strike)))
            for strike in strikes
        )
        found = (strike + call - put for strike, call, put in sides if call is not None and put is not None)
        expected.append(next(found, math.nan))
    assert parity(quotes(rows)).tolist() == pytest.approx(expected, abs=1e-9, nan_ok=True)
