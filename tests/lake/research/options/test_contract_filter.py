"""Filters by themselves: bounds that are decimals, decided as decimals are."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marketlake.options.symbol import terms
from marketlake.research.options.contract_filter import ContractFilter

SESSION = dt.date(2024, 11, 27)


def near(price: float, strike: float, low: float | None, high: float | None) -> bool:
    wanted = ContractFilter(moneyness=(low, high))
    return bool(wanted.near(np.array([strike]), np.array([price]))[0])


@pytest.mark.parametrize(
    ("price", "strike", "low", "high", "expected"),
    [
        (100.0, 100.3, None, 0.003, True),  # in floats 100 * 1.003 is a little less
        (100.0, 94.1, -0.059, None, True),  # and 100 * 0.941 a little more
        (100.0, 100.301, None, 0.003, False),
        (100.0, 94.099, -0.059, None, False),
        (float("nan"), 100.0, -0.1, 0.1, False),
        (float("nan"), 100.0, None, 0.1, False),
    ],
)
def test_a_strike_on_a_bound_is_within(
    price: float, strike: float, low: float | None, high: float | None, expected: bool
) -> None:
    assert near(price, strike, low, high) is expected


@given(
    st.integers(1_000_000, 99_999_999).map(lambda one: one / 10_000),
    st.integers(-200, 200).map(lambda one: one / 1_000),
    st.integers(-3, 3),
)
@example(600.0, 0.05, 0)
def test_bounds_are_decided_as_on_exact_fractions(price: float, bound: float, off: int) -> None:
    """Of prices with four digits and bounds with three, at the strikes around the bound."""
    exact = Fraction(str(price)) * (1 + Fraction(str(bound)))
    milli = int(exact * 1_000) + off
    strike = milli / 1_000
    assert near(price, strike, bound, None) is (Fraction(milli, 1_000) >= exact)
    assert near(price, strike, None, bound) is (Fraction(milli, 1_000) <= exact)


def test_days_to_the_expiry_are_calendar_days_from_the_session() -> None:
    names = pa.array([f"O:SPY{day:%y%m%d}C00600000" for day in (SESSION, dt.date(2024, 11, 29), dt.date(2025, 1, 3))])
    for span, expected in (((0, 0), [0]), ((1, 2), [1]), ((None, 36), [0, 1]), ((37, 37), [2]), ((3, None), [2])):
        mask = ContractFilter(dte=span).takes(names, terms(names), SESSION)
        assert np.flatnonzero(mask).tolist() == expected
