"""What the lake holds of each session: from one listing and the footers that are asked for."""

from __future__ import annotations

import datetime as dt

import pytest

from behind_the_lake import remove, write
from marketlake.coverage.coverage import Coverage
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.store import PartitionStore
from marketlake.polygon.client import PolygonClient
from marketlake.rows.bars import SECONDS
from marketlake.rows.spec import PartitionKey
from seconds import kept_by, spy

pytestmark = pytest.mark.places("folder", "bucket")
MONDAY, TUESDAY, WEDNESDAY, FRIDAY = (dt.date(2024, 11, day) for day in (25, 26, 27, 29))


@pytest.fixture
def held(lake: Lake, client: PolygonClient) -> Lake:
    """A lake with two sound sessions and a file that proves nothing."""
    for session in (MONDAY, WEDNESDAY, FRIDAY):
        ingest(lake, SECOND_BARS, spy(session), client)
    write(lake, kept_by(lake).partitions.path(spy(WEDNESDAY)), b"no Parquet")
    return lake


def test_a_session_is_present_if_it_has_a_file_whatever_that_holds(held: Lake) -> None:
    coverage = Coverage(held, SECONDS, "SPY")
    assert coverage.present == {MONDAY, WEDNESDAY, FRIDAY}
    assert coverage.missing([FRIDAY, TUESDAY, MONDAY]) == [TUESDAY]


def test_certificates_are_those_that_count_in_order(held: Lake) -> None:
    found = Coverage(held, SECONDS, "SPY").certificates()
    assert list(found) == [MONDAY, WEDNESDAY, FRIDAY]
    assert [one.session if one else None for one in found.values()] == [MONDAY, None, FRIDAY]


def test_certificates_of_some_sessions_leave_out_what_is_not_there(held: Lake) -> None:
    assert list(Coverage(held, SECONDS, "SPY").certificates([FRIDAY, TUESDAY])) == [FRIDAY]


def test_what_is_missing_or_proves_nothing_is_unfinished(held: Lake) -> None:
    assert Coverage(held, SECONDS, "SPY").unfinished([FRIDAY, WEDNESDAY, TUESDAY, MONDAY]) == [WEDNESDAY, TUESDAY]


def test_a_provisional_session_is_unfinished(lake: Lake, client: PolygonClient) -> None:
    today = dt.date(2026, 11, 20)
    ingest(lake, SECOND_BARS, spy(today), client, allow_provisional=True)
    assert Coverage(lake, SECONDS, "SPY").unfinished([today]) == [today]


def test_of_an_empty_lake_everything_is_unfinished(lake: Lake) -> None:
    coverage = Coverage(lake, SECONDS, "SPY")
    assert (coverage.present, coverage.certificates(), coverage.unfinished([MONDAY])) == (frozenset(), {}, [MONDAY])


def test_the_lake_is_listed_once_and_no_footer_is_read_that_was_not_asked_for(
    held: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def watched(name: str) -> None:
        real = getattr(PartitionStore, name)

        def call(self: PartitionStore, *given: object) -> object:
            asked.append((name, *given))
            return real(self, *given)

        monkeypatch.setattr(PartitionStore, name, call)

    watched("present")
    watched("certificate")
    coverage = Coverage(held, SECONDS, "SPY")
    assert coverage.missing([TUESDAY]) == [TUESDAY]
    assert coverage.unfinished([MONDAY, TUESDAY]) == [TUESDAY]
    assert asked == [("present", "SPY"), ("certificate", spy(MONDAY))]


def test_of_a_lake_without_its_file_the_newest_session_says_which_source_counts(
    held: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove(held, "lake.json")
    asked: list[PartitionKey] = []
    real = PartitionStore.certificate

    def call(self: PartitionStore, key: PartitionKey) -> Certificate | None:
        asked.append(key)
        return real(self, key)

    monkeypatch.setattr(PartitionStore, "certificate", call)
    assert Coverage(held, SECONDS, "SPY").unfinished([MONDAY, TUESDAY]) == [TUESDAY]
    assert asked == [spy(MONDAY), spy(FRIDAY)]
