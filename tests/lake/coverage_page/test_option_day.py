"""A day of options: the evidence of each dataset, the chain as a map, and a contract beside its underlying."""

from __future__ import annotations

import datetime as dt
import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from marketlake.coverage_page.attempts import TaskLine
from marketlake.coverage_page.candles import width_ms
from marketlake.coverage_page.chain_map import ChainMap, chain_map
from marketlake.coverage_page.contract import ContractView, contract_view
from marketlake.coverage_page.day import Day, bars_of
from marketlake.coverage_page.difference import difference
from marketlake.coverage_page.option_day import option_day_of
from marketlake.coverage_page.options import OptionIndex, Options
from marketlake.coverage_page.subjects import rows_named
from marketlake.errors import BadArgument, DamagedPartition, NoSuchRevision, NotASession
from marketlake.ingest.options.panel import build_panel
from marketlake.options.hours import trading_ms
from option_ground import EARLY, TUESDAY, WEDNESDAY, OptionGround, an_option_ground, fill, with_options
from option_lake import BARS, CHAIN, PANEL, SELECTION, chain_of, held, selection_of
from option_lake import bars_of as fetch_bars

NOT_HELD = dt.date(2024, 12, 2)
A_CALL = "O:SPY241129C00605000"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OptionGround]:
    """Two sessions are whole, of the 29th there is no panel. Not to be changed."""
    with an_option_ground(tmp_path_factory.mktemp("options") / "lake") as made:
        fill(made)
        yield made


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[OptionGround]:
    """Wednesday alone, to be changed."""
    with an_option_ground(tmp_path / "lake") as made:
        made.seconds(TUESDAY, WEDNESDAY)
        made.fetch(WEDNESDAY)
        yield made


def options(ground: OptionGround) -> Options:
    return Options(ground.lake, "SPY")


def shown(ground: OptionGround, session: dt.date = WEDNESDAY, tasks: dict[str, TaskLine] | None = None) -> Day:
    return option_day_of(options(ground), OptionIndex(options(ground), keep=False), session, None, tasks)


def test_a_day_says_by_what_rule_and_price_contracts_were_selected_and_what_became_of_them(
    ground: OptionGround,
) -> None:
    day = shown(ground)
    assert (day.dataset, day.state, day.readable, day.bar_s, day.reasons) == ("options", "complete", True, 60, ())
    price, strikes, frozen, source, states, evidence = day.words
    assert (
        price == "Reference price 604.97 USD, of 2024-11-26 16:00 New York: second_bars of 2024-11-26, the last close."
    )
    assert strikes == (
        "Strikes from 5 % below to 5 % above it (574.72 to 635.22 USD), 0 to 45 calendar days to expiration,"
        " calls and puts, 5,000 contracts at most."
    )
    bars, _ = held(ground.lake, BARS)
    assert frozen == f"Frozen before a bar was fetched, with the hash {bars.inputs['frozen_rule']}."
    assert source == "Source: each selected contract was asked for by itself (rest)."
    became = Counter(row["state"] for row in selection_of(ground.lake).values())
    assert states == (
        f"{became.total():,} contracts: {became['bars']} with bars, {became['empty']} empty with evidence,"
        f" {became['not_selected']} not selected."
    )
    assert evidence == (
        f"Evidence: {became['bars']} by pages of bars, {became['empty']} by two answers without a bar, a pause between"
        " them, and a day bar that is empty, too."
    )


def test_each_dataset_has_its_state_evidence_and_task(ground: OptionGround) -> None:
    tasks = {name: TaskLine("success", 1, f"dags/{name}") for name in (CHAIN, BARS)}
    parts = {part.dataset: part for part in shown(ground, tasks=tasks).parts}
    assert list(parts) == [CHAIN, SELECTION, BARS, PANEL]
    assert {part.state for part in parts.values()} == {"complete"}
    assert [name for name, part in parts.items() if part.task] == [CHAIN, BARS]
    for name, part in parts.items():
        assert part.words[-1] == f"The rows have the hash {held(ground.lake, name)[0].content_hash}."
        assert [line.name for line in part.checks if line.says == line.name.replace("_", " ")] == []
        assert [(one.revision, one.newest, one.state) for one in part.revisions] == [(1, True, "complete")]
        assert [one.ok for one in part.compared] == [True]
    assert parts[CHAIN].words[0].endswith(" contracts were listed; 4 of them are adjusted, 30 new on the day.")
    assert [(page.listing, page.pages) for page in parts[CHAIN].pages] == [("contracts", 1), ("held", 1)]
    (answers,) = parts[BARS].pages
    assert (answers.listing, answers.pages) == ("answers, compressed", held(ground.lake, BARS)[0].pages)
    assert answers.bytes > 100_000
    assert "Rates: 0.04 a year. Dividends: none." in parts[BARS].words
    rows = held(ground.lake, PANEL)[1]
    valued = rows.num_rows - rows.column("iv").null_count
    assert parts[PANEL].words[0] == f"{rows.num_rows:,} rows, {valued:,} of them with implied volatility."


