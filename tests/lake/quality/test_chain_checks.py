"""Judging a chain: what may not enter, and what makes it suspect."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from marketlake.options.symbol import Contract
from marketlake.quality.chain_checks import check_chain, doubts
from marketlake.rows.option_chain import CHAIN

SESSION, NEXT = dt.date(2024, 1, 17), dt.date(2024, 1, 19)


def row(side: str, strike_milli: int, expiration: dt.date = NEXT, **changed: Any) -> dict[str, Any]:
    return {
        "contract": Contract("SPY", expiration, side, strike_milli).ticker,
        "underlying": "SPY",
        "expiration_date": expiration,
        "contract_type": side,
        "strike_price": strike_milli / 1000,
        "exercise_style": "american",
        "shares_per_contract": 100,
        "standard": True,
        "listed_before": True,
        **changed,
    }


def chain(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=CHAIN)


GOOD = [row("call", 480_000), row("call", 587_500), row("put", 480_000), row("put", 587_500)]


def failed(table: pa.Table) -> dict[str, int]:
    return {check.name: check.count for check in check_chain(table, SESSION) if check.blocking and not check.ok}


def test_a_sound_chain_passes_every_check_and_its_oddities_are_counted() -> None:
    checks = {check.name: check for check in check_chain(chain(*GOOD), SESSION)}
    assert failed(chain(*GOOD)) == {}
    assert {name: check.count for name, check in checks.items() if not check.blocking} == {
        "contracts_not_standard": 0, "contracts_listed_anew": 0, "fractional_strikes": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([*GOOD, row("put", 600_000, underlying="QQQ")], {"several_underlyings": 1, "ticker_disagrees": 1}),
        ([row("call", 480_000, dt.date(2024, 1, 16)), *GOOD], {"expired": 1}),
        ([*GOOD[:1], *GOOD], {"duplicate_contract": 1}),
        (GOOD[::-1], {"descending": 3}),
        ([*GOOD, row("put", 600_000, strike_price=-1.0)], {"strike_not_positive": 1, "ticker_disagrees": 1}),
        ([*GOOD, row("put", 600_000, strike_price=601.0)], {"ticker_disagrees": 1}),
        ([*GOOD, row("put", 600_000, contract_type="call")], {"ticker_disagrees": 1}),
        ([*GOOD, row("put", 600_000, shares_per_contract=0)], {"shares_not_positive": 1}),
    ],
)
def test_what_cannot_be_true_is_named(rows: list[dict[str, Any]], names: dict[str, int]) -> None:
    assert failed(chain(*rows)) == names


def test_the_first_offending_contract_is_named() -> None:
    (check,) = [
        one for one in check_chain(chain(*GOOD, row("put", 600_000, strike_price=601.0)), SESSION) if not one.ok
    ]
    assert "O:SPY240119P00600000" in check.detail


def test_an_adjusted_contract_is_kept_and_counted() -> None:
    adjusted = row("put", 600_000, contract="O:SPY1240119P00600000", shares_per_contract=10, standard=False)
    checks = {check.name: check for check in check_chain(chain(adjusted), SESSION)}
    assert failed(chain(adjusted)) == {}
    assert checks["contracts_not_standard"].count == 1


def test_new_contracts_are_counted_where_that_is_known() -> None:
    rows = [{**one, "listed_before": before} for one, before in zip(GOOD, (True, False, False, None), strict=True)]
    assert {check.name: check.count for check in check_chain(chain(*rows), SESSION)}["contracts_listed_anew"] == 2


def test_an_expiry_with_more_calls_than_puts_is_doubtful() -> None:
    more = row("call", 490_000, dt.date(2024, 2, 16))
    assert doubts(chain(*GOOD, more), None) == ["as many calls as puts are listed of every expiry but 2024-02-16"]
    assert doubts(chain(*GOOD, {**more, "standard": False}), None) == []


def test_of_many_lopsided_expiries_the_first_are_named() -> None:
    more = [row("call", 490_000, dt.date(2024, 2, day)) for day in range(1, 8)]
    assert doubts(chain(*more), None) == [
        "as many calls as puts are listed of every expiry but 2024-02-01, 2024-02-02, 2024-02-03, 2024-02-04,"
        " 2024-02-05 and 2 more"
    ]


@pytest.mark.parametrize(("before", "doubtful"), [(5, False), (6, True), (0, False), (None, False)])
def test_a_chain_that_lost_more_than_a_fifth_is_doubtful(before: int | None, doubtful: bool) -> None:
    names = None if before is None else frozenset(str(number) for number in range(before))
    expected = ["4 contracts are listed, of 6 on the session before"] if doubtful else []
    assert doubts(chain(*GOOD), names) == expected
