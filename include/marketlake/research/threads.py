"""Work on many sessions by several threads, in the sessions' order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 2
"""Sessions a thread takes at a time: handing over costs a third of a millisecond, a tenth of reading one."""


def in_turn(act: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """What is made of each, in their order, by threads that are never far ahead of who takes it.

    The first error ends it; every thread has ended when the iterator has.
    """

    at_once = max(1, min(_AT_ONCE, len(items) // workers))

    def some(start: int) -> list[Result]:
        return [act(item) for item in items[start : start + at_once]]

    starts = iter(range(0, len(items), at_once))
    with ThreadPoolExecutor(workers) as threads:
        ahead: deque[Future[list[Result]]] = deque()
        for start in starts:
            ahead.append(threads.submit(some, start))
            if len(ahead) >= 2 * workers:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
