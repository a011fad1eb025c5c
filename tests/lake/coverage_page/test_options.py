"""Options as one subject: a session of them stands as a whole, or it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketlake.coverage.index import HeldFacts
from marketlake.coverage_page.attempts import Attempt, Run
from marketlake.coverage_page.calendar import calendar_of, cell
from marketlake.coverage_page.option_costs import option_cost
from marketlake.coverage_page.options import OptionIndex, Options, whole
from marketlake.coverage_page.subjects import rows_named, subject_named, subjects_named, subjects_of
from marketlake.coverage_page.terminal import table_of
from marketlake.datasets import OF_OPTIONS
from marketlake.errors import BadArgument
from marketlake.lake import Lake
from marketlake.partitions.certificate import State
from marketlake.settings.option_sections import Panel
from option_ground import EARLY, TUESDAY, WEDNESDAY, OptionGround, an_option_ground, empty_lake, fill, with_options
from option_lake import held

EVERY = tuple(OF_OPTIONS)
COMPLETE = {
    "option_chain": HeldFacts("v", 1, State.COMPLETE, 9, content="chain"),
    "option_selection": HeldFacts("v", 10, State.COMPLETE, 9, content="sel", inputs={"option_chain": "chain"}),
    "option_bars": HeldFacts("v", 100, State.COMPLETE, 50, 70.0, None, 3, 5_000, content="bars",
                             inputs={"option_chain": "chain", "option_selection": "sel", "frozen_rule": "r"}),
    "option_panel": HeldFacts("v", 1000, State.COMPLETE, 50, content="panel",
                              inputs={"option_bars": "bars", "option_chain": "chain", "second_bars": "s"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OptionGround]:
    """Two sessions are whole, of the 29th there is no panel. Not to be changed."""
    with an_option_ground(tmp_path_factory.mktemp("options") / "lake") as made:
        fill(made)
        yield made


@pytest.fixture
def lake(ground: OptionGround) -> Lake:
    return ground.lake


def options(lake: Lake) -> Options:
    found = subject_named(lake, "options", "SPY")
    assert isinstance(found, Options)
    return found


def changed(name: str, **fields: object) -> dict[str, HeldFacts]:
    facts = {key: getattr(COMPLETE[name], key) for key in COMPLETE[name].__struct_fields__}
    return COMPLETE | {name: HeldFacts(**facts | fields)}


def without(*names: str) -> dict[str, HeldFacts]:
    return {name: facts for name, facts in COMPLETE.items() if name not in names}


def test_a_session_is_complete_if_each_of_its_datasets_is_and_has_the_figures_of_its_bars() -> None:
    facts = whole(COMPLETE, EVERY)
    assert (facts.state, facts.rows, facts.volume, facts.revision, facts.bytes) == ("complete", 50, 70.0, 3, 1111)
    assert (facts.certified_at_ms, facts.reasons) == (5_000, ())


@pytest.mark.parametrize("name", EVERY)
def test_without_one_of_them_it_is_missing_and_says_which(name: str) -> None:
    shown = cell(TUESDAY, whole(without(name), EVERY), None)
    assert (shown.state, shown.rows) == ("missing", None)
    assert shown.reasons == (f"not held: {name}; held: {', '.join(one for one in EVERY if one != name)}",)
    assert shown.bytes  # so that fetching it takes it for held


def test_a_panel_that_the_settings_do_not_want_is_not_missed() -> None:
    assert whole(without("option_panel"), EVERY[:3]).state == "complete"


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("state", ["suspect", "provisional"])
def test_it_is_in_the_state_of_the_worst_with_the_reason(name: str, state: str) -> None:
    facts = whole(changed(name, state=State(state), reasons=("it is odd",)), EVERY)
    assert (facts.state, facts.reasons) == (state, (f"{name}: it is odd",))


def test_a_session_in_which_nothing_traded_is_empty() -> None:
    assert whole(changed("option_bars", state=State.EMPTY), EVERY).state == "empty"


@pytest.mark.parametrize("name", EVERY)
def test_damage_in_one_of_them_is_a_failure_of_the_session(name: str) -> None:
    shown = cell(TUESDAY, whole(changed(name, state=None, reasons=("it is damaged",)), EVERY), None)
    assert (shown.state, shown.reasons) == ("failed", (f"{name}: it is damaged",))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("option_chain", ["option_selection", "option_bars", "option_panel"]),
        ("option_selection", ["option_bars"]),
        ("option_bars", ["option_panel"]),
        ("option_panel", []),
    ],
)
def test_what_was_made_of_another_than_the_one_that_is_held_fails_the_session(name: str, told: list[str]) -> None:
    facts = whole(changed(name, content="another"), EVERY)
    assert facts.state == (None if told else "complete")
    made = f"made of another {name} than the one that is held: fetch the session again"
    were = "were" if len(told) > 1 else "was"
    assert facts.reasons == ((f"{', '.join(told)} {were} {made}",) if told else ())


def test_an_attempt_that_failed_makes_a_part_of_a_session_a_failure() -> None:
    tried = Attempt(Run("failed", "a run", "dags/a"), 1, "InputMissing: no second bars of SPY")
    shown = cell(TUESDAY, whole(without("option_panel"), EVERY), tried)
    assert (shown.state, shown.reasons[1]) == ("failed", "InputMissing: no second bars of SPY")


def test_the_calendar_of_a_lake_with_options(lake: Lake) -> None:
    subject = options(lake)
    calendar = calendar_of(subject, OptionIndex(subject, keep=False).look(), {})
    assert (calendar.dataset, calendar.dag_id, calendar.title) == ("options", "spy_options", "SPY options")
    assert {one.date: (one.state, one.reasons) for one in calendar.sessions if one.bytes} == {
        TUESDAY: ("complete", ()),
        WEDNESDAY: ("complete", ()),
        EARLY: ("missing", ("not held: option_panel; held: option_chain, option_selection, option_bars",)),
    }
    bars = rows_named(lake, "option_bars", "SPY").store.partitions
    rows = sum(
        bars.certificate(OF_OPTIONS["option_bars"].spec.key("SPY", day)).rows for day in (TUESDAY, WEDNESDAY, EARLY)
    )  # type: ignore[union-attr]
    assert (calendar.summary.complete, calendar.summary.bars) == (2, rows)
    assert next(table_of(calendar)).startswith("SPY options, 2024-11-25 to 2024-12-03: 2 of 6 sessions complete, ")


def test_a_panel_that_is_not_wanted_is_neither_missed_nor_looked_at(lake: Lake) -> None:
    subject = options(with_options(lake, panel=Panel(enabled=False)))
    assert OptionIndex(subject, keep=False).look()[EARLY].state == "complete"


def test_an_index_that_was_written_says_what_one_that_reads_does(lake: Lake) -> None:
    subject = options(lake)
    read = OptionIndex(subject, keep=False).look()
    kept = OptionIndex(subject, keep=True)
    for index in kept.parts.values():
        index._write(dict(index.look()))
    assert OptionIndex(subject, keep=True).look() == read
    for part in subject.parts.values():
        (part.store.storage.root / "index" / "spy.json").unlink()


def test_options_are_a_subject_of_settings_or_lake(lake: Lake) -> None:
    (entry,) = (one for one in subjects_of(lake).subjects if one.dataset == "options")
    assert (entry.ticker, entry.dag_id, entry.audit_dag_id, entry.title, entry.held, entry.configured) == (
        "SPY", "spy_options", "spy_options_audit", "SPY options", True, True,
    )  # fmt: skip
    assert [one.name for one in subjects_named(lake, None, "SPY")] == ["second_bars", "options"]
    off = subjects_of(with_options(lake, enabled=False)).subjects
    assert [(one.held, one.configured) for one in off if one.dataset == "options"] == [(True, False)]


def test_without_options_there_is_no_such_subject(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="dataset='options': neither the settings nor .* Set options.enabled"):
        subject_named(empty_lake(lake, tmp_path, enabled=False), "options", None)


@pytest.mark.parametrize("name", EVERY)
def test_rows_of_options_go_by_the_names_of_their_datasets(lake: Lake, name: str) -> None:
    assert rows_named(lake, name, "spy").spec.name == name


@pytest.mark.parametrize("name", ["options", "trades"])
def test_what_has_no_rows_of_its_own_is_told(lake: Lake, name: str) -> None:
    with pytest.raises(BadArgument, match=f"dataset='{name}' is none of second_bars, minute_bars, option_chain, "):
        rows_named(lake, name, "SPY")


def test_a_session_takes_what_the_last_one_took(ground: OptionGround, lake: Lake) -> None:
    cost = option_cost(options(lake))
    assert cost is not None
    counts = {check.name: check.count for check in held(lake, "option_selection", EARLY)[0].checks}
    chain = 28
    assert cost.requests == chain + counts["contracts_bars"] + 3 * counts["contracts_empty"]
    assert cost.most == chain + 3 * (counts["contracts_bars"] + counts["contracts_empty"])
    assert cost.bytes > sum(ground.file(name, EARLY).stat().st_size for name in EVERY[:3])  # and archives of answers
    by_file = option_cost(options(with_options(lake, source="flat_file")))
    assert by_file is not None
    assert by_file.requests == by_file.most == chain + 2


def test_before_a_first_session_nobody_knows_what_one_takes_and_it_says_what_to_do(lake: Lake, tmp_path: Path) -> None:
    subject = options(empty_lake(lake, tmp_path))
    assert option_cost(subject) is None
    assert calendar_of(subject, {}, {}).what_first == (
        "Nothing is held yet. Put a key into .env, then fetch the first sessions:"
        "  make backfill DATASET=options FROM=2024-11-26 TO=2024-12-03"
    )
