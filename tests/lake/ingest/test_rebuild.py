"""Partitions made anew from the pages that are kept of them, without a call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest

from behind_the_lake import bytes_of, flip, remove, versions_of, write
from conftest import NOW, a_client
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import RawPagesUnusable, StorageError
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.store import PartitionStore
from marketlake.polygon.client import PolygonClient
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

pytestmark = pytest.mark.places("folder", "bucket")
DAY = dt.date(2024, 11, 26)
PARTITION = "processed/spy/date=2024-11-26/bars.parquet"


def test_a_partition_is_rebuilt_from_raw_pages_without_a_call(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    first = ingest(lake, SECOND_BARS, spy(DAY), client)
    remove(lake, PARTITION)
    asked = len(simulator.requests)
    rebuilt = rebuild(lake, SECOND_BARS, spy(DAY))
    assert (rebuilt.outcome, rebuilt.content_hash, rebuilt.state) == ("created", first.content_hash, "complete")
    assert len(simulator.requests) == asked


def test_a_damaged_partition_is_rebuilt_from_its_raw_pages_as_the_same_revision(
    lake: Lake, client: PolygonClient
) -> None:
    first = ingest(lake, SECOND_BARS, spy(DAY), client)
    flip(lake, PARTITION)
    for outcome in ("renewed", "unchanged"):
        rebuilt = rebuild(lake, SECOND_BARS, spy(DAY))
        assert (rebuilt.outcome, rebuilt.revision, rebuilt.content_hash) == (outcome, 1, first.content_hash)


def test_raw_pages_that_are_absent_or_damaged_are_refused(lake: Lake, client: PolygonClient) -> None:
    with pytest.raises(RawPagesUnusable, match="no raw pages of revision 1 are stored"):
        rebuild(lake, SECOND_BARS, spy(DAY))
    ingest(lake, SECOND_BARS, spy(DAY), client)
    (raw,) = (key for key in versions_of(lake) if key.startswith("raw/"))
    write(lake, raw, bytes_of(lake, raw)[:-20_000] + b"x" * 20_000)
    with pytest.raises(RawPagesUnusable, match="raw pages"):
        rebuild(lake, SECOND_BARS, spy(DAY))


def test_raw_pages_of_another_fetch_do_not_replace_a_partition(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, client: PolygonClient, waits: list[float]
) -> None:
    today = dt.date(2026, 11, 20)
    ingest(lake, SECOND_BARS, spy(today), client, allow_provisional=True)
    monkeypatch.setenv("MARKETLAKE__STORAGE__KEEP_RAW_PAGES", "false")
    later = Lake(settings.load(), now=lambda: NOW + dt.timedelta(days=1))
    assert ingest(later, SECOND_BARS, spy(today), a_client(later, waits)).state == "complete"
    with pytest.raises(RawPagesUnusable, match="of another fetch than the partition"):
        rebuild(later, SECOND_BARS, spy(today))


@pytest.fixture
def revised(lake: Lake, simulator: Simulator, client: PolygonClient) -> Lake:
    """A lake whose session has come in three revisions, the last of 387 bars."""
    for minutes in range(1, 4):
        gone = f"without:1732635000000-{1732635000000 + 60_000 * minutes}"
        simulator.faults.set(str(DAY), [{"fault": gone, "times": 0}])
        ingest(lake, SECOND_BARS, spy(DAY), client)
    return lake


def lose(lake: Lake) -> None:
    """The file is there, and nothing of it can be read."""
    write(lake, PARTITION, b"")


def break_seal(lake: Lake) -> None:
    """Rows and seal are gone, the footer can be read."""
    flip(lake, PARTITION)


def test_a_lost_partition_comes_back_with_its_last_rows_though_older_revisions_were_pruned(revised: Lake) -> None:
    remove(revised, "revisions")
    lose(revised)
    report = rebuild(revised, SECOND_BARS, spy(DAY))
    assert (report.outcome, report.revision, report.rows) == ("renewed", 3, 387)


def test_a_fetch_cut_off_before_it_was_published_does_not_bring_older_rows_back(
    monkeypatch: pytest.MonkeyPatch, revised: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    def cut_off(*_: object) -> None:
        raise StorageError("cut off")

    simulator.faults.set(str(DAY), [])
    with monkeypatch.context() as patched:
        patched.setattr(PartitionStore, "publish", cut_off)
        with pytest.raises(StorageError, match="cut off"):
            ingest(revised, SECOND_BARS, spy(DAY), client)
    lose(revised)
    report = rebuild(revised, SECOND_BARS, spy(DAY))
    assert (report.revision, report.rows) == (4, 390)


def test_pages_of_others_beside_those_of_the_certificate_are_not_taken_for_them(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    published = ingest(lake, SECOND_BARS, spy(DAY), client)
    simulator.faults.set(str(DAY), [{"fault": "changed:5", "times": 0}])
    overtaken, _ = SECOND_BARS.fetch(lake, client, spy(DAY))
    with kept_by(lake).exclusive(spy(DAY)) as writer:
        later = replace(overtaken, fetched_at_ms=overtaken.fetched_at_ms + 1)
        kept_by(lake).raw_pages.keep(writer, spy(DAY), 1, adjusted=False, fetch=later)
    break_seal(lake)
    assert rebuild(lake, SECOND_BARS, spy(DAY)).content_hash == published.content_hash


@pytest.mark.parametrize(("damage", "pruned"), [(lose, False), (break_seal, False), (break_seal, True)])
def test_pages_of_a_superseded_revision_bring_no_rows_back(
    revised: Lake, damage: Callable[[Lake], None], pruned: bool
) -> None:
    remove(revised, "raw/spy/date=2024-11-26/rev=3")
    damage(revised)
    before = bytes_of(revised, PARTITION)
    if pruned:
        remove(revised, "revisions")
    with pytest.raises(RawPagesUnusable, match="are of revision 2, but revision 3 was published since"):
        rebuild(revised, SECOND_BARS, spy(DAY))
    assert bytes_of(revised, PARTITION) == before


@pytest.mark.parametrize("damage", [lose, break_seal])
def test_rebuilt_rows_stood_since_they_came(lake: Lake, client: PolygonClient, damage: Callable[[Lake], None]) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    damage(lake)
    rebuild(Lake(lake.settings, now=lambda: NOW + dt.timedelta(days=9)), SECOND_BARS, spy(DAY))
    then = lake.revisions.read_as_of("SPY", DAY, NOW + dt.timedelta(hours=1))
    assert then is not None
    assert then.num_rows == 390
    assert lake.revisions.read_as_of("SPY", DAY, NOW - dt.timedelta(hours=1)) is None
