"""Bytes under keys: the small interface that the lake needs of a place to keep bytes.

A key is a relative POSIX path. Writing is one atomic act a key, and only within ``exclusive``.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol


class Writer(Protocol):
    """Writes while a lock is held."""

    def put(self, key: str, data: bytes) -> None:
        """Create or replace one object; a reader sees the old bytes or the new ones."""

    def keep(self, key: str, kept_key: str) -> None:
        """Keep the present bytes of ``key`` under ``kept_key``, whatever becomes of ``key``."""


class Storage(Protocol):
    """What the lake needs of a place to keep bytes."""

    @property
    def where(self) -> str:
        """The place, for people: ``/mnt/lake``."""

    def under(self, prefix: str) -> Storage:
        """The part of this place below ``prefix``, with locks of its own; all of it if that is empty."""

    def get(self, key: str) -> bytes | None:
        """The bytes of one object; None where it does not exist."""

    def open(self, key: str) -> BinaryIO | None:
        """One object to read parts of; None where it does not exist."""

    def exists(self, key: str) -> bool:
        """Whether the object exists."""

    def size_bytes(self, key: str) -> int:
        """The size of one object; 0 where it does not exist."""

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders directly under ``prefix``, sorted; none where it does not exist."""

    def folders_with(self, prefix: str, name: str) -> list[str]:
        """The names of those folders directly under ``prefix`` that hold a file ``name``, from one listing."""

    def files(self, prefix: str) -> list[str]:
        """The names of the files directly under ``prefix``, sorted; none where it does not exist."""

    def tree(self, prefix: str) -> list[str]:
        """Every file below ``prefix`` however deep, and, with a slash at its end, every folder in which no
        file can be seen: paths relative to it, sorted; none where it does not exist.
        """

    def exclusive(self, name: str, timeout_s: float) -> AbstractContextManager[Writer]:
        """A writer, as a context manager, that no other process of the same name has meanwhile."""

    def free_bytes(self) -> int | None:
        """Bytes left; None where the place has no bound."""

    def require_writable(self) -> None:
        """Raise StorageError if a file cannot be made and written."""

    def sweep(self) -> list[str]:
        """Remove what dead processes left of what they were writing; the names of it."""
