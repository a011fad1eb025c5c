"""Simulated bars of options: when they trade, what they fold to, and the vol that their prices imply."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from massive import RESTClient

from conftest import KEY
from marketlake.sessions import SessionCalendar
from polygon_simulator.days import Bar
from polygon_simulator.market import MadeUpDays
from polygon_simulator.options.contract import Contract
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

DAY, EARLY = dt.date(2024, 11, 27), dt.date(2024, 11, 29)
NINE_THIRTY_MS = 1_732_717_800_000
CLOSE_MS = NINE_THIRTY_MS + 390 * 60_000
YEAR_S = 31_536_000
NOW_S = dt.datetime(2026, 11, 20, 17, tzinfo=dt.UTC).timestamp()


@pytest.fixture(scope="module")
def few() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=lambda: NOW_S) as running:
        yield running


def asked(simulator: Simulator, path: str, **query: Any) -> requests.Response:
    return requests.get(simulator.url + path, params=query, headers={"Authorization": f"Bearer {KEY}"}, timeout=10)


def served(simulator: Simulator, ticker: str, timespan: str = "minute", day: dt.date = DAY) -> list[Bar]:
    path = f"/v2/aggs/ticker/{ticker}/range/1/{timespan}/{day}/{day}"
    bars: list[Bar] = asked(simulator, path, adjusted="false", limit=50_000).json().get("results", [])
    return bars


def chain(simulator: Simulator, day: dt.date = DAY) -> list[dict[str, Any]]:
    return simulator.options.chain.records("SPY", day)


# --- when they trade --------------------------------------------------------------------------------------------


def test_a_minute_bar_has_the_vendors_keys_and_is_the_same_every_time(few: Simulator) -> None:
    bars = served(few, "O:SPY241129C00605000")
    assert bars[0] == {
        "v": 13, "vw": 5.4248, "o": 5.43, "c": 5.41, "h": 5.44, "l": 5.4, "t": NINE_THIRTY_MS, "n": 3,
    }  # fmt: skip
    assert len(bars) == 238
    with Simulator(SmoothDays(), KEY, contracts="few") as another:
        assert another.options.bars("O:SPY241129C00605000", DAY, "minute") == bars


def test_near_the_money_and_the_expiry_they_trade_in_most_minutes_and_far_away_hardly_ever() -> None:
    near = ("O:SPY241127C00606000", "O:SPY241127C00610000", "O:SPY241127P00604000", "O:SPY241129P00605000")

    def count(ticker: str) -> int:
        return len(simulator.options.bars(ticker, DAY, "minute"))

    with Simulator(SmoothDays(), KEY) as simulator:
        assert len(chain(simulator)) == 10_832
        counts = {one["ticker"]: count(one["ticker"]) for one in chain(simulator)[::11]}
        assert [count(ticker) for ticker in near] == [221, 405, 405, 389]
    assert sum(not count for count in counts.values()) == 530
    of_a_year_and_more = [count for ticker, count in counts.items() if ticker.startswith(("O:SPY26", "O:SPY27"))]
    assert sum(of_a_year_and_more) / len(of_a_year_and_more) < 3


@pytest.mark.parametrize(
    ("day", "last_minutes"),
    [(DAY, 405), (EARLY, 225)],
)
def test_they_trade_from_0930_to_1615_and_to_1315_on_an_early_close(
    few: Simulator, day: dt.date, last_minutes: int
) -> None:
    opens_ms = SessionCalendar(dt.date(2026, 11, 20)).hours(day).regular_start_ms
    minutes = {
        (bar["t"] - opens_ms) // 60_000 for one in chain(few, day) for bar in served(few, one["ticker"], day=day)
    }
    assert min(minutes) == 0
    assert last_minutes - 15 <= max(minutes) < last_minutes
    assert len(minutes) > 0.95 * (last_minutes - 15)


@pytest.mark.parametrize(
    ("ticker", "day"),
    [
        ("O:SPY241220C00617500", dt.date(2024, 12, 9)),  # listed on the next day
        ("O:SPY241127C00605000", dt.date(2024, 11, 29)),  # expired
        ("O:SPY241220C00601000", DAY),  # no strike of the chain
        ("O:SPY241220C00605000", dt.date(2024, 11, 28)),  # Thanksgiving
        ("O:SPYG241220C00060000", DAY),
        ("O:nonsense", DAY),
    ],
)
def test_what_is_not_listed_on_a_day_is_200_without_results(few: Simulator, ticker: str, day: dt.date) -> None:
    answer = asked(few, f"/v2/aggs/ticker/{ticker}/range/1/minute/{day}/{day}")
    body = answer.json()
    assert body.pop("request_id") == answer.headers["X-Request-Id"]
    assert (answer.status_code, body) == (
        200, {"ticker": ticker, "queryCount": 0, "resultsCount": 0, "adjusted": True, "status": "OK"},
    )  # fmt: skip


def test_bars_that_are_not_over_are_not_served() -> None:
    clock_s = [CLOSE_MS / 1_000 - 3_600]
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=lambda: clock_s[0]) as simulator:
        then = {span: served(simulator, "O:SPY241129C00605000", span) for span in ("second", "minute", "day")}
        assert then["minute"][-1]["t"] <= CLOSE_MS - 3_660_000
        assert then["day"][0]["v"] == sum(bar["v"] for bar in then["minute"])
        clock_s[0] += 86_400
        assert served(simulator, "O:SPY241129C00605000")[: len(then["minute"])] == then["minute"]
        assert served(simulator, "O:SPY241129C00605000", "day")[0]["v"] > then["day"][0]["v"]


# --- folds ------------------------------------------------------------------------------------------------------


def by_start(bars: list[Bar], start: Callable[[Bar], int]) -> dict[int, list[Bar]]:
    groups: dict[int, list[Bar]] = {}
    for bar in bars:
        groups.setdefault(start(bar), []).append(bar)
    return groups


def folded(bars: list[Bar], start_ms: int) -> Bar:
    return {
        "v": sum(bar["v"] for bar in bars), "o": bars[0]["o"], "c": bars[-1]["c"],
        "h": max(bar["h"] for bar in bars), "l": min(bar["l"] for bar in bars), "t": start_ms,
        "n": sum(bar["n"] for bar in bars),
        "vw": pytest.approx(sum(bar["v"] * bar["vw"] for bar in bars) / sum(bar["v"] for bar in bars), abs=1e-4),
    }  # fmt: skip


@pytest.mark.parametrize("ticker", ["O:SPY241127P00600000", "O:SPY241129C00605000", "O:SPY241220C00620000"])
def test_minutes_are_folds_of_seconds_and_the_day_of_minutes(few: Simulator, ticker: str) -> None:
    seconds, minutes, days = (served(few, ticker, span) for span in ("second", "minute", "day"))
    groups = by_start(seconds, lambda bar: bar["t"] // 60_000 * 60_000)
    assert minutes == [folded(group, start_ms) for start_ms, group in groups.items()]
    assert days == [folded(minutes, 1_732_683_600_000)]


def test_prices_are_whole_cents_of_one_at_least_and_bars_are_sound(few: Simulator) -> None:
    bars = [bar for one in chain(few) for bar in served(few, one["ticker"], "second")]
    assert len(bars) > 20_000
    for bar in bars:
        assert 0.01 <= bar["l"] <= min(bar["o"], bar["c"]) <= max(bar["o"], bar["c"]) <= bar["h"]
        assert all(bar[key] == round(bar[key], 2) for key in "ohlc")
        assert bar["v"] >= bar["n"] >= 1
    assert {type(bar["v"]) for bar in bars} == {int}


# --- implied vol ------------------------------------------------------------------------------------------------


class Rates:
    """The documented forward, from nothing but the simulator's answers."""

    def __init__(self, simulator: Simulator, day: dt.date) -> None:
        query: dict[str, Any] = {"date.lt": str(day), "sort": "date.desc", "limit": 1}
        (row,) = asked(simulator, "/fed/v1/treasury-yields", **query).json()["results"]
        tenors = {"1_month": 1 / 12, "3_month": 0.25, "6_month": 0.5, "1_year": 1.0, "2_year": 2.0, "3_year": 3.0}
        self._curve = [(years, 2 * math.log1p(row[f"yield_{name}"] / 200)) for name, years in tenors.items()]
        query = {"ticker": "SPY", "ex_dividend_date.gt": str(day), "limit": 5_000}
        rows = asked(simulator, "/stocks/v1/dividends", **query).json()["results"]
        calendar = SessionCalendar(dt.date(2026, 11, 20))
        self.dividends = [
            (ex, calendar.hours(ex).regular_start_ms, float(one["cash_amount"]))
            for one in rows
            for ex in [dt.date.fromisoformat(one["ex_dividend_date"])]
        ]

    def rate(self, years: float) -> float:
        for (low, first), (high, last) in zip(self._curve, self._curve[1:], strict=False):
            if years <= high:
                return first + (last - first) * max(0.0, years - low) / (high - low)
        return self._curve[-1][1]

    def forward(self, spot: float, at_ms: int, expiry: dt.date, years: float) -> float:
        pv = 0.0
        for ex, ex_ms, amount in self.dividends:
            if ex <= expiry:
                until = (ex_ms - at_ms) / 1_000 / YEAR_S
                pv += amount * math.exp(-self.rate(until) * until)
        return (spot - pv) * math.exp(self.rate(years) * years)


