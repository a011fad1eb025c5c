"""Processes that act at the same moment, and how each of them ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence

from disk import ended, forked
from marketlake.errors import LakeBusy, Overtaken

WON, OVERTAKEN, BUSY = 0, 3, 4
_BOUND_S = 60


def in_a_process(act: Callable[[], object]) -> int:
    """The process id of a child that acts and exits with what came of it; a signal ends it if it hangs."""

    def body() -> int:
        signal.alarm(_BOUND_S)
        try:
            act()
        except Overtaken:
            return OVERTAKEN
        except LakeBusy:
            return BUSY
        return WON

    return forked(body)


def outcome(act: Callable[[], object]) -> int:
    """What came of it in a process of its own; minus the signal that ended it."""
    return ended(in_a_process(act))


def raced(acts: Sequence[Callable[[], object]]) -> list[int]:
    """What came of each, one process each, all let go at once."""
    (ready, tell), (wait, go) = os.pipe(), os.pipe()

    def at_once(act: Callable[[], object]) -> Callable[[], object]:
        def waits_and_acts() -> None:
            os.close(go)
            os.write(tell, b".")
            os.read(wait, 1)  # until the last one has closed the other end
            act()

        return waits_and_acts

    children = [in_a_process(at_once(act)) for act in acts]
    for _ in children:
        os.read(ready, 1)
    os.close(go)
    ends = [ended(child) for child in children]
    for descriptor in (ready, tell, wait):
        os.close(descriptor)
    return ends
