"""The HTTP side: aggregates by second, key check, plan limits, paging, faults, and a log of requests.

Source of paths, bodies and codes: the vendor's public API description and recorded answers.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
import re
import socket
import struct
import threading
import time
import uuid
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from marketlake.sessions import NEW_YORK, new_york_ms
from polygon_simulator.days import Bar, Days
from polygon_simulator.faults import BODY_FAULTS, HTTP_FAULTS, WIRE_FAULTS, Faults

_AGGREGATES = re.compile(r"/v2/aggs/ticker/([^/]+)/range/(\d+)/([a-z]+)/([^/]+)/([^/]+)")
_GZIP_FROM_BYTES = 1_400
_SLOW_S = 3


@dataclass
class Plan:
    """What the key may see. ``first_date``: nothing before it. ``seconds``: per-second bars at all."""

    seconds: bool = True
    first_date: dt.date = dt.date(2003, 9, 10)


@dataclass
class Simulator:
    """A running server on a port of 127.0.0.1. ``requests`` is what was asked, in order."""

    days: Days
    key: str
    plan: Plan = field(default_factory=Plan)
    faults: Faults = field(default_factory=Faults)
    requests: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    host: str = "127.0.0.1"

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base URL to configure."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Listen and serve in threads of this process."""
        self._cached_bars = lru_cache(maxsize=32)(self.days.bars)
        handler = type("Handler", (_Handler,), {"simulator": self})
        self._server = ThreadingHTTPServer((self.host, self.port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The bars of a day as they are served without a fault."""
        return self._cached_bars(ticker, day)

    def asked(self, day: dt.date) -> list[dict[str, Any]]:
        """The logged requests whose window starts on that New York day."""
        return [request for request in self.requests if request.get("day") == str(day)]


@dataclass(frozen=True)
class _Question:
    ticker: str
    multiplier: int
    timespan: str
    start_ms: int
    end_ms: int
    limit: int
    adjusted: bool
    page: int

    @property
    def day(self) -> dt.date:
        return dt.datetime.fromtimestamp(self.start_ms / 1000, NEW_YORK).date()


def _window_ms(value: str, *, end: bool) -> int:
    if re.fullmatch(r"\d{9,}", value):
        return int(value)
    day = dt.date.fromisoformat(value)
    return new_york_ms(day + dt.timedelta(days=1)) - 1 if end else new_york_ms(day)


def _question(path: str, query: dict[str, str]) -> _Question | None:
    match = _AGGREGATES.fullmatch(path)
    if not match:
        return None
    cursor = dict(parse_qsl(base64.urlsafe_b64decode(query.get("cursor", "")).decode()))
    asked = {**query, **cursor}
    return _Question(
        ticker=unquote(match[1]),
        multiplier=int(match[2]),
        timespan=match[3],
        start_ms=_window_ms(match[4], end=False),
        end_ms=_window_ms(match[5], end=True),
        limit=min(int(asked.get("limit", 5000)), 50_000),
        adjusted=asked.get("adjusted", "true") == "true",
        page=int(cursor.get("page", 1)),
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    simulator: Simulator

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: ``Simulator.requests`` is the log."""

    def do_GET(self) -> None:
        """Answer one request."""
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        try:
            question = _question(parts.path, query)
        except ValueError:
            self._log(parts.path, None)
            self._refuse("bad_request")
            return
        self._log(parts.path, question)
        if not self._key_is_good(query):
            return
        if question is None:
            self._send(404, {"status": "NOT_FOUND", "request_id": _request_id(), "message": "Data not found."})
        elif not self.simulator.plan.seconds:
            self._refuse("not_entitled")
        elif question.day < self.simulator.plan.first_date or question.start_ms > time.time() * 1000:
            self._refuse("not_entitled_in_200", code=403)
        else:
            self._answer(question)

    def do_POST(self) -> None:
        """Set faults: ``POST /simulator/faults {"2013-10-08": [{"fault": "500", "times": 0}]}``."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.simulator.faults.clear()
        for day, faults in body.items():
            self.simulator.faults.set(day, faults)
        self._send(200, {"status": "OK"})

    def _log(self, path: str, question: _Question | None) -> None:
        entry = {
            "path": path,
            "day": str(question.day) if question else None,
            "page": question.page if question else None,
        }
        entry["authorization"] = self.headers.get("Authorization")
        self.simulator.requests.append(entry)

    def _key_is_good(self, query: dict[str, str]) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ") or query.get("apiKey", "")
        if given == self.simulator.key:
            return True
        error = "Unknown API Key" if given else "API Key was not provided"
        self._send(401, {"status": "ERROR", "request_id": _request_id(), "error": error})
        return False

    def _answer(self, question: _Question) -> None:
        answer = self._page(question)
        fault = self.simulator.faults.take(str(question.day), question.page)
        name, _, argument = (fault or "").partition(":")
        if name in HTTP_FAULTS:
            self._refuse(name, retry_after=argument)
            return
        if name == "repeated_cursor":
            answer["next_url"] = f"{self.simulator.url}{self.path}"
        if name == "echoed_key":
            answer["asked_with"] = self.simulator.key
        if name in BODY_FAULTS:
            BODY_FAULTS[name](answer)
        if name in WIRE_FAULTS:
            self._break_off(name, json.dumps(answer).encode())
            return
        self._send(200, answer)

    def _page(self, question: _Question) -> dict[str, Any]:
        bars = self.simulator.bars(question.ticker, question.day) if question.timespan == "second" else []
        inside = [bar for bar in bars if question.start_ms <= bar["t"] <= question.end_ms]
        served = [dict(bar) for bar in inside[: question.limit]]
        answer: dict[str, Any] = {
            "ticker": question.ticker,
            "queryCount": len(served),
            "resultsCount": len(served),
            "adjusted": question.adjusted,
            "results": served,
            "status": "OK",
            "request_id": _request_id(),
            "count": len(served),
        }
        if not served:
            del answer["results"], answer["count"]
        if len(inside) > question.limit:
            answer["next_url"] = self._next_url(question, inside[question.limit]["t"])
        return answer

    def _next_url(self, question: _Question, start_ms: int) -> str:
        adjusted = str(question.adjusted).lower()
        cursor = f"adjusted={adjusted}&limit={question.limit}&page={question.page + 1}&sort=asc"
        path = f"/v2/aggs/ticker/{quote(question.ticker)}/range/{question.multiplier}/{question.timespan}"
        encoded = base64.urlsafe_b64encode(cursor.encode()).decode()
        return f"{self.simulator.url}{path}/{start_ms}/{question.end_ms}?cursor={encoded}"

    def _refuse(self, name: str, *, code: int | None = None, retry_after: str = "") -> None:
        http_code, status, text = HTTP_FAULTS[name]
        key = "message" if status == "NOT_AUTHORIZED" else "error"
        headers = {"Retry-After": retry_after} if retry_after else {}
        self._send(code or http_code, {"status": status, "request_id": _request_id(), key: text}, headers)

    def _break_off(self, name: str, body: bytes) -> None:
        if name == "html":
            self._send_bytes(200, b"<html><body>502 Bad Gateway</body></html>", {"Content-Type": "text/html"})
        elif name == "nan":
            self._send_bytes(200, re.sub(rb'"o": [\d.]+', b'"o": NaN', body, count=1), {})
        elif name == "truncated":
            self._send_bytes(200, body[: len(body) // 2], {})
        elif name == "redirect":
            self._send_bytes(302, b"", {"Location": "http://localhost:9/elsewhere"})
        elif name == "slow":
            time.sleep(_SLOW_S)
            self._send_bytes(200, body, {"Content-Type": "application/json"})
        elif name == "stall":
            time.sleep(_SLOW_S)
            self.close_connection = True
        else:
            self._cut(name, body)

    def _cut(self, name: str, body: bytes) -> None:
        """Promise the whole body, send half of it, and close (``short``) or reset the connection."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if name == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_WR) if name == "short" else self.connection.close()
        self.close_connection = True

    def _send(self, code: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        sent = {"Content-Type": "application/json", "X-Request-Id": body.get("request_id", ""), **(headers or {})}
        self._send_bytes(code, json.dumps(body, separators=(",", ":")).encode(), sent)

    def _send_bytes(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > _GZIP_FROM_BYTES:
            body = gzip.compress(body, 1)
            headers = {**headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _request_id() -> str:
    return uuid.uuid4().hex
