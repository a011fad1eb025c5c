"""What Black-76 leaves out of American options: its errors against QuantLib's grid with a discrete dividend.

A stock like SPY on a June day: 680 USD, rates 3.9 %, 1.99 USD in 18 days, a smile that falls by 6 vol points over 10 %
of strikes. The table says, in vol points, the largest error at each time to expiry and on each side of the forward.
"""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
import QuantLib

from marketlake.options.dividends import Expected
from marketlake.options.forward import Quotes, parity, theory
from marketlake.options.pricing import Options, valued
from marketlake.options.rates import ConstantRate
from panels import MINUTE_MS, SECOND_MS, panel_of

SPOT, RATE, DIVIDEND, EX_DAYS = 680.0, 0.039, 1.99, 18
MONEYNESS = (-0.05, -0.03, -0.01, 0.01, 0.03, 0.05)
QUOTED_USD = 0.3
SESSION = dt.date(2025, 6, 2)
CLOSE_MS = 1_748_894_400_000
"""16:00 New York on SESSION."""


def smile(strike: float) -> float:
    return 0.15 - 0.6 * (strike / SPOT - 1)


def american(is_call: bool, strike: float, days: int) -> float:
    today = QuantLib.Date(2, 6, 2025)
    QuantLib.Settings.instance().evaluationDate = today
    count = QuantLib.Actual365Fixed()
    process = QuantLib.BlackScholesProcess(
        QuantLib.QuoteHandle(QuantLib.SimpleQuote(SPOT)),
        QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, RATE, count)),
        QuantLib.BlackVolTermStructureHandle(
            QuantLib.BlackConstantVol(today, QuantLib.NullCalendar(), smile(strike), count)
        ),
    )
    option = QuantLib.VanillaOption(
        QuantLib.PlainVanillaPayoff(QuantLib.Option.Call if is_call else QuantLib.Option.Put, strike),
        QuantLib.AmericanExercise(today, today + days),
    )
    paid = QuantLib.DividendVector([today + EX_DAYS], [DIVIDEND]) if days >= EX_DAYS else []
    option.setPricingEngine(QuantLib.FdBlackScholesVanillaEngine(process, paid, 100, 400, 0))
    return float(option.NPV())


def forward_at(days: int) -> float:
    present = DIVIDEND * math.exp(-RATE * EX_DAYS / 365) if days >= EX_DAYS else 0.0
    return float(theory(*(np.array([one]) for one in (SPOT, present, RATE, days / 365)))[0])


def errors(days: int, is_call: bool, out_of_the_money: bool) -> list[float]:
    """In vol points, of options of at least 0.30 USD."""
    forward = forward_at(days)
    strikes = [
        strike
        for strike in (float(round(SPOT * (1 + one))) for one in MONEYNESS)
        if (strike > forward) == (is_call == out_of_the_money)
    ]
    prices = {strike: american(is_call, strike, days) for strike in strikes}
    quoted = {strike: price for strike, price in prices.items() if price >= QUOTED_USD}
    column = np.full(len(quoted), 1.0)
    strike, price = np.array(list(quoted)), np.array(list(quoted.values()))
    told = valued(
        Options(price, column == is_call, strike, column * SPOT, column * forward, column * days / 365, column * RATE)
    )
    assert told.column("iv").null_count == 0
    return [(iv - smile(one)) * 100 for iv, one in zip(told.column("iv").to_pylist(), quoted, strict=True)]


@pytest.mark.parametrize(
    ("days", "otm_calls", "otm_puts", "itm_calls", "itm_puts"),
    [
        (7, 0.01, 0.05, 0.05, 11),
        (14, 0.01, 0.08, 0.02, 6.5),
        (21, 0.7, 0.12, 4.0, 1.3),  # three days after the ex-date: who holds a call exercises it before
        (28, 0.2, 0.17, 1.7, 2.0),  # ten days after it: the end of what `near_ex_date` flags
        (30, 0.17, 0.17, 1.3, 2.1),
        (45, 0.03, 0.24, 0.05, 2.3),
    ],
)
def test_the_error_of_a_european_model(
    days: int, otm_calls: float, otm_puts: float, itm_calls: float, itm_puts: float
) -> None:
    table = {
        (is_call, out): errors(days, is_call, out_of_the_money=out)
        for is_call in (True, False)
        for out in (True, False)
    }
    assert all(table.values())
    most = {
        (True, True): otm_calls,
        (False, True): otm_puts,
        (True, False): itm_calls,
        (False, False): itm_puts,
    }
    for side, bound in most.items():
        # Early exercise is worth something and never costs anything: the error is above 0 but for the grid's own.
        assert min(table[side]) > -0.02
        assert bound / 2 - 0.02 < max(table[side]) < bound


@pytest.mark.parametrize(("days", "bias"), [(21, 0.5), (30, 0.0), (45, -0.25)])
def test_parity_is_a_check_of_the_forward_and_no_source(days: int, bias: float) -> None:
    """American pairs at the money imply a forward that is off by up to half a USD: no dividend to be read from it."""
    prices = np.array([american(is_call, 680.0, days) for is_call in (True, False)])
    forward = forward_at(days)
    implied = parity(
        Quotes(
            timestamp=np.zeros(2, np.int64),
            expiry=np.zeros(2, np.int64),
            is_call=np.array([True, False]),
            strike=np.full(2, 680_000),
            price=prices,
            forward=np.full(2, forward),
            growth=np.full(2, math.exp(RATE * days / 365)),
        )
    )
    assert (implied - forward).tolist() == pytest.approx([bias, bias], abs=0.15)


