"""The simulated chain: which contracts are listed as of a date, and how their list is asked for."""

from __future__ import annotations

import base64
import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from massive import RESTClient
from massive.exceptions import BadResponse

from conftest import KEY
from polygon_simulator.market import level
from polygon_simulator.options.chain import FULL, Chain
from polygon_simulator.options.contract import Contract
from polygon_simulator.options.expiries import is_monthly, listed
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

DAY = dt.date(2024, 11, 27)
LIST = "/v3/reference/options/contracts"
NOW_S = dt.datetime(2026, 11, 20, 17, tzinfo=dt.UTC).timestamp()


@pytest.fixture(scope="module")
def full() -> Chain:
    return Chain(FULL, level)


@pytest.fixture(scope="module")
def few() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=lambda: NOW_S) as running:
        yield running


def get(simulator: Simulator, path: str = LIST, **query: Any) -> dict[str, Any]:
    url = path if path.startswith("http") else simulator.url + path
    found = requests.get(url, params=query, headers={"Authorization": f"Bearer {KEY}"}, timeout=10)
    return {"code": found.status_code, **found.json()}


def tickers(simulator: Simulator, **query: Any) -> list[str]:
    """Every page's contracts."""
    answer, found = get(simulator, **query), []
    for _ in range(99):
        found += [record["ticker"] for record in answer["results"]]
        if "next_url" not in answer:
            return found
        answer = get(simulator, answer["next_url"])
    raise AssertionError("the listing does not end")


# --- the rule ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticker", "contract"),
    [
        ("O:SPY241220C00600000", Contract("SPY", dt.date(2024, 12, 20), True, 600.0)),
        ("O:SPY250314P00587500", Contract("SPY", dt.date(2025, 3, 14), False, 587.5)),
        ("O:SPY1241220C00600000", Contract("SPY", dt.date(2024, 12, 20), True, 600.0, "1")),
        ("O:SPYG241220C00060000", Contract("SPYG", dt.date(2024, 12, 20), True, 60.0)),
        ("SPY241220C00600000", None),
        ("O:SPY241320C00600000", None),
        ("O:SPY241220X00600000", None),
        ("O:SPY241220C0060000", None),
    ],
)
def test_an_occ_ticker_is_read_and_written(ticker: str, contract: Contract | None) -> None:
    assert Contract.of(ticker) == contract
    assert contract is None or contract.ticker == ticker


@pytest.mark.parametrize(
    ("day", "count"),
    [("2014-11-26", 4_600), ("2024-11-27", 10_832), ("2025-04-10", 10_822), ("2026-06-10", 11_686)],
)
def test_a_full_chain_has_some_ten_thousand_contracts_today(full: Chain, day: str, count: int) -> None:
    records = full.records("SPY", dt.date.fromisoformat(day))
    assert len(records) == count
    found = [record["ticker"] for record in records]
    assert found == sorted(set(found))
    calls = {(r["expiration_date"], r["strike_price"]) for r in records if r["contract_type"] == "call"}
    puts = {(r["expiration_date"], r["strike_price"]) for r in records if r["contract_type"] == "put"}
    assert calls == puts


def test_daily_expiries_for_two_weeks_then_fridays_month_ends_monthlies_and_leaps() -> None:
    assert [str(day) for day in listed(dt.date(2025, 4, 10), FULL.leads)] == [
        "2025-04-10", "2025-04-11", "2025-04-14", "2025-04-15", "2025-04-16", "2025-04-17",  # Good Friday is the 18th
        "2025-04-21", "2025-04-22", "2025-04-23", "2025-04-24", "2025-04-25", "2025-04-30", "2025-05-02", "2025-05-09",
        "2025-05-16", "2025-05-23", "2025-05-30", "2025-06-20", "2025-06-30", "2025-07-18", "2025-08-15", "2025-09-19",
        "2025-09-30", "2025-10-17", "2025-11-21", "2025-12-19", "2025-12-31", "2026-01-16", "2026-02-20", "2026-03-20",
        "2026-03-31", "2026-06-18", "2026-06-30", "2026-12-18", "2027-01-15", "2027-06-17", "2027-12-17", "2028-01-21",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("holiday", "expiry", "monthly"),
    [
        ("2025-04-18", "2025-04-17", True),  # Good Friday
        ("2026-06-19", "2026-06-18", True),  # Juneteenth
        ("2024-11-28", "2024-11-27", False),  # Thanksgiving, a Thursday: Wednesday has its own
        ("2026-07-03", "2026-07-02", False),  # Independence Day, observed on a Friday
        ("2025-01-09", "2025-01-08", False),  # mourning for President Carter
    ],
)
def test_what_would_expire_on_a_holiday_does_so_on_the_session_before(holiday: str, expiry: str, monthly: bool) -> None:
    days = listed(dt.date.fromisoformat(holiday) - dt.timedelta(days=3), FULL.leads)
    assert dt.date.fromisoformat(holiday) not in days
    assert dt.date.fromisoformat(expiry) in days
    assert is_monthly(dt.date.fromisoformat(expiry)) == monthly


