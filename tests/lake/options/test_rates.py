"""Rates of the last date before a session, by time to expiry."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.errors import BadArgument
from marketlake.options.rates import TENORS, ConstantRate, TreasuryCurve, curve_before

# As the Treasury published them for 2024-01-18, in percent.
JANUARY = {
    "yield_1_month": 5.54,
    "yield_3_month": 5.45,
    "yield_6_month": 5.22,
    "yield_1_year": 4.85,
    "yield_2_year": 4.34,
    "yield_3_year": 4.12,
    "yield_5_year": 4.04,
    "yield_7_year": 4.11,
    "yield_10_year": 4.14,
    "yield_20_year": 4.48,
    "yield_30_year": 4.36,
}
CURVE = TreasuryCurve(dt.date(2024, 1, 18), JANUARY)


def rate(years: float, curve: TreasuryCurve = CURVE) -> float:
    return float(curve.rates(np.array([years]))[0])


@pytest.mark.parametrize(
    ("years", "expected"),
    [
        (1 / 12, 0.054646591),  # 2 ln 1.0277
        (1 / 365, 0.054646591),  # flat below a month
        (0.0, 0.054646591),
        (-1 / 365, 0.054646591),  # after the expiry, where nothing is priced by it
        (0.25, 0.053770658),  # 2 ln 1.02725
        (1 / 6, 0.054208672),  # half way from one month to three: 5.495 %
        (1.0, 0.047921275),  # 2 ln 1.02425
        (30.0, 0.043131556),
        (40.0, 0.043131556),
    ],
)
def test_the_rate_of_a_time_to_expiry(years: float, expected: float) -> None:
    assert rate(years) == pytest.approx(expected, abs=1e-9)


def test_two_coupons_grow_as_the_continuous_rate_does() -> None:
    assert math.exp(rate(10.0) * 10) == pytest.approx((1 + 0.0414 / 2) ** 20, rel=1e-14)


def test_the_dates_own_yields_are_not_known_yet() -> None:
    curves = [TreasuryCurve(dt.date(2024, 1, day), JANUARY) for day in (19, 17, 18)]
    assert curve_before(curves, dt.date(2024, 1, 19)).date == dt.date(2024, 1, 18)
    assert curve_before(curves, dt.date(2024, 1, 20)).date == dt.date(2024, 1, 19)
    assert curve_before(curves, dt.date(2024, 1, 19)).source == "treasury yields of 2024-01-18"


@pytest.mark.parametrize(
    ("session", "named"),
    [
        (dt.date(2024, 1, 18), "2024-01-18: no treasury yields of the 10 days before it .there are none before it"),
        (dt.date(2024, 1, 29), "the last before it are of 2024-01-18.*options.rates.source: constant"),
    ],
)
def test_old_yields_are_no_yields(session: dt.date, named: str) -> None:
    with pytest.raises(BadArgument, match=named):
        curve_before([CURVE], session)


def test_yields_of_ten_days_before_serve() -> None:
    assert curve_before([CURVE], dt.date(2024, 1, 28)) is CURVE


def test_tenors_that_were_not_published_are_bridged() -> None:
    """The month has been there since 2001 only, and there were no thirty years from 2002 to 2006."""
    early = TreasuryCurve(dt.date(2001, 1, 5), {"yield_3_month": 5.0, "yield_1_year": 4.0})
    assert rate(1 / 12, early) == pytest.approx(2 * math.log(1.025), abs=1e-15)
    assert rate(0.625, early) == pytest.approx(2 * math.log(1.0225), abs=1e-15)
    assert rate(30.0, early) == pytest.approx(2 * math.log(1.02), abs=1e-15)


@given(
    st.dictionaries(st.sampled_from(sorted(TENORS)), st.floats(-5, 20), min_size=1),
    st.lists(st.floats(-0.01, 40), min_size=1),
)
def test_no_rate_leaves_the_yields_it_is_between(percent: dict[str, float], years: list[float]) -> None:
    rates = TreasuryCurve(dt.date(2024, 1, 18), percent).rates(np.array(years))
    bounds = [2 * math.log(1 + one / 200) for one in (min(percent.values()), max(percent.values()))]
    assert ((bounds[0] - 1e-15 <= rates) & (rates <= bounds[1] + 1e-15)).all()


def test_a_constant_is_the_same_for_all() -> None:
    assert ConstantRate(0.04).rates(np.array([0.0, 1.0])).tolist() == [0.04, 0.04]
    assert ConstantRate(0.04).source == "constant 0.04"


@pytest.mark.parametrize("constant", [4.0, -1.0, float("nan"), float("inf")])
def test_percent_are_no_rate(constant: float) -> None:
    with pytest.raises(BadArgument, match="0.04 is 4 %"):
        ConstantRate(constant)


@pytest.mark.parametrize(
    ("percent", "named"),
    [
        ({}, "no tenor at all"),
        ({"yield_4_month": 5.0}, "yield_4_month"),
        ({"yield_1_month": float("nan")}, "yield_1_month=nan is no yield"),
        ({"yield_1_month": 554.0}, "yield_1_month=554.0 is no yield"),
    ],
)
def test_a_curve_that_cannot_be_says_which_yield(percent: dict[str, float], named: str) -> None:
    with pytest.raises(BadArgument, match=named):
        TreasuryCurve(dt.date(2024, 1, 18), percent)
