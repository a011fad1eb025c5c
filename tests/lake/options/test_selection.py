"""Which contracts are selected: tables at the bounds, and what holds of every chain."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.errors import BadArgument
from marketlake.options.selection import REASONS, FrozenRule, SelectionRule, select
from marketlake.options.symbol import Contract

SESSION = dt.date(2024, 1, 19)
SCHEMA = pa.schema(
    [
        ("contract", pa.string()),
        ("contract_type", pa.string()),
        ("expiration_date", pa.date32()),
        ("strike_price", pa.float64()),
    ]
)


def row(contract: Contract) -> dict[str, object]:
    return {
        "contract": contract.ticker,
        "contract_type": contract.type,
        "expiration_date": contract.expiration,
        "strike_price": contract.strike,
    }


def chain(contracts: list[Contract]) -> pa.Table:
    return pa.Table.from_pylist([row(one) for one in contracts], SCHEMA)


def contract(strike: float = 500.0, dte: int = 0, kind: str = "call") -> Contract:
    return Contract("SPY", SESSION + dt.timedelta(days=dte), kind, round(strike * 1000))


def reasons(contracts: list[Contract], rule: SelectionRule, reference: float = 500.0) -> list[str]:
    table = select(chain(contracts), rule, reference, SESSION)
    assert table.column("selected").to_pylist() == [one == "selected" for one in table.column("reason").to_pylist()]
    return table.column("reason").to_pylist()


@pytest.mark.parametrize(
    ("strike", "reference", "bound", "reason"),
    [
        (475.0, 500.0, 0.05, "selected"),
        (474.999, 500.0, 0.05, "moneyness"),
        (525.0, 500.0, 0.05, "selected"),
        (525.001, 500.0, 0.05, "moneyness"),
        # 95 / 100 - 1 is -0.050000000000000044 as floats, 110 / 100 - 1 is 0.10000000000000009
        (95.0, 100.0, 0.05, "selected"),
        (110.0, 100.0, 0.1, "selected"),
        (90.0, 100.0, 0.1, "selected"),
        (107.0, 100.0, 0.07, "selected"),
        (93.0, 100.0, 0.07, "selected"),
        (97.0, 100.0, 0.03, "selected"),  # the float 0.03 is less than 0.03
        (103.0, 100.0, 0.03, "selected"),
        # 5 % of 468.79 USD is 23.4395 USD: 445.3505 to 492.2295
        (445.35, 468.79, 0.05, "moneyness"),
        (445.351, 468.79, 0.05, "selected"),
        (492.229, 468.79, 0.05, "selected"),
        (492.23, 468.79, 0.05, "moneyness"),
        (587.5, 587.5, 0.0, "selected"),
        (587.501, 587.5, 0.0, "moneyness"),
    ],
)
def test_moneyness_is_decided_on_decimals(strike: float, reference: float, bound: float, reason: str) -> None:
    rule = SelectionRule(moneyness_below=bound, moneyness_above=bound)
    assert reasons([contract(strike)], rule, reference) == [reason]


@pytest.mark.parametrize(
    ("dte", "bounds", "reason"),
    [
        (0, (0, 45), "selected"),
        (45, (0, 45), "selected"),
        (46, (0, 45), "dte"),
        (-1, (0, 45), "dte"),
        (6, (7, 7), "dte"),
        (7, (7, 7), "selected"),
        (8, (7, 7), "dte"),
    ],
)
def test_days_to_expiration_are_of_the_calendar(dte: int, bounds: tuple[int, int], reason: str) -> None:
    rule = SelectionRule(dte_min=bounds[0], dte_max=bounds[1])
    assert reasons([contract(dte=dte)], rule) == [reason]


def test_only_the_types_of_the_rule() -> None:
    both = [contract(kind="call"), contract(kind="put")]
    assert reasons(both, SelectionRule(types=("put",))) == ["type", "selected"]
    assert reasons(both, SelectionRule(types=("put", "call"))) == ["selected", "selected"]


def test_of_several_reasons_the_first_is_given() -> None:
    far, late, put = contract(600, 60, "put"), contract(500, 60, "put"), contract(500, 0, "put")
    assert reasons([far, late, put], SelectionRule(types=("call",))) == ["moneyness", "dte", "type"]


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        (8, {"500C0", "500P0", "499C0", "501C0", "499C7", "501P7", "498C0", "503P0"}),
        (7, {"500C0", "500P0", "499C0", "501C0", "499C7", "501P7", "498C0"}),
        (6, {"500C0", "500P0", "499C0", "501C0", "499C7", "501P7"}),
        (5, {"500C0", "500P0", "499C0", "501C0", "499C7"}),  # as far and as late: the put goes first
        (4, {"500C0", "500P0", "499C0", "501C0"}),  # as far: the later expiration goes first
        (3, {"500C0", "500P0", "499C0"}),  # as far, as late, of one type: the higher strike goes first
        (2, {"500C0", "500P0"}),
        (1, {"500C0"}),
    ],
)
def test_beyond_the_most_the_farthest_strikes_go_first(most: int, kept: set[str]) -> None:
    names = ["503P0", "499C7", "501P7", "500P0", "498C0", "501C0", "500C0", "499C0"]
    kinds = {"C": "call", "P": "put"}
    contracts = [contract(float(name[:3]), int(name[4:]), kinds[name[3]]) for name in names]
    told = reasons(contracts, SelectionRule(max_contracts=most))
    assert {name for name, reason in zip(names, told, strict=True) if reason == "selected"} == kept
    assert set(told) <= {"selected", "max_contracts"}


def test_the_distance_is_exact_too() -> None:
    """468.79 lies as far from 468.29 as from 469.29; as floats the upper one would be nearer."""
    pair = [contract(469.29), contract(468.29)]
    assert reasons(pair, SelectionRule(max_contracts=1), 468.79) == ["max_contracts", "selected"]


def test_a_later_expiration_goes_first_whatever_its_root() -> None:
    """As tickers, SPY1 comes before SPY and its year."""
    adjusted = Contract("SPY1", SESSION + dt.timedelta(days=7), "call", 500_000)
    assert reasons([adjusted, contract()], SelectionRule(max_contracts=1)) == ["max_contracts", "selected"]


def test_an_empty_chain_has_no_selection() -> None:
    assert select(SCHEMA.empty_table(), SelectionRule(), 500.0, SESSION).num_rows == 0


RULES = st.builds(
    SelectionRule,
    moneyness_below=st.floats(0, 0.2),
    moneyness_above=st.floats(0, 0.2),
    dte_min=st.integers(0, 5),
    dte_max=st.integers(5, 60),
    types=st.sampled_from([("call",), ("put",), ("call", "put")]),
    max_contracts=st.integers(1, 30),
)
CONTRACTS = st.lists(
    st.builds(
        contract,
        strike=st.integers(800, 1200).map(lambda half: half / 2),
        dte=st.integers(0, 70),
        kind=st.sampled_from(["call", "put"]),
    ),
    max_size=30,
    unique=True,
)
PRICES = st.integers(40_000, 60_000).map(lambda cents: cents / 100)


def selected(contracts: list[Contract], rule: SelectionRule, reference: float) -> set[Contract]:
    told = reasons(contracts, rule, reference)
    assert set(told) <= set(REASONS)
    return {one for one, reason in zip(contracts, told, strict=True) if reason == "selected"}


@given(CONTRACTS, RULES, PRICES, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(
    contracts: list[Contract], rule: SelectionRule, reference: float, chance: random.Random
) -> None:
    shuffled = chance.sample(contracts, len(contracts))
    before = dict(zip(contracts, reasons(contracts, rule, reference), strict=True))
    assert dict(zip(shuffled, reasons(shuffled, rule, reference), strict=True)) == before


@given(CONTRACTS, RULES, PRICES)
def test_no_more_than_the_most(contracts: list[Contract], rule: SelectionRule, reference: float) -> None:
    unbounded = selected(contracts, dataclasses.replace(rule, max_contracts=1000), reference)
    assert len(selected(contracts, rule, reference)) == min(len(unbounded), rule.max_contracts)


@given(CONTRACTS, RULES, PRICES, st.data())
def test_a_wider_bound_loses_nothing(
    contracts: list[Contract], rule: SelectionRule, reference: float, data: st.DataObject
) -> None:
    """Where the most does not bind: there a nearer strike takes the place of a farther one."""
    rule = dataclasses.replace(rule, max_contracts=1000)
    wider = data.draw(
        st.sampled_from(
            [
                {"moneyness_below": rule.moneyness_below + 0.01},
                {"moneyness_above": rule.moneyness_above + 0.01},
                {"dte_min": max(rule.dte_min - 1, 0)},
                {"dte_max": rule.dte_max + 1},
                {"types": ("call", "put")},
            ]
        )
    )
    assert selected(contracts, rule, reference) <= selected(contracts, dataclasses.replace(rule, **wider), reference)


@given(CONTRACTS, RULES, PRICES)
def test_a_larger_most_loses_nothing(contracts: list[Contract], rule: SelectionRule, reference: float) -> None:
    larger = dataclasses.replace(rule, max_contracts=rule.max_contracts + 1)
    assert selected(contracts, rule, reference) <= selected(contracts, larger, reference)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"moneyness_below": -0.01}, "moneyness_below=-0.01"),
        ({"moneyness_below": 1.01}, "moneyness_below=1.01"),
        ({"moneyness_above": float("nan")}, "moneyness_above=nan"),
        ({"dte_min": -1}, "dte_min=-1"),
        ({"dte_min": 8, "dte_max": 7}, "dte_min=8, dte_max=7"),
        ({"types": ()}, r"types=\(\)"),
        ({"types": ("call", "other")}, "types=.*other"),
        ({"types": "call"}, "types='call'"),
        ({"reference": "close"}, "reference='close' is none of previous_close, open_0930"),
        ({"max_contracts": 0}, "max_contracts=0"),
    ],
)
def test_a_rule_that_cannot_be_says_which_field(fields: dict[str, object], named: str) -> None:
    with pytest.raises(BadArgument, match=named):
        SelectionRule(**fields)


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_a_reference_that_is_no_price_is_refused(price: float) -> None:
    with pytest.raises(BadArgument, match="reference_usd=.* is no price"):
        select(chain([contract()]), SelectionRule(), price, SESSION)


@pytest.mark.parametrize("name", SCHEMA.names)
def test_a_chain_with_a_null_is_refused(name: str) -> None:
    table = pa.Table.from_pylist([row(contract()), row(contract(501)) | {name: None}], SCHEMA)
    with pytest.raises(BadArgument, match=f"{name}: a contract of the chain has none"):
        select(table, SelectionRule(), 500.0, SESSION)


def test_a_strike_that_is_none_is_named() -> None:
    table = pa.Table.from_pylist([row(contract()) | {"strike_price": 500.0001}], SCHEMA)
    with pytest.raises(BadArgument, match=r"O:SPY240119C00500000: strike 500\.0001"):
        select(table, SelectionRule(), 500.0, SESSION)


FROZEN = FrozenRule(SelectionRule(), "SPY", SESSION, 476.68, 1705611600000, "second_bars of 2024-01-18", "ab" * 32)
CANONICAL = (
    '{"chain_hash":"' + "ab" * 32 + '","reference_end_ms":1705611600000,'
    '"reference_source":"second_bars of 2024-01-18","reference_usd":476.68,'
    '"rule":{"dte_max":45,"dte_min":0,"max_contracts":5000,"moneyness_above":0.05,"moneyness_below":0.05,'
    '"reference":"previous_close","types":["call","put"]},"session":"2024-01-19","underlying":"SPY"}'
)


def test_a_frozen_rule_is_kept_as_its_canonical_json() -> None:
    assert FROZEN.canonical == CANONICAL
    assert FROZEN.hash == "b6dd17bf16dafbb8c48d802c39c8b73d54127e5a9e1dbc20874c9b99865f7f91"  # by another SHA-256
    assert FrozenRule.from_canonical(CANONICAL) == FROZEN


def test_the_same_rule_has_the_same_hash_however_it_is_written() -> None:
    rule = SelectionRule(moneyness_below=0, moneyness_above=1, types=("put", "call"))
    same = SelectionRule(moneyness_below=0.0, moneyness_above=1.0, types=("call", "put"))
    assert dataclasses.replace(FROZEN, rule=rule).hash == dataclasses.replace(FROZEN, rule=same).hash
    assert dataclasses.replace(FROZEN, reference_usd=476).hash == dataclasses.replace(FROZEN, reference_usd=476.0).hash


@pytest.mark.parametrize(
    "change",
    [
        {"rule": SelectionRule(dte_max=44)},
        {"underlying": "QQQ"},
        {"session": dt.date(2024, 1, 22)},
        {"reference_usd": 476.69},
        {"reference_end_ms": 1},
        {"reference_source": "the vendor's day bar"},
        {"chain_hash": "cd" * 32},
    ],
)
def test_whatever_changes_changes_the_hash(change: dict[str, object]) -> None:
    assert dataclasses.replace(FROZEN, **change).hash != FROZEN.hash


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        CANONICAL.replace(",", ", "),
        CANONICAL.replace("476.68", "-1"),
        CANONICAL.replace("476.68", "476.680"),
        json.dumps(json.loads(CANONICAL) | {"more": 1}, sort_keys=True, separators=(",", ":")),
        CANONICAL.replace("previous_close", "close"),
    ],
)
def test_what_is_no_frozen_rule_is_refused(text: str) -> None:
    with pytest.raises(BadArgument, match="this is no frozen rule of a selection"):
        FrozenRule.from_canonical(text)
