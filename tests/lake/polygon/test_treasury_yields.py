"""A page of the treasury yields endpoint: what is taken from it, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from marketlake.errors import MalformedPage, UndecodableBody
from marketlake.options.rates import TENORS
from marketlake.polygon import treasury_yields
from marketlake.polygon.treasury_yields import YieldsRequest

REQUEST = YieldsRequest(dt.date(2024, 11, 17), dt.date(2024, 11, 26))
ROW = {"date": "2024-11-25", "yield_1_month": 4.62, "yield_1_year": 4.35, "yield_30_year": 4}


def body(*results: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"status": "OK", "request_id": "abc", "results": list(results), **more}).encode()


def test_the_yields_of_a_date_come_in_percent_and_a_tenor_without_one_is_null() -> None:
    page = treasury_yields.decode(body(ROW, next_url="https://api.polygon.io/fed/v1/treasury-yields?cursor=x"))
    assert (page.status, page.request_id, page.message, page.rows.num_rows) == ("OK", "abc", "", 1)
    assert page.rows.column_names == ["date", *TENORS]
    (row,) = page.rows.to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "date": dt.date(2024, 11, 25), "yield_1_month": 4.62, "yield_1_year": 4.35, "yield_30_year": 4.0,
    }  # fmt: skip


@pytest.mark.parametrize("row", [{"date": "2024-11-25"}, {"date": "2024-11-25", "yield_1_month": None, "new": []}])
def test_what_is_unusual_is_kept_as_it_came(row: dict[str, Any]) -> None:
    assert treasury_yields.decode(body(row)).rows.column("yield_1_month").to_pylist() == [None]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b'{"results": [', UndecodableBody, "is no JSON"),
        (b"<html>", UndecodableBody, "is no JSON"),
        (body({**ROW, "yield_1_month": "4.62"}), MalformedPage, "not shaped as documented"),
        (body({**ROW, "date": "2024-02-30"}), MalformedPage, "not shaped as documented"),
        (body({"yield_1_month": 4.62}), MalformedPage, "missing required field `date`"),
    ],
)
def test_what_is_not_as_documented_is_refused(data: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        treasury_yields.decode(data)


def test_a_page_without_results_is_empty() -> None:
    assert treasury_yields.decode(b'{"status": "OK"}').rows.num_rows == 0


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        (["2024-11-16"], "has those of 2024-11-16"),
        (["2024-11-26", "2024-11-27"], "has those of 2024-11-27"),
        (["2024-11-25", "2024-11-25"], "has 2024-11-25 behind 2024-11-25, which does not ascend"),
        (["2024-11-26", "2024-11-25"], "has 2024-11-25 behind 2024-11-26"),
    ],
)
def test_a_page_that_answers_another_question_is_refused(dates: list[str], words: str) -> None:
    page = treasury_yields.decode(body(*({"date": date} for date in dates)))
    about = "treasury yields from 2024-11-17 to 2024-11-26: page 3 "
    with pytest.raises(MalformedPage, match=f"{about}.*{words}"):
        treasury_yields.require_echo(page, REQUEST, 3)


def test_both_bounds_are_part_of_the_answer() -> None:
    page = treasury_yields.decode(body({"date": "2024-11-17"}, {"date": "2024-11-26"}))
    treasury_yields.require_echo(page, REQUEST, 1)


def test_the_first_page_is_asked_for_in_ascending_order() -> None:
    path = "/fed/v1/treasury-yields?date.gte=2024-11-17&date.lte=2024-11-26&sort=date.asc&limit="
    assert treasury_yields.first_path(REQUEST, 60_000) == f"{path}50000"
    assert treasury_yields.first_path(REQUEST, 2) == f"{path}2"


@pytest.mark.parametrize(("path", "leads"), [("/fed/v1/treasury-yields", True), ("/fed/v1/inflation", False)])
def test_a_list_goes_on_at_its_own_address_alone(path: str, leads: bool) -> None:
    assert treasury_yields.leads_on(REQUEST, path) is leads
