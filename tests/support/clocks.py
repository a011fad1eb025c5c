"""A clock that only waiting moves, and moments as New York tells them."""

from __future__ import annotations

import datetime as dt

from marketlake.sessions import NEW_YORK


def new_york(text: str) -> dt.datetime:
    """``2026-11-19 16:45`` New York, in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(dt.UTC)


class Clock:
    """Seconds since the machine started; a process that sleeps lets them pass."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def read(self) -> float:
        return self.now_s

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds
