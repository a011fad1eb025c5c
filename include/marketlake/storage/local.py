"""A folder of a local file system as a place for bytes under keys."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from marketlake.errors import LakeBusy, StorageError

_STAGING = ".staging"
_LOCKS = "locks"
# What a file system answers that cannot sync a folder: shared folders of virtual machines, CIFS, some of FUSE.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_NO_ROOM = "Free some room, or move storage.root."
_NOT_ALLOWED = "Check who may read and write in storage.root, and whether it is mounted read-only."
_BROKEN = "The disk of storage.root, or the connection to it, fails: see the machine's own log (dmesg), mend it."
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _NO_ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _NOT_ALLOWED),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.ETIMEDOUT), _BROKEN),
}
_log = logging.getLogger(__name__)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry, or what it links to, is a folder; a link to a folder that it lies in is none."""
    with suppress(OSError):
        target = Path(entry.path)
        return entry.is_dir() and not (entry.is_symlink() and target.parent.resolve().is_relative_to(target.resolve()))
    return False


def _holds(folder: os.DirEntry[str], name: str) -> bool:
    """Whether a file of that name lies in a folder. Raises StorageError where that cannot be seen."""
    path = f"{folder.path}/{name}"  # no Path: there may be thousands
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        with _told("read", Path(path)):
            raise


@contextmanager
def _told(action: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        advice = _ADVICE.get(exc.errno or 0, "Check that storage.root exists, is writable and has room.")
        raise StorageError(f"cannot {action} {path}: {exc.strerror or exc}. {advice}") from exc


class LocalStorage:
    """A folder on a local file system. Staging lies in ``.staging`` of the same file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._staging = root / _STAGING

    @property
    def where(self) -> str:
        """The folder."""
        return str(self.root)

    def under(self, prefix: str) -> LocalStorage:
        """The folder ``prefix`` of this one, with locks and a staging folder of its own; this one if that is empty."""
        return LocalStorage(self.root / prefix) if prefix else self

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.root / key

    def get(self, key: str) -> bytes | None:
        """The bytes of one file; None where it does not exist."""
        with _told("read", self.path(key)):
            try:
                return self.path(key).read_bytes()
            except FileNotFoundError:
                return None

    def open(self, key: str) -> BinaryIO | None:
        """One file to read parts of; None where it does not exist."""
        with _told("read", self.path(key)):
            try:
                return self.path(key).open("rb")
            except FileNotFoundError:
                return None

    def exists(self, key: str) -> bool:
        """Whether the file exists."""
        with _told("read", self.path(key)):
            return self.path(key).is_file()

    def size_bytes(self, key: str) -> int:
        """The size of one file; 0 where it does not exist."""
        with _told("read", self.path(key)):
            try:
                return self.path(key).stat().st_size
            except FileNotFoundError:
                return 0

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders directly under ``prefix``, sorted; none where it does not exist."""
        return sorted(entry.name for entry in self._entries(prefix) if entry.is_dir())

    def folders_with(self, prefix: str, name: str) -> list[str]:
        """The names of those folders directly under ``prefix`` that hold a file ``name``, sorted."""
        return sorted(entry.name for entry in self._entries(prefix) if _holds(entry, name))

    def files(self, prefix: str) -> list[str]:
        """The names of the files directly under ``prefix``, sorted; none where it does not exist."""
        return sorted(entry.name for entry in self._entries(prefix) if entry.is_file())

    def tree(self, prefix: str) -> list[str]:
        """Every file below ``prefix`` however deep, and, with a slash at its end, every folder in which no
        file can be seen: paths relative to it, sorted; none where it does not exist.
        """
        found = []
        for entry in self._entries(prefix):
            if _is_folder(entry):
                inside: list[str] = []
                with suppress(StorageError):  # it cannot be listed: no file of it can be seen
                    inside = self.tree(f"{prefix}/{entry.name}")
                found += [f"{entry.name}/{path}" for path in inside or [""]]
            else:
                found.append(entry.name)
        return sorted(found)

    def _entries(self, prefix: str) -> list[os.DirEntry[str]]:
        with _told("list", self.path(prefix)):
            try:
                return list(os.scandir(self.path(prefix)))
            except FileNotFoundError:
                return []

    def free_bytes(self) -> int:
        """Bytes left on the file system of the root, or of its nearest parent that exists."""
        place = self.root
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free

    def require_writable(self) -> None:
        """Raise StorageError where a file cannot be made and written."""
        with _told("write into", self.root):
            self._staging.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._staging) as probe:  # it needs no name that two could share
                probe.write(b"probe")

    @contextmanager
    def exclusive(self, name: str, timeout_s: float) -> Iterator[_LocalWriter]:
        """A writer under the lock ``name``, released when the process dies. Raises LakeBusy.

        Its staging folder belongs to the holder of the lock, so what lies in it on entering was left
        by one that died, and is removed.
        """
        started = time.monotonic()
        stage = self._staging / name
        with _told("lock", stage):
            (self._staging / _LOCKS).mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._staging / _LOCKS / f"{name}.lock")
        try:
            lock.acquire(timeout=timeout_s, poll_interval=0.05)
        except Timeout as exc:
            raise LakeBusy(
                f"{name} has been locked by another process for {time.monotonic() - started:.0f} s"
                f" (storage.lock_timeout_s = {timeout_s:g}). See whether that task still works; clear this one later."
            ) from exc
        except OSError as exc:
            raise StorageError(f"cannot lock {stage}: {exc}. Check that storage.root is writable.") from exc
        try:
            shutil.rmtree(stage, ignore_errors=True)
            yield _LocalWriter(self, stage)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
            lock.release()

    def sweep(self) -> list[str]:
        """Remove the staging folders that dead processes left; their names."""
        swept = []
        for name in self.folders(_STAGING):
            if name == _LOCKS:
                continue
            with suppress(LakeBusy), self.exclusive(name, timeout_s=0):
                swept.append(name)
        return swept


class _LocalWriter:
    """Stages beside the lake, syncs, and replaces in one step."""

    def __init__(self, storage: LocalStorage, stage: Path) -> None:
        self._storage = storage
        self._stage = stage

    def put(self, key: str, data: bytes) -> None:
        target = self._storage.path(key)
        with _told("write", target):
            staged = self._staged(key)
            staged.write_bytes(data)
            self._move(staged, target)

    def keep(self, key: str, kept_key: str) -> None:
        source, target = self._storage.path(key), self._storage.path(kept_key)
        with _told("keep", target):
            staged = self._staged(kept_key)
            staged.unlink(missing_ok=True)
            try:
                os.link(source, staged)
            except OSError:  # a file system without hard links, which may have no owners or modes to copy either
                shutil.copyfile(source, staged)
            self._move(staged, target)

    def _staged(self, key: str) -> Path:
        self._stage.mkdir(parents=True, exist_ok=True)
        return self._stage / key.replace("/", "__")

    def _move(self, staged: Path, target: Path) -> None:
        made = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        _sync(staged)
        os.replace(staged, target)
        for folder in {target.parent, *(folder.parent for folder in made)}:
            try:
                _sync(folder)
            except OSError as exc:
                if exc.errno not in _UNSUPPORTED:
                    raise
                _tell_unsynced(self._storage.root, exc.strerror)


def _sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's entries, have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@lru_cache(maxsize=8)  # once a process
def _tell_unsynced(root: Path, reason: str) -> None:
    _log.warning(
        "the file system of %s cannot sync folders (%s): files are published whole all the same, but a power failure"
        " may take back the last ones: verify the lake after one.",
        root,
        reason,
    )
