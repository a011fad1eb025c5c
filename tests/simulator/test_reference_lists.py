"""Simulated treasury yields and dividends: what is known when, and how it is asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
from massive import RESTClient

from conftest import KEY
from polygon_simulator.options import dividends, yields
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

NOW_S = dt.datetime(2026, 11, 20, 17, tzinfo=dt.UTC).timestamp()
YIELDS, DIVIDENDS = "/fed/v1/treasury-yields", "/stocks/v1/dividends"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=lambda: NOW_S) as running:
        yield running


def rows(simulator: Simulator, path: str, **query: Any) -> list[dict[str, Any]]:
    """Every page's rows."""
    url, found = simulator.url + path, []
    for _ in range(99):
        answer = requests.get(url, params=query, headers={"Authorization": f"Bearer {KEY}"}, timeout=10).json()
        assert answer["status"] == "OK"
        found += answer["results"]
        if "next_url" not in answer:
            return found
        url, query = answer["next_url"], {}
    raise AssertionError("the listing does not end")


def test_a_row_of_yields_is_in_percent_and_lacks_tenors_that_were_not_issued_yet(simulator: Simulator) -> None:
    assert rows(simulator, YIELDS, date="2024-11-26") == [
        {
            "date": "2024-11-26", "yield_1_month": 3.96, "yield_3_month": 4.02, "yield_6_month": 4.08,
            "yield_1_year": 4.19, "yield_2_year": 4.3, "yield_3_year": 4.37, "yield_5_year": 4.47, "yield_7_year": 4.53,
            "yield_10_year": 4.63, "yield_20_year": 4.79, "yield_30_year": 4.81,
        }
    ]  # fmt: skip
    assert rows(simulator, YIELDS, limit=1, **{"date.lte": "1962-01-02"}) == [
        {"date": "1962-01-02", "yield_1_year": 3.11, "yield_3_year": 3.3, "yield_5_year": 3.39, "yield_10_year": 3.54}
    ]


@pytest.mark.parametrize(
    ("query", "dates"),
    [
        ({"date.gte": "2024-11-25", "date.lt": "2024-12-02"}, ["25", "26", "27", "29"]),  # Thanksgiving
        ({"date.gt": "2024-11-25", "date.lte": "2024-11-29", "sort": "date.desc"}, ["29", "27", "26"]),
        ({"date.gt": "2024-11-25", "date.lte": "2024-11-29", "sort": "date", "order": "desc"}, ["29", "27", "26"]),
        ({"date.gte": "2024-11-07", "date.lte": "2024-11-12"}, ["07", "08", "12"]),  # Veterans Day: stocks trade
        ({"date.gte": "2024-10-11", "date.lte": "2024-10-15"}, ["11", "15"]),  # Columbus Day
        ({"date.any_of": "2024-11-26,2024-11-29"}, ["26", "29"]),
        ({"date.gte": "2026-11-18"}, ["18", "19"]),  # today's is not published yet
    ],
)
def test_yields_are_filtered_sorted_and_paged(simulator: Simulator, query: dict[str, str], dates: list[str]) -> None:
    assert [row["date"][-2:] for row in rows(simulator, YIELDS, **query)] == dates
    assert [row["date"][-2:] for row in rows(simulator, YIELDS, limit=2, **query)] == dates


def test_a_rate_is_continuous_linear_between_tenors_and_flat_below_a_month() -> None:
    found = yields.rates(dt.date(2024, 11, 27), np.array([0.0, 1 / 12, 0.25, 0.375, 50.0]))
    assert found == pytest.approx([0.03921306, 0.03921306, 0.03980132, 0.04009537, 0.04753071], abs=1e-8)
    monday = yields.rates(dt.date(2024, 12, 2), np.array([0.25]))
    assert monday == pytest.approx([0.04029141], abs=1e-8)  # Friday's


