"""The body of an answer, within a bound on the whole: a read timeout bounds only the time between two pieces."""

from __future__ import annotations

import threading
from contextlib import suppress

import requests


def read_within(response: requests.Response, timeout_s: float) -> bytes:
    """The decoded body of a streamed answer. Raises RequestException; ReadTimeout where it takes longer.

    Reading waits in the operating system, so what ends it is another thread that shuts the connection.
    """
    late = threading.Event()

    def end() -> None:
        late.set()
        with suppress(RuntimeError, ValueError):  # read to its end meanwhile
            response.raw.shutdown()

    watch = threading.Timer(timeout_s, end)
    watch.daemon = True
    watch.start()
    try:
        body = response.content
    except requests.exceptions.RequestException:
        if not late.is_set():
            raise
    finally:
        watch.cancel()
    if late.is_set():
        raise requests.exceptions.ReadTimeout(f"the body did not end within {timeout_s:g} s")
    return body
