"""What coverage does not trace: a server's threads but in tests that are about the server, and a lake's preparation.

To trace the simulator's answers everywhere is half of what coverage costs, and finds no line more.
"""

from __future__ import annotations

import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[1]
_ABOUT_IT = ("simulator", "lake/ingest/options/test_snapshots.py")
_answer = socketserver.ThreadingMixIn.process_request_thread
_traced = True


def follow(test: Path) -> None:
    """From now on as it is due in a file of tests."""
    global _traced  # noqa: PLW0603
    _traced = any(test.is_relative_to(_TESTS / place) for place in _ABOUT_IT)


@contextmanager
def untraced() -> Iterator[None]:
    """Within, neither this thread nor those that it starts are traced."""
    here, others = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        threading.settrace(others)  # type: ignore[arg-type]
        sys.settrace(here)


def _answered(server: Any, *request: Any) -> None:
    if not _traced:
        sys.settrace(None)  # of this thread, which coverage begins to trace as it does every one
    _answer(server, *request)


socketserver.ThreadingMixIn.process_request_thread = _answered  # type: ignore[method-assign]
