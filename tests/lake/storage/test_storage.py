"""The local file system as the store meets it: what it cannot do is lived with, what fails is told for what it is."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import files_under
from fault_lake import DAY
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import StorageError
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.fetch import raw_digest
from marketlake.storage import local_writer
from marketlake.storage.local import LocalStorage
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

really_sync = os.fsync
PARTITION = f"processed/spy/date={DAY}/bars.parquet"


@pytest.fixture(autouse=True)
def nothing_said_yet() -> None:
    local_writer._warn_unsynced.cache_clear()


def folders_answer(number: int) -> Callable[[int], None]:
    """A sync that fails with an error of that number for folders, and for them alone."""

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        really_sync(descriptor)

    return sync


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_sync_a_folder_is_said_once_and_lived_with(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", folders_answer(number))
    assert ingest(lake, SECOND_BARS, spy(DAY), client).outcome == "created"
    assert ingest(lake, SECOND_BARS, spy(DAY), client).outcome == "unchanged"
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == [
        f"the file system of {lake.storage.root} cannot sync folders ({os.strerror(number)}): files are published whole"
        " all the same, but a power failure may take back the last ones: verify the lake after one."
    ]
    assert files_under(lake.storage.root) == {PARTITION, f"raw/spy/date={DAY}/rev=1/pages-*.tar"}


def test_a_file_that_cannot_be_synced_is_not_published(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient
) -> None:
    def sync(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(StorageError, match="Invalid argument"):
        ingest(lake, SECOND_BARS, spy(DAY), client)
    assert files_under(lake.storage.root) == set()


def test_a_sync_that_fails_after_the_replace_adds_no_revision_however_often_it_is_tried(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient
) -> None:
    monkeypatch.setattr(os, "fsync", folders_answer(errno.EIO))
    for _ in range(4):  # the first leaves lake.json, the others the pages
        with pytest.raises(StorageError, match=r"Input/output error\. The disk of storage\.root, or the connection"):
            ingest(lake, SECOND_BARS, spy(DAY), client)
    assert files_under(lake.storage.root) == {f"raw/spy/date={DAY}/rev=1/pages-*.tar"}
    monkeypatch.undo()
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.revision) == ("created", 1)
    assert files_under(lake.storage.root) == {PARTITION, f"raw/spy/date={DAY}/rev=1/pages-*.tar"}
    certificate = kept_by(lake).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert certificate.raw_digest in _digests(lake, 1)
    assert rebuild(lake, SECOND_BARS, spy(DAY)).outcome == "unchanged"


def test_other_rows_after_a_sync_that_failed_are_a_revision_of_their_own(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient, simulator: Simulator
) -> None:
    assert ingest(lake, SECOND_BARS, spy(DAY), client).revision == 1
    simulator.faults.set(str(DAY), [{"fault": "changed:17", "times": 0}])
    monkeypatch.setattr(os, "fsync", folders_answer(errno.EIO))
    for _ in range(2):
        with pytest.raises(StorageError):
            ingest(lake, SECOND_BARS, spy(DAY), client)
    simulator.faults.set(str(DAY), [{"fault": "changed:18", "times": 0}])
    with pytest.raises(StorageError):
        ingest(lake, SECOND_BARS, spy(DAY), client)
    monkeypatch.undo()
    assert ingest(lake, SECOND_BARS, spy(DAY), client).revision == 3  # the pages of 2 were of other rows
    kept = {name for name in files_under(lake.storage.root) if name.startswith("raw/")}
    assert kept == {f"raw/spy/date={DAY}/rev={number}/pages-*.tar" for number in (1, 2, 3)}


def test_a_partition_that_is_lost_and_fetched_again_with_the_same_rows_keeps_its_number(
    lake: Lake, client: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    (lake.storage.root / PARTITION).unlink()
    assert ingest(lake, SECOND_BARS, spy(DAY), client).revision == 1


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "No space left on device. Free some room, or move storage.root."),
        (errno.EDQUOT, "Disk quota exceeded. Free some room, or move storage.root."),
        (errno.EACCES, "Permission denied. Check who may read and write in storage.root, and whether it is mounted"),
        (errno.EROFS, "Read-only file system. Check who may read and write in storage.root"),
        (errno.EIO, "Input/output error. The disk of storage.root, or the connection to it, fails: see the machine's"),
        (errno.ESTALE, "Stale file handle. The disk of storage.root, or the connection to it, fails"),
        (errno.ENAMETOOLONG, "File name too long. Check that storage.root exists, is writable and has room."),
    ],
)
def test_what_a_file_system_refuses_is_told_with_what_helps_against_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, advice: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with LocalStorage(tmp_path).exclusive("a lock", 1) as writer, pytest.raises(StorageError) as caught:
        writer.put("a/key", b"bytes")
    assert str(caught.value).startswith(f"cannot write {tmp_path}/a/key: {advice}")


def test_where_a_file_system_links_no_files_a_revision_is_copied_without_modes_or_times(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    place = LocalStorage(tmp_path)
    with place.exclusive("a lock", 1) as writer:
        writer.put("a/key", b"bytes")
        for name in ("link", "chmod", "utime"):
            monkeypatch.setattr(os, name, refuse)
        seen = place.read("a/key")
        assert seen is not None
        writer.keep("a/key", "b/key", seen)
    assert place.get("b/key") == b"bytes"


def _digests(lake: Lake, revision: int) -> set[str]:
    """Of the pages of every attempt at a revision."""
    stored = kept_by(lake).raw_pages.pages_of(spy(DAY), revision)
    return {raw_digest(one.fetch.of("second").bodies) for one in stored}
