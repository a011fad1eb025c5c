"""Between a client and an object store: passes requests on, counts them, and spoils those that it is told to."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

_BETWEEN_BYTES_S = 0.01
_LONGEST_STALL_S = 30
_NOT_PASSED_ON = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})


class Asked(NamedTuple):
    """A request as it arrived; header names in lower case. ``port``: the client's. ``key``: with the bucket."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    port: int

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path).strip("/")

    @property
    def is_conditional(self) -> bool:
        return not self.headers.keys().isdisjoint({"if-match", "if-none-match"})

    def __str__(self) -> str:
        return f"{self.method} {self.key}{' if' if self.is_conditional else ''}"


class Answer(NamedTuple):
    """What the store said; header names in lower case."""

    code: int
    headers: Mapping[str, str]
    body: bytes


Fault = str
"""One of ``FAULTS``; "" for none."""
Meet = Callable[[Asked], Fault]
"""Says of a request what is to go wrong with it."""


def nothing(_: Asked) -> Fault:
    return ""


def meets(fault: Fault, times: int = 0, *, method: str = "", key: str = "") -> Meet:
    """The fault for requests of that method whose key has that pattern, so many times; 0: for ever."""
    left = [times or -1]
    guard = threading.Lock()

    def meet(asked: Asked) -> Fault:
        with guard:
            if not left[0] or (method and method != asked.method) or not re.search(key, asked.key):
                return ""
            left[0] -= 1
            return fault

    return meet


@dataclass
class FaultProxy:
    """Listens on a port of its own, in threads of this process, for one store.

    ``asked`` has every request in its order, without its body. ``meet`` says what is to go wrong with each.
    """

    store_url: str
    meet: Meet = nothing
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultProxy:
        handler = type("BoundHandler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    @contextmanager
    def meeting(self, meet: Meet) -> Iterator[list[Asked]]:
        """With these faults; the requests that are made meanwhile."""
        before, self.meet = self.meet, meet
        self.asked.clear()
        try:
            yield self.asked
        finally:
            self.meet = before


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Clients that go away are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, and one to the store."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: FaultProxy
    _store: http.client.HTTPConnection | None = None

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body, self.client_address[1])
        self.proxy.asked.append(asked._replace(body=b""))
        FAULTS[self.proxy.meet(asked)](self, asked)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - http.server's names

    def finish(self) -> None:
        if self._store is not None:
            self._store.close()
        super().finish()

    def of_the_store(self, asked: Asked) -> Answer:
        """The store's answer to the request as it came, its signature included."""
        answer = self.ask_the_store(asked, asked.body).getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())

    def ask_the_store(self, asked: Asked, body: bytes) -> http.client.HTTPConnection:
        """The connection on which the request was sent, with these bytes in the place of all."""
        if self._store is None:
            self._store = http.client.HTTPConnection(urlsplit(self.proxy.store_url).netloc, timeout=60)
        self._store.putrequest(asked.method, asked.path, skip_host=True, skip_accept_encoding=True)
        for name, value in asked.headers.items():
            if name not in {"connection", "expect"}:
                self._store.putheader(name, value)
        self._store.endheaders(body)
        return self._store

    def say(self, answer: Answer, sent: int | None = None) -> None:
        """The answer, or its headers and the first bytes of its body."""
        self.send_response_only(answer.code)
        for name, value in answer.headers.items():
            if name not in _NOT_PASSED_ON:
                self.send_header(name, value)
        length = answer.headers.get("content-length", "0") if self.command == "HEAD" else str(len(answer.body))
        self.send_header("Content-Length", length)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[:sent])
        self.wfile.flush()

    def reset(self) -> None:
        """Break the connection off, as a machine does that is gone."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def wait_until_left(self, tell: bytes = b"") -> None:
        """Say nothing, or a byte now and then, until the client has gone; half a minute at most."""
        self.close_connection = True  # what the client says meanwhile is lost
        self.connection.settimeout(_BETWEEN_BYTES_S)
        until_s = time.monotonic() + _LONGEST_STALL_S
        bytes_left = iter(range(len(tell)))
        with suppress(ConnectionError):
            while time.monotonic() < until_s:
                at = next(bytes_left, len(tell))
                self.wfile.write(tell[at : at + 1])
                with suppress(TimeoutError):
                    if not self.connection.recv(1):
                        return


def _pass_on(handler: _Handler, asked: Asked) -> None:
    handler.say(handler.of_the_store(asked))


def _reset(handler: _Handler, asked: Asked) -> None:
    handler.reset()


def _lose_the_answer(handler: _Handler, asked: Asked) -> None:
    handler.of_the_store(asked)
    handler.reset()


def _ask_by_half(handler: _Handler, asked: Asked) -> None:
    handler.ask_the_store(asked, asked.body[: len(asked.body) // 2]).close()
    handler.reset()


def _hang(handler: _Handler, asked: Asked) -> None:
    handler.wait_until_left()


def _trickle(handler: _Handler, asked: Asked) -> None:
    answer = handler.of_the_store(asked)
    handler.close_connection = True
    handler.say(answer, sent=1)
    handler.wait_until_left(answer.body[1:])


def _cut_short(handler: _Handler, asked: Asked) -> None:
    answer = handler.of_the_store(asked)
    handler.close_connection = True
    handler.say(answer, sent=len(answer.body) // 2)


def _flip(handler: _Handler, asked: Asked) -> None:
    answer = handler.of_the_store(asked)
    middle = len(answer.body) // 2
    flipped = bytes([answer.body[middle] ^ 1]) if answer.body else b""
    handler.say(answer._replace(body=answer.body[:middle] + flipped + answer.body[middle + 1 :]))


def _refuse(code: int, name: str, message: str) -> Callable[[_Handler, Asked], None]:
    text = f"<Error><Code>{name}</Code><Message>{message}</Message><RequestId>REQUEST1</RequestId></Error>"
    headers = {"content-type": "application/xml", "x-amz-request-id": "REQUEST1"}

    def refuse(handler: _Handler, asked: Asked) -> None:
        handler.say(Answer(code, headers, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()))

    return refuse


FAULTS: dict[Fault, Callable[[_Handler, Asked], None]] = {
    "": _pass_on,
    "reset": _reset,
    "lost": _lose_the_answer,
    "half": _ask_by_half,
    "hang": _hang,
    "trickle": _trickle,
    "short": _cut_short,
    "flipped": _flip,
    "500": _refuse(500, "InternalError", "We encountered an internal error. Please try again."),
    "503": _refuse(503, "SlowDown", "Please reduce your request rate."),
    "conflict": _refuse(
        409,
        "ConditionalRequestConflict",
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
    ),
    "denied": _refuse(403, "AccessDenied", "Access Denied"),
    "expired": _refuse(400, "ExpiredToken", "The provided token has expired."),
    "skewed": _refuse(
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the server's time is too large.",
    ),
    "no_bucket": _refuse(404, "NoSuchBucket", "The specified bucket does not exist"),
    "elsewhere": _refuse(301, "PermanentRedirect", "The bucket is in this region: eu-central-1."),
}
"""What can go wrong with a request to the store, by name; codes and words of errors as AWS documents them."""
