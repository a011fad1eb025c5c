"""Features against plain Python that was written another way, on recorded days, and at their edges."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import cache
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import REAL, needs_real_days
from marketlake.errors import BadArgument
from marketlake.research import features
from polygon_simulator.days import Bar

NAN = math.nan
# 13:30 UTC of each day, in Unix seconds: the clock was an hour ahead of the standard time
OPENS_S = {"2013-10-07": 1_381_152_600, "2013-10-08": 1_381_239_000, "2013-10-09": 1_381_325_400}
STEPS = 23_400


@cache
def by_second(day: str) -> dict[int, Bar]:
    """The bars of a recorded day's regular hours, by second from the open on."""
    bars: list[Bar] = json.loads(gzip.decompress((REAL / f"SPY-{day}.json.gz").read_bytes()))
    seconds = {bar["t"] // 1000 - OPENS_S[day]: bar for bar in bars}
    return {second: bar for second, bar in seconds.items() if 0 <= second < STEPS}


def column(day: str, key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    held = by_second(day)
    return np.array([held[second][key] if second in held else NAN for second in range(STEPS)])


def grid_of(day: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return features.price_grid(column(day, "o"), column(day, "c"))


@cache
def log(price: float) -> Decimal:
    with localcontext() as exact:
        exact.prec = 40
        return Decimal(price).ln()


def logs_at_the_clock(day: str, seconds: range) -> list[Decimal]:
    """The log of the price at each second: that of the last bar that had ended by then, at the open the first one's."""
    held = by_second(day)
    ended = sorted(held)
    found, at, price = [], 0, held[ended[0]]["o"]
    for second in seconds:
        while at < len(ended) and ended[at] + 1 <= second:
            price, at = held[ended[at]]["c"], at + 1
        found.append(log(price))
    return found


def variance(logs: list[Decimal]) -> Decimal:
    return sum(((two - one) ** 2 for one, two in pairwise(logs)), Decimal(0))


def digits(number: float | Decimal) -> str:
    """Twelve of them."""
    return f"{float(number):.11e}"


# From the open's price to 16:00, 2013-10-07 to 09.
REALISED = {
    1: ["7.02767751700e-05", "9.80883900545e-05", "1.13145454120e-04"],
    300: ["2.70238035929e-05", "5.42641013609e-05", "5.35442476827e-05"],
}
SUBSAMPLED = ["2.71999660197e-05", "5.48959499246e-05", "5.46957993939e-05"]
BIPOWER = ["1.77743361145e-05", "5.30250176693e-05", "5.79164659497e-05"]


@needs_real_days
@pytest.mark.parametrize("step", [1, 300])
def test_the_realised_variance_of_recorded_days_to_twelve_digits(step: int) -> None:
    exact = [variance(logs_at_the_clock(day, range(0, STEPS + 1, step))) for day in OPENS_S]
    assert [digits(one) for one in exact] == REALISED[step]
    assert [digits(features.realised_variance(grid_of(day), step)) for day in OPENS_S] == REALISED[step]


@needs_real_days
@pytest.mark.parametrize(("day", "expected"), zip(OPENS_S, SUBSAMPLED, strict=True))
def test_the_subsampled_variance_is_the_mean_over_the_offsets(day: str, expected: str) -> None:
    logs = logs_at_the_clock(day, range(STEPS + 1))
    each = [variance(logs[offset::300]) for offset in range(300)]
    assert digits(sum(each) / 300) == expected
    assert digits(features.subsampled_variance(grid_of(day), 300)) == expected


@needs_real_days
@pytest.mark.parametrize(("day", "expected"), zip(OPENS_S, BIPOWER, strict=True))
def test_the_bipower_variation_of_five_minutes(day: str, expected: str) -> None:
    logs = logs_at_the_clock(day, range(0, STEPS + 1, 300))
    sizes = [abs(logs[number] - logs[number - 1]) for number in range(1, len(logs))]
    products = [sizes[number] * sizes[number - 1] for number in range(1, len(sizes))]
    assert digits(float(sum(products)) * math.pi / 2) == expected
    assert digits(features.bipower_variation(grid_of(day), 300)) == expected


@needs_real_days
def test_the_returns_of_recorded_days() -> None:
    first, second = "2013-10-07", "2013-10-08"
    opens = {day: by_second(day)[min(by_second(day))]["o"] for day in OPENS_S}
    closes = {day: by_second(day)[max(by_second(day))]["c"] for day in OPENS_S}
    overnight = features.overnight_return(column(first, "c"), column(second, "o"))
    intraday = features.open_to_close_return(column(second, "o"), column(second, "c"))
    assert math.isclose(overnight, math.log(opens[second] / closes[first]), rel_tol=1e-9)
    assert math.isclose(intraday, math.log(closes[second] / opens[second]), rel_tol=1e-9)
    assert [round(overnight, 12), round(intraday, 12)] == [-0.000298641185, -0.011596248552]


@needs_real_days
def test_volume_quiet_seconds_and_gaps_of_recorded_days() -> None:
    for day in OPENS_S:
        held = by_second(day)
        profile = [0] * 13
        for at, bar in held.items():
            profile[at // 1800] += bar["v"]
        traded = ~np.isnan(column(day, "c"))
        runs = [len(list(run)) for here, run in groupby(second in held for second in range(STEPS)) if not here]
        assert features.volume_profile(column(day, "v")).tolist() == profile
        assert features.quiet_share(traded) == 1 - len(held) / STEPS
        assert features.largest_gap_s(traded) == max(runs)


@pytest.mark.parametrize(
    ("prices", "step", "offset", "expected"),
    [
        ([], 1, 0, NAN),
        ([NAN, NAN], 1, 0, NAN),
        ([100], 1, 0, NAN),
        ([NAN, 100, NAN], 1, 0, 0),
        ([100, 100, 100], 1, 0, 0),
        ([100, 101], 1, 0, math.log(1.01) ** 2),
        ([NAN, NAN, 100, 101], 1, 0, math.log(1.01) ** 2),
        ([100, NAN, NAN, 101], 1, 0, math.log(1.01) ** 2),
        ([100, 101, 100], 1, 0, 2 * math.log(1.01) ** 2),
        ([100, 101, 100], 2, 0, 0),
        ([100, 101, 100], 2, 1, NAN),
        ([100, 101, 100, 102], 2, 1, math.log(102 / 101) ** 2),
        ([100, 101, NAN, 102], 2, 0, math.log(1.01) ** 2),  # the previous tick, at the point itself
        ([NAN, 101, 100, 102], 2, 0, NAN),  # the first point has no price yet
    ],
)
def test_the_realised_variance_is(prices: list[float], step: int, offset: int, expected: float) -> None:
    found = features.realised_variance(np.array(prices, dtype=float), step, offset)
    assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("prices", "step", "expected"),
    [
        ([], 2, NAN),
        ([100], 2, NAN),
        ([100, 101], 2, NAN),
        ([100, 101, 102], 2, math.log(1.02) ** 2),  # the second offset has one price and counts for nothing
        ([100, 101, 100, 102], 2, math.log(102 / 101) ** 2 / 2),
        ([100, 101, 100], 1, 2 * math.log(1.01) ** 2),
        ([NAN, 100, NAN, 101], 1, math.log(1.01) ** 2),
        ([100] * 9, 3, 0),
    ],
)
def test_the_subsampled_variance_is(prices: list[float], step: int, expected: float) -> None:
    found = features.subsampled_variance(np.array(prices, dtype=float), step)
    assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


@given(
    st.integers(0, 5).flatmap(
        lambda quiet: st.lists(st.one_of(st.just(NAN), st.floats(50, 200)), max_size=30).map(
            lambda prices: [NAN] * quiet + prices
        )
    ),
    st.integers(1, 8),
)
def test_subsampled_is_the_mean_of_the_realised_variances_of_all_offsets(prices: list[float], step: int) -> None:
    each = [features.realised_variance(np.array(prices), step, offset) for offset in range(step)]
    known = [one for one in each if not math.isnan(one)]
    expected = math.fsum(known) / len(known) if known else NAN
    found = features.subsampled_variance(np.array(prices), step)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-18, nan_ok=True)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([], NAN),
        ([100, 101], NAN),
        ([100, 100, 100], 0),
        ([100, 101, 101, 100], 0),
        ([100, 101, 100], math.pi / 2 * math.log(1.01) ** 2),
        ([NAN, 100, 101, NAN, 102], 0),  # the step without a trade has no return
        ([100, 99, 101], math.pi / 2 * math.log(100 / 99) * math.log(101 / 99)),
    ],
)
def test_the_bipower_variation_is(prices: list[float], expected: float) -> None:
    found = features.bipower_variation(np.array(prices, dtype=float))
    assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_a_jump_is_in_the_realised_variance_and_hardly_in_the_bipower_variation() -> None:
    prices = 100 * np.cumprod(1 + np.tile([1e-4, -1e-4], 500))
    jumped = np.where(np.arange(1000) < 500, prices, prices * 1.05)
    assert features.realised_variance(jumped) > 200 * features.realised_variance(prices)
    assert features.bipower_variation(jumped) < 2 * features.bipower_variation(prices)