def implied(price: float, call: bool, forward: float, strike: float, years: float, rate: float) -> float:
    """By bisection of Black's formula."""

    def worth(vol: float) -> float:
        spread = vol * math.sqrt(years)
        d1 = math.log(forward / strike) / spread + spread / 2
        n1, n2 = (0.5 * math.erfc(-d / math.sqrt(2)) for d in (d1, d1 - spread))
        value = math.exp(-rate * years) * (forward * n1 - strike * n2)
        return value if call else value - math.exp(-rate * years) * (forward - strike)

    low, high = 0.001, 5.0
    for _ in range(40):  # to 5e-12
        middle = (low + high) / 2
        low, high = (middle, high) if worth(middle) < price else (low, middle)
    return (low + high) / 2


@pytest.mark.parametrize("days", [SmoothDays(), MadeUpDays()], ids=["smooth", "dense"])
@pytest.mark.parametrize("day", [DAY, EARLY, dt.date(2026, 6, 10)])
def test_the_vol_that_a_close_implies_is_the_one_it_was_priced_with(
    days: SmoothDays | MadeUpDays, day: dt.date
) -> None:
    """Of every third contract every second minute out of the money of at least 0.30 USD and half a day to the expiry:
    within a tenth of a point.
    """
    with Simulator(days, KEY, contracts="few", now_s=lambda: NOW_S) as simulator:
        rates, underlying = Rates(simulator, day), simulator.bars("SPY", day)
        ends = [bar["t"] + 1_000 for bar in underlying]
        hours, errors = SessionCalendar(dt.date(2026, 11, 20)).hours, []
        for one in chain(simulator, day)[::3]:
            contract = Contract.of(one["ticker"])
            assert contract is not None
            place, bars = 0, served(simulator, contract.ticker, day=day)
            for bar in bars[::2]:
                end_ms = bar["t"] + 60_000
                while place < len(ends) and ends[place] <= end_ms:
                    place += 1
                spot = underlying[place - 1]["c"]
                years = (hours(contract.expiration).regular_end_ms - end_ms) / 1_000 / YEAR_S
                if years < 0.5 / 365 or bar["c"] < 0.3:
                    continue
                forward = rates.forward(spot, end_ms, contract.expiration, years)
                if (contract.strike > forward) != contract.call:
                    continue
                found = implied(bar["c"], contract.call, forward, contract.strike, years, rates.rate(years))
                true = simulator.options.simulated_iv(contract.ticker, end_ms)
                assert true is not None
                errors.append(abs(found - true))
    assert len(errors) > 400
    assert max(errors) < 0.0015
    assert sum(errors) / len(errors) < 0.0003


