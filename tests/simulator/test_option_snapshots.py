"""The simulated snapshot: what is shown of a chain at a moment, to whom, and how it is asked for."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
import requests
from massive import RESTClient

from clocks import new_york
from conftest import KEY
from polygon_simulator.options import black76
from polygon_simulator.options.contract import Contract
from polygon_simulator.options.snapshot import open_interest
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

THURSDAY = "2026-11-19"
SHOWN = "/v3/snapshot/options/SPY"
AT_THE_MONEY, DEEP, DEEP_PUT = "O:SPY261127C00725000", "O:SPY261127C00625000", "O:SPY261127P00825000"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few") as simulator:
        yield simulator


@pytest.fixture
def few(running: Simulator) -> Iterator[Simulator]:
    running.plan = Plan()
    at(running, f"{THURSDAY} 16:45")
    yield running
    running.faults.clear()


def at(simulator: Simulator, text: str) -> None:
    simulator.now_s = new_york(text).timestamp


def get(simulator: Simulator, path: str = SHOWN, **query: Any) -> dict[str, Any]:
    url = path if path.startswith("http") else simulator.url + path
    found = requests.get(url, params=query, headers={"Authorization": f"Bearer {KEY}"}, timeout=30)
    return {"code": found.status_code, **found.json()}


def rows(simulator: Simulator, **query: Any) -> list[dict[str, Any]]:
    """Every page's contracts."""
    answer, found = get(simulator, **{"limit": 250, **query}), []
    for _ in range(99):
        found += answer["results"]
        if "next_url" not in answer:
            return found
        answer = get(simulator, answer["next_url"])
    raise AssertionError("the listing does not end")


def row(simulator: Simulator, ticker: str) -> dict[str, Any]:
    contract = Contract.of(ticker)
    assert contract is not None
    found = rows(simulator, expiration_date=str(contract.expiration), strike_price=contract.strike)
    return next(one for one in found if one["details"]["ticker"] == ticker)


def test_a_contract_is_shown_with_all_that_the_vendor_gives(few: Simulator) -> None:
    shown = row(few, AT_THE_MONEY)
    assert shown["details"] == {
        "contract_type": "call", "exercise_style": "american", "expiration_date": "2026-11-27",
        "shares_per_contract": 100, "strike_price": 725, "ticker": AT_THE_MONEY,
    }  # fmt: skip
    closes_ns = new_york(f"{THURSDAY} 16:15").timestamp() * 1e9
    assert shown["underlying_asset"] == {
        "change_to_break_even": 6.76, "last_updated": closes_ns, "price": 723.71, "ticker": "SPY",
        "timeframe": "REAL-TIME",
    }  # fmt: skip
    assert shown["break_even_price"] == 730.47
    assert shown["implied_volatility"] == few.options.simulated_iv(AT_THE_MONEY, round(closes_ns / 1e6))
    assert shown["last_quote"]["bid"] < 5.47 < shown["last_quote"]["ask"]
    (bar,) = few.options.bars(AT_THE_MONEY, dt.date(2026, 11, 19), "day")
    assert [shown["day"][key] for key in ("open", "high", "low", "close", "volume", "vwap")] == [
        bar[key] for key in ("o", "h", "l", "c", "v", "vw")
    ]
    assert shown["last_trade"]["price"] == bar["c"]
    before = few.options.bars(AT_THE_MONEY, dt.date(2026, 11, 18), "day")[0]["c"]
    assert (shown["day"]["previous_close"], shown["day"]["change"]) == (before, round(bar["c"] - before, 2))