def test_strikes_are_added_as_the_price_moves_and_never_taken_away(few: Simulator) -> None:
    expiry, chain = dt.date(2024, 12, 20), few.options.chain
    first = (525, 550, 575, 585, 590, 595, 597.5, 600, 602.5, 605, 607.5, 610, 612.5, 615, 620, 625, 650, 675, 700)
    assert chain.strikes("SPY", expiry, DAY) == first
    assert set(chain.strikes("SPY", expiry, dt.date(2024, 12, 6))) == {*first, 630}
    assert set(chain.strikes("SPY", expiry, dt.date(2024, 12, 20))) == {*first, 630, 617.5}
    assert chain.listed_on(Contract("SPY", expiry, True, 630.0)) == dt.date(2024, 11, 29)
    assert chain.listed_on(Contract("SPY", expiry, True, 617.5)) == dt.date(2024, 12, 10)
    assert chain.strikes("SPY", dt.date(2024, 12, 22), DAY) == ()
    assert chain.strikes("SPXW", expiry, DAY) == ()


@settings(max_examples=20)
@given(day=st.dates(dt.date(2024, 1, 2), dt.date(2026, 11, 1)), later=st.integers(1, 60))
def test_of_the_same_expiry_a_later_chain_holds_all_of_an_earlier_one(full: Chain, day: dt.date, later: int) -> None:
    after = day + dt.timedelta(days=later)
    before, then = full.records("SPY", day), full.records("SPY", after)
    alive = {record["ticker"] for record in before if record["expiration_date"] >= str(after)}
    assert alive <= {record["ticker"] for record in then}


