"""A clock that only waiting moves."""

from __future__ import annotations


class Clock:
    """Seconds since the machine started; a process that sleeps lets them pass."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def read(self) -> float:
        return self.now_s

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds
