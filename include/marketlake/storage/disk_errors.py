"""What the operating system refuses, with what helps against it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marketlake.errors import StorageError

_NO_ROOM = "Free some room, or move storage.root."
_NOT_ALLOWED = "Check who may read and write in storage.root, and whether it is mounted read-only."
_BROKEN = "The disk of storage.root, or the connection to it, fails: see the machine's own log (dmesg), mend it."
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _NO_ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _NOT_ALLOWED),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.ETIMEDOUT), _BROKEN),
}


@contextmanager
def as_storage_error(action: str, path: Path) -> Iterator[None]:
    """What fails within is a StorageError that names the path, the reason and the next step."""
    try:
        yield
    except OSError as exc:
        advice = _ADVICE.get(exc.errno or 0, "Check that storage.root exists, is writable and has room.")
        raise StorageError(f"cannot {action} {path}: {exc.strerror or exc}. {advice}") from exc
