"""Children of a process of the tests: what they may not do to what its libraries left behind."""

from __future__ import annotations

import gc
import os

from disk import ended, forked


class EndsAnotherProcess:
    """As an object of a library may, once its threads are gone."""

    def __init__(self) -> None:
        self.itself = self  # so that only a look for garbage finds it
        self.process = os.getpid()

    def __del__(self) -> None:
        if os.getpid() != self.process:
            os._exit(11)


def test_a_child_leaves_alone_what_its_parent_no_longer_uses() -> None:
    def body() -> int:
        gc.collect()
        return 0

    gc.disable()
    try:
        EndsAnotherProcess()
        child = forked(body)
    finally:
        gc.enable()
    assert ended(child) == 0
