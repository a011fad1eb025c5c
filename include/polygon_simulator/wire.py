"""The bytes on the wire: whole answers, and answers that break off on request."""

from __future__ import annotations

import gzip
import re
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import msgspec

_GZIP_FROM_BYTES = 1_400
_SLOW_S = 3
_LONGEST_STALL_S = 60
_BETWEEN_BYTES_S = 0.02
_JSON: Mapping[str, str] = {"Content-Type": "application/json"}


class Wire(BaseHTTPRequestHandler):
    """Sends an answer, or part of it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: the second would wait for the first's receipt

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: ``Simulator.requests`` is the log."""

    def send_json(self, code: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        """An answer in JSON."""
        sent = {"Content-Type": "application/json", "X-Request-Id": body.get("request_id", ""), **(headers or {})}
        self.send_bytes(code, msgspec.json.encode(body), sent)

    def send_bytes(self, code: int, body: bytes, headers: Mapping[str, str]) -> None:
        """An answer, compressed if it is long and the client can read that."""
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > _GZIP_FROM_BYTES:
            body = gzip.compress(body, 1)
            headers = {**headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_plain(self, code: int, body: bytes, headers: Mapping[str, str]) -> None:
        """An answer as it is, never compressed anew; of a HEAD, without its body."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def break_off(
        self, name: str, argument: str, body: bytes, code: int = 200, headers: Mapping[str, str] = _JSON
    ) -> None:
        """An answer that is spoiled underway, as one of ``WIRE_FAULTS`` says."""
        if name == "html":
            self.send_bytes(200, b"<html><body>502 Bad Gateway</body></html>", {"Content-Type": "text/html"})
        elif name == "nan":
            self.send_bytes(200, re.sub(rb'"o": [\d.]+', b'"o": NaN', body, count=1), {})
        elif name == "truncated":
            self.send_bytes(code, body[: len(body) // 2], headers)
        elif name == "redirect":
            self.send_bytes(302, b"", {"Location": f"{argument or 'http://localhost:9'}/elsewhere"})
        elif name == "slow":
            time.sleep(_SLOW_S)
            self.send_bytes(code, body, headers)
        elif name == "stall":
            self._stall()
        else:
            self._promise(body, code, headers)
            self._stall(body) if name == "trickle" else self._cut(name, body)

    def _promise(self, body: bytes, code: int, headers: Mapping[str, str]) -> None:
        """The headers of an answer with the whole body."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.flush()

    def _stall(self, body: bytes = b"") -> None:
        """Send nothing, or a byte now and then, until the client has gone; for a minute at most."""
        self.close_connection = True
        self.connection.settimeout(_BETWEEN_BYTES_S)
        until_s = time.monotonic() + _LONGEST_STALL_S
        sent = 0
        with suppress(ConnectionError):
            while time.monotonic() < until_s and not self._client_has_gone():
                self.wfile.write(body[sent : sent + 1])
                sent += 1

    def _client_has_gone(self) -> bool:
        try:
            return not self.connection.recv(1)
        except TimeoutError:
            return False

    def _cut(self, name: str, body: bytes) -> None:
        """Send half of the promised body, and stop (``stall_in_body``), close (``short``) or reset."""
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if name == "stall_in_body":
            self._stall()
            return
        if name == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_WR) if name == "short" else self.connection.close()
        self.close_connection = True
