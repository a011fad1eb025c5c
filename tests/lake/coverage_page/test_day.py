"""One session: the evidence in words, revisions and pages; and what damage shows of itself."""

from __future__ import annotations

import datetime as dt

import pytest

from marketlake.coverage.index import CoverageIndex
from marketlake.coverage_page.attempts import TaskLine
from marketlake.coverage_page.day import Day, bars_of, certificate_of, day_of, revisions_of
from marketlake.coverage_page.difference import difference
from marketlake.coverage_page.words import checks_in_words, comparisons_in_words, in_words
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS
from marketlake.errors import DamagedPartition, NoSuchRevision, NotASession
from marketlake.research.selection import Subject
from marketlake.sessions import new_york_ms
from research_lake import EARLY, MADE_UP, Ground, ground, prepared

__all__ = ["ground", "prepared"]  # fixtures

MONDAY = MADE_UP[0]
FIRST_MS = new_york_ms(MONDAY, dt.time(9, 30))


def subject(ground: Ground) -> Subject:
    return Subject(ground.written, SECOND_BARS, "SPY")


def an_index(ground: Ground) -> CoverageIndex:
    return CoverageIndex(ground.written, SECOND_BARS.spec, "SPY", keep=False)


def shown(ground: Ground, session: dt.date = MONDAY, task: TaskLine | None = None) -> Day:
    return day_of(subject(ground), an_index(ground), session, None, task)


def test_a_day_has_its_hours_and_its_neighbours(ground: Ground) -> None:
    day = shown(ground, EARLY)
    assert (day.title, day.state, day.readable) == ("Friday, 29 November 2024", "complete", True)
    assert (day.previous, day.next, day.early_close) == (dt.date(2024, 11, 27), dt.date(2024, 12, 2), True)
    assert day.hours.regular_end_ms == new_york_ms(EARLY, dt.time(13))
    assert (day.hours.extended_start_ms, day.hours.extended_end_ms) == (
        new_york_ms(EARLY, dt.time(4)), new_york_ms(EARLY, dt.time(20)),
    )  # fmt: skip


def test_the_newest_final_session_has_no_next(ground: Ground) -> None:
    assert shown(ground, dt.date(2026, 11, 19)).next is None
    assert shown(ground, dt.date(2026, 11, 18)).next == dt.date(2026, 11, 19)
    assert shown(ground, dt.date(2003, 9, 10)).previous is None


def test_a_session_that_is_not_held_is_shown_without_evidence(ground: Ground) -> None:
    day = shown(ground, dt.date(2024, 12, 4))
    assert (day.state, day.readable, day.words, day.checks, day.revisions) == ("missing", False, [], [], [])
    with pytest.raises(NoSuchRevision, match="SPY 2024-12-04: the lake holds nothing of it. Fetch it first"):
        bars_of(subject(ground), dt.date(2024, 12, 4))


@pytest.mark.parametrize(
    ("date", "words"),
    [
        (dt.date(2024, 11, 28), "Thursday, 28 November 2024 is no session of the .* Exchange: Thanksgiving Day"),
        (dt.date(2024, 11, 30), "Saturday, 30 November 2024 is no session of the .* Exchange: a weekend"),
        (dt.date(2003, 9, 9), "2003-09-09: the calendar of sessions is from 2003-09-10 to 2027-12-31"),
    ],
)
def test_a_date_that_is_no_session_is_told_what_it_is(ground: Ground, date: dt.date, words: str) -> None:
    for look in (
        lambda: shown(ground, date),
        lambda: bars_of(subject(ground), date),
        lambda: certificate_of(subject(ground), date),
        lambda: revisions_of(subject(ground), date),
    ):
        with pytest.raises(NotASession, match=words):
            look()


def test_a_certificate_in_words(ground: Ground) -> None:
    words = in_words(certificate_of(subject(ground), MONDAY))
    assert words[0] == ("390 bars, the first at 09:30:00 and the last at 15:59:00 New York; prices are unadjusted.")
    assert words[1] == "17,852,751 shares in 59,705 trades."
    assert words[2].startswith("Complete: every page arrived, ")
    assert words[3].endswith(" in 1 page at 2026-11-20 12:00:00 New York.")
    assert words[4] == "Revision 1, published at 2026-11-20 12:00:00 New York."
    assert words[5].startswith("The rows have the hash ")
    assert len(words) == 6


def test_checks_and_comparisons_in_words(ground: Ground) -> None:
    certificate = certificate_of(subject(ground), MONDAY)
    lines = {line.name: line.says for line in checks_in_words(certificate)}
    assert lines["outside_day"] == "every bar lies in the New York day"
    assert (
        lines["quiet_regular_seconds"] == "seconds of regular hours without a trade: 23,010 of 23400 in regular hours"
    )
    assert {
        name for name, says in lines.items() if says == name.replace("_", " ")
    } == set()  # each has words of its own
    minutes, day = comparisons_in_words(certificate)
    assert (minutes.against, minutes.ok, day.against, day.ok) == ("minute bars", True, "the day bar", True)
    assert minutes.says[0] == "390 minutes agree; in 1,050 nothing traded in either."