def test_a_session_without_its_panel_shows_the_rest(ground: OptionGround) -> None:
    day = shown(ground, EARLY)
    assert (day.state, day.readable, day.early_close) == ("missing", False, True)
    assert [(part.dataset, part.state) for part in day.parts][-1] == (PANEL, "missing")
    assert chain_map(options(ground), EARLY).because == ""


def test_a_session_that_is_not_held_is_shown_without_evidence(ground: OptionGround) -> None:
    day = shown(ground, NOT_HELD)
    assert (day.state, [part.state for part in day.parts]) == ("missing", ["missing"] * 4)
    assert day.words == ["No option bars are held: nobody knows yet which contracts have any."]
    with pytest.raises(NoSuchRevision, match="SPY 2024-12-02 option chain: the lake holds nothing of it"):
        chain_map(options(ground), NOT_HELD)
    with pytest.raises(NotASession, match="a weekend"):
        chain_map(options(ground), dt.date(2024, 11, 30))


@pytest.mark.parametrize("name", [CHAIN, SELECTION, BARS, PANEL])
def test_damage_is_found_by_looking_and_fails_the_session(mine: OptionGround, name: str) -> None:
    index = OptionIndex(options(mine), keep=False)
    file = mine.file(name, WEDNESDAY)
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    assert index.look()[WEDNESDAY].state == "complete"  # as the footers say
    day = option_day_of(options(mine), index, WEDNESDAY, None)
    assert (day.state, day.readable) == ("failed", False)
    assert day.reasons[0].startswith(f"{name}: what lies in its file is not what was certified")
    part = next(part for part in day.parts if part.dataset == name)
    assert (part.state, part.readable, part.words) == ("failed", False, [])
    assert index.look()[WEDNESDAY].state is None
    if name == CHAIN:
        with pytest.raises(DamagedPartition):
            chain_map(options(mine), WEDNESDAY)


def test_a_selection_that_the_bars_do_not_name_is_not_believed(mine: OptionGround) -> None:
    mine.fault(WEDNESDAY, "adjusted_contract")
    chain_of(mine.lake, WEDNESDAY)  # other contracts; bars and selection are still of those before
    shown_map = chain_map(options(mine), WEDNESDAY)
    assert shown_map.because.startswith("the option_chain that the bars were fetched with is not the one that is held")
    assert {kind.state for kind in shown_map.kinds} == {"unknown"}
    day = shown(mine)
    assert day.state == "failed"
    assert day.reasons == (
        "option_selection, option_bars, option_panel were made of another option_chain than the one that is held: fetch"
        " the session again",
    )
    assert [part.revisions[-1].revision for part in day.parts] == [2, 1, 1, 1]
    fetch_bars(mine.lake, WEDNESDAY)
    build_panel(mine.lake, "SPY", WEDNESDAY)
    assert shown(mine).state == "complete"


def by_contract(found: ChainMap) -> dict[str, tuple[str, str, str | None, int]]:
    """What a map says of each contract."""
    return {
        f"O:{row.root}{row.expiration:%y%m%d}{row.type[0].upper()}{round(strike * 1000):08}": (
            found.kinds[kind].state, found.kinds[kind].reason, found.kinds[kind].evidence, bars)
        for row in found.rows for strike, bars, kind in zip(row.strikes, row.bars, row.kinds, strict=True)
    }  # fmt: skip