@pytest.mark.parametrize(
    ("ticker", "at_ms", "vol"),
    [
        ("O:SPY241129C00605000", NINE_THIRTY_MS + 9_000_000, 0.171067),
        ("O:SPY241220C00620000", CLOSE_MS, 0.133225),
        ("O:SPY241127C00605000", CLOSE_MS - 1, 0.493059),
        ("O:SPY241127C00605000", CLOSE_MS, None),  # expired
        ("O:SPY241129C00605000", NINE_THIRTY_MS - 6 * 3_600_000, None),  # before the underlying's first bar
        ("O:SPY241129C00605000", 1_732_804_200_000, None),  # Thanksgiving
        ("O:nonsense", CLOSE_MS, None),
    ],
)
def test_the_simulated_vol_of_a_moment(few: Simulator, ticker: str, at_ms: int, vol: float | None) -> None:
    found = few.options.simulated_iv(ticker, at_ms)
    assert found == (vol if vol is None else pytest.approx(vol, abs=1e-6))


def test_calls_and_puts_of_a_strike_agree_on_the_forward(few: Simulator) -> None:
    at_ms = NINE_THIRTY_MS + 3_600_000
    call, put = (few.options.quote(f"O:SPY241231{kind}00605000", at_ms) for kind in "CP")
    assert call is not None
    assert put is not None
    discount = math.exp(-call.rate[0] * call.years[0])
    assert (call.price - put.price)[0] == pytest.approx(discount * (call.forward[0] - 605))
    assert call.dividends_pv[0] == pytest.approx(1.9, abs=0.1)  # that of 2024-12-20


