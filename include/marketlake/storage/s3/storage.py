"""A bucket, or a prefix in it, as a place for bytes under keys.

Writing is optimistic: an object is made only if it is not there, and replaced only if it still is what was seen, by the
store's own conditional writes. The locks are files of this machine; they spare work, and keep nothing from being lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from marketlake.lake_root import Bucket
from marketlake.storage.disk_errors import as_storage_error
from marketlake.storage.file_lock import locked
from marketlake.storage.s3.access import Access, FindAccess, S3Options
from marketlake.storage.s3.client import READERS
from marketlake.storage.s3.file import ObjectFile
from marketlake.storage.s3.objects import Objects
from marketlake.storage.s3.probe import PROBE, require_conditional_writes
from marketlake.storage.s3.writer import ObjectWriter
from marketlake.storage.storage import Seen, Stamp, checked_key, overtaken

_LOCKS = "locks"


class S3Storage:
    """A prefix of a bucket. ``local``: a folder of this machine, for locks and for what may be appended to."""

    def __init__(self, root: Bucket, options: S3Options, find_access: FindAccess, local: Path) -> None:
        corner = hashlib.sha256(f"{options.endpoint_url} {root}".encode()).hexdigest()[:12]
        self._set(Objects(root.name, options, find_access), root, local / f"{root.name}-{corner}", root)

    def _set(self, objects: Objects, place: Bucket, local: Path, root: Bucket) -> None:
        self._objects, self._place, self._local, self._root = objects, place, local, root
        self.where = str(place)
        self.readers = READERS
        self.is_remote = True

    def read(self, key: str) -> Seen | None:
        """The bytes of one object with their ETag; None if it does not exist."""
        part = self._objects.get(self._key(key))
        return Seen(part.data, part.version) if part is not None else None

    def get(self, key: str) -> bytes | None:
        """The bytes of one object; None if it does not exist."""
        seen = self.read(key)
        return seen.data if seen is not None else None

    def open(self, key: str) -> BinaryIO | None:
        """One object to read parts of; None if it does not exist. Its end comes with the first request."""
        opened = ObjectFile.opened(self._objects, self._key(key), partial(overtaken, self.where, key))
        return cast("BinaryIO | None", opened)

    def exists(self, key: str) -> bool:
        """Whether the object exists."""
        return self._objects.get(self._key(key), "bytes=0-0") is not None

    def size_bytes(self, key: str) -> int:
        """The size of one object; 0 if it does not exist."""
        first = self._objects.get(self._key(key), "bytes=0-0")
        return first.size_bytes if first is not None else 0

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders directly under ``prefix``, sorted; none if it does not exist.

        Some stores go on naming one whose last object was removed.
        """
        _, beginnings = self._objects.level(self._below(prefix))
        return sorted(name for name in (one.split("/")[-2] for one in beginnings) if prefix or name != self._hidden)

    def stamps(self, prefix: str, name: str) -> dict[str, Stamp]:
        """Of each folder directly under ``prefix`` that holds a file ``name``: that file's stamp."""
        start = self._below(prefix)
        parts = ((one.key.removeprefix(start).split("/"), one) for one in self._objects.listed(start))
        return {at[0]: Stamp(one.size_bytes, one.version) for at, one in parts if at[1:] == [name]}

    def files(self, prefix: str) -> list[str]:
        """The names of the files directly under ``prefix``, sorted; none if it does not exist."""
        keys, _ = self._objects.level(self._below(prefix))
        return sorted(name for name in (key.split("/")[-1] for key in keys) if name)  # an empty one marks a folder

    def tree(self, prefix: str) -> list[str]:
        """Every file below ``prefix`` however deep, and, with a slash at its end, every folder that was made and in
        which no file lies: paths relative to it, sorted; none if it does not exist.
        """
        start = self._below(prefix)
        paths = [path for one in self._objects.listed(start) if (path := one.key.removeprefix(start))]
        if not prefix and self._hidden:
            paths = [path for path in paths if path.split("/")[0] != self._hidden]
        within = {path[: position + 1] for path in paths for position, sign in enumerate(path[:-1]) if sign == "/"}
        return sorted(path for path in paths if not path.endswith("/") or path not in within)

    @property
    def reached(self) -> tuple[S3Options, Access]:
        """How the bucket is reached, and with whose rights, for libraries that read it themselves."""
        return self._objects.options, self._objects.access

    def free_bytes(self) -> None:
        """A bucket has no bound."""

    def require_writable(self) -> None:
        """Raise a StorageError if the bucket cannot be written, or does not keep to the conditions of a write.

        What once was seen of the root holds for all of it, and for as long as this process runs.
        """
        require_conditional_writes(self._objects, self._root)

    @contextmanager
    def exclusive(self, name: str, timeout_s: float) -> Iterator[ObjectWriter]:
        """A writer that no other process of this machine has meanwhile. Raises LakeBusy.

        Those of other machines are kept apart by the conditions of each write alone.
        """
        if "/" in checked_key(name):
            raise ValueError(f"{name!r} is no name of a lock.")
        folder = self._local / _LOCKS
        with as_storage_error("lock", folder):
            folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f"{name}.lock", name, timeout_s, place=str(folder)):
            yield ObjectWriter(self._objects, self._place)

    def sweep(self) -> list[str]:
        """An object is written whole or not at all: nothing is ever left half done."""
        return []

    def address(self, key: str) -> str:
        """``s3://bucket/key``."""
        return f"{self._place}/{key}"

    def local_file(self, key: str) -> Path:
        """A file of this machine, which no other one sees."""
        return self._local / checked_key(key)

    def under(self, prefix: str) -> S3Storage:
        """The objects below ``prefix`` as a place of its own, with locks of its own."""
        if not prefix:
            return self
        corner = object.__new__(S3Storage)
        below = Bucket(self._place.name, "/".join(filter(None, (self._place.prefix, checked_key(prefix)))))
        corner._set(self._objects, below, self._local / prefix, self._root)
        return corner

    def _key(self, key: str) -> str:
        return f"{self._place.prefix}/{key}" if self._place.prefix else key

    def _below(self, prefix: str) -> str:
        return f"{self._key(prefix)}/" if prefix else self._key("")

    @property
    def _hidden(self) -> str | None:
        """The folder at the root that holds no keys."""
        return PROBE if self._place == self._root else None