def test_the_checks_of_minute_bars_have_words_of_their_own(prepared: Ground) -> None:
    certificate = certificate_of(Subject(prepared.written, MINUTE_BARS, "SPY"), MONDAY)
    assert [line.name for line in checks_in_words(certificate) if line.says == line.name.replace("_", " ")] == []


def test_pages_and_task_are_those_of_the_session(prepared: Ground) -> None:
    task = TaskLine("success", 1, "dags/a")
    day = shown(prepared, MONDAY, task)
    assert [(page.listing, page.pages, page.revision, page.note) for page in day.pages] == [
        ("second", 1, 1, ""), ("minute", 1, 1, ""), ("day", 1, 1, ""),
    ]  # fmt: skip
    assert day.task == task


def test_pages_that_are_not_kept_are_told(ground: Ground) -> None:
    (page,) = shown(ground).pages
    assert (page.listing, page.pages) == ("none", 0)
    assert page.note.startswith("SPY 2024-11-25: no raw pages of revision 1 are stored")


def test_missing_minutes_are_where_the_certificate_has_them(ground: Ground) -> None:
    from_ms = new_york_ms(MONDAY, dt.time(10, 30))
    ground.simulator.faults.set(str(MONDAY), [{"fault": f"without:{from_ms}-{from_ms + 120_000}", "times": 0}])
    ground.fetch(MONDAY)
    day = shown(ground)
    assert (day.state, day.missing_minutes_ms) == ("suspect", (from_ms, from_ms + 60_000))
    assert day.reasons[0].startswith("minutes that traded without one second: 2, at 10:30, 10:31 New York")
    assert [one.ok for one in day.compared] == [False, True]


def test_two_revisions_side_by_side(ground: Ground) -> None:
    ground.revise(MONDAY)
    first, second = revisions_of(subject(ground), MONDAY)
    assert (first.revision, first.newest, second.revision, second.newest) == (1, False, 2, True)
    assert second.changes == (
        "bars added 0, removed 0, changed 17 since revision 1; largest change of a price 0 USD, of a volume 1 shares"
    )
    found = difference(subject(ground), MONDAY, 1, 2)
    assert (found.added, found.removed, found.changed, found.more) == (0, 0, 17, 0)
    row = found.rows[0]
    assert (row.time_ms, row.change) == (FIRST_MS, "changed")
    assert row.old is not None
    assert row.new is not None
    assert row.new["volume"] - row.old["volume"] == 1
    assert {name for name in row.new if row.new[name] != row.old[name]} == {"volume", "volume_exact", "vwap"}
    assert len(found.rows) == 17


def test_rows_that_came_and_went_are_told_apart(ground: Ground) -> None:
    ground.simulator.faults.set(str(MONDAY), [{"fault": f"without:{FIRST_MS}-{FIRST_MS + 60_000}", "times": 0}])
    ground.fetch(MONDAY)
    gone, come = (difference(subject(ground), MONDAY, old, new).rows for old, new in ((1, 2), (2, 1)))
    assert [(row.time_ms, row.change, row.old is None, row.new is None) for row in gone] == [
        (FIRST_MS, "removed", False, True)
    ]
    assert [(row.time_ms, row.change, row.old is None, row.new is None) for row in come] == [
        (FIRST_MS, "added", True, False)
    ]


def test_a_revision_and_itself_are_the_same(ground: Ground) -> None:
    assert difference(subject(ground), MONDAY, 1, 1).says == "the rows of revisions 1 and 1 are the same"
    with pytest.raises(NoSuchRevision, match="there is no revision 7; choose one of those that are kept: 1"):
        difference(subject(ground), MONDAY, 1, 7)


def test_damage_in_the_rows_is_found_by_looking_and_stays_until_the_file_is_another(ground: Ground) -> None:
    index, file = an_index(ground), ground.partition(MONDAY)
    whole = file.read_bytes()
    file.write_bytes(whole[:600] + bytes([whole[600] ^ 1]) + whole[601:])
    assert index.look()[MONDAY].state == "complete"  # as its footer says
    day = day_of(subject(ground), index, MONDAY, None)
    assert (day.state, day.readable, day.words) == ("failed", False, [])
    assert day.reasons[0].startswith("what lies in its file is not what was certified")
    assert index.look()[MONDAY].state is None
    for look in (bars_of, certificate_of):
        with pytest.raises(DamagedPartition, match="SPY 2024-11-25: what lies in its file is not what was certified"):
            look(subject(ground), MONDAY)
    file.write_bytes(whole)
    assert day_of(subject(ground), index, MONDAY, None).state == "complete"


def test_a_file_without_a_certificate_is_shown_with_the_reason(ground: Ground) -> None:
    ground.partition(MONDAY).write_bytes(b"no Parquet")
    day = shown(ground)
    assert (day.state, day.readable) == ("failed", False)
    assert day.reasons[0].startswith("no certificate of this session can be read")
    assert [(line.revision, line.newest, line.rows) for line in day.revisions] == [(1, True, None)]
