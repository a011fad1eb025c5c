"""What Black-76 leaves out of American options: its errors against QuantLib's grid with a discrete dividend.

A stock like SPY on a June day: 680 USD, rates 3.9 %, 1.99 USD in 18 days, a smile that falls by 6 vol points over 10 %
of strikes. The table says, in vol points, the largest error at each time to expiry and on each side of the forward.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import QuantLib

from marketlake.options.forward import Quotes, parity, theory
from marketlake.options.pricing import Options, valued

SPOT, RATE, DIVIDEND, EX_DAYS = 680.0, 0.039, 1.99, 18
MONEYNESS = (-0.05, -0.03, -0.01, 0.01, 0.03, 0.05)
QUOTED_USD = 0.3


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
