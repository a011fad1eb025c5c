"""An object to read parts of, in as few requests as pay."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

from marketlake.errors import Overtaken
from marketlake.storage.s3.objects import ConditionRefused, Objects, Part

_TAIL_BYTES = 64 * 1024
"""So much of the end comes with the first request: the footer of a partition, which says where the rest lies."""
_WHOLE_BYTES = 8 * 1024 * 1024
"""Up to this size the rest comes with the second request: column by column would take one each."""
_AHEAD_BYTES = 1024 * 1024


class ObjectFile(io.RawIOBase):
    """One version of an object. Raises Overtaken, from reading, once another one lies there.

    ``overtaken``: makes that error of what lies there by then.
    """

    def __init__(self, objects: Objects, key: str, tail: Part, overtaken: Callable[[str], Overtaken]) -> None:
        self._objects, self._key, self._overtaken = objects, key, overtaken
        self._parts = [tail]
        self._size = tail.size_bytes
        self._position = 0

    @classmethod
    def opened(cls, objects: Objects, key: str, overtaken: Callable[[str], Overtaken]) -> ObjectFile | None:
        """The object as it is now; None if it does not exist."""
        tail = objects.get(key, f"bytes=-{_TAIL_BYTES}")
        return cls(objects, key, tail, overtaken) if tail is not None else None

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position, in bytes from the start."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position; it may lie beyond the end."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"{start + offset} is before the start of the object")
        self._position = start + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """As many bytes as are asked for, or are left; of a negative size all that are left."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        data = self._bytes(self._position, self._position + wanted) if wanted else b""
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        """All that are left."""
        return self.read()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, as far as there are bytes left."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _bytes(self, first: int, end: int) -> bytes:
        tail = self._parts[0]
        if first < tail.first < end:  # the rest of the end is here already
            return self._bytes(first, tail.first) + tail.data[: end - tail.first]
        part = next((one for one in self._parts if one.first <= first and end <= one.first + len(one.data)), None)
        if part is None:
            part = self._fetch(first, end)
            self._parts = [tail, part]
        return part.data[first - part.first : end - part.first]

    def _fetch(self, first: int, end: int) -> Part:
        before_tail = self._parts[0].first
        if self._size <= _WHOLE_BYTES:
            first, end = 0, before_tail
        else:
            end = min(before_tail, max(end, first + _AHEAD_BYTES))
        try:
            part = self._objects.get(self._key, f"bytes={first}-{end - 1}", self._parts[0].version)
        except ConditionRefused:
            raise self._overtaken("now holds other bytes") from None
        if part is None:
            raise self._overtaken("is gone")
        return part