@pytest.mark.parametrize(
    ("opens", "closes", "expected"),
    [
        ([], [], [NAN]),
        ([NAN], [NAN], [NAN, NAN]),
        ([10, NAN, 12], [11, NAN, 13], [10, 11, 11, 13]),
        ([NAN, 10], [NAN, 11], [10, 10, 11]),
    ],
)
def test_the_price_grid_begins_with_the_opening_price(
    opens: list[float], closes: list[float], expected: list[float]
) -> None:
    np.testing.assert_array_equal(features.price_grid(np.array(opens), np.array(closes)), expected)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([99, 100, NAN], [NAN, 101, 90], math.log(1.01)),
        ([100], [100], 0),
        ([NAN], [100], NAN),
        ([100], [], NAN),
    ],
)
def test_the_overnight_return_is_from_the_last_close_to_the_first_open(
    before: list[float], after: list[float], expected: float
) -> None:
    found = features.overnight_return(np.array(before, dtype=float), np.array(after, dtype=float))
    assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("opens", "closes", "expected"),
    [
        ([NAN, 100, 5], [NAN, 7, 99], math.log(0.99)),
        ([100, NAN], [101, NAN], math.log(1.01)),
        ([NAN], [NAN], NAN),
    ],
)
def test_the_open_to_close_return_is_from_the_first_open_to_the_last_close(
    opens: list[float], closes: list[float], expected: float
) -> None:
    found = features.open_to_close_return(np.array(opens, dtype=float), np.array(closes, dtype=float))
    assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_a_return_of_a_tick_has_all_its_digits() -> None:
    exact = float(log(167.42) - log(167.41))
    found = features.open_to_close_return(np.array([167.41]), np.array([167.42]))
    assert math.isclose(found, exact, rel_tol=1e-15)


