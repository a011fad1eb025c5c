"""A lock that processes of one machine hold by a file, and that dies with its holder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from marketlake.errors import LakeBusy, StorageError


@contextmanager
def locked(file: Path, name: str, timeout_s: float, *, place: str) -> Iterator[None]:
    """While within, no other process of this machine has the lock ``name``, which is ``file``.

    ``place``: what to look at if the file cannot be locked, which raises StorageError. Raises LakeBusy if another one
    still has it after ``timeout_s``.
    """
    started = time.monotonic()
    lock = FileLock(file)
    try:
        lock.acquire(timeout=timeout_s, poll_interval=0.05)
    except Timeout as exc:
        raise LakeBusy(
            f"{name} has been locked by another process for {time.monotonic() - started:.0f} s"
            f" (storage.lock_timeout_s = {timeout_s:g}). See whether that task still works; clear this one later."
        ) from exc
    except OSError as exc:
        raise StorageError(f"cannot lock {file}: {exc}. Check that {place} is writable.") from exc
    try:
        yield
    finally:
        lock.release()
