"""Two that publish one session without taking turns, as on an object store: whoever is overtaken decides anew."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from behind_the_lake import bytes_of, write
from conftest import a_client
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import LakeBusy, StorageError
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.report import Report
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.layout import revision_path
from marketlake.partitions.store import HeldPartition, PartitionStore
from marketlake.polygon.client import PolygonClient
from marketlake.rows.spec import PartitionKey
from marketlake.storage.local import LocalStorage
from marketlake.storage.local_writer import LocalWriter
from marketlake.verify.verify import verify
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

pytestmark = pytest.mark.places("folder", "bucket")
DAY = dt.date(2024, 11, 26)


really_inspect = PartitionStore.inspect


@contextmanager
def unlocked(self: LocalStorage, name: str, timeout_s: float) -> Iterator[LocalWriter]:
    """A writer beside the lock's holder, with a staging folder of its own."""
    stage = self.root / ".staging" / f"beside-{name}-{timeout_s:g}"
    yield LocalWriter(self.root, stage)
    shutil.rmtree(stage)


def another(lake: Lake, simulator: Simulator, fault: str | None) -> Report:
    """Somebody else's whole publication, of another answer, in the midst of ours: no lock holds it up."""
    simulator.faults.set(str(DAY), [{"fault": fault, "times": 0}] if fault else [])
    logs = lake.settings.logging.model_copy(update={"folder": lake.settings.logging_folder / "another machine"})
    beside = Lake(lake.settings.model_copy(update={"logging": logs}), now=lake.now)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LocalStorage, "exclusive", unlocked)
        patched.setattr(PartitionStore, "inspect", really_inspect)
        return ingest(beside, SECOND_BARS, spy(DAY), a_client(beside, []))


def overtaking(monkeypatch: pytest.MonkeyPatch, step: Callable[[], object], times: int) -> None:
    """Let ``step`` happen right after what is held was looked at, so many times."""
    left = [times]

    def inspect(self: PartitionStore, key: PartitionKey) -> HeldPartition | None:
        found = really_inspect(self, key)
        if left[0]:
            left[0] -= 1
            step()
        return found

    monkeypatch.setattr(PartitionStore, "inspect", inspect)


def test_the_first_of_a_session_overtaken_by_the_same_rows_is_unchanged(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient, simulator: Simulator
) -> None:
    overtaking(monkeypatch, lambda: another(lake, simulator, None), times=1)
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.revision) == ("unchanged", 1)
    assert len(lake.revisions.list_revisions("SPY", DAY)) == 1
    assert verify(lake, SECOND_BARS).findings == ()


def test_the_first_of_a_session_overtaken_by_other_rows_is_a_revision_of_those(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient, simulator: Simulator
) -> None:
    theirs: list[Report] = []
    overtaking(monkeypatch, lambda: theirs.append(another(lake, simulator, "changed:17")), times=1)
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (theirs[0].outcome, theirs[0].revision) == ("created", 1)
    assert (report.outcome, report.revision) == ("revised", 2)
    assert "changed 17" in report.changes
    one, two = lake.revisions.list_revisions("SPY", DAY)
    assert (one.certificate and one.certificate.content_hash) == theirs[0].content_hash
    assert (two.certificate and two.certificate.content_hash) == report.content_hash
    assert verify(lake, SECOND_BARS).findings == ()


def test_a_revision_overtaken_by_another_keeps_both(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    first = ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    simulator.faults.set(str(DAY), [{"fault": "changed:5", "times": 1}])
    theirs: list[Report] = []
    overtaking(monkeypatch, lambda: theirs.append(another(lake, simulator, "changed:17")), times=1)
    ours = ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    assert (theirs[0].revision, ours.revision, ours.outcome) == (2, 3, "revised")
    hashes = [one.certificate and one.certificate.content_hash for one in lake.revisions.list_revisions("SPY", DAY)]
    assert hashes == [first.content_hash, theirs[0].content_hash, ours.content_hash]
    assert len({*hashes}) == 3
    for number in (1, 2, 3):
        assert lake.revisions.read_revision("SPY", DAY, number).num_rows == 390
    assert rebuild(lake, SECOND_BARS, spy(DAY)).outcome == "unchanged"


def test_whoever_is_overtaken_each_time_gives_up_with_nothing_lost(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient, simulator: Simulator
) -> None:
    count = iter(range(1, 99))
    overtaking(monkeypatch, lambda: another(lake, simulator, f"changed:{next(count)}"), times=99)
    with pytest.raises(LakeBusy, match=r"SPY 2024-11-26: others published it 5 times while this was to be published"):
        ingest(lake, SECOND_BARS, spy(DAY), client)
    monkeypatch.setattr(PartitionStore, "inspect", really_inspect)
    # Each attempt of ours left its pages, under a number that nobody else is given.
    assert [one.number for one in lake.revisions.list_revisions("SPY", DAY)] == [1, 3, 5, 7, 9]
    assert len(simulator.requests_for(DAY)) == 6  # ours once, and each of the others
    assert verify(lake, SECOND_BARS).findings == ()


def test_a_copy_of_a_publication_that_was_cut_off_is_replaced_by_what_it_was_made_of_since(
    lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    path, kept = kept_by(lake).partitions.path(spy(DAY)), revision_path(spy(DAY), 1)
    write(lake, kept, bytes_of(lake, path))  # and then the revision's certificate was renewed:
    strict = lake.settings.model_copy(
        update={"quality": lake.settings.quality.model_copy(update={"max_silence_s": 1_700})}
    )
    assert ingest(Lake(strict, now=lake.now), SECOND_BARS, spy(DAY), a_client(lake, waits)).outcome == "renewed"
    newest = bytes_of(lake, path)
    assert bytes_of(lake, kept) != newest
    simulator.faults.set(str(DAY), [{"fault": "changed:17", "times": 0}])
    assert ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits)).revision == 2
    assert bytes_of(lake, kept) == newest


def test_a_kept_file_of_other_rows_is_named_and_never_overwritten(
    lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    simulator.faults.set(str(DAY), [{"fault": "changed:17", "times": 0}])
    ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    path = kept_by(lake).partitions.path(spy(DAY))
    first, second = (revision_path(spy(DAY), number) for number in (1, 2))
    write(lake, second, bytes_of(lake, first))
    before = bytes_of(lake, path)
    simulator.faults.set(str(DAY), [{"fault": "changed:5", "times": 0}])
    with pytest.raises(StorageError, match=r"rev=2.parquet is to keep revision 2, but holds other rows than that"):
        ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    assert (bytes_of(lake, path), bytes_of(lake, second)) == (before, bytes_of(lake, first))
