"""Writing into a bucket: each write carries its condition, and one that is refused looks at what is there."""

from __future__ import annotations

from marketlake.lake_root import Bucket
from marketlake.storage.s3.objects import ConditionRefused, Objects, Part
from marketlake.storage.storage import Seen, checked_key, overtaken

_MOST_CONFLICTS = 3


class ObjectWriter:
    """Writes below a prefix of a bucket. What cannot be written raises StoreUnreachable or StoreRefused."""

    def __init__(self, objects: Objects, place: Bucket) -> None:
        self._objects, self._place = objects, place

    def create(self, key: str, data: bytes) -> None:
        """Write an object that is not there yet."""
        self._write(key, data, None)

    def replace(self, key: str, data: bytes, seen: Seen) -> None:
        """Replace an object that still is what was seen."""
        self._write(key, data, seen)

    def keep(self, key: str, kept_key: str, seen: Seen) -> None:
        """Keep the bytes that were seen: those, and not what a copy within the store would find by then."""
        checked_key(key)
        self._write(kept_key, seen.data, None)

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whatever is there."""
        self._objects.put(self._full(key), data)

    def _write(self, key: str, data: bytes, seen: Seen | None) -> None:
        """Write on the condition that what was seen is there; None: nothing.

        A refusal may answer the repetition of one's own write, of which the answer was lost; so what counts is what is
        there. Raises Overtaken.
        """
        full = self._full(key)
        for _ in range(_MOST_CONFLICTS):
            try:
                self._write_once(full, data, seen)
                return
            except ConditionRefused as refused:
                there = self._objects.get(full)
                if there is not None and there.data == data:
                    return
                if not (refused.conflict and _is(there, seen)):
                    raise self._overtaken(key, there) from None
        raise self._overtaken(key, there)

    def _write_once(self, full: str, data: bytes, seen: Seen | None) -> None:
        if self._objects.options.conditional:
            condition = {"IfNoneMatch": "*"} if seen is None else {"IfMatch": seen.version}
            self._objects.put(full, data, **condition)
        elif _is(self._objects.get(full), seen):  # storage.conditional_writes = one_machine: its locks alone
            self._objects.put(full, data)
        else:
            raise ConditionRefused(conflict=False)

    def _overtaken(self, key: str, there: Part | None) -> Exception:
        return overtaken(str(self._place), key, "is gone" if there is None else "now holds other bytes")

    def _full(self, key: str) -> str:
        checked_key(key)
        return f"{self._place.prefix}/{key}" if self._place.prefix else key


def _is(there: Part | None, seen: Seen | None) -> bool:
    """Whether what is there is what was seen."""
    return (there.version if there else None) == (seen.version if seen else None)
