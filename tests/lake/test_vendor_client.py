"""The vendor's official client, unmodified, against the simulator: what holds for it here holds there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from massive import RESTClient
from massive.exceptions import AuthError, BadResponse

from conftest import KEY
from polygon_simulator import folds
from polygon_simulator.market import MadeUpDays
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator

DAYS = (dt.date(2024, 11, 26), dt.date(2024, 11, 27), dt.date(2024, 11, 29))


@pytest.fixture(scope="module")
def dense() -> Iterator[Simulator]:
    with Simulator(MadeUpDays(), KEY) as running:
        yield running


@pytest.fixture(autouse=True)
def advanced(dense: Simulator) -> Iterator[None]:
    yield
    dense.plan = Plan()


def client(simulator: Simulator, key: str = KEY) -> RESTClient:
    return RESTClient(key, base=simulator.url, retries=0)


@pytest.mark.parametrize(("day", "limit", "pages"), [(DAYS[0], 50_000, 1), (DAYS[1], 5_000, 8), (DAYS[2], 50_000, 1)])
def test_it_pages_through_a_day_and_gets_equal_bars(dense: Simulator, day: dt.date, limit: int, pages: int) -> None:
    asked = len(dense.requests)
    found = [
        {"v": one.volume, "vw": one.vwap, "o": one.open, "c": one.close, "h": one.high, "l": one.low,
         "t": one.timestamp, "n": one.transactions}
        for one in client(dense).list_aggs("SPY", 1, "second", str(day), str(day), limit=limit)
    ]  # fmt: skip
    assert len(dense.requests) - asked == pages
    assert len(found) > 25_000
    assert found == MadeUpDays().bars("SPY", day)


def test_it_reads_minutes_days_and_official_prices(dense: Simulator) -> None:
    vendor = client(dense)
    by_minute = list(vendor.list_aggs("SPY", 1, "minute", "2024-11-27", "2024-11-27"))
    assert [one.volume for one in by_minute] == [
        bar["v"] for bar in folds.minutes("SPY", dense.bars("SPY", DAYS[1]), folds.Differences())
    ]
    by_day = list(vendor.list_aggs("SPY", 1, "day", "2024-11-25", "2024-12-02"))
    assert [dt.datetime.fromtimestamp(one.timestamp / 1000, dt.UTC).isoformat() for one in by_day] == [
        f"2024-{day}T05:00:00+00:00" for day in ("11-25", "11-26", "11-27", "11-29", "12-02")
    ]
    official = vendor.get_daily_open_close_agg("SPY", "2024-11-27")
    assert (official.symbol, official.from_, official.volume) == ("SPY", "2024-11-27", by_day[2].volume)
    assert (official.open, official.close) == (by_day[2].open, by_day[2].close)
    assert official.pre_market is not None
    assert official.after_hours is not None


def test_a_day_without_trading_is_an_empty_listing(dense: Simulator) -> None:
    asked = len(dense.requests)
    assert list(client(dense).list_aggs("SPY", 1, "second", "2024-11-28", "2024-11-28")) == []
    assert len(dense.requests) - asked == 1
    assert client(dense).get_aggs("SPY", 1, "day", "2024-11-28", "2024-11-28") == []


def test_without_a_key_it_raises_its_own_error_and_asks_nothing(dense: Simulator) -> None:
    asked = len(dense.requests)
    with pytest.raises(AuthError):
        RESTClient(None, base=dense.url)
    assert len(dense.requests) == asked


@pytest.mark.parametrize(
    ("key", "plan", "words"),
    [
        ("nobodys-key", Plan(), "Unknown API Key"),
        (KEY, Plan(seconds=False), "You are not entitled to this data"),
        (KEY, Plan(first_date=dt.date(2025, 1, 1)), "Your plan doesn't include this data timeframe"),
    ],
)
def test_a_wrong_key_and_a_plan_that_lacks_it_are_its_bad_response(
    dense: Simulator, key: str, plan: Plan, words: str
) -> None:
    dense.plan = plan
    with pytest.raises(BadResponse, match=words):
        list(client(dense, key).list_aggs("SPY", 1, "second", "2024-11-27", "2024-11-27"))
