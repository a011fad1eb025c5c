"""``lake.json`` at the lake's root, written once: what the whole lake is."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from marketlake.errors import Overtaken, PlaceUnusable, StorageError
from marketlake.polygon.hosts import source_kind
from marketlake.storage.storage import Storage

LAKE_FILE = "lake.json"
LAYOUT = 1


class LakeKind(msgspec.Struct, frozen=True):
    """``layout`` counts changes of where things lie; ``source`` is what ``source_kind`` says of a host."""

    layout: int
    source: str
    adjusted: bool

    @classmethod
    def of(cls, host: str, *, adjusted: bool) -> LakeKind:
        """What a lake is that holds rows of a host."""
        return cls(LAYOUT, source_kind(host), adjusted)


def recorded_kind(storage: Storage) -> LakeKind | None:
    """What is written down; None of a lake that is empty, or of an earlier version.

    Raises StorageError if it cannot be read, PlaceUnusable if its layout is none that this version knows.
    """
    data = storage.get(LAKE_FILE)
    if data is None:
        return None
    try:
        kind = msgspec.json.decode(data, type=LakeKind)
    except msgspec.DecodeError as exc:
        raise StorageError(
            f"{LAKE_FILE} in {storage.where} says nothing that can be read ({exc}). Take it from a backup, or remove"
            " it: it is made anew from what the lake holds."
        ) from exc
    if kind.layout != LAYOUT:
        raise PlaceUnusable(
            f"{LAKE_FILE} in {storage.where} is of layout {kind.layout}, and this version knows layout {LAYOUT} alone:"
            " nothing of it was read or written. Update to the version that made the lake, or choose another"
            " storage.root."
        )
    return kind


def record(storage: Storage, kind: LakeKind, lock_timeout_s: float) -> None:
    """Write down what the lake is, unless that was done meanwhile: whoever was first counts. Raises StorageError."""
    with suppress(Overtaken), storage.exclusive(LAKE_FILE, lock_timeout_s) as writer:
        writer.create(LAKE_FILE, msgspec.json.encode(kind))
