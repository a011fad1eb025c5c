"""Writing into a folder of a local file system: staged beside the lake, synced, and put in place in one step."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from marketlake.storage.disk_errors import as_storage_error
from marketlake.storage.storage import Seen, checked_key, overtaken

STAGING = ".staging"
# What a file system answers that cannot sync a folder: shared folders of virtual machines, CIFS, some of FUSE.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_log = logging.getLogger(__name__)


def seen_as(data: bytes) -> Seen:
    """Bytes of a file, whose version is their SHA-256: times and numbers of files come again, and lie."""
    return Seen(data, hashlib.sha256(data).hexdigest())


class LocalWriter:
    """Writes under one lock, by way of that lock's staging folder."""

    def __init__(self, root: Path, stage: Path) -> None:
        self._root = root
        self._stage = stage

    def create(self, key: str, data: bytes) -> None:
        """Write a file that is not there yet, also against whoever does not hold this lock, if files can be linked."""
        target = self._target(key)
        with as_storage_error("write", target):
            self._add(self._stage_file(data), target, key, data)

    def replace(self, key: str, data: bytes, seen: Seen) -> None:
        """Replace a file that still is what was seen."""
        target = self._target(key)
        with as_storage_error("write", target):
            staged = self._stage_file(data)
            there = _bytes_in(target)
            if there is not None and seen_as(there).version == seen.version:
                self._move(staged, target, os.replace)
            else:
                self._accept(there, target, key, data)

    def keep(self, key: str, kept_key: str, seen: Seen) -> None:
        """Keep the bytes that were seen: as a second name of their file, if it still holds them."""
        source, target = self._target(key), self._target(kept_key)
        with as_storage_error("keep", target):
            self._add(self._stage_link(source, seen) or self._stage_file(seen.data), target, kept_key, seen.data)

    def put(self, key: str, data: bytes) -> None:
        """Write a file, whatever is there."""
        target = self._target(key)
        with as_storage_error("write", target):
            self._move(self._stage_file(data), target, os.replace)

    def _target(self, key: str) -> Path:
        if checked_key(key).split("/")[0] == STAGING:
            raise ValueError(f"{key!r} is no key: what lies under {STAGING} is removed.")
        return self._root / key

    def _stage_file(self, data: bytes) -> Path:
        staged = self._unused_path()
        staged.write_bytes(data)
        _sync(staged)
        return staged

    def _stage_link(self, source: Path, seen: Seen) -> Path | None:
        """A second name of the file, if it holds what was seen. It is looked at under that name, which nobody moves."""
        staged = self._unused_path()
        with suppress(OSError):  # it is gone, or the file system has no hard links
            os.link(source, staged)
            if seen_as(staged.read_bytes()).version == seen.version:
                _sync(staged)
                return staged
        return None

    def _unused_path(self) -> Path:
        """A name that never was: one that a dead process left may be the second name of a published file."""
        self._stage.mkdir(parents=True, exist_ok=True)
        return self._stage / secrets.token_hex(8)

    def _add(self, staged: Path, target: Path, key: str, data: bytes) -> None:
        try:
            self._move(staged, target, _move_to_nothing)
        except FileExistsError:
            self._accept(_bytes_in(target), target, key, data)

    def _accept(self, there: bytes | None, target: Path, key: str, data: bytes) -> None:
        """Be content with what is there, if it is what was to be written. Raises Overtaken if it is not."""
        if there != data:
            state = "is gone" if there is None else "now holds other bytes"
            raise overtaken(str(self._root), key, state)
        _sync(target)  # whoever wrote it may have died before it did
        self._sync_folders(folder for folder in target.parents if folder.is_relative_to(self._root))

    def _move(self, staged: Path, target: Path, step: Callable[[Path, Path], None]) -> None:
        made = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        step(staged, target)
        self._sync_folders({target.parent, *(folder.parent for folder in made)})

    def _sync_folders(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            try:
                _sync(folder)
            except OSError as exc:
                if exc.errno not in _UNSUPPORTED:
                    raise
                _warn_unsynced(self._root, exc.strerror)


def _bytes_in(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _move_to_nothing(staged: Path, target: Path) -> None:
    """Raises FileExistsError if anything is there."""
    try:
        os.link(staged, target)
    except FileExistsError:
        raise
    except OSError:  # no hard links: the lock alone keeps others from coming between the look and the step
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.replace(staged, target)
    else:
        staged.unlink()


def _sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's entries, have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@lru_cache(maxsize=8)  # once a process
def _warn_unsynced(root: Path, reason: str) -> None:
    _log.warning(
        "the file system of %s cannot sync folders (%s): files are published whole all the same, but a power failure"
        " may take back the last ones: verify the lake after one.",
        root,
        reason,
    )