def test_greeks_are_the_slopes_of_the_price(few: Simulator) -> None:
    spot, strike, years, rate, vol = 720.0, 725.0, 0.02, 0.039, 0.17

    def price(call: bool, spot: float = spot, years: float = years, vol: float = vol) -> float:
        forward, time = np.array([spot * np.exp(rate * years)]), np.array([years])
        return float(
            black76.price(
                call=call, forward=forward, strike=strike, years=time, rate=np.array([rate]), vol=np.array([vol])
            )[0]
        )

    for call in (True, False):
        greeks = black76.greeks(call=call, spot=spot, strike=strike, years=years, rate=rate, vol=vol)
        above, below = price(call, spot + 0.1), price(call, spot - 0.1)
        assert greeks == pytest.approx(
            {
                "delta": (above - below) / 0.2,
                "gamma": (above + below - 2 * price(call)) / 0.01,
                "theta": (price(call, years=years - 1e-6) - price(call, years=years + 1e-6)) / 2e-6 / 365,
                "vega": (price(call, vol=vol + 1e-5) - price(call, vol=vol - 1e-5)) / 2e-5 / 100,
            },
            rel=1e-4,
        )


@pytest.mark.parametrize("ticker", [DEEP, "O:SPY261119C00700000", "O:SPY261119P00750000"])
def test_a_contract_deep_in_the_money_or_past_its_expiry_has_empty_greeks_and_no_iv(
    few: Simulator, ticker: str
) -> None:
    shown = row(few, ticker)
    assert shown["greeks"] == {}
    assert "implied_volatility" not in shown
    assert shown["open_interest"] > 0


def test_a_contract_that_did_not_trade_shows_the_last_day_it_did_or_none(few: Simulator) -> None:
    days: dict[str, int] = {}
    for one in rows(few):
        updated = one["day"].get("last_updated", 0)
        day = dt.datetime.fromtimestamp(updated / 1e9, dt.UTC).date() if updated else "never"
        days[str(day)] = days.get(str(day), 0) + 1
    assert days == {"2026-11-17": 2, "2026-11-18": 15, "2026-11-19": 126, "never": 37}


@pytest.mark.parametrize(
    ("now", "session"),
    [
        (f"{THURSDAY} 06:29", "2026-11-17"),
        (f"{THURSDAY} 06:30", "2026-11-18"),
        (f"{THURSDAY} 12:00", "2026-11-18"),
        (f"{THURSDAY} 23:59", "2026-11-18"),
        ("2026-11-20 03:00", "2026-11-18"),
        ("2026-11-21 12:00", "2026-11-19"),  # on a Saturday still that of Friday's
        ("2026-11-23 07:00", "2026-11-20"),
        ("2026-11-27 10:00", "2026-11-25"),  # after Thanksgiving
    ],
)
def test_open_interest_is_that_of_the_session_before_from_half_past_six_on(
    few: Simulator, now: str, session: str
) -> None:
    at(few, now)
    ticker = "O:SPY261218C00725000"
    contract = Contract.of(ticker)
    assert contract is not None
    assert row(few, ticker)["open_interest"] == open_interest(contract, dt.date.fromisoformat(session))


def test_live_contracts_alone_are_shown_and_a_date_that_is_asked_for_is_ignored(few: Simulator) -> None:
    shown = rows(few)
    assert {one["details"]["expiration_date"] for one in shown} >= {THURSDAY, "2026-11-20"}
    assert rows(few, as_of="2024-11-27") == shown
    assert rows(few, date="2024-11-27") == shown
    assert [one["details"]["ticker"] for one in shown] == [
        one["ticker"] for one in few.options.chain.records("SPY", dt.date(2026, 11, 19))
    ]
    at(few, "2026-11-20 00:01")
    assert THURSDAY not in {one["details"]["expiration_date"] for one in rows(few)}


def test_an_unknown_underlying_has_no_contract(few: Simulator) -> None:
    assert get(few, "/v3/snapshot/options/NOPE")["results"] == []


@pytest.mark.parametrize(("limit", "served"), [(None, 10), (3, 3), (1_000, 180), (250, 180)])
def test_a_page_holds_ten_unless_more_are_asked_for_and_250_at_most(
    few: Simulator, limit: int | None, served: int
) -> None:
    answer = get(few, **({} if limit is None else {"limit": limit}))
    assert len(answer["results"]) == served
    assert ("next_url" in answer) is (served < 180)


