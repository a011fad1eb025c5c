"""What a key may see, and how often it may ask."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from marketlake.sessions import FIRST_SESSION

NAMES = ("basic", "starter", "developer", "advanced")
_YEARS = {"basic": 2, "starter": 5, "developer": 10}


@dataclass
class Plan:
    """``first_date``: nothing before it. ``seconds``: per-second bars at all. ``calls_a_minute``: None is no limit."""

    seconds: bool = True
    first_date: dt.date = FIRST_SESSION
    calls_a_minute: int | None = None

    @classmethod
    def named(cls, name: str, today: dt.date) -> Plan:
        """One of the vendor's stock plans: ``basic``, ``starter``, ``developer`` or ``advanced``."""
        years = _YEARS.get(name)
        first = today - dt.timedelta(days=round(years * 365.25)) if years else FIRST_SESSION
        return cls(seconds=name != "basic", first_date=first, calls_a_minute=5 if name == "basic" else None)


class Budget:
    """Calls within the last minute. Safe to use from many threads."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._spent_at_s: deque[float] = deque()

    def spend(self, calls_a_minute: int | None) -> bool:
        """Count one call. False, and nothing counted, if the minute's calls are spent."""
        if calls_a_minute is None:
            return True
        with self._lock:
            now_s = self._now_s()
            while self._spent_at_s and self._spent_at_s[0] <= now_s - 60:
                self._spent_at_s.popleft()
            if len(self._spent_at_s) >= calls_a_minute:
                return False
            self._spent_at_s.append(now_s)
            return True
