"""The index: what footers say, read once, and never believed of a file that is another by now."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from marketlake.coverage import index
from marketlake.coverage.index import NO_CERTIFICATE, CoverageIndex, HeldFacts
from marketlake.errors import StorageError
from marketlake.partitions.certificate import State
from marketlake.partitions.store import PartitionStore
from marketlake.rows.bars import SECONDS
from marketlake.rows.spec import PartitionKey
from marketlake.storage.local_writer import LocalWriter
from research_lake import EARLY, MADE_UP, Ground, ground, prepared

__all__ = ["ground", "prepared"]  # fixtures

MONDAY, TUESDAY = MADE_UP[:2]


@pytest.fixture(autouse=True)
def written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_WORTH_WRITING", 1)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dt.date]:
    """The sessions whose footer was read, in no order."""
    read: list[dt.date] = []
    really = PartitionStore.certificate

    def counted(self: PartitionStore, key: PartitionKey) -> object:
        read.append(key.session)
        return really(self, key)

    monkeypatch.setattr(PartitionStore, "certificate", counted)
    return read


def an_index(ground: Ground, *, keep: bool = True) -> CoverageIndex:
    return CoverageIndex(ground.written, SECONDS, "SPY", keep=keep)


def path(ground: Ground) -> Path:
    return ground.root / "index" / "spy.json"


def test_the_facts_are_those_of_the_footers(ground: Ground) -> None:
    facts = an_index(ground).look()
    assert list(facts) == MADE_UP
    early = facts[EARLY]
    assert (early.state, early.rows, early.revision, early.reasons) == (State.COMPLETE, 210, 1, ())
    assert early.bytes == ground.partition(EARLY).stat().st_size
    assert early.reconciled is not None
    assert 0.99 < early.reconciled <= 1


def test_a_second_look_reads_no_footer_and_a_third_from_the_kept_index_neither(
    ground: Ground, opened: list[dt.date]
) -> None:
    first = an_index(ground)
    facts = first.look()
    assert sorted(opened) == MADE_UP
    opened.clear()
    assert first.look() == facts
    assert an_index(ground).look() == facts
    assert opened == []


def test_only_what_was_published_anew_is_read_again(ground: Ground, opened: list[dt.date]) -> None:
    kept = an_index(ground)
    kept.look()
    ground.fetch(TUESDAY)
    ground.revise(TUESDAY)
    opened.clear()
    assert kept.look()[TUESDAY].revision == 2
    assert opened == [TUESDAY]


def test_what_is_gone_is_forgotten_and_what_is_new_is_found(ground: Ground) -> None:
    kept = an_index(ground)
    kept.look()
    shutil.rmtree(ground.partition(MONDAY).parent)
    ground.fetch(dt.date(2024, 12, 4))
    assert list(kept.look()) == [*MADE_UP[1:], dt.date(2024, 12, 4)]
    assert list(an_index(ground).look()) == [*MADE_UP[1:], dt.date(2024, 12, 4)]


def test_the_same_bytes_written_again_are_read_again(ground: Ground, opened: list[dt.date]) -> None:
    kept = an_index(ground)
    kept.look()
    ground.partition(MONDAY).write_bytes(ground.partition(MONDAY).read_bytes())
    opened.clear()
    kept.look()
    assert opened == [MONDAY]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(b"{"),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes().replace(b'"version":1', b'"version":2')),
        lambda file: (file.unlink(), file.mkdir()),
    ],
    ids=["lost", "cut short", "empty", "of another version", "a folder"],
)
def test_an_index_that_cannot_be_believed_costs_nothing_but_time(
    ground: Ground, opened: list[dt.date], spoil: Callable[[Path], object]
) -> None:
    facts = an_index(ground).look()
    spoil(path(ground))
    opened.clear()
    assert an_index(ground).look() == facts
    assert sorted(opened) == MADE_UP


def test_a_lake_that_cannot_be_written_has_no_index(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise StorageError("read-only")

    monkeypatch.setattr(LocalWriter, "put", refused)
    assert list(an_index(ground).look()) == MADE_UP
    assert not path(ground).exists()


def test_who_only_looks_leaves_nothing_behind(ground: Ground) -> None:
    an_index(ground, keep=False).look()
    assert not path(ground).parent.exists()


def test_a_few_sessions_are_not_worth_writing_an_index(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_WORTH_WRITING", len(MADE_UP) + 1)
    kept = an_index(ground)
    kept.look()
    assert not path(ground).exists()
    ground.fetch(dt.date(2024, 12, 4))
    kept.look()
    assert path(ground).exists()


@pytest.mark.parametrize("spoil", [lambda data: data[:-100], lambda _: b"no Parquet"], ids=["cut short", "other bytes"])
def test_a_file_without_a_certificate_is_told_and_hides_no_other(
    ground: Ground, spoil: Callable[[bytes], bytes]
) -> None:
    file = ground.partition(MONDAY)
    file.write_bytes(spoil(file.read_bytes()))
    facts = an_index(ground).look()
    assert (facts[MONDAY].state, facts[MONDAY].rows, facts[MONDAY].reasons) == (None, 0, (NO_CERTIFICATE,))
    assert [facts[day].state for day in MADE_UP[1:]] == [State.COMPLETE] * 5


def test_a_file_that_the_file_system_does_not_give_hides_no_other_and_is_told(ground: Ground) -> None:
    kept = an_index(ground)
    kept.look()
    file = ground.partition(MONDAY)
    whole = file.read_bytes()
    file.unlink()
    file.symlink_to(file.name)  # a link to itself
    for look in (kept, an_index(ground)):
        facts = look.look()
        assert list(facts) == MADE_UP
        assert facts[MONDAY].state is None
        assert "Too many levels of symbolic links" in facts[MONDAY].reasons[0]
        assert {facts[day].state for day in MADE_UP[1:]} == {State.COMPLETE}
    file.unlink()
    file.write_bytes(whole)
    assert kept.look()[MONDAY].state is State.COMPLETE


def test_a_certificate_of_another_session_is_none(ground: Ground) -> None:
    shutil.copy(ground.partition(TUESDAY), ground.partition(MONDAY))
    assert an_index(ground).look()[MONDAY].reasons == (NO_CERTIFICATE,)


def test_a_doubt_stays_until_the_file_is_another(ground: Ground) -> None:
    kept = an_index(ground)
    kept.look()
    kept.doubt(MONDAY, "its rows are damaged")
    assert (kept.look()[MONDAY].state, kept.look()[MONDAY].reasons) == (None, ("its rows are damaged",))
    ground.partition(MONDAY).write_bytes(ground.partition(MONDAY).read_bytes())
    assert kept.look()[MONDAY].state is State.COMPLETE


def test_a_doubt_is_kept_for_whoever_looks_next(ground: Ground) -> None:
    found = an_index(ground)
    found.look()
    found.doubt(MONDAY, "rows are damaged")
    assert an_index(ground).look()[MONDAY].reasons == ("rows are damaged",)


def test_what_a_look_returned_stays_as_it_is(ground: Ground) -> None:
    found = an_index(ground)
    before = found.look()
    found.doubt(MONDAY, "rows are damaged")
    assert (before[MONDAY].state, found.look()[MONDAY].state) == (State.COMPLETE, None)


def test_of_several_who_look_at_once_one_reads(ground: Ground, opened: list[dt.date]) -> None:
    found = an_index(ground)
    with ThreadPoolExecutor(8) as threads:
        looks = list(threads.map(lambda _: dict(found.look()), range(8)))
    assert sorted(opened) == MADE_UP
    assert all(look == looks[0] for look in looks)


def test_a_doubt_about_what_is_not_held_is_none(ground: Ground) -> None:
    kept = an_index(ground)
    kept.doubt(dt.date(2024, 12, 4), "it was not looked at yet")
    assert list(kept.look()) == MADE_UP


STEPS = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(MADE_UP[:3]), strategies.sampled_from(["remove", "spoil", "put", "look"])
    ),
    max_size=12,
)


@given(steps=STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_to_files_an_index_says_what_a_fresh_look_says(
    prepared: Ground, ground: Ground, steps: list[tuple[dt.date, str]]
) -> None:
    kept = an_index(ground)
    for day, step in steps:
        file = ground.partition(day)
        if step == "look":
            kept.look()
        elif step == "remove":
            file.unlink(missing_ok=True)
        else:
            whole = prepared.partition(day).read_bytes()
            file.write_bytes(whole if step == "put" else whole[:-50])
    seen = kept.look()
    path(ground).unlink(missing_ok=True)
    fresh: dict[dt.date, HeldFacts] = dict(an_index(ground, keep=False).look())
    assert seen == fresh