def test_the_map_says_of_each_contract_what_the_selection_does(ground: OptionGround) -> None:
    found = chain_map(options(ground), WEDNESDAY)
    assert by_contract(found) == {
        name: (row["state"], row["reason"], row["evidence"], row["bars"])
        for name, row in selection_of(ground.lake).items()
    }
    assert (found.reference_usd, found.because, found.more) == (604.97, "", 0)
    assert sum(kind.contracts for kind in found.kinds) == found.contracts == held(ground.lake, CHAIN)[0].rows
    assert {row.days for row in found.rows if row.expiration == EARLY} == {2}
    assert [row.root for row in found.rows if row.root != "SPY"] == ["SPY1", "SPY1"]
    chain = held(ground.lake, CHAIN)[1]
    for trait, column in (("standard", "standard"), ("listed_before", "listed_before")):
        counted = Counter({value: 0 for value in chain.column(column).to_pylist()})
        for kind in found.kinds:
            counted[getattr(kind, trait)] += kind.contracts
        assert counted == Counter(chain.column(column).to_pylist())


def test_of_a_chain_that_is_too_long_the_last_expiries_are_left_out(ground: OptionGround) -> None:
    whole = chain_map(options(ground), WEDNESDAY)
    part = chain_map(options(ground), WEDNESDAY, most=100)
    assert (part.more, sum(len(row.strikes) for row in part.rows)) == (whole.contracts - 100, 100)
    assert max(row.expiration for row in part.rows) < max(row.expiration for row in whole.rows)


def test_a_full_chain_fits_into_its_budget() -> None:
    each = range(200)
    row = {"root": "SPY", "expiration": WEDNESDAY, "days": 0, "type": "call", "strikes": [600.0 + n for n in each],
           "bars": [n * 37 % 405 for n in each], "kinds": [n % 7 for n in each]}  # fmt: skip
    assert len(gzip.compress(msgspec.json.encode([row] * 68), 5)) < 150_000


def looked(ground: OptionGround, contract: str = A_CALL, session: dt.date = WEDNESDAY, **window: int) -> ContractView:
    bounds = (window.get("start_ms"), window.get("end_ms"))
    return contract_view(options(ground), session, contract, bounds, window.get("most", 1_500))


def own(ground: OptionGround, name: str = BARS, contract: str = A_CALL) -> pa.Table:
    rows = held(ground.lake, name)[1]
    return rows.filter(pc.equal(rows.column("contract"), contract))


def test_a_contract_has_its_bars_the_underlyings_at_the_same_times_and_its_volatility(ground: OptionGround) -> None:
    view = looked(ground)
    assert (view.type, view.strike, view.expiration, view.days, view.state, view.standard) == (
        "call", 605.0, EARLY, 2, "bars", True,
    )  # fmt: skip
    assert (view.start_ms, view.end_ms) == trading_ms(ground.lake.calendar.hours(WEDNESDAY))
    rows, panel = own(ground), own(ground, PANEL)
    assert view.words == [f"{rows.num_rows} bars, shown by pages of bars."]
    assert view.bars is not None
    assert (view.bars.width_s, view.bars.times_ms) == (60, rows.column("timestamp").to_pylist())
    assert (view.bars.close, view.bars.volume) == (rows.column("close").to_pylist(), rows.column("volume").to_pylist())
    assert view.underlying_bars is not None
    assert (view.underlying_dataset, view.underlying_bars.width_s, len(view.underlying_bars.times_ms)) == (
        "second_bars", 60, 405,
    )  # fmt: skip
    assert view.volatility is not None
    assert view.volatility.times_ms == view.bars.times_ms
    assert view.volatility.iv == panel.column("iv").to_pylist()
    assert (view.bars_absent, view.underlying_absent, view.volatility_absent) == ("", "", "")


def test_wider_candles_are_those_of_both_and_have_the_last_volatility(ground: OptionGround) -> None:
    view, panel = looked(ground, most=100), own(ground, PANEL)
    assert view.bars is not None
    assert view.underlying_bars is not None
    assert view.volatility is not None
    assert view.bars.width_s == view.underlying_bars.width_s == 300
    assert sum(view.bars.volume) == pc.sum(own(ground).column("volume")).as_py()
    assert view.volatility.times_ms == view.bars.times_ms
    first_ms = view.bars.times_ms[0]
    within = panel.filter(pc.less(panel.column("timestamp"), first_ms + 300_000))
    assert view.volatility.iv[0] == within.column("iv").to_pylist()[-1]


