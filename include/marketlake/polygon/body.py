"""The body of an answer, within a bound on the whole: a read timeout bounds only the time between two pieces."""

from __future__ import annotations

import threading
from contextlib import suppress

import requests

_PIECE_BYTES = 1 << 20
"""What is unpacked at once: ``response.content`` takes 10 KB, and as long again for it as the unpacking itself."""


def read_within(response: requests.Response, timeout_s: float) -> bytes:
    """The decoded body of a streamed answer. Raises RequestException; ReadTimeout if it takes longer.

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
        body = b"".join(response.iter_content(_PIECE_BYTES))
    except requests.exceptions.RequestException:
        if not late.is_set():
            raise
    finally:
        watch.cancel()
    if late.is_set():
        raise requests.exceptions.ReadTimeout(f"the body did not end within {timeout_s:g} s")
    return body
