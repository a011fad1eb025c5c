"""A page of the contracts endpoint: what is taken from it, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from marketlake.errors import MalformedPage, UndecodableBody
from marketlake.polygon import contracts
from marketlake.polygon.contracts import ChainRequest

REQUEST = ChainRequest("SPY", dt.date(2024, 1, 17))
CALL = {
    "cfi": "OCASPS",
    "contract_type": "call",
    "exercise_style": "american",
    "expiration_date": "2024-01-19",
    "primary_exchange": "BATO",
    "shares_per_contract": 100,
    "strike_price": 480,
    "ticker": "O:SPY240119C00480000",
    "underlying_ticker": "SPY",
}


def body(*results: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"status": "OK", "request_id": "abc", "results": list(results), **more}).encode()


def test_a_contract_comes_in_the_columns_of_a_chain() -> None:
    page = contracts.decode(body(CALL, next_url="https://api.polygon.io/v3/reference/options/contracts?cursor=x"))
    assert (page.status, page.request_id, page.message) == ("OK", "abc", "")
    assert page.rows.to_pylist() == [
        {
            "contract": "O:SPY240119C00480000",
            "underlying": "SPY",
            "expiration_date": dt.date(2024, 1, 19),
            "contract_type": "call",
            "strike_price": 480.0,
            "exercise_style": "american",
            "shares_per_contract": 100,
            "primary_exchange": "BATO",
            "cfi": "OCASPS",
            "additional_underlyings": None,
        }
    ]


@pytest.mark.parametrize(
    ("changed", "column", "value"),
    [
        ({"strike_price": 587.5}, "strike_price", 587.5),
        ({"shares_per_contract": 10.0}, "shares_per_contract", 10),
        ({"cfi": None}, "cfi", None),
        (
            {"additional_underlyings": [{"type": "equity", "underlying": "ABC", "amount": 5}]},
            "additional_underlyings",
            '[{"type":"equity","underlying":"ABC","amount":5}]',
        ),
        ({"additional_underlyings": []}, "additional_underlyings", None),
        ({"correction": 2, "unknown": {}}, "contract_type", "call"),
    ],
)
def test_what_is_unusual_is_kept_as_it_came(changed: dict[str, Any], column: str, value: object) -> None:
    assert contracts.decode(body(CALL | changed)).rows.column(column).to_pylist() == [value]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b'{"results": [', UndecodableBody, "is no JSON"),
        (b"<html>", UndecodableBody, "is no JSON"),
        (body({**CALL, "strike_price": "480"}), MalformedPage, "not shaped as documented"),
        (body({**CALL, "expiration_date": "2024-02-30"}), MalformedPage, "not shaped as documented"),
        (
            body({name: value for name, value in CALL.items() if name != "contract_type"}),
            MalformedPage,
            "contract_type",
        ),
        (body({**CALL, "shares_per_contract": 1.5}), MalformedPage, "O:SPY240119C00480000 is 1.5, not a whole number"),
    ],
)
def test_what_is_not_as_documented_is_refused(data: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        contracts.decode(data)


def test_a_page_without_results_is_empty() -> None:
    assert contracts.decode(b'{"status": "OK"}').rows.num_rows == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"underlying_ticker": "SPYG", "ticker": "O:SPYG240119C00480000"},
            "has O:SPYG240119C00480000, which is of SPYG",
        ),
        ({"expiration_date": "2024-01-16", "ticker": "O:SPY240116C00480000"}, "had expired before 2024-01-17"),
    ],
)
def test_a_page_that_answers_another_question_is_refused(changed: dict[str, Any], words: str) -> None:
    page = contracts.decode(body(CALL, CALL | changed))
    with pytest.raises(MalformedPage, match=f"SPY option chain of 2024-01-17: page 3 .*{words}"):
        contracts.require_echo(page, REQUEST, 3)


def test_a_contract_that_expires_on_the_session_is_of_its_chain() -> None:
    today = CALL | {"expiration_date": "2024-01-17", "ticker": "O:SPY240117C00480000"}
    contracts.require_echo(contracts.decode(body(today)), REQUEST, 1)


def test_the_first_page_is_asked_for_as_of_the_session_and_never_by_todays_expiry() -> None:
    assert contracts.first_path(REQUEST, 50_000) == (
        "/v3/reference/options/contracts?underlying_ticker=SPY&as_of=2024-01-17&expired=false&order=asc&sort=ticker"
        "&limit=1000"
    )
    assert contracts.first_path(REQUEST, 1).endswith("limit=1")


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/v3/reference/options/contracts", True),
        ("/v3/reference/options/contracts/O:SPY240119C00480000", False),
        ("/v3/reference/options", False),
    ],
)
def test_a_list_goes_on_at_its_own_address_alone(path: str, leads: bool) -> None:
    assert contracts.leads_on(REQUEST, path) is leads