def test_a_full_chain_comes_in_pages_of_250(few: Simulator) -> None:
    with Simulator(SmoothDays(), KEY, contracts="full", now_s=new_york(f"{THURSDAY} 16:45").timestamp) as full:
        answer = get(full, limit=1_000)
    assert len(answer["results"]) == 250
    assert "next_url" in answer


def test_the_cursor_is_the_vendors(few: Simulator) -> None:
    answer = get(few, limit=3, **{"expiration_date.gte": "2026-11-20"})
    last = answer["results"][-1]["details"]
    cursor = parse_qs(answer["next_url"].partition("?")[2])["cursor"][0]
    decoded = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    told = f"ap={last['ticker'].replace(':', '%3A')}%3A{last['strike_price']:.2f}&as="
    assert decoded == f"{told}&expiration_date.gte=2026-11-20&limit=3&page=2"
    assert KEY not in answer["next_url"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"expiration_date": "2026-11-20"}, 46),
        ({"expiration_date": "2026-11-20", "contract_type": "put"}, 23),
        ({"strike_price.gte": 720, "strike_price.lt": 730, "expiration_date.lte": "2026-11-20"}, 10),
        ({"expiration_date.gt": "2026-12-17"}, 46),
        ({"contract_type": "call", "sort": "strike_price", "order": "desc"}, 90),
    ],
)
def test_filters_and_order_hold_on_every_page(few: Simulator, query: dict[str, Any], count: int) -> None:
    whole, paged = rows(few, **query), rows(few, **query, limit=7)
    assert len(whole) == count
    assert paged == whole
    if query.get("order") == "desc":
        strikes = [one["details"]["strike_price"] for one in whole]
        assert strikes == sorted(strikes, reverse=True)


@pytest.mark.parametrize("query", [{"limit": "many"}, {"sort": "delta"}, {"cursor": "YXA9bm90aGluZw"}])
def test_what_cannot_be_read_is_refused_with_400(few: Simulator, query: dict[str, str]) -> None:
    assert get(few, **query)["code"] == 400


@pytest.mark.parametrize(
    ("plan", "parts", "timeframe"),
    [
        ("advanced", {"break_even_price", "last_quote", "last_trade", "price"}, "REAL-TIME"),
        ("developer", {"break_even_price", "last_trade", "price"}, "DELAYED"),
        ("starter", set(), None),
    ],
)
def test_a_lower_plan_is_shown_less_and_later(
    few: Simulator, plan: str, parts: set[str], timeframe: str | None
) -> None:
    few.plan = Plan().with_options(plan, dt.date(2026, 11, 19))
    at(few, f"{THURSDAY} 12:00")
    shown = row(few, AT_THE_MONEY)
    flat = shown.keys() | shown["underlying_asset"].keys()
    assert flat & {"break_even_price", "last_quote", "last_trade", "price"} == parts
    assert shown["underlying_asset"].get("timeframe") == timeframe
    assert shown["greeks"]
    seen_ms = round(new_york(f"{THURSDAY} {'12:00' if plan == 'advanced' else '11:45'}").timestamp() * 1000)
    assert shown["implied_volatility"] == few.options.simulated_iv(AT_THE_MONEY, seen_ms)
    if plan == "starter":
        assert shown["day"]["last_updated"] == new_york(f"{THURSDAY} 00:00").timestamp() * 1e9


@pytest.mark.parametrize("plan", ["basic", "none"])
def test_a_plan_without_snapshots_is_told_so_with_200(few: Simulator, plan: str) -> None:
    few.plan = Plan().with_options(plan, dt.date(2026, 11, 19))
    answer = get(few)
    assert (answer["code"], answer["status"]) == (200, "NOT_AUTHORIZED")
    assert "results" not in answer
    assert get(few, "/v3/reference/options/contracts", underlying_ticker="SPY", limit=1)["status"] == "OK"


