"""A folder as a place for bytes: what every place does, and how this one does it, call by call."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from disk import dies, disturbs, intercepted
from marketlake.errors import Overtaken, StorageError
from marketlake.storage.local import LocalStorage
from marketlake.storage.storage import Seen, Storage, Writer
from racing import WON, outcome
from storage_conformance import StorageConformance, put

really_open, really_sync = os.open, os.fsync
FOLDER = ["open", "fsync"]
STAGED = ["mkdir", "create", "write", "open", "fsync"]
"""The staging folder, the bytes in two halves, and their sync."""


class TestAFolder(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return LocalStorage(tmp_path / "lake")


class TestACornerOfAFolder(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return LocalStorage(tmp_path / "lake").under("minute_bars")


class TestAFolderThatLinksNoFiles(StorageConformance):
    test_of_processes_that_create_one_key_without_a_common_lock_one_wins = None  # type: ignore[assignment]

    @pytest.fixture
    def storage(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
        monkeypatch.setattr(os, "link", fails(errno.EPERM))
        return LocalStorage(tmp_path / "lake")


@pytest.fixture
def place(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "lake")


def fails(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def create(writer: Writer, seen: Seen) -> None:
    writer.create("new/key", b"new")


def replace(writer: Writer, seen: Seen) -> None:
    writer.replace("a/key", b"new", seen)


def keep(writer: Writer, seen: Seen) -> None:
    writer.keep("a/key", "kept/1", seen)


def put_over(writer: Writer, seen: Seen) -> None:
    writer.put("a/key", b"new")


Write = Callable[[Writer, Seen], None]
CALLS: dict[Write, list[str]] = {
    create: [*STAGED, "mkdir", "link", "unlink", *FOLDER, *FOLDER],
    replace: [*STAGED, "mkdir", "replace", *FOLDER],
    keep: ["mkdir", "link", "open", "fsync", "mkdir", "link", "unlink", *FOLDER, *FOLDER],
    put_over: [*STAGED, "mkdir", "replace", *FOLDER],
}
"""Bytes reach the disk before they have their name, and the name before it is said that all is done. A folder that
was made is synced within its own."""
AFTER: dict[Write, dict[str, bytes]] = {
    create: {"a/key": b"old", "new/key": b"new"},
    replace: {"a/key": b"new"},
    keep: {"a/key": b"old", "kept/1": b"old"},
    put_over: {"a/key": b"new"},
}


def contents(place: Storage) -> dict[str, bytes | None]:
    return {key: place.get(key) for key in place.tree("") if not key.endswith("/")}


@pytest.mark.parametrize("write", CALLS)
def test_a_write_syncs_before_and_after_its_one_step(place: LocalStorage, write: Write) -> None:
    seen = put(place, "a/key", b"old")
    with place.exclusive("a lock", 5) as writer, intercepted(lambda *_: None) as made:
        write(writer, seen)
    assert made[: len(CALLS[write])] == CALLS[write]
    assert contents(place) == AFTER[write]


@pytest.mark.parametrize(
    ("write", "call"), [(write, call) for write, calls in CALLS.items() for call in range(1, len(calls) + 1)]
)
def test_a_writer_killed_at_a_call_leaves_the_old_bytes_or_the_new_ones_and_its_stage_is_swept(
    place: LocalStorage, write: Write, call: int
) -> None:
    seen = put(place, "a/key", b"old")

    def act() -> None:
        with place.exclusive("a lock", 5) as writer, intercepted(dies(call)):
            write(writer, seen)

    assert outcome(act) == -9
    assert contents(place) in ({"a/key": b"old"}, AFTER[write])
    assert place.sweep() == (["a lock"] if call > 1 else [])
    assert os.listdir(place.root / ".staging") == ["locks"]
    with place.exclusive("a lock", 0) as writer:
        write(writer, seen)
    assert contents(place) == AFTER[write]


@pytest.mark.parametrize("write", [create, keep])
def test_what_is_new_is_not_written_over_somebody_without_the_lock(place: LocalStorage, write: Write) -> None:
    seen = put(place, "a/key", b"old")
    (target,) = AFTER[write].keys() - {"a/key"}

    def come_between() -> None:
        place.path(target).write_bytes(b"somebody's")

    last_link = max(number for number, name in enumerate(CALLS[write], 1) if name == "link")
    with (
        place.exclusive("a lock", 5) as writer,
        intercepted(disturbs(come_between, last_link)),
        pytest.raises(Overtaken, match=f"^{target} in "),
    ):
        write(writer, seen)
    assert contents(place) == {"a/key": b"old", target: b"somebody's"}


def test_what_is_kept_is_a_second_name_of_the_same_file(place: LocalStorage) -> None:
    seen = put(place, "a/key", b"old")
    with place.exclusive("a lock", 5) as writer:
        writer.keep("a/key", "kept/1", seen)
    assert place.path("kept/1").samefile(place.path("a/key"))
    assert place.path("a/key").stat().st_nlink == 2  # and none in staging


def test_what_changes_while_it_is_kept_is_kept_as_it_was_seen(place: LocalStorage) -> None:
    seen = put(place, "a/key", b"seen")

    def come_between() -> None:
        (place.root / "aside").write_bytes(b"somebody's")
        (place.root / "aside").rename(place.path("a/key"))

    with place.exclusive("a lock", 5) as writer, intercepted(disturbs(come_between, 2)):
        writer.keep("a/key", "kept/1", seen)
    assert contents(place) == {"a/key": b"somebody's", "kept/1": b"seen"}


def test_what_a_dead_writer_left_linked_is_never_written_into(
    place: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = put(place, "a/key", b"old")
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # nobody clears it
    monkeypatch.setattr(Path, "unlink", fails(errno.EIO))
    with place.exclusive("a lock", 5) as writer, pytest.raises(StorageError):
        writer.keep("a/key", "kept/1", seen)
    assert place.path("a/key").stat().st_nlink == 3
    put(place, "kept/1", b"other")
    assert contents(place) == {"a/key": b"old", "kept/1": b"other"}


@pytest.mark.parametrize("write", [create, replace, keep])
def test_what_is_there_already_is_done_only_when_it_is_synced(
    place: LocalStorage, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    seen = put(place, "a/key", b"old")
    with place.exclusive("a lock", 5) as writer:
        write(writer, seen)
        with intercepted(lambda *_: None) as made:
            write(writer, seen)
        assert made[-6:] == [*FOLDER, *FOLDER, *FOLDER]  # the file, its folder and the lake's
        monkeypatch.setattr(os, "fsync", fails_for_folders)
        with pytest.raises(StorageError, match="Input/output error"):
            write(writer, seen)


def fails_for_folders(descriptor: int) -> None:
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        fails(errno.EIO)()
    really_sync(descriptor)


def test_what_a_dead_writer_left_is_cleared_before_the_next_one_of_its_name_begins(place: LocalStorage) -> None:
    left = place.root / ".staging/a lock/half"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"ha")
    with place.exclusive("another", 5):
        assert left.exists()
    with place.exclusive("a lock", 5):
        assert not left.exists()


def test_a_file_that_somebody_removed_is_not_replaced(place: LocalStorage) -> None:
    seen = put(place, "a/key", b"old")
    shutil.rmtree(place.root / "a")
    with place.exclusive("a lock", 5) as writer, pytest.raises(Overtaken, match="is gone"):
        writer.replace("a/key", b"new", seen)
    assert place.folders("") == []  # no folder that a listing would take for a partition's


def test_a_folder_without_files_is_listed_as_one(place: LocalStorage) -> None:
    put(place, "t/full/key", b"bytes")
    (place.root / "t/empty/deeper").mkdir(parents=True)
    assert place.folders("t") == ["empty", "full"]
    assert list(place.stamps("t", "key")) == ["full"]
    assert place.tree("t") == ["empty/deeper/", "full/key"]


def test_the_folders_with_a_file_are_found_by_one_listing(place: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        put(place, f"t/{number}/key", b"bytes")
    listed: list[object] = []
    really_scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: [listed.append(path), really_scan(path)][1])
    assert sorted(place.stamps("t", "key")) == ["0", "1", "2"]
    assert listed == [place.root / "t"]


def test_staging_holds_no_keys(place: LocalStorage) -> None:
    with place.exclusive("a lock", 5) as writer:
        writer.put("a/key", b"bytes")
        for key in (".staging", ".staging/a lock/key"):
            with pytest.raises(ValueError, match=r"what lies under \.staging is removed"):
                writer.put(key, b"bytes")
        assert place.folders("") == ["a"]
        assert place.tree("") == ["a/key"]
    with pytest.raises(ValueError, match="'locks' is no name of a lock"), place.exclusive("locks", 0):
        pass


def test_a_folder_mounted_read_only_is_told(place: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    put(place, "a/key", b"bytes")

    def only_reads(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            fails(errno.EROFS)()
        return really_open(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", only_reads)
    with pytest.raises(StorageError) as caught:
        place.require_writable()
    assert str(caught.value) == (
        f"cannot write into {place.root}: Read-only file system. Check who may read and write in storage.root, and"
        " whether it is mounted read-only."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_folder_without_the_right_to_write_is_told(place: LocalStorage) -> None:
    place.root.mkdir()
    place.root.chmod(0o555)
    with pytest.raises(StorageError, match="Permission denied"):
        place.require_writable()


def test_a_folder_that_takes_files_but_no_bytes_is_told(place: LocalStorage) -> None:
    def require() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        with pytest.raises(StorageError, match=f"cannot write into {place.root}: File too large"):
            place.require_writable()

    assert outcome(require) == WON


def test_looking_for_room_and_rights_leaves_no_file(place: LocalStorage) -> None:
    place.require_writable()
    assert place.free_bytes() > 0
    assert [str(path.relative_to(place.root)) for path in place.root.rglob("*")] == [".staging"]


def test_a_file_in_the_way_of_a_folder_is_told_and_stays(place: LocalStorage) -> None:
    seen = put(place, "a", b"a file")
    with place.exclusive("a lock", 5) as writer:
        for write in (
            lambda: writer.put("a/key", b"new"),
            lambda: writer.create("a/key", b"new"),
            lambda: writer.replace("a/key", b"new", seen),
            lambda: writer.keep("a", "a/key", seen),
        ):
            with pytest.raises(StorageError, match=r"cannot (write|keep) .*a/key: (File exists|Not a directory)"):
                write()
    assert contents(place) == {"a": b"a file"}
