"""Bytes under keys: the small interface that the lake needs of a place to keep bytes.

A key is a relative POSIX path, no folder of another key. Writing is one atomic act a key, and only within
``exclusive``, under one name for one key. That saves work; what keeps anything from being lost is that a writer
says what it has seen: whoever was overtaken changes nothing, and learns of it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from marketlake.errors import Overtaken


class Stamp(NamedTuple):
    """What a listing says of an object: how large it is, and a text that is another once it has been written again."""

    size_bytes: int
    version: str


@dataclass(frozen=True)
class Seen:
    """The bytes of one object, and the version under which they were read: opaque, another for other bytes."""

    data: bytes = field(repr=False)
    version: str


class Writer(Protocol):
    """Writes while a lock is held. A reader sees the old bytes or the new ones, never a part.

    Keys with an empty part, ``.`` or ``..`` raise ValueError; whatever else cannot be written raises StorageError.
    """

    def create(self, key: str, data: bytes) -> None:
        """Write an object that is not there yet; the same bytes there are fine. Raises Overtaken if others are."""

    def replace(self, key: str, data: bytes, seen: Seen) -> None:
        """Replace an object that still is what was seen. Raises Overtaken if it is anything else, or gone.

        If it is ``data`` already, that is fine: the answer to one's own write may have been lost. So two that
        replace with the same bytes are both content; bytes in which each has to count must differ by their writer.
        """

    def keep(self, key: str, kept_key: str, seen: Seen) -> None:
        """Keep the bytes that were seen under ``key`` as ``kept_key``, whatever becomes of ``key``.

        Written once: the same bytes there are fine. Raises Overtaken if others are.
        """

    def put(self, key: str, data: bytes) -> None:
        """Create or replace one object, whatever is there: the last one wins."""


class Storage(Protocol):
    """What the lake needs of a place to keep bytes. What cannot be read or listed raises StorageError."""

    @property
    def where(self) -> str:
        """The place, for people: a folder, or a bucket with its prefix."""

    @property
    def readers(self) -> int:
        """How many reads at once pay."""

    @property
    def is_remote(self) -> bool:
        """Whether each read waits for a network, so that a few at once pay already."""

    def read(self, key: str) -> Seen | None:
        """The bytes of one object with their version, for whoever will replace it; None if it does not exist."""

    def get(self, key: str) -> bytes | None:
        """The bytes of one object; None if it does not exist."""

    def open(self, key: str) -> BinaryIO | None:
        """One object to read parts of; None if it does not exist."""

    def exists(self, key: str) -> bool:
        """Whether the object exists."""

    def size_bytes(self, key: str) -> int:
        """The size of one object; 0 if it does not exist."""

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders directly under ``prefix``, sorted; none if it does not exist."""

    def stamps(self, prefix: str, name: str) -> dict[str, Stamp]:
        """Of each folder directly under ``prefix`` that holds a file ``name``: that file's stamp. From one listing."""

    def files(self, prefix: str) -> list[str]:
        """The names of the files directly under ``prefix``, sorted; none if it does not exist."""

    def tree(self, prefix: str) -> list[str]:
        """Every file below ``prefix`` however deep, and, with a slash at its end, every folder in which no
        file can be seen: paths relative to it, sorted; none if it does not exist.
        """

    def exclusive(self, name: str, timeout_s: float) -> AbstractContextManager[Writer]:
        """A writer, as a context manager, that no other process of the same name has meanwhile.

        Raises LakeBusy if another one still has it after ``timeout_s``; ValueError if ``name`` is no plain name.
        """

    def free_bytes(self) -> int | None:
        """Bytes left; None if the place has no bound."""

    def require_writable(self) -> None:
        """Raise StorageError if nothing can be written as ``Writer`` promises."""

    def sweep(self) -> list[str]:
        """Remove what writers that died left half done; the names they held."""

    def address(self, key: str) -> str:
        """Where an object lies, for libraries that read it themselves: a path, or ``s3://bucket/key``."""

    def local_file(self, key: str) -> Path:
        """A file of this machine that a holder of the key's lock may append to: no object, and no other machine's."""

    def under(self, prefix: str) -> Storage:
        """A corner of this place, with keys and locks of its own: its ``a`` is this one's ``prefix/a``.

        With an empty prefix the same place. Raises ValueError if ``prefix`` could be no key.
        """


def overtaken(where: str, key: str, state: str) -> Overtaken:
    """The error of a writer that found something else under a key than it had to."""
    return Overtaken(
        f"{key} in {where} {state}: somebody else published in between. Nothing was overwritten; what to publish is"
        " decided anew from what is there now. If this stays, clear the task later."
    )


def checked_key(key: str) -> str:
    """A key that leads nowhere else. Raises ValueError for an absolute one, or one with an empty part, . or .."""
    if any(part in {"", ".", ".."} for part in key.split("/")):
        raise ValueError(f"{key!r} is no key: it takes a relative path without empty parts, '.' and '..'.")
    return key
