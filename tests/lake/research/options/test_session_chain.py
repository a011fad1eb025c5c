"""``option_chain``: the contracts of a session, what became of each, and whose word that is."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from typing import Any

import pandas as pd
import polars as pl
import pytest

from conftest import NOW
from marketlake.errors import BadArgument, DamagedPartition, SessionsMissing
from marketlake.options.selection import FrozenRule
from marketlake.partitions.certificate import State
from marketlake.research.lake import ResearchLake
from option_tables import (
    ADJUSTED,
    C600,
    C606,
    CONTRACTS,
    FAR_C600,
    FRIDAY,
    P590,
    ROWS,
    TOO_FAR,
    TUESDAY,
    WEDNESDAY,
    OptionGround,
    chain_rows,
    option_ground,
    prepared_options,
    selection_rows,
)

__all__ = ["option_ground", "prepared_options"]
LATER = NOW + dt.timedelta(days=2)


@pytest.fixture
def lake(prepared_options: OptionGround) -> ResearchLake:
    return prepared_options.lake


def test_a_chain_has_every_contract_and_what_became_of_it(lake: ResearchLake) -> None:
    chain = lake.option_chain("2024-11-27")
    assert repr(chain) == "<option chain of SPY on 2024-11-27: 18 contracts, selected by 600 USD>"
    assert (chain.session, chain.ticker, len(chain)) == (WEDNESDAY, "SPY", 18)
    assert isinstance(chain.rule, FrozenRule)
    assert (chain.rule.reference_usd, chain.rule.rule.dte_max) == (600.0, 45)
    frame = chain.contracts
    assert frame["contract"].tolist() == CONTRACTS[WEDNESDAY]
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        "contract": "str", "expiration_date": "datetime64[ms]", "contract_type": "str", "strike_price": "float64",
        "exercise_style": "str", "shares_per_contract": "int64", "primary_exchange": "str", "cfi": "str",
        "additional_underlyings": "str", "standard": "bool", "listed_before": "boolean", "selected": "boolean",
        "reason": "str", "state": "str", "evidence": "str", "bars": "Int64",
    }  # fmt: skip
    became = frame.set_index("contract")[["selected", "reason", "state", "bars"]]
    assert became.loc[C600].tolist() == [True, "selected", "bars", 3]
    assert became.loc["O:SPY241129C00590000"].tolist() == [True, "selected", "empty", 0]
    assert became.loc[TOO_FAR].tolist() == [False, "dte", "not_selected", 0]
    assert became.loc["O:SPY241129C00660000"].tolist() == [False, "moneyness", "not_selected", 0]
    assert frame.set_index("contract").loc[ADJUSTED, "listed_before"] is pd.NA
    assert frame["state"].value_counts().to_dict() == {"bars": 7, "empty": 6, "not_selected": 5}


def test_engines_have_the_same_contracts(lake: ResearchLake) -> None:
    frames = {engine: lake.option_chain(WEDNESDAY, engine=engine).contracts for engine in ("arrow", "polars")}
    assert isinstance(frames["polars"], pl.DataFrame)
    assert frames["polars"].equals(pl.DataFrame(pl.from_arrow(frames["arrow"])))
    assert frames["arrow"].column_names == list(lake.option_chain(WEDNESDAY).contracts.columns)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"moneyness": (0.0, 0.01), "expiry": "2024-11", "type": "call"}, [C600, C606]),
        ({"moneyness": (0.05, None), "dte": (None, 5)}, ["O:SPY241129C00660000", "O:SPY241129P00660000"]),
        ({"strike": 590, "dte": 2}, ["O:SPY241129C00590000", P590]),
        ({"contract": [ADJUSTED, C600]}, [ADJUSTED, C600]),
    ],
)
def test_filters_take_the_contracts_that_they_say(
    lake: ResearchLake, given: dict[str, Any], expected: list[str]
) -> None:
    assert lake.option_chain(WEDNESDAY, **given).contracts["contract"].tolist() == expected


def test_columns_may_be_chosen_and_there_are_some_more(lake: ResearchLake) -> None:
    wanted = ["strike", "type", "moneyness", "dte", "expiry", "session", "request_id"]
    row = lake.option_chain(WEDNESDAY, columns=wanted, contract=C606).contracts.iloc[0]
    assert row["moneyness"] == 606 / 600 - 1
    assert (row["strike"], row["type"], row["dte"], row["request_id"]) == (606.0, "call", 2, f"of {C606}")
    assert (row["expiry"].date(), row["session"].date()) == (FRIDAY, WEDNESDAY)


def test_of_a_chain_alone_nothing_is_known_of_what_became_of_a_contract(lake: ResearchLake) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chain = lake.option_chain(TUESDAY, columns=["contract", "selected", "state", "bars", "moneyness"])
    assert repr(chain) == "<option chain of SPY on 2024-11-26: 2 contracts, no selection>"
    assert chain.rule is None
    assert chain.contracts.isna().all().to_dict() == {
        "contract": False, "selected": True, "state": True, "bars": True, "moneyness": True,
    }  # fmt: skip
    with pytest.raises(BadArgument) as caught:
        lake.option_chain(TUESDAY, moneyness=(-0.1, 0.1))
    assert str(caught.value).startswith(
        "moneyness: strikes are held against the price that the session's contracts were selected by, and there are no"
        " option bars of SPY 2024-11-26 that name one. Filter by strike, or fetch them:  MARKETLAKE__STORAGE__ROOT="
    )
    with pytest.raises(SessionsMissing, match="SPY option panel: 1 of 1 sessions cannot be given: missing 2024-11-26"):
        chain.at("10:00")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a month": ({"session": "2024-11"}, "session='2024-11' is no single date: write it as YYYY-MM-DD."),
    "a holiday": ({"session": "2024-11-28"}, "the exchange is closed on every day from 2024-11-28 to 2024-11-28"),
    "a column": ({"columns": ["delta"]}, "columns='delta' is none of contract, underlying"),
    "a state": ({"states": "complete"}, "states='complete' is no list of names"),
    "a time without a zone": ({"as_of": dt.datetime(2026, 1, 1)}, "as_of=2026-01-01 00:00:00 has no zone"),  # noqa: DTZ001
    "an engine": ({"engine": "panda"}, "engine='panda' is none of"),
    "a word for missing": ({"missing": None}, "missing=None is none of raise, skip."),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_named(lake: ResearchLake, case: str) -> None:
    wrong, words = WRONG[case]
    with pytest.raises(BadArgument, match=re.escape(words)):
        lake.option_chain(**{"session": WEDNESDAY} | wrong)


def test_a_session_without_a_chain_is_missing(lake: ResearchLake) -> None:
    with pytest.raises(SessionsMissing, match="SPY option chain: 1 of 1 sessions cannot be given: missing 2024-11-25"):
        lake.option_chain("2024-11-25")


def others_selection(ground: OptionGround) -> None:
    """As a crash leaves it between new bars and their selection."""
    ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], without=["option_selection", "option_panel"], at=LATER)


def no_selection(ground: OptionGround) -> None:
    ground.file("option_selection", WEDNESDAY).unlink()


def no_bars(ground: OptionGround) -> None:
    ground.file("option_bars", WEDNESDAY).unlink()


def another_chain(ground: OptionGround) -> None:
    rows = chain_rows(WEDNESDAY)
    ground.publish("option_chain", WEDNESDAY, rows.slice(0, 17), at=LATER)


def provisional(ground: OptionGround) -> None:
    ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], state=State.PROVISIONAL, at=LATER)


@pytest.mark.parametrize(
    ("done", "words", "rule"),
    [
        (others_selection, "option selection: 1 of 1 sessions cannot be given: not of the option bars that are", True),
        (no_selection, "option selection: 1 of 1 sessions cannot be given: missing 2024-11-27. Fetch them", True),
        (no_bars, "option bars: 1 of 1 sessions cannot be given: missing 2024-11-27. Fetch them", False),
        (another_chain, "option selection: 1 of 1 sessions cannot be given: of another chain than the one", False),
        (provisional, "option bars: 1 of 1 sessions cannot be given: provisional 2024-11-27. Fetch them", False),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_selection_that_does_not_count_is_told_and_not_joined(
    option_ground: OptionGround, done: Any, words: str, rule: bool
) -> None:
    done(option_ground)
    lake = option_ground.lake
    with pytest.raises(SessionsMissing, match=f"SPY {words}") as caught:
        lake.option_chain(WEDNESDAY)
    assert "make backfill DATASET=options FROM=2024-11-27 TO=2024-11-27" in str(caught.value)
    assert str(caught.value).endswith("missing='skip' gives the chain without it, with this as a warning.")
    with pytest.warns(UserWarning, match=words) as warned:
        chain = lake.option_chain(WEDNESDAY, missing="skip")
    assert [warning.filename for warning in warned] == [__file__]
    assert len(chain) == (17 if done is another_chain else 18)
    assert chain.contracts["state"].isna().all()
    assert (chain.rule is not None) is rule


def test_a_provisional_selection_is_joined_for_those_who_ask_for_it(option_ground: OptionGround) -> None:
    provisional(option_ground)
    chain = option_ground.lake.option_chain(WEDNESDAY, states=["complete", "provisional"])
    assert chain.contracts["bars"].sum() == 4
    assert len(chain.at("10:01")) == 2


def test_as_of_all_files_are_as_they_stood(option_ground: OptionGround) -> None:
    lake = option_ground.lake
    before = lake.option_chain(WEDNESDAY).contracts
    panel = lake.option_chain(WEDNESDAY).at("16:30")
    others_selection(option_ground)
    second = dt.timedelta(seconds=1)
    with pytest.raises(SessionsMissing, match="not held by then 2024-11-27. missing='skip' gives the chain without"):
        lake.option_chain(WEDNESDAY, as_of=LATER)
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], at=LATER + second)
    assert lake.option_chain(WEDNESDAY).contracts["bars"].sum() == 4
    stood = lake.option_chain(WEDNESDAY, as_of=NOW)
    assert stood.contracts.equals(before)
    assert stood.at("16:30").equals(panel)
    assert len(lake.option_chain(WEDNESDAY).at("16:30")) == 2


def test_as_of_a_chain_that_had_become_another_one_there_was_no_selection_of_it(option_ground: OptionGround) -> None:
    another_chain(option_ground)
    with pytest.raises(SessionsMissing, match="selection: 1 of 1 .* not held by then 2024-11-27. missing='skip'"):
        option_ground.lake.option_chain(WEDNESDAY, as_of=LATER)
    assert option_ground.lake.option_chain(WEDNESDAY, as_of=NOW).contracts["bars"].sum() == 11


def test_a_chain_that_was_given_goes_on_with_the_panel_that_there_was(option_ground: OptionGround) -> None:
    chain = option_ground.lake.option_chain(WEDNESDAY)
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], at=LATER)
    assert len(chain.at("16:30")) == 6


def test_a_selection_of_which_bytes_have_changed_is_refused(option_ground: OptionGround) -> None:
    path = option_ground.file("option_selection", WEDNESDAY)
    data = path.read_bytes()
    path.write_bytes(data[:60] + bytes(byte ^ 1 for byte in data[60:90]) + data[90:])
    with pytest.raises(DamagedPartition, match="SPY 2024-11-27 option selection: .*DATASET=options .*REFETCH=1"):
        option_ground.lake.option_chain(WEDNESDAY)


def test_a_certificate_without_the_size_of_a_bar_gives_no_moment(option_ground: OptionGround) -> None:
    chain = option_ground.lake.option_chain(WEDNESDAY)
    assert chain.rule is not None
    option_ground.amend("option_bars", WEDNESDAY, basis={"rule": chain.rule.canonical})
    with pytest.raises(DamagedPartition, match="its certificate names no size of a bar"):
        option_ground.lake.option_chain(WEDNESDAY).at("10:00")


def test_contracts_that_were_filtered_out_are_at_no_moment(lake: ResearchLake) -> None:
    chain = lake.option_chain(WEDNESDAY, dte=30)
    assert chain.at("10:01")["contract"].tolist() == [FAR_C600, "O:SPY241227C00606000"]
    found = chain.nearest(dte=2, delta=0.25, type="call", at="10:01")
    assert found is not None
    assert found.dte == 30  # it knows no other expiry


def test_the_selection_by_hand_says_what_one_would_say() -> None:
    assert selection_rows(TUESDAY + dt.timedelta(days=1), chain_rows(WEDNESDAY).slice(0, 0)).num_rows == 18
