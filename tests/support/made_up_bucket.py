"""An object store in a few lines, for what no real one here does: conditions that are ignored, raced, or AWS's own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MEETING_S = 0.5


class Conditions(Enum):
    """What a store makes of ``If-None-Match`` and ``If-Match``."""

    KEPT = "kept"
    IGNORED = "ignored"
    RACED = "looked at, and written by somebody else before the bytes are"
    NEW_ONES_ALONE = "If-None-Match kept, If-Match ignored"


class MadeUpBucket:
    """Objects of one bucket in memory; signatures are not looked at."""

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self.objects: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.meeting = threading.Barrier(2, timeout=_MEETING_S)

    def put(self, key: str, data: bytes, if_match: str | None, if_none_match: str | None) -> int:
        """The HTTP code of the answer; of a replacement of what is not there, as AWS, 404."""
        with self.lock:
            if code := self._refusal(key, if_match, if_none_match):
                return code
            if self.conditions is not Conditions.RACED or if_match is None:
                self.objects[key] = data
                return 200
        with suppress(threading.BrokenBarrierError):
            self.meeting.wait()  # for somebody else who has looked
        self.objects[key] = data
        return 200

    def _refusal(self, key: str, if_match: str | None, if_none_match: str | None) -> int:
        there = self.objects.get(key)
        if self.conditions is Conditions.IGNORED:
            return 0
        if if_none_match is not None:
            return 412 if there is not None else 0
        if if_match is None or self.conditions is Conditions.NEW_ONES_ALONE:
            return 0
        if there is None:
            return 404
        return 0 if etag(there) == if_match else 412


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


@contextmanager
def made_up_bucket(conditions: Conditions) -> Iterator[str]:
    """Its address, while it is served."""
    handler = type("BoundHandler", (_Handler,), {"bucket": MadeUpBucket(conditions)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    bucket: MadeUpBucket

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        code = self.bucket.put(self.path, data, self.headers.get("If-Match"), self.headers.get("If-None-Match"))
        self._say(code, etag(data) if code == 200 else "", _REFUSALS.get(code, b""))

    def do_GET(self) -> None:
        if "list-type=2" in self.path:  # as the lake asks whether the bucket is there
            self._say(200, "", b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>")
            return
        data = self.bucket.objects.get(self.path)
        self._say(404 if data is None else 200, etag(data or b""), _REFUSALS[404] if data is None else data)

    def do_HEAD(self) -> None:
        self._say(200, "", b"")

    def _say(self, code: int, version: str, body: bytes) -> None:
        self.send_response(code)
        if version:
            self.send_header("ETag", version)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


_REFUSALS = {
    code: f"<Error><Code>{name}</Code><Message>as of AWS</Message></Error>".encode()
    for code, name in ((404, "NoSuchKey"), (412, "PreconditionFailed"))
}