def test_a_chain_is_the_same_in_another_process_and_another_order(full: Chain) -> None:
    code = (
        "import datetime as dt; from polygon_simulator.market import level;"
        "from polygon_simulator.options.chain import FULL, Chain;"
        "print(Chain(FULL, level).records('SPY', dt.date(2024, 11, 27))[::500])"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    full.records("SPY", dt.date(2024, 12, 2))
    assert other.strip() == str(full.records("SPY", DAY)[::500])


# --- the list ---------------------------------------------------------------------------------------------------


def test_a_record_has_the_vendors_fields_and_a_whole_strike_no_fraction(few: Simulator) -> None:
    answer = get(few, underlying_ticker="SPY", as_of="2024-11-27", expiration_date="2024-12-20", strike_price=600)
    assert answer.pop("request_id")
    assert answer == {
        "code": 200,
        "status": "OK",
        "results": [
            {
                "cfi": cfi, "contract_type": kind, "exercise_style": "american", "expiration_date": "2024-12-20",
                "primary_exchange": "BATO", "shares_per_contract": 100, "strike_price": 600, "ticker": ticker,
                "underlying_ticker": "SPY",
            }
            for cfi, kind, ticker in (
                ("OCASPS", "call", "O:SPY241220C00600000"),
                ("OPASPS", "put", "O:SPY241220P00600000"),
            )
        ],
    }  # fmt: skip
    odd = get(few, underlying_ticker="SPY", as_of="2024-11-27", strike_price=597.5, contract_type="call")["results"]
    assert [(record["ticker"], record["strike_price"]) for record in odd] == [("O:SPY241220C00597500", 597.5)]


SPY = {"underlying_ticker": "SPY", "as_of": "2024-11-27", "limit": 1_000}


@pytest.mark.parametrize(
    ("query", "count", "first", "last"),
    [
        ({}, 152, "O:SPY241127C00525000", "O:SPY241231P00700000"),
        ({"contract_type": "put"}, 76, "O:SPY241127P00525000", "O:SPY241231P00700000"),
        ({"expiration_date": "2024-12-06"}, 26, "O:SPY241206C00525000", "O:SPY241206P00675000"),
        ({"expiration_date.gte": "2024-12-20", "expiration_date.lt": "2024-12-31"}, 38,
         "O:SPY241220C00525000", "O:SPY241220P00700000"),
        ({"strike_price.gt": 605, "strike_price.lte": 610}, 12, "O:SPY241127C00610000", "O:SPY241231P00610000"),
        ({"ticker": "O:SPY241220C00600000"}, 1, "O:SPY241220C00600000", "O:SPY241220C00600000"),
        ({"order": "desc"}, 152, "O:SPY241231P00700000", "O:SPY241127C00525000"),
        ({"sort": "strike_price"}, 152, "O:SPY241127C00525000", "O:SPY241231P00700000"),
        ({"sort": "strike_price", "order": "desc"}, 152, "O:SPY241231P00700000", "O:SPY241127C00525000"),
        ({"sort": "expiration_date"}, 152, "O:SPY241127C00525000", "O:SPY241231P00700000"),
        ({"as_of": "2024-12-06"}, 196, "O:SPY241206C00525000", "O:SPY241231P00700000"),
        ({"expired": "true", "expiration_date.gte": "2024-11-22"}, 84, "O:SPY241122C00525000", "O:SPY241126P00700000"),
    ],
)  # fmt: skip
def test_filters_and_orders(few: Simulator, query: dict[str, Any], count: int, first: str, last: str) -> None:
    whole = tickers(few, **SPY | query)
    assert (len(whole), whole[0], whole[-1]) == (count, first, last)
    assert tickers(few, **SPY | query | {"limit": 7}) == whole


@pytest.mark.parametrize("underlying", ["SPXW", "SPX", "NOPE", "SPYG"])
def test_an_unknown_underlying_has_an_empty_list(few: Simulator, underlying: str) -> None:
    assert get(few, **SPY | {"underlying_ticker": underlying})["results"] == []


def test_without_an_underlying_all_are_listed(few: Simulator) -> None:
    whole = tickers(few, as_of="2024-11-27", limit=1_000)
    assert {(Contract.of(one) or pytest.fail(one)).underlying for one in whole} == {"DIA", "IWM", "QQQ", "SPY"}
    assert whole == sorted(whole)


def test_a_page_has_ten_records_unless_asked_and_a_thousand_at_most() -> None:
    with Simulator(SmoothDays(), KEY) as simulator:
        assert len(get(simulator, underlying_ticker="SPY", as_of="2024-11-27")["results"]) == 10
        assert len(get(simulator, underlying_ticker="SPY", as_of="2024-11-27", limit=5_000)["results"]) == 1_000


def test_the_cursor_is_the_vendors_and_carries_no_key(few: Simulator) -> None:
    answer = get(few, underlying_ticker="SPY", as_of="2024-11-27", limit=3, apiKey=KEY)
    url, _, cursor = answer["next_url"].partition("?cursor=")
    assert url == f"{few.url}{LIST}"
    decoded = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    assert KEY not in decoded
    record = parse_qs(decoded)["ap"][0]
    assert '"StartDateUtc":{"Time":"2024-11-25T00:00:00Z","Valid":true}' in record
    assert '"ticker":"O:SPY241127C00575000"' in record
    assert decoded.partition("&as=&")[2] == (
        "as_of=2024-11-27&limit=3&order=asc&sort=ticker&underlying_ticker=SPY&page=2"
    )


def test_without_a_date_the_chain_is_todays_and_a_future_one_is_too(few: Simulator) -> None:
    today = tickers(few, underlying_ticker="SPY", limit=1_000)
    assert today[0] == "O:SPY261120C00625000"
    assert tickers(few, underlying_ticker="SPY", limit=1_000, as_of="2027-01-04") == today


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"limit": "x"}, "limit"), ({"order": "up"}, "order"), ({"sort": "cfi"}, "sort"),
        ({"strike_price.gt": "high"}, "strike_price.gt"), ({"expired": "maybe"}, "expired"),
        ({"as_of": "2024-11-31"}, "as_of"), ({"expiration_date.lt": "soon"}, "expiration_date.lt"),
        ({"cursor": "é"}, "cursor"), ({"cursor": "YXA9MQ"}, "cursor"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_read_is_answered_with_400(few: Simulator, query: dict[str, str], name: str) -> None:
    answer = get(few, **query)
    assert (answer["code"], answer["status"]) == (400, "ERROR")
    assert f"'{name}'" in answer["error"]


@pytest.mark.parametrize(
    ("path", "as_of", "code"),
    [
        ("O:SPY241220C00600000", "2024-11-27", 200),
        ("O:SPY241220C00617500", "2024-12-09", 404),
        ("O:SPY241220C00617500", "2024-12-10", 200),
        ("O:SPY241220C00600000", "2024-12-23", 404),
        ("O:SPY241220C00600000", None, 404),
        ("SPY", None, 404),
    ],
)
def test_a_single_contract(few: Simulator, path: str, as_of: str | None, code: int) -> None:
    answer = get(few, f"{LIST}/{path}", **({"as_of": as_of} if as_of else {}))
    assert answer["code"] == code
    assert answer.get("results", {}).get("ticker") == (path if code == 200 else None)
    assert answer.get("message") == (None if code == 200 else "Data not found.")


def test_the_vendors_own_client_pages_through_a_chain() -> None:
    with Simulator(SmoothDays(), KEY, now_s=lambda: NOW_S) as simulator:
        vendor = RESTClient(KEY, base=simulator.url, retries=0)
        found = list(vendor.list_options_contracts("SPY", as_of="2024-11-27", expired=False, limit=1_000))
        assert len(found) == 10_832
        assert [request["page"] for request in simulator.requests] == list(range(1, 12))
        assert [one.ticker for one in found] == [
            record["ticker"] for record in simulator.options.chain.records("SPY", DAY)
        ]
        assert sum(one.strike_price % 1 != 0 for one in found) == 20
        one = vendor.get_options_contract("O:SPY241220C00600000", as_of="2024-11-27")
        assert (one.strike_price, one.expiration_date, one.contract_type) == (600, "2024-12-20", "call")
        with pytest.raises(BadResponse, match="Data not found"):
            vendor.get_options_contract("O:SPY241220C00600000")