# --- plans, and the vendor's client -----------------------------------------------------------------------------

ENTITLED = "You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing"
TIMEFRAME = "Your plan doesn't include this data timeframe. Please upgrade your plan at https://polygon.io/pricing"
TODAY = dt.date(2026, 11, 20)


@pytest.mark.parametrize(
    ("plan", "timespan", "day", "code", "message"),
    [
        ("none", "minute", "2026-11-18", 200, ENTITLED),
        ("none", "second", "2026-11-18", 200, ENTITLED),
        ("none", "day", "2026-11-18", 200, ENTITLED),
        ("basic", "minute", "2026-11-18", 200, None),
        ("basic", "second", "2026-11-18", 403, ENTITLED),
        ("starter", "second", "2026-11-18", 403, ENTITLED),
        ("starter", "minute", "2024-11-18", 403, TIMEFRAME),
        ("developer", "second", "2026-11-18", 200, None),
        ("developer", "minute", "2022-11-18", 403, TIMEFRAME),
        ("advanced", "minute", "2014-06-02", 200, None),
        ("advanced", "minute", "2014-05-30", 403, TIMEFRAME),
    ],
)
def test_the_vendors_option_plans(
    few: Simulator, plan: str, timespan: str, day: str, code: int, message: str | None
) -> None:
    few.plan = Plan.named("advanced", TODAY).with_options(plan, TODAY)
    ticker = next(one["ticker"] for one in chain(few, dt.date.fromisoformat(day)))
    answer = asked(few, f"/v2/aggs/ticker/{ticker}/range/1/{timespan}/{day}/{day}")
    stocks = asked(few, f"/v2/aggs/ticker/SPY/range/1/minute/{day}/{day}")
    listing = asked(few, "/v3/reference/options/contracts", underlying_ticker="SPY", as_of=day)
    few.plan = Plan()
    body = answer.json()
    assert (answer.status_code, body["status"]) == (code, "NOT_AUTHORIZED" if message else "OK")
    assert body.get("message") == message
    assert (stocks.status_code, stocks.json()["status"]) == (200, "OK")
    assert len(listing.json()["results"]) == 10


def test_a_plan_without_stocks_and_one_without_the_chain(few: Simulator) -> None:
    few.plan = Plan(stocks=False, option_chain=False)
    stocks = asked(few, "/v2/aggs/ticker/SPY/range/1/second/2024-11-27/2024-11-27")
    listing = asked(few, "/v3/reference/options/contracts", underlying_ticker="SPY")
    few.plan = Plan()
    assert (stocks.status_code, stocks.json()["message"]) == (403, ENTITLED)
    assert (listing.status_code, listing.json()["status"], listing.json()["message"]) == (
        200, "NOT_AUTHORIZED", ENTITLED,
    )  # fmt: skip


def test_the_vendors_own_client_reads_options_bars(few: Simulator) -> None:
    vendor = RESTClient(KEY, base=few.url, retries=0)
    asked_before = len(few.requests)
    found = list(vendor.list_aggs("O:SPY241129C00605000", 1, "minute", "2024-11-27", "2024-11-27", limit=100))
    assert len(few.requests) - asked_before == 3
    logged = list(few.requests)[asked_before:]
    assert [(one["ticker"], one["day"], one["timespan"], one["page"]) for one in logged] == [
        ("O:SPY241129C00605000", "2024-11-27", "minute", page) for page in (1, 2, 3)
    ]
    assert few.requests_for(DAY, "minute", "O:SPY241129C00605000")[-3:] == logged
    assert few.requests_for(DAY, "minute", "SPY") == []
    assert [(one.timestamp, one.close) for one in found] == [
        (bar["t"], bar["c"]) for bar in few.options.bars("O:SPY241129C00605000", DAY, "minute")
    ]
    life = list(vendor.list_aggs("O:SPY241129C00605000", 1, "day", "2024-11-01", "2024-12-31"))
    assert [dt.datetime.fromtimestamp(one.timestamp / 1_000, dt.UTC).day for one in life] == [
        20,
        21,
        22,
        25,
        26,
        27,
        29,
    ]
