"""Reading what a session's rows were: by revision, and as of a time."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from behind_the_lake import bytes_of, flip, write
from conftest import NOW, a_client
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import DamagedPartition, NoSuchRevision
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.changes import changed_rows
from marketlake.partitions.layout import revision_path
from marketlake.partitions.revisions import Revisions
from marketlake.partitions.store import HeldPartition, PartitionStore
from marketlake.rows.spec import PartitionKey
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

pytestmark = pytest.mark.places("folder", "bucket")
DAY = dt.date(2024, 11, 26)
HOUR = dt.timedelta(hours=1)


def at(lake: Lake, hours: int) -> Lake:
    """The same lake, some hours later."""
    return Lake(lake.settings, now=lambda: NOW + hours * HOUR)


@pytest.fixture
def revised(lake: Lake, simulator: Simulator, waits: list[float]) -> tuple[Lake, pa.Table]:
    """A lake whose session was revised in 17 bars an hour after it came, and its first rows."""
    ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    first = kept_by(lake).partitions.read(spy(DAY))
    assert first is not None
    simulator.faults.set(str(DAY), [{"fault": "changed:17", "times": 0}])
    ingest(at(lake, 1), SECOND_BARS, spy(DAY), a_client(lake, waits))
    return lake, first


def test_both_revisions_are_listed_with_their_evidence(revised: tuple[Lake, pa.Table]) -> None:
    lake, _ = revised
    found = lake.revisions.list_revisions("SPY", DAY)
    assert [(one.number, one.newest, one.published_at) for one in found] == [
        (1, False, NOW),
        (2, True, NOW + HOUR),
    ]
    assert all(one.certificate and one.certificate.revision == one.number for one in found)


def test_the_first_revision_reads_as_it_was_and_differs_in_seventeen_rows(revised: tuple[Lake, pa.Table]) -> None:
    lake, first = revised
    old, new = (lake.revisions.read_revision("SPY", DAY, number) for number in (1, 2))
    assert old.equals(first)
    assert new.equals(kept_by(lake).partitions.read(spy(DAY)))
    assert [table.num_rows for table in changed_rows(old, new)] == [17, 17]
    assert old.schema.metadata is None


@pytest.mark.parametrize(
    ("when", "revision"),
    [
        (NOW - HOUR, None),
        (NOW, 1),
        (NOW + HOUR / 2, 1),
        (NOW + HOUR, 2),
        (NOW + 100 * HOUR, 2),
    ],
)
def test_a_time_reads_what_stood_then(revised: tuple[Lake, pa.Table], when: dt.datetime, revision: int | None) -> None:
    lake, _ = revised
    rows = lake.revisions.read_as_of("SPY", DAY, when)
    if revision is None:
        assert rows is None
    else:
        assert rows is not None
        assert rows.equals(lake.revisions.read_revision("SPY", DAY, revision))


def test_a_renewed_certificate_does_not_move_the_time_its_rows_came(
    revised: tuple[Lake, pa.Table], monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    lake, _ = revised
    later = Lake(lake.settings.model_copy(update={"reconcile": lake.settings.reconcile.model_copy(
        update={"day_short_share": 0.0})}), now=lambda: NOW + 2 * HOUR)  # fmt: skip
    report = ingest(later, SECOND_BARS, spy(DAY), a_client(later, waits))
    assert (report.outcome, report.state, report.revision) == ("renewed", "suspect", 2)
    assert [one.published_at for one in lake.revisions.list_revisions("SPY", DAY)] == [NOW, NOW + HOUR]


def test_a_session_without_partition_has_no_revision(lake: Lake) -> None:
    assert lake.revisions.list_revisions("SPY", DAY) == []
    assert lake.revisions.read_as_of("SPY", DAY, NOW) is None
    with pytest.raises(NoSuchRevision, match="SPY 2024-11-26: there is no revision 1; the lake holds nothing of that"):
        lake.revisions.read_revision("SPY", DAY, 1)


def test_a_revision_that_never_was_is_told_with_those_that_are(revised: tuple[Lake, pa.Table]) -> None:
    with pytest.raises(NoSuchRevision, match="no revision 3; choose one of those that are kept: 1, 2"):
        revised[0].revisions.read_revision("SPY", DAY, 3)


def test_a_time_without_zone_is_refused(revised: tuple[Lake, pa.Table]) -> None:
    with pytest.raises(ValueError, match="has no zone"):
        revised[0].revisions.read_as_of("SPY", DAY, dt.datetime(2026, 11, 20))  # noqa: DTZ001


def test_a_publication_cut_off_after_keeping_lists_its_revision_once(revised: tuple[Lake, pa.Table]) -> None:
    lake, _ = revised
    write(lake, revision_path(spy(DAY), 2), bytes_of(lake, kept_by(lake).partitions.path(spy(DAY))))
    assert [(one.number, one.newest) for one in lake.revisions.list_revisions("SPY", DAY)] == [(1, False), (2, True)]


def test_a_revision_superseded_between_listing_and_reading_is_found_where_it_is_kept(
    revised: tuple[Lake, pa.Table],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Simulator,
    waits: list[float],
) -> None:
    lake, _ = revised
    second = kept_by(lake).partitions.read(spy(DAY))
    listed = lake.revisions.list_revisions("SPY", DAY)
    simulator.faults.set(str(DAY), [{"fault": "changed:5", "times": 0}])
    assert ingest(at(lake, 3), SECOND_BARS, spy(DAY), a_client(lake, waits)).revision == 3
    monkeypatch.setattr(Revisions, "list_revisions", lambda *_: listed)
    assert lake.revisions.read_revision("SPY", DAY, 2).equals(second)


def test_a_revision_published_while_they_are_listed_is_not_taken_for_the_one_before(
    revised: tuple[Lake, pa.Table],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Simulator,
    waits: list[float],
) -> None:
    lake, _ = revised
    second = kept_by(lake).partitions.read(spy(DAY))
    held = PartitionStore.inspect

    def held_and_then_superseded(self: PartitionStore, key: PartitionKey) -> HeldPartition | None:
        found = held(self, key)
        monkeypatch.setattr(PartitionStore, "inspect", held)
        simulator.faults.set(str(DAY), [{"fault": "changed:5", "times": 0}])
        ingest(at(lake, 3), SECOND_BARS, spy(DAY), a_client(lake, waits))
        return found

    monkeypatch.setattr(PartitionStore, "inspect", held_and_then_superseded)
    assert lake.revisions.read_revision("SPY", DAY, 2).equals(second)
    assert lake.revisions.read_revision("SPY", DAY, 3).num_rows == 390


def test_a_damaged_revision_is_never_handed_out(revised: tuple[Lake, pa.Table]) -> None:
    lake, _ = revised
    flip(lake, "revisions/spy/date=2024-11-26/rev=1.parquet")
    with pytest.raises(DamagedPartition, match=r"rows of revision 1 \(revisions/spy/date=2024-11-26/rev=1.parquet\)"):
        lake.revisions.read_revision("SPY", DAY, 1)
    assert lake.revisions.read_revision("SPY", DAY, 2).num_rows == 390
