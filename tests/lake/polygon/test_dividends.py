"""A page of the dividends endpoint: what is taken from it, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from marketlake.errors import MalformedPage, UndecodableBody
from marketlake.polygon import dividends
from marketlake.polygon.dividends import DividendsRequest

REQUEST = DividendsRequest("SPY", dt.date(2019, 11, 27), dt.date(2026, 11, 27))
ROW = {
    "cash_amount": 1.903516,
    "currency": "USD",
    "declaration_date": "2026-01-02",
    "distribution_type": "recurring",
    "ex_dividend_date": "2026-06-18",
    "frequency": 4,
    "historical_adjustment_factor": 0.997,
    "id": "E1",
    "pay_date": "2026-07-31",
    "record_date": "2026-06-18",
    "split_adjusted_cash_amount": 0.95,
    "ticker": "SPY",
}


def body(*results: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"status": "OK", "request_id": "abc", "results": list(results), **more}).encode()


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in ROW.items() if name not in names}


def test_a_dividend_comes_without_what_later_ones_and_splits_change() -> None:
    page = dividends.decode(body(ROW, next_url="https://api.polygon.io/stocks/v1/dividends?cursor=x"))
    assert (page.status, page.request_id, page.message) == ("OK", "abc", "")
    assert page.rows.to_pylist() == [
        {
            "id": "E1",
            "ticker": "SPY",
            "ex_dividend_date": dt.date(2026, 6, 18),
            "declaration_date": dt.date(2026, 1, 2),
            "cash_amount": 1.903516,
            "frequency": 4,
            "distribution_type": "recurring",
        }
    ]


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (without("declaration_date"), "declaration_date", None),
        (ROW | {"declaration_date": None}, "declaration_date", None),
        (without("currency", "id"), "id", None),
        (ROW | {"cash_amount": 0}, "cash_amount", 0.0),
        (ROW | {"frequency": 12.0}, "frequency", 12),
        (without("frequency"), "frequency", None),
        (ROW | {"distribution_type": "special", "frequency": 0}, "distribution_type", "special"),
    ],
)
def test_what_is_unusual_is_kept_as_it_came(row: dict[str, Any], column: str, value: object) -> None:
    assert dividends.decode(body(row)).rows.column(column).to_pylist() == [value]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b'{"results": [', UndecodableBody, "is no JSON"),
        (body(ROW | {"cash_amount": "1.9"}), MalformedPage, "not shaped as documented"),
        (body(ROW | {"ex_dividend_date": "2026-02-30"}), MalformedPage, "not shaped as documented"),
        (body(without("cash_amount")), MalformedPage, "missing required field `cash_amount`"),
        (body(ROW | {"cash_amount": -1.5}), MalformedPage, "the dividend of SPY of 2026-06-18 is of -1.5 USD"),
        (body(ROW | {"currency": "EUR"}), MalformedPage, "is in EUR, and prices are in USD"),
        (body(ROW | {"frequency": 1.5}), MalformedPage, "comes 1.5 times a year"),
        (body(ROW | {"frequency": -1}), MalformedPage, "comes -1.0 times a year"),
    ],
)
def test_what_is_not_as_documented_is_refused(data: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        dividends.decode(data)


def test_a_page_without_results_is_empty() -> None:
    assert dividends.decode(b'{"status": "OK"}').rows.num_rows == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ticker": "SPYG"}, "has one of SPYG"),
        ({"ex_dividend_date": "2019-11-26"}, "has the one of 2019-11-26"),
        ({"ex_dividend_date": "2026-11-28"}, "has the one of 2026-11-28"),
    ],
)
def test_a_page_that_answers_another_question_is_refused(changed: dict[str, Any], words: str) -> None:
    page = dividends.decode(body(ROW, ROW | changed))
    about = "SPY dividends from 2019-11-27 to 2026-11-27: page 2 "
    with pytest.raises(MalformedPage, match=f"{about}.*{words}"):
        dividends.require_echo(page, REQUEST, 2)


def test_both_bounds_are_part_of_the_answer() -> None:
    bounds = ({"ex_dividend_date": day} for day in ("2019-11-27", "2026-11-27"))
    dividends.require_echo(dividends.decode(body(*(ROW | bound for bound in bounds))), REQUEST, 1)


def test_the_first_page_is_asked_for_by_ex_date() -> None:
    path = (
        "/stocks/v1/dividends?ticker=SPY&ex_dividend_date.gte=2019-11-27&ex_dividend_date.lte=2026-11-27"
        "&sort=ex_dividend_date.asc&limit="
    )
    assert dividends.first_path(REQUEST, 50_000) == f"{path}5000"
    assert dividends.first_path(REQUEST, 2) == f"{path}2"


@pytest.mark.parametrize(("path", "leads"), [("/stocks/v1/dividends", True), ("/v3/reference/dividends", False)])
def test_a_list_goes_on_at_its_own_address_alone(path: str, leads: bool) -> None:
    assert dividends.leads_on(REQUEST, path) is leads