class InEighteenDays:
    """The dividend that the options are priced with."""

    source = "a test"

    def ahead(self, session: dt.date, last: dt.date) -> tuple[Expected, ...]:
        ex_date = session + dt.timedelta(days=EX_DAYS)
        return (Expected(ex_date, DIVIDEND, estimated=False),) if ex_date <= last else ()


def panel_at(days: int) -> list[dict]:
    """Rows of options of the last minute before the close, so that whole days are left; each with its error."""
    expiration = SESSION + dt.timedelta(days=days)
    made = {}
    for share in MONEYNESS:
        strike = float(round(SPOT * (1 + share)))
        for letter in "CP":
            ticker = f"O:SPY{expiration:%y%m%d}{letter}{round(strike * 1000):08}"
            made[ticker] = (f"{letter}{share * 100:+.0f}", smile(strike), american(letter == "C", strike, days))
    bars = [(ticker, CLOSE_MS - MINUTE_MS, price) for ticker, (_, _, price) in made.items()]
    seconds = [(CLOSE_MS - SECOND_MS, SPOT)]
    panel = panel_of(bars, seconds, SESSION, rates=ConstantRate(RATE), dividends=InEighteenDays())
    rows = [row | dict(zip(("what", "true"), made[row["contract"]], strict=False)) for row in panel.to_pylist()]
    return [row | {"error": (row["iv"] - row["true"]) * 100} for row in rows if row["close"] >= QUOTED_USD]


OUT_OF_THE_MONEY = {
    2: {"P-1": 0.01, "C+1": 0.0},
    7: {"P-3": 0.01, "P-1": 0.04, "C+1": 0.0, "C+3": 0.0},
    14: {"P-5": 0.02, "P-3": 0.03, "P-1": 0.07, "C+1": 0.0, "C+3": 0.0},
    18: {"P-5": 0.05, "P-3": 0.05, "P-1": 0.05, "C+1": 1.34, "C+3": 0.9},  # the expiry is the ex-date
    21: {"P-5": 0.07, "P-3": 0.08, "P-1": 0.11, "C+1": 0.67, "C+3": 0.36, "C+5": 0.18},
    28: {"P-5": 0.08, "P-3": 0.1, "P-1": 0.16, "C+1": 0.17, "C+3": 0.07, "C+5": 0.03},
    30: {"P-5": 0.08, "P-3": 0.11, "P-1": 0.17, "C+1": 0.11, "C+3": 0.05, "C+5": 0.03},
    45: {"P-5": 0.1, "P-3": 0.14, "P-1": 0.23, "C+1": 0.02, "C+3": 0.02, "C+5": 0.01},
}
IN_THE_MONEY = {
    2: {"C-5": 2.7, "C-3": 0.1, "C-1": 0.0, "P+1": 0.2, "P+3": 8.2, "P+5": 21.1},
    7: {"C-5": 0.0, "C-3": 0.0, "C-1": 0.0, "P+1": 0.2, "P+3": 2.0, "P+5": 10.1},
    14: {"C-5": 0.0, "C-3": 0.0, "C-1": 0.0, "P+1": 0.2, "P+3": 1.1, "P+5": 6.2},
    18: {"C-5": 5.6, "C-3": 3.4, "C-1": 2.2, "P+1": 0.0, "P+3": 0.0, "P+5": 0.0},
    21: {"C-5": 3.9, "C-3": 2.2, "C-1": 1.3, "P+1": 0.2, "P+3": 0.4, "P+5": 1.2},
    28: {"C-5": 1.6, "C-3": 0.8, "C-1": 0.4, "P+1": 0.3, "P+3": 0.7, "P+5": 2.0},
    30: {"C-5": 1.2, "C-3": 0.6, "C-1": 0.3, "P+1": 0.3, "P+3": 0.7, "P+5": 2.0},
    45: {"C-5": 0.0, "C-3": 0.0, "C-1": 0.0, "P+1": 0.4, "P+3": 0.9, "P+5": 2.2},
}
"""By days to expiry and moneyness in per cent: how many vol points the panel's iv of an American price is too high."""


@pytest.mark.parametrize("days", sorted(OUT_OF_THE_MONEY))
def test_a_panel_of_american_prices(days: int) -> None:
    rows = panel_at(days)
    out = {row["what"]: row["error"] for row in rows if not row["itm"]}
    within = {row["what"]: row["error"] for row in rows if row["itm"]}
    print(days, {name: round(error, 2) for name, error in (out | within).items()})
    assert out == {name: pytest.approx(error, abs=0.03) for name, error in OUT_OF_THE_MONEY[days].items()}
    assert within == {name: pytest.approx(error, abs=0.1) for name, error in IN_THE_MONEY[days].items()}
    assert {row["near_ex_dividend"] for row in rows} == {EX_DAYS <= days <= EX_DAYS + 10}


def test_what_no_flag_warns_of_is_off_by_a_quarter_of_a_point_at_most() -> None:
    plain = [
        row for days in OUT_OF_THE_MONEY for row in panel_at(days) if not row["itm"] and not row["near_ex_dividend"]
    ]
    assert len(plain) == 23
    assert max(abs(row["error"]) for row in plain) < 0.25
