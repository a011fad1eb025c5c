"""A session of option bars: every selected contract has bars, or the evidence that it has none, or nothing is new."""

from __future__ import annotations

import datetime as dt
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import KEY, NOW, a_client
from marketlake import settings
from marketlake.datasets import OF_OPTIONS
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import InputMissing, InvalidBars, MalformedPage, NotEntitled, Retryable, StorageError
from marketlake.ingest.options import bars as story
from marketlake.ingest.options.bars import rebuild_bars
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.verify.verify import verify
from option_lake import (
    BARS,
    CHAIN,
    FRIDAY,
    SELECTION,
    SETTINGS,
    TUESDAY,
    WEDNESDAY,
    asked_for,
    bars_of,
    chain_of,
    held,
    is_held,
    selection_of,
)
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

TRADED, ALSO_TRADED = "O:SPY241129C00605000", "O:SPY241129P00605000"


NARROW = {"MARKETLAKE__OPTIONS__SELECTION__DTE_MAX": "2", "MARKETLAKE__OPTIONS__SELECTION__MONEYNESS_ABOVE": "0.02"}
"""Of Wednesday 28 contracts."""


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.faults.clear()
    running.requests.clear()
    running.plan = Plan()
    return running


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SETTINGS | NARROW).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def filled_folder(running: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with Wednesday's chain and its bars."""
    folder = tmp_path_factory.mktemp("filled") / "lake"
    given = {"MARKETLAKE_ENV_FILE": "", "MARKETLAKE__STORAGE__ROOT": str(folder), "POLYGON_BASE_URL": running.url}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (SETTINGS | NARROW | given).items():
            patched.setenv(name, value)
        lake = Lake(settings.load(), now=lambda: NOW)
        chain_of(lake)
        bars_of(lake)
    return folder


@pytest.fixture
def filled(lake: Lake, filled_folder: Path) -> Lake:
    """A copy of it."""
    shutil.copytree(filled_folder, lake.storage.root)
    return lake


def another(lake: Lake, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Lake:
    """The same lake with other settings of options."""
    for name, value in variables.items():
        monkeypatch.setenv(f"MARKETLAKE__OPTIONS__{name}", value)
    return Lake(settings.load(), now=lake.now)


def fault(simulator: Simulator, contract: str, *names: str, times: int = 0, day: dt.date = WEDNESDAY) -> None:
    faults = [{"fault": name, "times": times, "contract": contract, "timespan": "minute"} for name in names]
    simulator.faults.set(str(day), faults)


def folder(lake: Lake, dataset: str) -> Path:
    return lake.storage.root / dataset / "processed/spy/date=2024-11-27"


# --- what is published ------------------------------------------------------------------------------------------------


def test_every_selected_contract_has_its_bars_or_the_evidence_that_it_has_none(
    lake: Lake, simulator: Simulator
) -> None:
    chain_of(lake)
    waits: list[float] = []
    report = bars_of(lake, waits=waits)
    assert (report.outcome, report.state, report.dataset) == ("created", "complete", "option_bars")
    certificate, bars = held(lake, BARS)
    selection = selection_of(lake)
    served = {
        contract: simulator.options.bars(contract, WEDNESDAY, "minute")
        for contract, row in selection.items()
        if row["selected"]
    }
    expected = [
        (contract, bar["t"], bar["o"], bar["h"], bar["l"], bar["c"], bar["v"], bar["n"])
        for contract in sorted(served)
        for bar in served[contract]
    ]
    names = ("contract", "timestamp", "open", "high", "low", "close", "volume", "transactions")
    assert list(zip(*(bars.column(name).to_pylist() for name in names), strict=True)) == expected
    assert len(expected) > 1000
    shown = {contract: (row["state"], row["evidence"], row["bars"]) for contract, row in selection.items()}
    assert shown == {
        contract: (
            ("not_selected", None, 0) if contract not in served
            else ("bars", "pages", len(served[contract])) if served[contract]
            else ("empty", "asked_twice_and_day_bar", 0)
        )
        for contract in selection
    }  # fmt: skip
    states = Counter(state for state, _, _ in shown.values())
    assert min(states["bars"], states["empty"], states["not_selected"]) > 0
    asked = asked_for(simulator)
    assert {key: count for key, count in asked.items() if key[1] == "minute"} == {
        (contract, "minute"): 1 if served[contract] else 2 for contract in served
    }
    assert {key for key in asked if key[1] == "day"} == {(one, "day") for one in served if not served[one]}
    assert [round(wait) for wait in waits] == [300]
    assert certificate.inputs == {
        "option_chain": held(lake, CHAIN)[0].content_hash,
        "frozen_rule": held(lake, SELECTION)[0].inputs["frozen_rule"],
        "option_selection": held(lake, SELECTION)[0].content_hash,
    }
    assert certificate.basis["source"] == "rest"


def test_the_files_are_where_they_belong_and_nothing_is_left_beside_them(filled: Lake) -> None:
    assert pq.read_table(folder(filled, "option_bars") / "bars.parquet", partitioning=None).num_rows
    assert pq.read_table(folder(filled, "option_selection") / "selection.parquet", partitioning=None).num_rows == 152
    assert list((filled.storage.root / "option_bars").glob("journal/**/*.log")) == []
    assert list((filled.storage.root / "option_bars").glob("raw/spy/date=2024-11-27/rev=1/pages-*.tar"))
    for name, dataset in OF_OPTIONS.items():
        if name != "option_panel":
            found = verify(filled, dataset)
            assert (found.partitions, found.states, found.findings) == (1, {"complete": 1}, ())


def test_asked_again_nothing_changes_and_every_contract_was_asked_for(filled: Lake, simulator: Simulator) -> None:
    before, since = held(filled, BARS)[0], len(simulator.requests)
    assert bars_of(filled).outcome == "unchanged"
    assert held(filled, BARS)[0] == before
    assert len(asked_for(simulator, since)) >= len([1 for row in selection_of(filled).values() if row["selected"]])


def test_other_bars_are_a_revision_and_the_selection_follows(filled: Lake, simulator: Simulator) -> None:
    fault(simulator, TRADED, "one_bar")
    report = bars_of(filled)
    assert (report.outcome, report.revision) == ("revised", 2)
    assert report.changes.startswith("bars added 0, removed ")
    assert selection_of(filled)[TRADED]["bars"] == 1
    assert held(filled, SELECTION)[0].content_hash == held(filled, BARS)[0].inputs["option_selection"]


# --- which contracts --------------------------------------------------------------------------------------------------


def test_without_a_chain_it_is_said_what_is_missing(lake: Lake) -> None:
    with pytest.raises(InputMissing, match=r"SPY 2024-11-27 options: the lake holds no chain .*DATASET=options"):
        bars_of(lake)


def test_the_price_to_select_by_is_the_last_regular_second_of_the_session_before(
    lake: Lake, simulator: Simulator
) -> None:
    ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", TUESDAY), a_client(lake, []))
    chain_of(lake)
    bars_of(lake)
    seconds = [bar for bar in simulator.bars("SPY", TUESDAY) if bar["t"] < 1_732_654_800_000]  # 16:00 New York
    rule = story.earlier_rule(held(lake, BARS)[0].basis)
    assert rule is not None
    assert (rule.reference_usd, rule.reference_end_ms) == (seconds[-1]["c"], seconds[-1]["t"] + 1000)
    assert rule.reference_source == "second_bars of 2024-11-26, the last close"
    assert simulator.requests_for(TUESDAY, "day") == simulator.requests_for(TUESDAY, "day", "SPY")[:1]


def test_else_it_is_the_vendors_day_bar_and_filling_the_gap_later_selects_nothing_else(
    filled: Lake, simulator: Simulator
) -> None:
    before = held(filled, BARS)[0]
    rule = story.earlier_rule(before.basis)
    assert rule is not None
    assert rule.reference_source == "the vendor's day bar of 2024-11-26"
    ingest(filled, SECOND_BARS, SECOND_BARS.spec.key("SPY", TUESDAY), a_client(filled, []))
    assert bars_of(filled).outcome == "unchanged"
    assert held(filled, BARS)[0] == before


def test_neither_in_the_lake_nor_at_the_vendor_the_date_fails_and_says_so(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    simulator.faults.set(str(TUESDAY), [{"fault": "empty", "times": 0, "timespan": "day"}])
    with pytest.raises(InputMissing, match="no previous close to select strikes by.* the API has no bar of 2024-11-26"):
        bars_of(lake)
    assert not asked_for(simulator)


def test_by_the_open_only_bars_from_then_on_are_kept(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = another(lake, monkeypatch, SELECTION__REFERENCE="open_0930")
    chain_of(lake)
    with pytest.raises(InputMissing, match=r"open_0930, and the lake holds no second bars"):
        bars_of(lake)
    ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", WEDNESDAY), a_client(lake, []))
    bars_of(lake)
    certificate, bars = held(lake, BARS)
    opened_ms = 1_732_717_859_000  # 09:30:59 New York, the first second in regular hours
    assert min(bars.column("timestamp").to_pylist()) == 1_732_717_860_000
    rule = story.earlier_rule(certificate.basis)
    assert rule is not None
    assert (rule.reference_end_ms, rule.rule.reference) == (opened_ms, "open_0930")


def test_a_session_of_which_nothing_is_selected_is_empty_with_its_selection_as_evidence(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, simulator: Simulator
) -> None:
    lake = another(lake, monkeypatch, SELECTION__DTE_MIN="4000", SELECTION__DTE_MAX="4001")
    chain_of(lake)
    report = bars_of(lake)
    assert (report.state, report.rows) == ("empty", 0)
    assert {row["state"] for row in selection_of(lake).values()} == {"not_selected"}
    assert not asked_for(simulator)
    assert verify(lake, OF_OPTIONS[BARS]).findings == ()


# --- empty answers ----------------------------------------------------------------------------------------------------


def test_a_traded_contract_that_answers_empty_once_is_asked_again(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    fault(simulator, TRADED, "empty", times=1)
    assert bars_of(lake).state == "complete"
    row = selection_of(lake)[TRADED]
    assert (row["state"], row["evidence"]) == ("bars", "pages")
    assert asked_for(simulator)[TRADED, "minute"] == 2


def test_one_that_stays_empty_although_it_traded_is_refused_and_it_alone_is_asked_for_next_time(
    lake: Lake, simulator: Simulator
) -> None:
    chain_of(lake)
    fault(simulator, TRADED, "empty")
    with pytest.raises(InvalidBars, match=rf"{TRADED} 2024-11-27 minute bars: asked twice, .* a day bar in which"):
        bars_of(lake)
    assert not is_held(lake, BARS)
    assert not is_held(lake, SELECTION)
    simulator.faults.clear()
    since = len(simulator.requests)
    assert bars_of(lake).state == "complete"
    assert asked_for(simulator, since) == {(TRADED, "minute"): 1}


def test_many_more_empties_than_usual_make_a_session_suspect(lake: Lake, simulator: Simulator) -> None:
    days = lake.calendar.last_sessions(WEDNESDAY, 6)
    for day in days[:-1]:
        chain_of(lake, day)
        assert bars_of(lake, day).state == "complete"
    chain_of(lake)
    every = {"fault": "empty", "times": 0}
    traded = [one for one, row in selection_of(lake, TUESDAY).items() if row["state"] == "bars"]
    silent = [one for one in traded if simulator.options.bars(one, WEDNESDAY, "minute")][::2]
    faults = [every | {"contract": one, "timespan": span} for one in silent for span in ("minute", "day")]
    simulator.faults.set(str(WEDNESDAY), faults)
    report = bars_of(lake)
    assert report.state == "suspect"
    assert report.suspect_because[0].endswith("(the last 5 sessions)")
    assert held(lake, SELECTION)[0].state == "suspect"
    assert verify(lake, OF_OPTIONS[SELECTION]).findings == ()


# --- what may not enter -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("wrong_ticker", MalformedPage, rf"{TRADED} .* is of ticker 'QQQ'"),
        ("wrong_adjusted", MalformedPage, "says adjusted=True, asked was adjusted=False"),
        ("wrong_count", MalformedPage, "announces"),
        ("off_minute", MalformedPage, r"SPY 2024-11-27 option bars: one begins at \d+, which is no whole minute"),
        ("unsorted", InvalidBars, "descending in 1 bar"),
        ("duplicate", InvalidBars, "duplicate_bar in 1 bar"),
        ("negative", InvalidBars, "negative_number in 1 bar"),
        ("negative_price", InvalidBars, "price_not_positive in 1 bar"),
        ("other_day", InvalidBars, "outside_day in 1 bar"),
        ("low_above_high", InvalidBars, "low_above_open in 1 bar"),
        ("string_number", MalformedPage, "float"),
    ],
)
def test_what_may_not_enter_is_refused_and_the_old_bars_stay(
    filled: Lake, simulator: Simulator, name: str, error: type[Exception], words: str
) -> None:
    before = folder(filled, "option_bars").joinpath("bars.parquet").read_bytes()
    fault(simulator, TRADED, name)
    with pytest.raises(error, match=words):
        bars_of(filled)
    assert folder(filled, "option_bars").joinpath("bars.parquet").read_bytes() == before
    simulator.faults.clear()
    assert bars_of(filled).outcome == "unchanged"


def test_bars_after_the_end_of_trading_are_kept_and_counted(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    fault(simulator, TRADED, "late_bar")
    assert bars_of(lake).state == "complete"
    (check,) = [check for check in held(lake, BARS)[0].checks if check.name == "outside_option_hours"]
    assert (check.count, check.ok) == (1, True)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(options=False), "NOT_AUTHORIZED|not entitled|does not include"),
        (Plan(options_from=dt.date(2025, 1, 1)), "NOT_AUTHORIZED|timeframe|does not include"),
    ],
)
def test_a_plan_without_options_or_without_that_year_is_told_at_the_first_contract(
    lake: Lake, simulator: Simulator, plan: Plan, words: str
) -> None:
    chain_of(lake)
    simulator.plan = plan
    with pytest.raises(NotEntitled, match=words):
        bars_of(lake, concurrency=4)
    assert len(asked_for(simulator)) <= 4


def test_without_a_stocks_plan_the_seconds_of_the_lake_serve_and_without_both_it_is_said(
    lake: Lake, simulator: Simulator
) -> None:
    chain_of(lake)
    simulator.plan = Plan(stocks=False)
    with pytest.raises(NotEntitled, match="asked for the price by which contracts are selected: fetch the second bars"):
        bars_of(lake)
    simulator.plan = Plan()
    ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", TUESDAY), a_client(lake, []))
    simulator.plan = Plan(stocks=False)
    assert bars_of(lake).state == "complete"


# --- interrupted ------------------------------------------------------------------------------------------------------


def test_server_trouble_ends_a_try_and_the_next_one_asks_for_what_is_left(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    fault(simulator, TRADED, "500")
    with pytest.raises(Retryable, match=TRADED):
        bars_of(lake, concurrency=4)
    answered = set(asked_for(simulator)) - {(TRADED, "minute")}
    simulator.faults.clear()
    since = len(simulator.requests)
    assert bars_of(lake).state == "complete"
    again = {key for key, count in asked_for(simulator, since).items() if key[1] == "minute" and count == 1}
    repeated = {one for one in answered & again if simulator.options.bars(one[0], WEDNESDAY, "minute")}
    assert repeated == set()


def test_a_crash_between_bars_and_selection_is_healed_without_a_request(
    lake: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain_of(lake)

    def crash(*_: object, **__: object) -> None:
        raise StorageError("a crash")

    with monkeypatch.context() as patched:
        patched.setattr(story, "publish_derived", crash)
        with pytest.raises(StorageError, match="a crash"):
            bars_of(lake)
    assert is_held(lake, BARS)
    assert not is_held(lake, SELECTION)
    since = len(simulator.requests)
    assert bars_of(lake).outcome == "unchanged"
    assert held(lake, SELECTION)[0].content_hash == held(lake, BARS)[0].inputs["option_selection"]
    assert not asked_for(simulator, since)


def test_a_changed_rule_discards_the_answers_that_are_there(
    lake: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain_of(lake)
    fault(simulator, ALSO_TRADED, "500")
    with pytest.raises(Retryable):
        bars_of(lake, concurrency=1)
    simulator.faults.clear()
    lake = another(lake, monkeypatch, SELECTION__TYPES='["call"]')
    since = len(simulator.requests)
    bars_of(lake)
    calls = {one for one, row in selection_of(lake).items() if row["selected"]}
    assert {contract for contract, span in asked_for(simulator, since) if span == "minute"} == calls
    assert all("C0" in contract for contract in calls)


def test_lost_bars_and_selection_are_rebuilt_from_the_archive_without_a_call(
    filled: Lake, simulator: Simulator
) -> None:
    before = {name: held(filled, name)[0].content_hash for name in (BARS, SELECTION)}
    (folder(filled, "option_bars") / "bars.parquet").unlink()
    (folder(filled, "option_selection") / "selection.parquet").unlink()
    since = len(simulator.requests)
    assert rebuild_bars(filled, "SPY", WEDNESDAY).outcome == "created"
    assert {name: held(filled, name)[0].content_hash for name in (BARS, SELECTION)} == before
    assert len(simulator.requests) == since


def test_an_early_close_has_its_own_hours(lake: Lake) -> None:
    chain_of(lake, FRIDAY)
    assert bars_of(lake, FRIDAY).state == "complete"
    bars = held(lake, BARS, FRIDAY)[1]
    closes_ms = 1_732_904_100_000  # 13:15 New York
    assert max(bars.column("timestamp").to_pylist()) < closes_ms
