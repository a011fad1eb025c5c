"""A folder of a local file system as a place for bytes under keys."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from marketlake.errors import LakeBusy, StorageError
from marketlake.storage.disk_errors import as_storage_error
from marketlake.storage.file_lock import locked
from marketlake.storage.local_writer import STAGING, LocalWriter, seen_as
from marketlake.storage.storage import Seen, Stamp, checked_key

_LOCKS = "locks"
# Of 3,000 footers on two cores, one reader takes 0.9 s and eight half of that.
_READERS = 8


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry, or what it links to, is a folder; a link to a folder that it lies in is none."""
    with suppress(OSError):
        target = Path(entry.path)
        return entry.is_dir() and not (entry.is_symlink() and target.parent.resolve().is_relative_to(target.resolve()))
    return False


def _stamp(folder: os.DirEntry[str], name: str) -> Stamp | None:
    """Of a file of that name in a folder; None without one. Raises StorageError if that cannot be seen."""
    path = f"{folder.path}/{name}"  # no Path: there may be thousands
    try:
        file = os.stat(path)
        # The time of the last change cannot be set back, as that of the last writing can.
        version = f"{file.st_size:x}-{file.st_mtime_ns:x}-{file.st_ctime_ns:x}-{file.st_ino:x}"
        return Stamp(file.st_size, version) if stat.S_ISREG(file.st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        with as_storage_error("read", Path(path)):
            raise


class LocalStorage:
    """A folder on a local file system. Staging lies in ``.staging`` of the same file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._staging = root / STAGING
        self.where = str(root)
        self.readers = _READERS
        self.is_remote = False

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.root / key

    def read(self, key: str) -> Seen | None:
        """The bytes of one file with their version; None if it does not exist."""
        data = self.get(key)
        return None if data is None else seen_as(data)

    def get(self, key: str) -> bytes | None:
        """The bytes of one file; None if it does not exist."""
        with as_storage_error("read", self.path(key)):
            try:
                return self.path(key).read_bytes()
            except FileNotFoundError:
                return None

    def open(self, key: str) -> BinaryIO | None:
        """One file to read parts of; None if it does not exist.

        Arrow's own file: threads that read from Python's wait for each other at every column.
        """
        import pyarrow as pa  # which parsing a DAG file must not load

        with as_storage_error("read", self.path(key)):
            try:
                file: BinaryIO = pa.OSFile(os.fsencode(self.path(key)))
                return file
            except FileNotFoundError:
                return None

    def exists(self, key: str) -> bool:
        """Whether the file exists."""
        with as_storage_error("read", self.path(key)):
            return self.path(key).is_file()

    def size_bytes(self, key: str) -> int:
        """The size of one file; 0 if it does not exist."""
        with as_storage_error("read", self.path(key)):
            try:
                return self.path(key).stat().st_size
            except FileNotFoundError:
                return 0

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders directly under ``prefix``, sorted; none if it does not exist."""
        return sorted(entry.name for entry in self._entries(prefix) if entry.is_dir())

    def stamps(self, prefix: str, name: str) -> dict[str, Stamp]:
        """Of each folder directly under ``prefix`` that holds a file ``name``: that file's stamp."""
        found = ((entry.name, _stamp(entry, name)) for entry in self._entries(prefix))
        return {folder: stamp for folder, stamp in found if stamp is not None}

    def files(self, prefix: str) -> list[str]:
        """The names of the files directly under ``prefix``, sorted; none if it does not exist."""
        return sorted(entry.name for entry in self._entries(prefix) if entry.is_file())

    def tree(self, prefix: str) -> list[str]:
        """Every file below ``prefix`` however deep, and, with a slash at its end, every folder in which no
        file can be seen: paths relative to it, sorted; none if it does not exist.
        """
        paths = []
        for entry in self._entries(prefix):
            if _is_folder(entry):
                inside: list[str] = []
                with suppress(StorageError):  # it cannot be listed: no file of it can be seen
                    inside = self.tree(f"{prefix}/{entry.name}" if prefix else entry.name)
                paths += [f"{entry.name}/{path}" for path in inside or [""]]
            else:
                paths.append(entry.name)
        return sorted(paths)

    def _entries(self, prefix: str) -> list[os.DirEntry[str]]:
        with as_storage_error("list", self.path(prefix)):
            try:
                entries = list(os.scandir(self.path(prefix)))
            except FileNotFoundError:
                return []
        return entries if prefix else [entry for entry in entries if entry.name != STAGING]  # which holds no keys

    def free_bytes(self) -> int:
        """Bytes left on the file system of the root, or of its nearest parent that exists."""
        place = self.root
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free

    def require_writable(self) -> None:
        """Raise StorageError if a file cannot be made and written."""
        with as_storage_error("write into", self.root):
            self._staging.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._staging) as probe:  # it needs no name that two could share
                probe.write(b"probe")

    @contextmanager
    def exclusive(self, name: str, timeout_s: float) -> Iterator[LocalWriter]:
        """A writer under the lock ``name``, released when the process dies. Raises LakeBusy.

        Its staging folder belongs to the holder of the lock, so what lies in it on entering was left
        by one that died, and is removed.
        """
        if "/" in checked_key(name) or name == _LOCKS:  # removed with the staging folder would be another one
            raise ValueError(f"{name!r} is no name of a lock.")
        stage = self._staging / name
        with as_storage_error("lock", stage):
            (self._staging / _LOCKS).mkdir(parents=True, exist_ok=True)
        with locked(self._staging / _LOCKS / f"{name}.lock", name, timeout_s, place="storage.root"):
            try:
                shutil.rmtree(stage, ignore_errors=True)
                yield LocalWriter(self.root, stage)
            finally:
                shutil.rmtree(stage, ignore_errors=True)

    def sweep(self) -> list[str]:
        """Remove the staging folders that dead processes left; their names."""
        swept = []
        for name in self.folders(STAGING):
            if name == _LOCKS:
                continue
            with suppress(LakeBusy), self.exclusive(name, timeout_s=0):
                swept.append(name)
        return swept

    def address(self, key: str) -> str:
        """The path of a key's file."""
        return str(self.path(key))

    def local_file(self, key: str) -> Path:
        """The file of a key, in the folder itself."""
        return self.path(checked_key(key))

    def under(self, prefix: str) -> LocalStorage:
        """The folder ``prefix`` as a place of its own, with staging and locks of its own."""
        return LocalStorage(self.root / checked_key(prefix)) if prefix else self