@pytest.mark.parametrize(
    ("now", "shown_at"),
    [
        (f"{THURSDAY} 11:00", f"{THURSDAY} 11:00"),
        (f"{THURSDAY} 20:00", f"{THURSDAY} 16:15"),
        ("2026-11-20 09:00", f"{THURSDAY} 16:15"),  # before the open, the session before
        ("2026-11-21 12:00", "2026-11-20 16:15"),  # on a Saturday, Friday's
        ("2026-11-27 18:00", "2026-11-27 13:15"),  # an early close
    ],
)
def test_what_is_shown_is_of_the_moment_or_of_the_last_end_of_trading(few: Simulator, now: str, shown_at: str) -> None:
    at(few, now)
    updated_ns = row(few, "O:SPY261218C00725000")["last_quote"]["last_updated"]
    assert updated_ns == new_york(shown_at).timestamp() * 1e9


def test_the_vendors_own_client_reads_every_page_of_a_snapshot(few: Simulator) -> None:
    asked = len(few.requests)
    vendor = RESTClient(KEY, base=few.url, retries=0)
    found = list(vendor.list_snapshot_options_chain("SPY", params={"limit": 100, "strike_price.gte": 600}))
    shown = rows(few)
    assert len(few.requests) - asked == 3
    assert [one.details.ticker for one in found] == [one["details"]["ticker"] for one in shown]
    for ours, theirs in zip(shown, found, strict=True):
        assert (theirs.open_interest, theirs.implied_volatility) == (
            ours["open_interest"], ours.get("implied_volatility"),
        )  # fmt: skip
        assert theirs.greeks.delta == ours["greeks"].get("delta")
        assert theirs.day.close == ours["day"].get("close")
        assert theirs.last_quote.midpoint == ours["last_quote"]["midpoint"]
        assert theirs.last_trade is None or theirs.last_trade.price == ours["last_trade"]["price"]
        assert theirs.underlying_asset.price == 723.71
        assert theirs.break_even_price == ours["break_even_price"]


def test_the_vendors_own_client_ends_without_a_word_where_the_plan_has_none(few: Simulator) -> None:
    few.plan = Plan(option_snapshot=False)
    assert list(RESTClient(KEY, base=few.url, retries=0).list_snapshot_options_chain("SPY")) == []


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("doubled_snapshot", {"count": 181}),
        ("lost_snapshot", {"count": 179}),
        ("foreign_snapshot", {"count": 181, "tickers": {"SPY", "SPYG"}}),
        ("foreign_snapshot:SPYD", {"count": 181, "tickers": {"SPY", "SPYD"}}),
        ("timeless_snapshot", {"stamps": 0}),
    ],
)
def test_a_fault_spoils_a_page_and_not_what_is_served_next(few: Simulator, fault: str, changes: dict[str, Any]) -> None:
    usual = {"count": 180, "tickers": {"SPY"}, "stamps": 180}
    few.faults.set("*", [{"fault": fault}])
    for expected in (usual | changes, usual):
        found = rows(few)
        assert len(found) == expected["count"]
        assert {one["underlying_asset"]["ticker"] for one in found} == expected["tickers"]
        stamped = sum("last_updated" in one["underlying_asset"] for one in found)
        assert stamped == (expected["stamps"] and expected["count"])


def test_a_stale_snapshot_is_a_day_old_or_older(few: Simulator) -> None:
    usual = row(few, AT_THE_MONEY)["last_quote"]["last_updated"]
    for argument, days in (("", 1), (":3", 3)):
        few.faults.set("*", [{"fault": f"stale_snapshot{argument}"}])
        assert usual - row(few, AT_THE_MONEY)["last_quote"]["last_updated"] == days * 86_400 * 10**9


def test_pages_go_astray_on_request(few: Simulator) -> None:
    few.faults.set("*", [{"fault": "lost_page", "endpoint": "snapshots"}])
    assert len(rows(few, limit=50)) == 130
    few.faults.set("*", [{"fault": "filter_lost", "endpoint": "snapshots", "page": 1}])
    assert {one["underlying_asset"]["ticker"] for one in rows(few)} == {"SPY", "QQQ"}
