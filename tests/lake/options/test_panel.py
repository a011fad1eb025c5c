"""The panel of a session: each row by hand, what it is joined with, and what has no iv."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
import QuantLib
from hypothesis import given
from hypothesis import strategies as st

from marketlake.errors import BadArgument, NotASession
from marketlake.options.dividends import ConstantDividends
from marketlake.options.rates import ConstantRate, TreasuryCurve
from marketlake.quality.panel_checks import check_panel
from marketlake.rows.option_panel import PANEL, SOLVED
from panels import CALENDAR, MINUTE_MS, SECOND_MS, bars_of, chain_of, panel_of

DAY, EARLY = dt.date(2024, 11, 27), dt.date(2024, 11, 29)
TEN_MS = 1_732_719_600_000
"""10:00 New York on DAY."""
NOON_EARLY_MS = 1_732_899_600_000
"""12:00 New York on EARLY."""
CLOSE_MS, MINUTES = TEN_MS + 6 * 3_600_000, 60_000
DECEMBER_CALL, DECEMBER_PUT = "O:SPY241220C00600000", "O:SPY241220P00600000"
LOW_PUT = "O:SPY241220P00590000"
DIVIDENDS = ConstantDividends(1.8, CALENDAR)
"""1.80 USD on 2024-12-20, 23 days ahead, when these contracts expire."""


def rows_of(*args: object, **kwargs: object) -> list[dict]:
    panel = panel_of(*args, **kwargs)
    failed = [check for check in check_panel(panel, CALENDAR.hours(args[2])) if not check.ok]
    assert failed == []
    return panel.to_pylist()


# --- a row by hand ----------------------------------------------------------------------------------------------


def by_hand() -> list[dict]:
    bars = [(DECEMBER_CALL, TEN_MS, 9.3), (DECEMBER_PUT, TEN_MS, 11.2), (LOW_PUT, TEN_MS, 6.05)]
    seconds = [(TEN_MS + 57_000, 591.0), (TEN_MS + 58_000, 598.5)]
    return rows_of(bars, seconds, DAY, rates=ConstantRate(0.045), dividends=DIVIDENDS)


def test_a_row_by_hand() -> None:
    """10:01 to 16:00 in 23 days are 2,008,740 s; F = (598.5 - 1.8 e^(-0.045 * 23/365)) e^(0.045 T).

    The iv by bisection of Black's formula with math.erf, the greeks by differences of it.
    """
    call, *_ = by_hand()
    assert (call["contract"], call["timestamp"], call["close"], call["volume"]) == (DECEMBER_CALL, TEN_MS, 9.3, 3)
    assert (call["vwap"], call["transactions"]) == (None, 2)
    assert (call["underlying"], call["underlying_age_s"], call["rate"]) == (598.5, 1.0, 0.045)
    assert call["years_to_expiry"] == 2_008_740 / 31_536_000
    assert call["dividends_pv"] == pytest.approx(1.7949031202242, abs=1e-12)
    assert call["forward"] == pytest.approx(598.4179177707442, abs=1e-9)
    assert call["forward_parity"] == pytest.approx(598.0945461171526, abs=1e-9)
    assert call["iv"] == pytest.approx(0.1673870154613, rel=1e-7)
    assert call["delta"] == pytest.approx(0.4834981077, rel=1e-6)
    assert call["gamma"] == pytest.approx(0.0158124, abs=5e-7)
    assert call["vega"] == pytest.approx(60.02838026, rel=1e-6)
    assert call["theta"] == pytest.approx(-0.2506215, abs=5e-6)
    assert call["no_iv"] is None
    flags = {name: call[name] for name in PANEL.names[-7:]}
    assert flags == {
        "itm": False, "stale_underlying": False, "estimated_dividend": True, "near_ex_dividend": True,
        "below_intrinsic": False, "after_close": False, "adjusted_contract": False,
    }  # fmt: skip


def test_the_put_of_the_strike_and_one_below() -> None:
    _, low, put = by_hand()
    assert (put["contract"], put["itm"], low["contract"], low["itm"]) == (DECEMBER_PUT, True, LOW_PUT, False)
    assert put["forward_parity"] == low["forward_parity"] == pytest.approx(598.0945461171526, abs=1e-9)
    assert [put["iv"], put["delta"], put["theta"]] == pytest.approx([0.1727582888, -0.5154571, -0.1836342], rel=1e-5)
    assert [low["iv"], low["delta"], low["theta"]] == pytest.approx([0.1621571158, -0.3569498, -0.1688168], rel=1e-5)


def test_iv_and_greeks_are_those_of_quantlibs_own_objects() -> None:
    for row in by_hand():
        kind = QuantLib.Option.Call if "C" in row["contract"][6:] else QuantLib.Option.Put
        strike, years, growth = int(row["contract"][-8:]) / 1000, row["years_to_expiry"], 1 + math.expm1(
            row["rate"] * row["years_to_expiry"]
        )  # fmt: skip
        calculator = QuantLib.BlackCalculator(
            QuantLib.PlainVanillaPayoff(kind, strike), row["forward"], row["iv"] * math.sqrt(years), 1 / growth
        )
        assert calculator.value() == pytest.approx(row["close"], abs=1e-5)
        assert calculator.deltaForward() * growth == pytest.approx(row["delta"], rel=1e-6)
        assert calculator.gammaForward() * growth**2 == pytest.approx(row["gamma"], rel=1e-6)
        assert calculator.vega(years) == pytest.approx(row["vega"], rel=1e-6)


def test_the_rate_is_that_of_the_time_to_expiry() -> None:
    curve = TreasuryCurve(dt.date(2024, 11, 26), {"yield_1_month": 4.76, "yield_3_month": 4.62})
    far = "O:SPY250131C00600000"
    near, later = rows_of([(DECEMBER_CALL, TEN_MS, 9.3), (far, TEN_MS, 15.0)], [(TEN_MS, 598.5)], DAY, rates=curve)
    assert near["rate"] == pytest.approx(0.04704239, abs=1e-8)  # 2 ln(1 + 0.0476 / 2): flat below a month
    # 65 days and 21,540 s, between a month and three: 4.76 % less 0.14 % of (T - 1/12) / (1/6)
    assert later["rate"] == pytest.approx(2 * math.log(1 + (0.0476 - 0.0014 * (0.17876522 - 1 / 12) * 6) / 2), abs=1e-8)
    assert later["forward"] == pytest.approx(598.5 * math.exp(later["rate"] * later["years_to_expiry"]), abs=1e-9)


@pytest.mark.parametrize(
    ("contract", "pv", "near"),
    [
        ("O:SPY241213P00590000", 0.0, False),
        ("O:SPY241220P00590000", 1.8 * math.exp(-0.04 * 23 / 365), True),
        ("O:SPY241230P00590000", 1.8 * math.exp(-0.04 * 23 / 365), True),  # ten days after it
        ("O:SPY241231P00590000", 1.8 * math.exp(-0.04 * 23 / 365), False),
    ],
)
def test_dividends_up_to_the_expiry(contract: str, pv: float, near: bool) -> None:
    (row,) = rows_of([(contract, TEN_MS, 6.0)], [(TEN_MS, 598.5)], DAY, dividends=DIVIDENDS)
    assert row["dividends_pv"] == pytest.approx(pv, abs=1e-12)
    assert (row["estimated_dividend"], row["near_ex_dividend"]) == (pv > 0, near)


# --- the underlying as of the bar's end -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second_ms", "age_s"),
    [
        (MINUTE_MS - 2_000, 1.0),
        (MINUTE_MS - 1_000, 0.0),  # it ends with the bar
        (MINUTE_MS, None),  # it begins with the bar's end
        (MINUTE_MS - 500, None),  # off the grid: it has begun and not ended
        (-1_000, 60.0),
        (-2_000, 61.0),
    ],
)
def test_the_underlying_is_of_the_last_second_that_has_ended(second_ms: int, age_s: float | None) -> None:
    (row,) = rows_of([(DECEMBER_CALL, TEN_MS, 9.3)], [(TEN_MS + second_ms, 598.5)], DAY)
    known = age_s is not None
    assert (row["underlying"], row["underlying_age_s"]) == (598.5 if known else None, age_s)
    assert row["stale_underlying"] is (not known or age_s > 60)
    assert (row["forward"] is not None, row["iv"] is not None) == (known, known)
    assert row["no_iv"] == (None if known else "missing")


def test_a_gap_of_the_seconds_makes_the_underlying_stale_and_leaves_the_iv() -> None:
    """Halted from 10:00 to 10:05: the price is that of before, and older from minute to minute."""
    bars = [(DECEMBER_CALL, TEN_MS + minute * MINUTES, 9.3) for minute in range(6)]
    seconds = [(TEN_MS - SECOND_MS, 598.0), (TEN_MS + 5 * MINUTES + 1_000, 599.0)]
    rows = rows_of(bars, seconds, DAY)
    assert [row["underlying_age_s"] for row in rows] == [60.0, 120.0, 180.0, 240.0, 300.0, 58.0]
    assert [row["stale_underlying"] for row in rows] == [False, True, True, True, True, False]
    assert [row["underlying"] for row in rows] == [598.0] * 5 + [599.0]
    assert all(row["iv"] for row in rows)


def test_before_the_first_trade_of_the_underlying_nothing_is_known_of_it() -> None:
    bars = [(ticker, TEN_MS + minute * MINUTES, 9.3) for ticker in (DECEMBER_CALL, DECEMBER_PUT) for minute in (0, 1)]
    rows = rows_of(bars, [(TEN_MS + 70_000, 598.5)], DAY)
    before, after = (
        {name: row[name] for name in ("underlying", "underlying_age_s", "forward", "forward_parity", "no_iv", *SOLVED)}
        for row in rows[:2]
    )
    assert before == dict.fromkeys(before, None) | {"no_iv": "missing"}
    assert None not in [value for name, value in after.items() if name != "no_iv"]
    assert (rows[0]["rate"], rows[0]["itm"], rows[0]["stale_underlying"]) == (0.04, False, True)
    assert rows[0]["years_to_expiry"] > 0


def test_without_any_second_every_row_stays_and_has_no_iv() -> None:
    rows = rows_of([(DECEMBER_CALL, TEN_MS, 9.3), (DECEMBER_PUT, TEN_MS, 11.2)], [], DAY)
    assert [(row["underlying"], row["iv"], row["no_iv"]) for row in rows] == [(None, None, "missing")] * 2


def test_bars_of_a_second_end_with_it() -> None:
    seconds = [(TEN_MS, 598.0), (TEN_MS + 1_000, 599.0), (TEN_MS + 2_000, 600.0)]
    rows = rows_of([(DECEMBER_CALL, TEN_MS + 1_000, 9.3)], seconds, DAY, bar_ms=1_000)
    assert [(row["underlying"], row["underlying_age_s"]) for row in rows] == [(599.0, 0.0)]
    assert rows[0]["years_to_expiry"] == (23 * 86_400 + 6 * 3_600 - 2) / 31_536_000


# --- the close, and the expiry ----------------------------------------------------------------------------------

TODAY_CALL, TODAY_PUT = "O:SPY241127C00600000", "O:SPY241127P00600000"


@pytest.mark.parametrize(
    ("contract", "minutes", "left_s", "after_close", "no_iv"),
    [
        (TODAY_CALL, -2, 60, False, None),
        (TODAY_CALL, -1, 0, False, "expired"),  # it ends with the expiry
        (TODAY_CALL, 0, -60, True, "expired"),
        (TODAY_CALL, 14, -900, True, "expired"),
        (DECEMBER_CALL, -1, 23 * 86_400, False, None),
        (DECEMBER_CALL, 0, 23 * 86_400 - 60, True, None),
        (DECEMBER_CALL, 14, 23 * 86_400 - 900, True, None),
    ],
)
def test_after_the_close_options_trade_on_beside_after_hours_spy(
    contract: str, minutes: int, left_s: int, after_close: bool, no_iv: str | None
) -> None:
    start_ms = CLOSE_MS + minutes * MINUTES
    (row,) = rows_of([(contract, start_ms, 9.3)], [(CLOSE_MS - 3_600_000, 580.0), (start_ms, 598.5)], DAY)
    assert row["years_to_expiry"] == left_s / 31_536_000
    assert (row["after_close"], row["no_iv"], row["iv"] is None) == (after_close, no_iv, no_iv is not None)
    assert (row["underlying"], row["underlying_age_s"]) == (598.5, 59.0)


def test_after_the_expiry_a_share_costs_what_it_costs() -> None:
    rows = rows_of([(TODAY_CALL, CLOSE_MS, 1.0), (TODAY_PUT, CLOSE_MS, 2.6)], [(CLOSE_MS, 598.5)], DAY)
    assert [(row["forward"], row["itm"]) for row in rows] == [(598.5, False), (598.5, True)]
    assert rows[0]["forward_parity"] == pytest.approx(598.4)


@pytest.mark.parametrize(
    ("start_minute", "left_s", "after_close", "no_iv"),
    [(58, 60, False, None), (59, 0, False, "expired"), (60, -60, True, "expired"), (74, -900, True, "expired")],
)
def test_an_early_close(start_minute: int, left_s: int, after_close: bool, no_iv: str | None) -> None:
    """13:00 on the day after Thanksgiving; options trade to 13:15."""
    start_ms = NOON_EARLY_MS + start_minute * MINUTES
    (row,) = rows_of([("O:SPY241129C00600000", start_ms, 0.4)], [(NOON_EARLY_MS, 599.9)], EARLY)
    assert row["years_to_expiry"] == left_s / 31_536_000
    assert (row["after_close"], row["no_iv"]) == (after_close, no_iv)


# --- which rows, and which flags --------------------------------------------------------------------------------


def test_contracts_of_an_adjusted_root_are_out_and_odd_ones_of_the_own_root_stay_without_iv() -> None:
    adjusted, odd = "O:SPY1241220C00600000", "O:SPY241220C00601000"
    bars = [(adjusted, TEN_MS, 9.3), (odd, TEN_MS, 9.0), (DECEMBER_PUT, TEN_MS, 11.2)]
    names = [ticker for ticker, *_ in bars]
    chain = chain_of(names, SPY241220C00601000={"shares_per_contract": 150, "standard": False})
    rows = rows_of(bars, [(TEN_MS, 598.5)], DAY, chain=chain)
    assert [(row["contract"], row["adjusted_contract"], row["no_iv"]) for row in rows] == [
        (odd, True, "adjusted_contract"), (DECEMBER_PUT, False, None),
    ]  # fmt: skip
    assert [rows[0][name] for name in SOLVED] == [None] * 5
    assert rows[0]["underlying"] == 598.5
    assert rows[1]["iv"] == pytest.approx(0.1861030, abs=1e-7)


def test_an_odd_contract_is_no_half_of_a_pair() -> None:
    bars = [(DECEMBER_CALL, TEN_MS, 9.3), (DECEMBER_PUT, TEN_MS, 11.2)]
    plain = rows_of(bars, [(TEN_MS, 598.5)], DAY)
    chain = chain_of([DECEMBER_CALL, DECEMBER_PUT], SPY241220P00600000={"standard": False})
    odd = rows_of(bars, [(TEN_MS, 598.5)], DAY, chain=chain)
    assert plain[0]["forward_parity"] == plain[1]["forward_parity"] == pytest.approx(598.0952, abs=1e-4)
    assert [row["forward_parity"] for row in odd] == [None, None]
    assert odd[0]["iv"] == plain[0]["iv"]


@pytest.mark.parametrize(
    ("contract", "itm"),
    [
        ("O:SPY241220C00598000", True),
        ("O:SPY241220C00602000", False),
        ("O:SPY241220P00598000", False),
        ("O:SPY241220P00602000", True),
        ("O:SPY241220C00599000", True),  # out of the money by the spot of 598.5, and in by the forward of 600.0
        ("O:SPY241220P00599000", False),
    ],
)
def test_in_the_money_is_by_the_forward(contract: str, itm: bool) -> None:
    (row,) = rows_of([(contract, TEN_MS, 12.0)], [(TEN_MS, 598.5)], DAY)
    assert row["forward"] == pytest.approx(600.0268, abs=1e-4)
    assert row["itm"] is itm


@pytest.mark.parametrize(
    ("contract", "price", "no_iv", "below"),
    [
        ("O:SPY241220C00500000", 99.7, "below_intrinsic", True),  # worth 99.77 today
        ("O:SPY241220C00500000", 99.9, None, False),
        ("O:SPY241220C00600000", 598.5, "above_maximum", False),
        ("O:SPY241220P00600000", 600.0, "above_maximum", False),
    ],
)
def test_prices_that_no_iv_has(contract: str, price: float, no_iv: str | None, below: bool) -> None:
    (row,) = rows_of([(contract, TEN_MS, price)], [(TEN_MS, 598.5)], DAY)
    assert (row["no_iv"], row["below_intrinsic"]) == (no_iv, below)


def test_every_bar_is_a_row_with_its_own_columns_in_the_bars_order() -> None:
    names = [DECEMBER_PUT, LOW_PUT, TODAY_CALL, DECEMBER_CALL]
    bars = [(name, TEN_MS + minute * MINUTES, 5.0 + minute) for name in names for minute in (3, 1)]
    panel = panel_of(bars, [(TEN_MS, 598.5)], DAY)
    assert panel.schema.equals(PANEL, check_metadata=True)
    assert panel.select(bars_of(bars).column_names).equals(bars_of(bars))
    for number, row in enumerate(panel.to_pylist()):  # each as if it were alone, but for its pair
        alone = panel_of(
            [bar for bar in bars if bar[:2] == (row["contract"], row["timestamp"])], [(TEN_MS, 598.5)], DAY
        )
        assert alone.drop_columns("forward_parity").to_pylist() == [
            {name: value for name, value in row.items() if name != "forward_parity"}
        ], number


def test_no_bars_are_no_rows() -> None:
    for seconds in ([], [(TEN_MS, 598.5)]):
        panel = panel_of([], seconds, DAY, chain=chain_of([DECEMBER_CALL]))
        assert panel.num_rows == 0
        assert panel.schema.equals(PANEL)
        assert all(check.ok for check in check_panel(panel, CALENDAR.hours(DAY)))


def test_a_contract_that_is_not_in_the_chain_is_named() -> None:
    with pytest.raises(BadArgument, match=f"^{DECEMBER_PUT} has bars and is not in the chain"):
        panel_of([(DECEMBER_CALL, TEN_MS, 9.3), (DECEMBER_PUT, TEN_MS, 9.3)], [], DAY, chain=chain_of([DECEMBER_CALL]))


def test_a_date_that_is_no_session_has_no_panel() -> None:
    with pytest.raises(NotASession, match="2024-11-28"):
        panel_of([(DECEMBER_CALL, TEN_MS, 9.3)], [], dt.date(2024, 11, 28))


def test_iv_and_greeks_have_seven_digits() -> None:
    """The others would double the file, and be of rounding alone."""
    for row in by_hand():
        for name in SOLVED:
            assert row[name] == float(np.float32(row[name]))


PRICES = st.one_of(st.integers(1, 70_000).map(lambda cents: cents / 100), st.sampled_from([0.01, 598.5, 1e-9, 1e6]))
ODD = "O:SPY241220C00650000"


@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from([TODAY_CALL, TODAY_PUT, DECEMBER_CALL, DECEMBER_PUT, LOW_PUT, ODD]), st.integers(-60, 380)
        ),
        PRICES,
        max_size=12,
    ),
    st.dictionaries(st.integers(-3_600, 23_000), st.floats(1.0, 2_000.0), max_size=6),
)
def test_whatever_is_traded_no_figure_is_nan_and_none_that_is_not_known_is_0(
    prices: dict[tuple[str, int], float], seconds: dict[int, float]
) -> None:
    bars = [(name, TEN_MS + minute * MINUTES, price) for (name, minute), price in prices.items()]
    chain = chain_of([*(name for name, *_ in bars), ODD], SPY241220C00650000={"standard": False})
    ticks = [(TEN_MS + second * SECOND_MS, price) for second, price in seconds.items()]
    rows = rows_of(bars, ticks, DAY, chain=chain, dividends=DIVIDENDS)
    assert len(rows) == len(bars)
    for row in rows:
        figures = [value for value in row.values() if isinstance(value, float)]
        assert not any(math.isnan(value) or math.isinf(value) for value in figures)
        assert (row["iv"] is None) == (row["no_iv"] is not None)
        assert row["iv"] is None or row["iv"] > 0
        known = [start for start, _ in ticks if start + SECOND_MS <= row["timestamp"] + MINUTE_MS]
        assert (row["underlying"] is None) == (not known)
        if not known:
            assert [row[name] for name in ("underlying_age_s", "forward", "forward_parity", *SOLVED)] == [None] * 8
