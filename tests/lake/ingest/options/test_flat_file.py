"""Option bars out of the vendor's file of the day: the same as by REST, whole or not at all, and asked for once."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from conftest import KEY, NOW, a_client, files_under
from flat_file_lake import a_bucket, bars_of_file
from marketlake.datasets import OF_OPTIONS
from marketlake.datasets.option_answers import FILE, Basis, Question
from marketlake.errors import MalformedPage, SettingsError
from marketlake.ingest.options.bars import fetch_bars, rebuild_bars
from marketlake.ingest.options.flat_file import FlatFileSource, etag_of
from marketlake.ingest.options.journal import Journal
from marketlake.lake import Lake
from marketlake.options.selection import FrozenRule, SelectionRule
from marketlake.polygon.flat_files import FileFacts
from marketlake.verify.verify import verify
from option_lake import BARS, FRIDAY, SELECTION, SETTINGS, WEDNESDAY, bars_of, chain_of, held, is_held, selection_of
from polygon_simulator.plan import Plan
from polygon_simulator.s3 import PROBE, REST, WHOLE
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

FILE_OF_WEDNESDAY = "us_options_opra/minute_aggs_v1/2024/11/2024-11-27.csv.gz"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    """One for all: it makes a file once."""
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    running.requests.clear()
    yield running
    running.faults.clear()
    running.plan = Plan()


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


def asked_of_the_file(simulator: Simulator, day: dt.date = WEDNESDAY) -> list[int]:
    """Which parts of it were asked for."""
    return [one["page"] for one in simulator.requests_for(day, "flat_file")]


# --- the same as by REST ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("session", [WEDNESDAY, FRIDAY])
def test_the_bars_are_those_by_rest_value_by_value_but_for_the_vwap(
    lake: Lake, simulator: Simulator, session: dt.date
) -> None:
    chain_of(lake, session)
    bars_of(lake, session)
    by_rest, states = held(lake, BARS, session)[1], selection_of(lake, session)
    report = bars_of_file(lake, session)
    assert (report.outcome, report.state) == ("revised", "complete")
    by_file = held(lake, BARS, session)[1]
    assert by_file.num_rows > 1000
    assert by_file.drop_columns("vwap").equals(by_rest.drop_columns("vwap"))
    assert by_file.column("vwap").null_count == by_file.num_rows > by_rest.column("vwap").null_count
    after = selection_of(lake, session)
    same = ("selected", "reason", "state", "bars")
    assert {one: [row[name] for name in same] for one, row in after.items()} == {
        one: [row[name] for name in same] for one, row in states.items()
    }
    assert {row["state"] for row in after.values()} == {"bars", "empty", "not_selected"}


def test_the_whole_file_is_the_evidence_of_every_contract(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    bars_of_file(lake)
    certificate = held(lake, BARS)[0]
    assert certificate.basis["source"] == "flat_file"
    shown = {(row["evidence"], row["request_id"]) for row in selection_of(lake).values() if row["selected"]}
    assert {evidence for evidence, _ in shown} == {"whole_file"}
    assert {told for _, told in shown} == {a_bucket(simulator.url).announced(WEDNESDAY).etag}
    for name in (BARS, SELECTION):
        found = verify(lake, OF_OPTIONS[name])
        assert (found.states, found.findings) == ({"complete": 1}, ())


def test_two_calls_are_made_a_session_whatever_is_selected(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    bars_of_file(lake)
    assert asked_of_the_file(simulator) == [PROBE, WHOLE]


def test_lost_bars_are_rebuilt_from_the_archived_lines(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    bars_of_file(lake)
    before = held(lake, BARS)[0].content_hash
    (lake.storage.root / "option_bars/processed/spy/date=2024-11-27/bars.parquet").unlink()
    simulator.requests.clear()
    assert rebuild_bars(lake, "SPY", WEDNESDAY).outcome == "created"
    assert held(lake, BARS)[0].content_hash == before
    assert not simulator.requests


# --- what is asked, and when ------------------------------------------------------------------------------------------


def question() -> Question:
    rule = FrozenRule(SelectionRule(), "SPY", WEDNESDAY, 600.0, 1_732_654_800_000, "a test", "abc")
    return Question(Basis(rule.canonical, "minute", "flat_file", "", ""), rule, {"O:SPY241129C00605000": "selected"})


def test_a_journal_that_has_the_file_asks_for_nothing(lake: Lake, simulator: Simulator, tmp_path: Path) -> None:
    source, hours = FlatFileSource(a_bucket(simulator.url)), lake.calendar.hours(WEDNESDAY)
    with Journal.for_question(tmp_path / "journal", question(), not_before_ms=0) as journal:
        source.collect(question(), hours, journal)
        answer = journal.answers[FILE]
        facts = msgspec.json.decode(answer.bodies[0], type=FileFacts)
    lines = answer.bodies[1].decode().splitlines()
    assert lines[0] == "ticker,volume,open,close,high,low,window_start,transactions"
    assert {re.sub(r"\d{6}[CP]\d{8},.*", "", line) for line in lines[1:]} == {"O:SPY", "O:SPY1"}
    assert (answer.rows, answer.asked_at_ms) == (len(lines) - 1, int(NOW.timestamp() * 1000))
    assert (facts.key, facts.rows > answer.rows) == (FILE_OF_WEDNESDAY, True)
    assert facts.modified_ms == 1_732_809_600_000  # 2024-11-28, 11:00 New York
    simulator.requests.clear()
    with Journal.for_question(tmp_path / "journal", question(), not_before_ms=0) as journal:
        source.collect(question(), hours, journal)
        assert journal.answers == {FILE: answer}
    assert not simulator.requests


def test_bars_of_a_second_are_in_no_file(lake: Lake, simulator: Simulator, tmp_path: Path) -> None:
    of_seconds = Question(
        msgspec.structs.replace(question().basis, bar_size="second"), question().frozen, question().reasons
    )
    with (
        Journal.for_question(tmp_path / "journal", of_seconds, not_before_ms=0) as journal,
        pytest.raises(SettingsError, match=r"none of a second: set options.bar_size to 1 minute, or options.source"),
    ):
        FlatFileSource(a_bucket(simulator.url)).collect(of_seconds, lake.calendar.hours(WEDNESDAY), journal)
    assert not simulator.requests


def test_a_republished_file_is_known_by_one_call_and_is_a_revision(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    bars_of_file(lake)
    source = FlatFileSource(a_bucket(simulator.url))
    simulator.requests.clear()
    assert source.edition(WEDNESDAY) == etag_of(held(lake, BARS)[0])
    simulator.faults.set(str(WEDNESDAY), [{"fault": "republished", "times": 0}])
    assert source.edition(WEDNESDAY) != etag_of(held(lake, BARS)[0])
    assert asked_of_the_file(simulator) == [PROBE] * 2
    report = bars_of_file(lake)
    assert (report.outcome, report.revision) == ("revised", 2)
    assert report.changes.startswith("bars added 0, removed 0, changed 1 since revision 1;")
    assert source.edition(WEDNESDAY) == etag_of(held(lake, BARS)[0])


def test_bars_by_rest_are_of_no_edition(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    bars_of(lake)
    assert etag_of(held(lake, BARS)[0]) is None


def test_an_edition_with_the_same_bars_changes_none_of_them(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    bars_of_file(lake)
    before = held(lake, BARS)[0]
    simulator.faults.set(str(WEDNESDAY), [{"fault": "two_members", "times": 0}])
    report = bars_of_file(lake)
    assert (report.outcome, report.revision) == ("unchanged", 1)
    assert held(lake, BARS)[0] == before


# --- what is no file of a session -------------------------------------------------------------------------------------


def test_a_file_that_is_empty_is_refused(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    simulator.faults.set(str(WEDNESDAY), [{"fault": "empty_file", "times": 0}])
    with pytest.raises(MalformedPage, match=r"HTTP 416 .* The file is empty\. Fetch again later"):
        bars_of_file(lake)
    assert not is_held(lake, BARS)


def test_a_file_that_is_replaced_while_it_is_fetched_is_begun_anew(lake: Lake, simulator: Simulator) -> None:
    """It breaks off, and what goes on is another edition."""
    chain_of(lake)

    class Meanwhile(list[float]):
        def append(self, wait_s: float) -> None:
            simulator.faults.set(str(WEDNESDAY), [{"fault": "republished", "times": 0}])

    simulator.faults.set(str(WEDNESDAY), [{"fault": "reset", "page": WHOLE, "endpoint": "flat_file"}])
    assert bars_of_file(lake, waits=Meanwhile()).state == "complete"
    assert asked_of_the_file(simulator) == [PROBE, WHOLE, REST, PROBE, WHOLE]
    etag = a_bucket(simulator.url).announced(WEDNESDAY).etag
    assert selection_of(lake)["O:SPY241129C00605000"]["request_id"] == etag


def test_a_plan_without_files_is_told_although_they_are_listed(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    simulator.plan = Plan(flat_files=False)
    client, source = a_client(lake, []), FlatFileSource(a_bucket(simulator.url))
    with pytest.raises(Exception, match=r"HTTP 403 .*AccessDenied.* need Options Starter") as caught:
        fetch_bars(lake, "SPY", WEDNESDAY, client, source)
    assert type(caught.value).__name__ == "NotEntitled"
    assert asked_of_the_file(simulator) == [PROBE]
    assert not [name for name in files_under(lake.storage.root) if name.startswith("option_bars/processed")]
