"""A page of the option chain snapshot: what is taken from it, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from marketlake.errors import MalformedPage, UndecodableBody
from marketlake.polygon import snapshots
from marketlake.polygon.snapshots import SnapshotRequest
from marketlake.rows.option_snapshot import SNAPSHOT

REQUEST = SnapshotRequest("SPY")
DETAILS = {
    "contract_type": "call",
    "exercise_style": "american",
    "expiration_date": "2026-08-31",
    "shares_per_contract": 100,
    "strike_price": 765,
    "ticker": "O:SPY260831C00765000",
}
WHOLE = {
    "break_even_price": 767.5,
    "day": {
        "change": -0.96, "change_percent": -27.5, "close": 2.53, "high": 4.1, "last_updated": 1788190742822000000,
        "low": 1.9, "open": 3.2, "previous_close": 3.49, "volume": 12_345, "vwap": 2.8765,
    },
    "details": DETAILS,
    "greeks": {"delta": 0.52, "gamma": 0.07, "theta": -0.64, "vega": 0.19},
    "implied_volatility": 0.115,
    "last_quote": {
        "ask": 2.54, "ask_size": 12, "bid": 2.52, "bid_size": 34, "last_updated": 1788202720998890768,
        "midpoint": 2.53, "timeframe": "REAL-TIME",
    },
    "last_trade": {
        "conditions": [232, 209], "exchange": 312, "price": 2.53, "sip_timestamp": 1788189808787092843, "size": 3,
        "timeframe": "REAL-TIME",
    },
    "open_interest": 8_339,
    "underlying_asset": {
        "change_to_break_even": 1.76, "last_updated": 1788202720998890769, "price": 765.739, "ticker": "SPY",
        "timeframe": "REAL-TIME",
    },
}  # fmt: skip
NEVER_GIVEN = {"open_interest_date", "fetched_at"}


def body(*results: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"status": "OK", "request_id": "abc", "results": list(results), **more}).encode()


def row_of(contract: dict[str, Any]) -> dict[str, Any]:
    (row,) = snapshots.decode(body(contract)).rows.to_pylist()
    return dict(row)


def given(contract: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row_of(contract).items() if value is not None}


def test_a_contract_comes_with_every_figure_to_the_last_nanosecond() -> None:
    page = snapshots.decode(body(WHOLE, next_url="https://api.polygon.io/v3/snapshot/options/SPY?cursor=x"))
    assert (page.status, page.request_id, page.message) == ("OK", "abc", "")
    assert page.rows.column_names == [name for name in SNAPSHOT.names if name not in NEVER_GIVEN]
    assert row_of(WHOLE) == {
        "contract": "O:SPY260831C00765000", "underlying": "SPY", "expiration_date": dt.date(2026, 8, 31),
        "contract_type": "call", "strike_price": 765.0, "open_interest": 8_339,
        "implied_volatility": 0.115, "delta": 0.52, "gamma": 0.07, "theta": -0.64, "vega": 0.19,
        "break_even_price": 767.5,
        "day_open": 3.2, "day_high": 4.1, "day_low": 1.9, "day_close": 2.53, "day_volume": 12_345, "day_vwap": 2.8765,
        "day_previous_close": 3.49, "day_change": -0.96, "day_change_percent": -27.5,
        "day_updated_ns": 1788190742822000000,
        "last_trade_price": 2.53, "last_trade_size": 3, "last_trade_exchange": 312,
        "last_trade_conditions": "[232,209]", "last_trade_ns": 1788189808787092843,
        "bid": 2.52, "bid_size": 34, "ask": 2.54, "ask_size": 12, "midpoint": 2.53,
        "last_quote_ns": 1788202720998890768,
        "underlying_price": 765.739, "underlying_updated_ns": 1788202720998890769, "timeframe": "REAL-TIME",
    }  # fmt: skip


BARE = {
    "contract": "O:SPY260831C00765000", "expiration_date": dt.date(2026, 8, 31), "contract_type": "call",
    "strike_price": 765.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("more", "figures"),
    [
        ({}, {}),
        ({"greeks": {}, "day": {}, "last_quote": {}, "last_trade": {}, "underlying_asset": {}}, {}),
        (dict.fromkeys(("greeks", "day", "last_quote", "last_trade", "underlying_asset", "implied_volatility")), {}),
        # as it was recorded of a lower plan, and of a contract that had not traded on the day before
        ({"open_interest": 0, "underlying_asset": {"ticker": "SPY"}}, {"open_interest": 0, "underlying": "SPY"}),
        (
            {"day": {"close": 335.53, "high": 335.53, "last_updated": 1788190742397000000, "low": 334.84,
                     "open": 334.84, "volume": 2, "vwap": 335.185}},
            {"day_close": 335.53, "day_high": 335.53, "day_updated_ns": 1788190742397000000, "day_low": 334.84,
             "day_open": 334.84, "day_volume": 2, "day_vwap": 335.185},
        ),
        ({"greeks": {"delta": 1.0}}, {"delta": 1.0}),
        ({"last_trade": {"price": 2.5, "timeframe": "DELAYED"}}, {"last_trade_price": 2.5, "timeframe": "DELAYED"}),
        ({"last_quote": {"bid": 0, "bid_size": 0}}, {"bid": 0.0, "bid_size": 0}),
        ({"open_interest": 12.0, "fmv": 3.1, "unknown": []}, {"open_interest": 12}),
    ],
)  # fmt: skip
def test_what_the_vendor_does_not_give_is_null_and_never_zero(more: dict[str, Any], figures: dict[str, Any]) -> None:
    assert given({"details": DETAILS, **more}) == BARE | figures


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b'{"results": [', UndecodableBody, "is no JSON"),
        (b"<html>", UndecodableBody, "is no JSON"),
        (body({"open_interest": 1}), MalformedPage, "missing required field `details`"),
        (body({"details": {**DETAILS, "strike_price": "765"}}), MalformedPage, "not shaped as documented"),
        (body({"details": {**DETAILS, "expiration_date": "2026-02-30"}}), MalformedPage, "not shaped as documented"),
        (body(WHOLE | {"open_interest": 1.5}), MalformedPage, "open_interest of O:SPY260831C00765000 is 1.5, not a"),
        (body(WHOLE | {"day": {"volume": 0.5}}), MalformedPage, "day_volume of O:SPY260831C00765000 is 0.5, not a"),
        (body(WHOLE | {"greeks": {"delta": "0.5"}}), MalformedPage, "not shaped as documented"),
    ],
)
def test_what_is_not_as_documented_is_refused(data: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        snapshots.decode(data)


def test_a_page_without_results_is_empty() -> None:
    assert snapshots.decode(b'{"status": "NOT_AUTHORIZED", "message": "no"}').rows.num_rows == 0


def test_a_page_of_another_underlying_is_refused_and_one_that_does_not_say_is_not() -> None:
    silent = {"details": DETAILS}
    snapshots.require_echo(snapshots.decode(body(WHOLE, silent)), REQUEST, 1)
    foreign = WHOLE | {"underlying_asset": {"ticker": "SPYG"}, "details": DETAILS | {"ticker": "O:SPYG260831C00065000"}}
    page = snapshots.decode(body(WHOLE, foreign))
    with pytest.raises(MalformedPage, match="^SPY option snapshot: page 3 .* has O:SPYG260831C00065000, which is of"):
        snapshots.require_echo(page, REQUEST, 3)


def test_the_first_page_names_no_date_since_none_is_heard() -> None:
    assert snapshots.first_path(REQUEST, 50_000) == "/v3/snapshot/options/SPY?order=asc&sort=ticker&limit=250"
    assert snapshots.first_path(REQUEST, 1).endswith("limit=1")


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/v3/snapshot/options/SPY", True),
        ("/v3/snapshot/options/SPYG", False),
        ("/v3/snapshot/options/SPY/O:SPY260831C00765000", False),
        ("/v3/snapshot/options", False),
    ],
)
def test_a_snapshot_goes_on_at_its_own_address_alone(path: str, leads: bool) -> None:
    assert snapshots.leads_on(REQUEST, path) is leads
