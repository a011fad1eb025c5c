"""Judging a snapshot: what may not enter, and what makes it suspect."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from marketlake.options.symbol import Contract
from marketlake.quality.snapshot_checks import check_snapshot, doubts
from marketlake.rows.option_snapshot import SNAPSHOT
from marketlake.sessions import SessionCalendar, new_york_ms

SESSION, BEFORE, NEXT = dt.date(2024, 1, 17), dt.date(2024, 1, 16), dt.date(2024, 1, 19)
HOURS = SessionCalendar(dt.date(2024, 2, 1)).hours(SESSION)
AFTER_CLOSE_MS = new_york_ms(SESSION, dt.time(16, 45))


def ns(day: dt.date, *time: int) -> int:
    return new_york_ms(day, dt.time(*time)) * 1_000_000


def row(side: str, strike_milli: int, expiration: dt.date = NEXT, root: str = "SPY", **changed: Any) -> dict[str, Any]:
    return {
        "contract": Contract(root, expiration, side, strike_milli).ticker,
        "underlying": "SPY",
        "expiration_date": expiration,
        "contract_type": side,
        "strike_price": strike_milli / 1000,
        "open_interest": 12,
        "open_interest_date": BEFORE,
        "implied_volatility": 0.12,
        "delta": 0.5,
        "bid": 1.2,
        "day_updated_ns": ns(SESSION, 15, 59),
        "fetched_at": AFTER_CLOSE_MS,
        **changed,
    }


def snapshot(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SNAPSHOT)


GOOD = [row("call", 480_000), row("call", 587_500), row("put", 480_000), row("put", 587_500)]


def failed(*rows: dict[str, Any]) -> dict[str, int]:
    checks = check_snapshot(snapshot(*rows), HOURS)
    return {check.name: check.count for check in checks if check.blocking and not check.ok}


def with_all(**changed: Any) -> list[dict[str, Any]]:
    return [one | changed for one in GOOD]


def test_a_sound_snapshot_passes_every_check_and_what_it_lacks_is_counted() -> None:
    odd = row("put", 600_000, implied_volatility=None, delta=-1.2, open_interest=-1, bid=None)
    checks = {check.name: check for check in check_snapshot(snapshot(*GOOD, odd), HOURS)}
    assert failed(*GOOD, odd) == {}
    assert {name: check.count for name, check in checks.items() if not check.blocking} == {
        "without_open_interest": 0, "without_implied_volatility": 1, "without_delta": 0, "without_bid": 1,
        "delta_beyond_one": 1, "negative_open_interest": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([*GOOD, row("put", 600_000, underlying="QQQ")], {"several_underlyings": 1, "ticker_disagrees": 1}),
        ([*GOOD, row("put", 600_000, root="SPYG")], {"ticker_disagrees": 1}),
        ([row("call", 480_000, BEFORE), *GOOD], {"expired": 1}),
        ([*GOOD[:1], *GOOD], {"duplicate_contract": 1}),
        (GOOD[::-1], {"descending": 3}),
        ([*GOOD, row("put", 600_000, strike_price=-1.0)], {"strike_not_positive": 1, "ticker_disagrees": 1}),
        ([*GOOD, row("put", 600_000, strike_price=601.0)], {"ticker_disagrees": 1}),
        (with_all(open_interest_date=SESSION), {"open_interest_of_this_day": 4}),
        (with_all(fetched_at=HOURS.regular_start_ms - 1), {"fetched_on_another_day": 4}),
        (with_all(fetched_at=HOURS.day_end_ms), {"fetched_on_another_day": 4}),
        (with_all(day_updated_ns=None), {"day_not_told": 4}),
        (with_all(day_updated_ns=ns(BEFORE, 23, 59, 59)), {"day_not_told": 4}),
        (with_all(underlying_updated_ns=ns(NEXT, 0)), {"day_not_told": 4}),
    ],
)
def test_what_may_not_enter(rows: list[dict[str, Any]], names: dict[str, int]) -> None:
    assert failed(*rows) == names


@pytest.mark.parametrize("stamp", ["day_updated_ns", "last_trade_ns", "last_quote_ns", "underlying_updated_ns"])
@pytest.mark.parametrize("time", [(0,), (9, 30), (23, 59, 59)])
def test_one_figure_of_the_session_tells_the_day_however_old_the_others_are(stamp: str, time: tuple[int, ...]) -> None:
    old = dict.fromkeys(("day_updated_ns", "last_trade_ns"), ns(dt.date(2024, 1, 5), 12))
    assert failed(*(one | old for one in GOOD[:3]), GOOD[3] | old | {stamp: ns(SESSION, *time)}) == {}


def test_what_expires_on_the_session_is_of_it() -> None:
    assert failed(row("call", 480_000, SESSION), *GOOD) == {}


def test_the_day_that_is_shown_instead_is_named() -> None:
    checks = check_snapshot(snapshot(*with_all(day_updated_ns=ns(BEFORE, 16, 14))), HOURS)
    (detail,) = [check.detail for check in checks if check.name == "day_not_told"]
    assert detail == "the newest figure is of 2024-01-16 16:14 New York"


def test_no_row_is_no_snapshot() -> None:
    assert failed() == {"day_not_told": 0}


TICKERS = {one["contract"] for one in GOOD}
GONE = "O:SPY240119C00500000"


@pytest.mark.parametrize(
    ("rows", "before", "found"),
    [
        (GOOD, None, []),
        (GOOD, frozenset(TICKERS), []),
        (GOOD[1:], None, ["as many calls as puts are shown of every expiry but 2024-01-19"]),
        ([row("call", 480_000, root="SPY1"), *GOOD], None, []),  # an adjusted contract
        (
            GOOD,
            {*TICKERS, GONE},
            ["1 of 5 contracts of the session before that have not expired are not shown, first O:SPY240119C00500000"],
        ),
        (
            GOOD,
            {*TICKERS, "O:SPY240122C00500000"},
            ["1 of 5 contracts of the session before that have not expired are not shown, first O:SPY240122C00500000,"
             " among them all that expire on 2024-01-22"],
        ),
        (GOOD, {*TICKERS, "O:SPY240117C00480000", "O:SPY240116C00480000"}, []),  # gone once they have expired
    ],
)  # fmt: skip
def test_what_makes_it_suspect(rows: list[dict[str, Any]], before: frozenset[str] | None, found: list[str]) -> None:
    assert doubts(snapshot(*rows), before, SESSION) == found


def test_a_strike_in_twenty_may_be_taken_off() -> None:
    many = [row(side, strike * 1000) for side in ("call", "put") for strike in range(400, 410)]
    names = {one["contract"] for one in many}
    assert doubts(snapshot(*many), names | {GONE}, SESSION) == []
    assert len(doubts(snapshot(*many), names | {GONE, "O:SPY240119P00500000"}, SESSION)) == 1
