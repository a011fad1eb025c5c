"""Tickers of option contracts: read, written, and held against the fields of a chain."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.errors import BadArgument
from marketlake.options.symbol import (
    Contract,
    adjusted_roots,
    first_disagreement,
    parse,
    strike_milli,
    strikes_milli,
    terms,
)

JANUARY = dt.date(2024, 1, 19)


@pytest.mark.parametrize(
    ("ticker", "contract", "strike", "adjusted"),
    [
        ("O:SPY240119C00480000", Contract("SPY", JANUARY, "call", 480_000), 480.0, False),
        ("O:SPY251219P00587500", Contract("SPY", dt.date(2025, 12, 19), "put", 587_500), 587.5, False),
        ("O:SPY1240119C00480000", Contract("SPY1", JANUARY, "call", 480_000), 480.0, True),
        ("O:F240119P00000500", Contract("F", JANUARY, "put", 500), 0.5, False),
        ("O:GOOGL1240119C33333333", Contract("GOOGL1", JANUARY, "call", 33_333_333), 33_333.333, True),
        ("O:SPY240229C99999999", Contract("SPY", dt.date(2024, 2, 29), "call", 99_999_999), 99_999.999, False),
    ],
)
def test_a_ticker_is_a_contract(ticker: str, contract: Contract, strike: float, adjusted: bool) -> None:
    assert parse(ticker) == contract
    assert (contract.ticker, contract.strike, contract.adjusted) == (ticker, strike, adjusted)


@pytest.mark.parametrize(
    "ticker",
    [
        "",
        "SPY240119C00480000",
        "O:SPY",
        "O:240119C00480000",
        "O:spy240119C00480000",
        "O:SPY240119X00480000",
        "O:SPY240119C0048000",
        "O:SPY240119C004800000",
        "O:SPY240230C00480000",
        "O:SPY241319C00480000",
        "O:SPY240119C00000000",
        "O:SPY240119C00480000\n",
        "O:SPY240119C0048000０",
        "O:ABCDEFG240119C00480000",
        "O:ABCDEF1240119C00480000",
        "O:SPY0240119C00480000",
    ],
)
def test_what_is_no_ticker_is_named(ticker: str) -> None:
    with pytest.raises(BadArgument, match="is no option ticker") as told:
        parse(ticker)
    assert repr(ticker) in str(told.value)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (("spy", JANUARY, "call", 1), "root='spy'"),
        (("SPY", JANUARY, "other", 1), "type='other'"),
        (("SPY", JANUARY, "call", 0), "strike_milli=0"),
        (("SPY", JANUARY, "call", 100_000_000), "strike_milli=100000000"),
        (("SPY", dt.date(1999, 12, 31), "call", 1), "expiration=1999-12-31"),
    ],
)
def test_what_is_no_contract_says_which_field(fields: tuple[str, dt.date, str, int], named: str) -> None:
    with pytest.raises(BadArgument, match=named):
        Contract(*fields)


CONTRACTS = st.builds(
    Contract,
    root=st.from_regex("[A-Z]{1,6}|[A-Z]{1,5}[1-9]", fullmatch=True),
    expiration=st.dates(dt.date(2000, 1, 1), dt.date(2099, 12, 31)),
    type=st.sampled_from(["call", "put"]),
    strike_milli=st.integers(1, 99_999_999),
)


@given(CONTRACTS)
def test_what_is_written_is_read(contract: Contract) -> None:
    assert parse(contract.ticker) == contract


@given(CONTRACTS, CONTRACTS)
def test_contracts_of_a_root_ascend_as_their_tickers_do(one: Contract, other: Contract) -> None:
    other = Contract(one.root, other.expiration, other.type, other.strike_milli)
    assert (one < other) == (one.ticker < other.ticker)


@given(st.integers(1, 99_999_999))
def test_every_strike_is_exact_both_ways(milli: int) -> None:
    strike = Contract("SPY", JANUARY, "call", milli).strike
    assert strike == float(f"{milli // 1000}.{milli % 1000:03}")  # what a JSON number of it decodes to
    assert strike_milli(strike) == milli
    assert [one.tolist() for one in strikes_milli(pa.chunked_array([[strike]]))] == [[milli], [True]]


@pytest.mark.parametrize("strike", [0.0, -480.0, 480.0001, 480.00000001, 1e5, 1e300, float("nan"), float("inf")])
def test_what_is_no_strike_is_named(strike: float) -> None:
    with pytest.raises(BadArgument, match="is none: thousandths of a USD"):
        strike_milli(strike)
    assert [one.tolist() for one in strikes_milli(pa.chunked_array([[strike]]))] == [[0], [False]]


ROW = {
    "contract": "O:SPY240119C00587500",
    "underlying": "SPY",
    "contract_type": "call",
    "expiration_date": JANUARY,
    "strike_price": 587.5,
}
SCHEMA = pa.schema(
    [
        ("contract", pa.string()),
        ("underlying", pa.string()),
        ("contract_type", pa.string()),
        ("expiration_date", pa.date32()),
        ("strike_price", pa.float64()),
    ]
)
PUT = ROW | {"contract": "O:SPY240119P00480000", "contract_type": "put", "strike_price": 480.0}
ADJUSTED = ROW | {"contract": "O:SPY1240119C00587500"}


def chain(*rows: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), SCHEMA)


def test_a_chain_whose_tickers_agree_with_its_fields() -> None:
    assert first_disagreement(chain(ROW, PUT, ADJUSTED), "SPY") is None
    assert first_disagreement(chain(), "SPY") is None


def test_a_point_in_the_name_is_in_no_root() -> None:
    assert (
        first_disagreement(chain(ROW | {"contract": "O:BRKB240119C00587500", "underlying": "BRK.B"}), "BRK.B") is None
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"contract": "O:SPYG240119C00587500"}, "O:SPYG240119C00587500 is of root SPYG"),
        ({"contract": "O:SPX240119C00587500", "underlying": "SPX"}, "is of root SPX"),
        ({"underlying": "SPYG"}, "its fields say: SPYG call"),
        ({"contract": "O:SPY240119C00588000"}, "is a call of 2024-01-19 at 588.0, and its fields say: SPY call of"),
        ({"contract": "O:SPY240120C00587500"}, "is a call of 2024-01-20"),
        ({"contract": "O:SPY240119P00587500"}, "is a put of 2024-01-19"),
        ({"contract_type": "other"}, "SPY other of 2024-01-19"),
        ({"contract": "SPY"}, "SPY is no option ticker"),
        ({"contract": "O:SPY240230C00587500"}, "is no option ticker"),
        ({"contract": None}, "None is no option ticker"),
        ({"contract_type": None}, "SPY None of"),
        ({"expiration_date": None}, "call of None at"),
        ({"strike_price": None}, "at None"),
        ({"strike_price": float("nan")}, "at nan"),
        ({"strike_price": 0.0, "contract": "O:SPY240119C00000000"}, "O:SPY240119C00000000 is no option ticker"),
        ({"strike_price": 587.5000001}, "at 587.5000001"),
        ({"underlying": None}, "its fields say: None call"),
    ],
)
def test_the_first_contract_that_disagrees_is_named(change: dict[str, object], named: str) -> None:
    told = first_disagreement(chain(PUT, ROW | change, ROW | {"contract": "later"}), "SPY")
    assert told is not None
    assert named in told
    assert told.endswith("SPY was asked for")


@given(st.lists(CONTRACTS, min_size=1, max_size=20))
def test_what_parses_agrees_with_its_own_fields(contracts: list[Contract]) -> None:
    rows = [
        ROW
        | {
            "contract": f"O:SPY{'1' if one.adjusted else ''}{one.ticker[2 + len(one.root) :]}",
            "contract_type": one.type,
            "expiration_date": one.expiration,
            "strike_price": one.strike,
        }
        for one in contracts
    ]
    assert first_disagreement(chain(*rows), "SPY") is None


def test_what_tickers_say_is_a_table_of_their_order() -> None:
    names = ["O:SPY240119P00587500", "O:SPY1240119C00480000", "O:SPY240229C99999999"]
    told = terms(pa.array(names))
    assert told.schema == pa.schema([("expiry", pa.date32()), ("type", pa.string()), ("strike", pa.float64())])
    assert [tuple(row.values()) for row in told.to_pylist()] == [
        (JANUARY, "put", 587.5), (JANUARY, "call", 480.0), (dt.date(2024, 2, 29), "call", 99_999.999),
    ]  # fmt: skip
    assert terms(pa.array([], pa.string())).num_rows == 0


@pytest.mark.parametrize("wrong", ["SPY", "O:SPY240231C00480000", "O:SPY240119X00480000", None])
def test_a_text_that_is_no_ticker_says_nothing(wrong: str | None) -> None:
    with pytest.raises(BadArgument, match="is no option ticker"):
        terms(pa.array(["O:SPY240119C00480000", wrong], pa.string()))


@given(st.dates(dt.date(2000, 1, 1), dt.date(2099, 12, 31)), st.sampled_from(["call", "put"]),
       st.integers(1, 99_999_999))  # fmt: skip
def test_a_table_says_of_a_ticker_what_the_contract_says(expiration: dt.date, kind: str, milli: int) -> None:
    contract = Contract("SPY", expiration, kind, milli)
    (row,) = terms(pa.array([contract.ticker])).to_pylist()
    assert tuple(row.values()) == (contract.expiration, contract.type, contract.strike)


def test_adjusted_roots_of_many_tickers_are_those_of_each() -> None:
    names = ["O:SPY240119C00480000", "O:SPY1240119C00480000", "O:F1240119P00000500", "O:GOOGL240119C33333333"]
    assert adjusted_roots(pa.chunked_array([names])).to_pylist() == [False, True, True, False]
    assert [parse(name).adjusted for name in names] == [False, True, True, False]