def test_a_window_is_all_that_is_sent(ground: OptionGround) -> None:
    opens, _ = trading_ms(ground.lake.calendar.hours(WEDNESDAY))
    view = looked(ground, start_ms=opens, end_ms=opens + 600_000)
    assert view.bars is not None
    assert view.underlying_bars is not None
    assert view.volatility is not None
    for times in (view.bars.times_ms, view.underlying_bars.times_ms, view.volatility.times_ms):
        assert times
        assert all(opens <= time < opens + 600_000 for time in times)
    with pytest.raises(BadArgument, match="is not before"):
        looked(ground, start_ms=opens, end_ms=opens)
    with pytest.raises(BadArgument, match="most=5000 is no number of candles"):
        looked(ground, most=5_000)


def test_a_contract_without_bars_says_why_and_shows_the_underlying(ground: OptionGround) -> None:
    rows = selection_of(ground.lake)
    empty = next(name for name, row in rows.items() if row["state"] == "empty")
    view = looked(ground, empty)
    assert view.bars is None
    assert view.bars_absent.startswith("Empty: it did not trade, shown by two answers without a bar")
    assert view.underlying_bars is not None
    far = next(name for name, row in rows.items() if row["reason"] == "moneyness")
    assert looked(ground, far).bars_absent == (
        "Not selected: its strike is too far from the reference price (moneyness)."
    )


def test_an_adjusted_and_a_new_contract_say_so(ground: OptionGround) -> None:
    names = [name for name in selection_of(ground.lake) if name.startswith("O:SPY1")]
    view = looked(ground, names[0])
    assert view.standard is False
    assert view.words[0].startswith("Not a standard contract: it delivers 103 shares, and ")
    assert view.words[1] == "New: it was not listed on the session before."


def test_what_is_not_held_of_a_contract_is_told_with_what_fetches_it(ground: OptionGround) -> None:
    name = next(name for name, row in selection_of(ground.lake, EARLY).items() if row["state"] == "bars")
    view = looked(ground, name, EARLY)
    assert view.volatility is None
    assert view.volatility_absent.startswith("SPY 2024-11-29 option panel: the lake holds nothing of it")
    assert view.underlying_bars is None
    assert view.underlying_absent == (
        "The lake holds no bars of SPY on 2024-11-29. Fetch them with  make backfill FROM=2024-11-29 TO=2024-11-29"
    )
    assert view.bars is not None


@pytest.mark.parametrize("contract", ["O:SPY241129C00605001", "SPY", "../../etc/passwd", ""])
def test_a_contract_that_is_not_listed_is_told(ground: OptionGround, contract: str) -> None:
    with pytest.raises(BadArgument, match="is none of the chain of SPY 2024-11-27: write it as O:SPY241220C00600000"):
        looked(ground, contract)


@pytest.mark.parametrize("name", [CHAIN, SELECTION])
def test_rows_that_are_no_bars_are_not_drawn_as_such(ground: OptionGround, name: str) -> None:
    spec = rows_named(ground.lake, name, "SPY").spec
    assert spec.bar_ms == 0
    with pytest.raises(BadArgument, match="these rows are no bars"):
        width_ms(60_000, spec.bar_ms, 100)


def test_revisions_of_a_chain_differ_by_contract(mine: OptionGround) -> None:
    mine.fault(WEDNESDAY, "adjusted_contract")
    chain_of(mine.lake, WEDNESDAY)
    found = difference(rows_named(mine.lake, CHAIN, "SPY"), WEDNESDAY, 1, 2)
    assert (found.added, found.removed, found.changed) == (4, 0, 0)
    assert [(row.contract, row.time_ms, row.change, row.old) for row in found.rows] == [
        (name, None, "added", None) for name in held(mine.lake, CHAIN)[1].column("contract").to_pylist()
        if name.startswith("O:SPY1")
    ]  # fmt: skip
    assert found.rows[0].new is not None
    assert found.rows[0].new["shares_per_contract"] == 103


def test_bars_are_of_the_size_that_they_were_fetched_in(ground: OptionGround) -> None:
    other = Options(with_options(ground.lake, bar_size="1 second"), "SPY")
    index = OptionIndex(other, keep=False)
    assert option_day_of(other, index, NOT_HELD, None).bar_s == 1
    assert option_day_of(other, index, WEDNESDAY, None).bar_s == 60


def test_the_rows_of_a_dataset_are_read_like_any_other(ground: OptionGround) -> None:
    assert bars_of(rows_named(ground.lake, BARS, "SPY"), WEDNESDAY).equals(held(ground.lake, BARS)[1])