@pytest.mark.parametrize(
    ("steps", "bin_steps", "expected"),
    [
        (23_400, 1800, [1800] * 13),
        (12_600, 1800, [1800] * 7),
        (5, 2, [2, 2, 1]),
        (0, 1800, []),
    ],
)
def test_the_volume_profile_has_its_bins(steps: int, bin_steps: int, expected: list[float]) -> None:
    assert features.volume_profile(np.ones(steps), bin_steps).tolist() == expected


@pytest.mark.parametrize(
    ("traded", "share", "gap_s"),
    [
        ([], NAN, 0),
        ([True], 0, 0),
        ([False, False], 1, 2),
        ([False, False, True, False], 0.75, 2),
        ([True, False, True, False, False, False], 4 / 6, 3),
    ],
)
def test_quiet_steps_are_counted(traded: list[bool], share: float, gap_s: float) -> None:
    mask = np.array(traded, dtype=bool)
    assert features.quiet_share(mask) == pytest.approx(share, nan_ok=True)
    assert features.largest_gap_s(mask) == gap_s
    assert features.largest_gap_s(mask, 0.5) == gap_s / 2


ONE = np.array([1.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: features.realised_variance(np.array([1.0, 0.0])), "close holds 0.0: prices are finite and above 0"),
        (lambda: features.realised_variance(np.array([1.0, -2.0])), "close holds -2.0"),
        (lambda: features.realised_variance(np.array([1.0, math.inf])), "close holds inf"),
        (lambda: features.realised_variance(np.ones((2, 2))), r"close has the shape \(2, 2\): give one session"),
        (lambda: features.realised_variance(ONE, 0), "step=0 is not allowed"),
        (lambda: features.realised_variance(ONE, 5, 5), "offset=5 is not allowed: give one below step=5"),
        (lambda: features.realised_variance(ONE, 5, -1), "offset=-1 is not allowed"),
        (lambda: features.subsampled_variance(ONE, 0), "step=0 is not allowed"),
        (lambda: features.bipower_variation(-ONE), "close holds -1.0"),
        (lambda: features.price_grid(ONE, np.array([1.0, 2.0])), "open has 1 prices and close 2"),
        (lambda: features.overnight_return(ONE, -ONE), "open holds -1.0"),
        (lambda: features.open_to_close_return(ONE, 0 * ONE), "close holds 0.0"),
        (lambda: features.volume_profile(-ONE), "volume holds -1.0: shares are finite and at least 0"),
        (lambda: features.volume_profile(ONE, 0), "bin_steps=0 is not allowed"),
        (lambda: features.quiet_share(np.array([0, 1])), r"traded is int64 of the shape \(2,\): give one session's bo"),
        (lambda: features.largest_gap_s(np.ones((1, 1), dtype=bool)), r"traded is bool of the shape \(1, 1\)"),
        (lambda: features.largest_gap_s(np.array([True]), 0), "step_s=0 is not allowed"),
    ],
)
def test_what_is_not_allowed_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        call()