def test_a_years_dividends_are_all_declared_in_january_with_six_decimals(simulator: Simulator) -> None:
    found = rows(simulator, DIVIDENDS, ticker="SPY", **{"ex_dividend_date.gte": "2026-01-01"})
    shown = [(row["ex_dividend_date"], row["declaration_date"], row["cash_amount"]) for row in found]
    assert shown == [
        ("2026-03-20", "2026-01-02", 1.814775),
        ("2026-06-18", "2026-01-02", 1.901577),  # the 19th is Juneteenth
        ("2026-09-18", "2026-01-02", 1.819965),
        ("2026-12-18", "2026-01-02", 2.042944),  # four weeks ahead, and its amount is there
    ]
    assert found[0] | {"id": "E"} == {
        "cash_amount": 1.814775, "currency": "USD", "declaration_date": "2026-01-02", "distribution_type": "recurring",
        "ex_dividend_date": "2026-03-20", "frequency": 4, "historical_adjustment_factor": 0.991623, "id": "E",
        "pay_date": "2026-04-29", "record_date": "2026-03-20", "split_adjusted_cash_amount": 1.814775, "ticker": "SPY",
    }  # fmt: skip
    assert len({row["id"] for row in found}) == 4


def test_the_next_years_dividends_are_not_known_before_its_january() -> None:
    assert max(row["ex_dividend_date"] for row in dividends.rows(dt.date(2025, 12, 31))) == "2025-12-19"
    assert max(row["ex_dividend_date"] for row in dividends.rows(dt.date(2026, 1, 1))) == "2025-12-19"
    assert max(row["ex_dividend_date"] for row in dividends.rows(dt.date(2026, 1, 2))) == "2026-12-18"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"ticker": "SPY", "sort": "ex_dividend_date.desc", "ex_dividend_date.gt": "2025-09-01"},
         ["SPY 2026-12-18", "SPY 2026-09-18", "SPY 2026-06-18", "SPY 2026-03-20", "SPY 2025-12-19", "SPY 2025-09-19"]),
        ({"ticker.any_of": "SPY,QQQ", "ex_dividend_date": "2025-12-19"}, ["QQQ 2025-12-19", "SPY 2025-12-19"]),
        ({"ticker.gt": "QQQ", "ex_dividend_date.gt": "2026-09-01", "order": "desc"},
         ["SPY 2026-09-18", "SPY 2026-12-18"]),
        ({"ticker": "NOPE"}, []),
        ({"ticker": "SPY", "frequency": 12}, []),
        ({"ticker": "SPY", "distribution_type": "recurring", "ex_dividend_date.gt": "2026-12-01"}, ["SPY 2026-12-18"]),
    ],
)  # fmt: skip
def test_dividends_are_filtered_sorted_and_paged(simulator: Simulator, query: dict[str, Any], found: list[str]) -> None:
    for limit in (1, 4, 5_000):
        shown = [
            f"{row['ticker']} {row['ex_dividend_date']}" for row in rows(simulator, DIVIDENDS, limit=limit, **query)
        ]
        assert shown == found


def test_the_vendors_own_client_reads_yields_and_dividends(simulator: Simulator) -> None:
    vendor = RESTClient(KEY, base=simulator.url, retries=0)
    of_week = list(vendor.list_treasury_yields(date_gte="2024-11-25", date_lt="2024-12-02", limit=3))
    assert [(one.date, one.yield_1_month) for one in of_week] == [
        ("2024-11-25", 3.96), ("2024-11-26", 3.96), ("2024-11-27", 4.02), ("2024-11-29", 4.02),
    ]  # fmt: skip
    paid = list(vendor.list_stocks_dividends("SPY", ex_dividend_date_gte="2026-01-01", limit=3))
    assert [(one.ex_dividend_date, one.cash_amount) for one in paid] == [
        ("2026-03-20", 1.814775), ("2026-06-18", 1.901577), ("2026-09-18", 1.819965), ("2026-12-18", 2.042944),
    ]  # fmt: skip
