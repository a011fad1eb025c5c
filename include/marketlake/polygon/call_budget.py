"""How often the API is called: one budget for all processes of this machine.

``pyrate-limiter`` keeps the sliding window, in a SQLite file. A caller reserves the next free moment under a
lock, then waits for it: moments are given in the order of the requests, and a process that dies wastes at most
one. The library's own wait is not used: it records the moment it meant to wake at, which may be before the call.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from filelock import FileLock, Timeout
from pyrate_limiter import Rate, RateItem, SQLiteBucket

from marketlake.errors import BudgetSpent, StorageError
from marketlake.polygon.hosts import is_vendor
from marketlake.settings import Settings

MARGIN_S = 2.0
"""The vendor counts calls as they arrive. One that was slow to leave or to connect and the later one that
was not are closer there than here; the window is so much longer than the vendor's."""
MINUTE_S = 60.0
_NOTICEABLE_S = 1.0
_LOCK_S = 60.0
_log = logging.getLogger(__name__)


class CallBudget:
    """Turns to call, ``calls`` of them within any ``window_s`` and a margin, over all processes on ``file``.

    ``now_s`` is a clock that all processes share. By default it is the seconds since the machine started:
    nobody sets that clock, so that no correction of the time of day lets calls through twice.
    """

    def __init__(
        self,
        file: Path,
        calls: int,
        *,
        longest_wait_s: float,
        window_s: float = MINUTE_S,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._calls = calls
        self._longest_wait_s = longest_wait_s
        self._rate = Rate(calls, round((window_s + MARGIN_S) * 1000))
        self._sleep = sleep
        self._now_s = now_s

    def take_turn(self, what: str) -> float:
        """Wait until the call may go, and say so. The seconds waited.

        Raises BudgetSpent, without waiting, if the turn would come later than ``longest_wait_s``, and
        StorageError if the calls cannot be counted: none is made uncounted.
        """
        wait_s = self._reserve(what)
        if wait_s >= _NOTICEABLE_S:
            _log.info("%s: waiting %.0f s for its turn (api.requests_per_minute = %d)", what, wait_s, self._calls)
        if wait_s:
            self._sleep(wait_s)
        return wait_s

    def _reserve(self, what: str) -> float:
        """Reserve the next free moment. Seconds until then."""
        with self._bucket() as bucket:
            now_ms = round(self._now_s() * 1000)
            newest = bucket.peek(0)
            if newest is not None and newest.timestamp > now_ms + self._longest_wait_s * 1000:
                bucket.flush()  # of before a restart of the machine: nobody reserves that far ahead
            bucket.leak(now_ms)
            call = RateItem("call", now_ms)
            if bucket.put(call):
                return 0.0
            wait_ms = cast("int", bucket.waiting(call))  # this bucket is not the asynchronous kind
            if wait_ms > self._longest_wait_s * 1000:
                raise self._spent(what, wait_ms / 1000)
            call.timestamp += wait_ms
            bucket.put(call)
            return wait_ms / 1000

    @contextmanager
    def _bucket(self) -> Iterator[SQLiteBucket]:
        """The window's file, opened anew each time: it may be removed whenever nobody calls."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._file}.lock", timeout=_LOCK_S, poll_interval=0.01):
                bucket = SQLiteBucket.init_from_file([self._rate], db_path=str(self._file))
                try:
                    yield bucket
                finally:
                    bucket.close()  # type: ignore[no-untyped-call]
        except Timeout as exc:
            raise StorageError(
                f"{self._file}.lock, under which API calls are counted, has been held for {_LOCK_S:.0f} s. See"
                " whether another task is stopped or hangs; clear this one later."
            ) from exc
        except (OSError, sqlite3.Error) as exc:
            raise StorageError(
                f"cannot count API calls in {self._file}: {exc}. Check that logging.folder is writable and has room;"
                " if the file is damaged, remove it."
            ) from exc

    def _spent(self, what: str, wait_s: float) -> BudgetSpent:
        return BudgetSpent(
            f"{what}: its turn would come in {wait_s:.0f} s (api.requests_per_minute = {self._calls}), and a call"
            f" waits {self._longest_wait_s:.0f} s at most, a quarter of tasks.timeout_s. Clear the task later; if it"
            " stays, lower api.sessions_in_flight or raise tasks.timeout_s.",
            wait_s,
        )


def budget_for(configured: Settings, host: str, *, window_s: float = MINUTE_S) -> CallBudget | None:
    """The budget for calls to ``host``; None if ``api.requests_per_minute`` sets no limit.

    Its file lies in ``logging.folder``, the one folder that is on this machine even if the lake is not, and
    that all tasks have in common. A host has one file, whatever the key; the vendor's two names are one.
    """
    calls = configured.api.requests_per_minute
    if calls is None:
        return None
    name = "the-vendor" if is_vendor(host) else re.sub(r"[^a-z0-9.]", "-", host.lower())
    # A session takes three calls: were each to wait longer, the task would run into its timeout.
    longest_wait_s = configured.tasks.timeout_s / 4
    file = configured.logging_folder / "calls" / f"{name}.sqlite"
    return CallBudget(file, calls, longest_wait_s=longest_wait_s, window_s=window_s)
