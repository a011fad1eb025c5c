"""The HTTP side: key check, budget, plan, answers, refusals word for word, and broken answers on request."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import msgspec

from marketlake.sessions import new_york_ms
from polygon_simulator import questions
from polygon_simulator.days import Bar
from polygon_simulator.faults import ARGUMENT_FAULTS, BODY_FAULTS, HTTP_FAULTS, WIRE_FAULTS, Faults
from polygon_simulator.plan import Budget, Plan
from polygon_simulator.questions import Aggregates, BadQuestion, OpenClose, request_id

_GZIP_FROM_BYTES = 1_400
_SLOW_S = 3
_LONGEST_STALL_S = 60
_BETWEEN_BYTES_S = 0.02
_IN_BODY = {*BODY_FAULTS, *ARGUMENT_FAULTS}


class Serving(Protocol):
    """What the handler needs of the simulator that it answers for."""

    key: str
    plan: Plan
    budget: Budget
    faults: Faults
    requests: deque[dict[str, Any]]
    now_s: Callable[[], float]

    @property
    def url(self) -> str:
        """The base URL."""

    @property
    def now_ms(self) -> int:
        """The start of the second that is under way, Unix ms."""

    def page(self, question: Aggregates, base_url: str) -> dict[str, Any]:
        """The answer to one question."""

    def open_close(self, question: OpenClose) -> Bar | None:
        """A day's official prices, if it has any."""


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection for one simulator."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: the second would wait for the first's receipt
    simulator: Serving

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: ``Simulator.requests`` is the log."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """What ``Date`` says: the simulator's clock."""
        return formatdate(self.simulator.now_s() if timestamp is None else timestamp, usegmt=True)

    def do_GET(self) -> None:
        """Answer one request."""
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if parts.path == "/simulator/health":
            self._send(200, {"status": "OK"})
            return
        try:
            question = questions.read(parts.path, query)
        except BadQuestion as exc:
            self._log(parts.path, None)
            if self._may_ask(query):
                self._refuse("bad_request", text=str(exc))
            return
        self._log(parts.path, question)
        if self._may_ask(query):
            self._answer(question)

    def do_POST(self) -> None:
        """Set faults: ``POST /simulator/faults {"2013-10-08": [{"fault": "500", "times": 0}]}``."""
        if self.path != "/simulator/faults":
            self._refuse("not_found")
            return
        try:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.simulator.faults.replace(body)
        except (ValueError, KeyError, AttributeError, TypeError) as exc:
            self._send(400, {"status": "ERROR", "error": f"no faults: {exc}"})
            return
        self._send(200, {"status": "OK"})

    def _log(self, path: str, question: Aggregates | OpenClose | None) -> None:
        entry = {
            "path": path,
            "day": str(question.day) if question else None,
            "page": question.page if isinstance(question, Aggregates) else None,
            "timespan": question.timespan if isinstance(question, Aggregates) else None,
            "authorization": self.headers.get("Authorization"),
        }
        self.simulator.requests.append(entry)

    def _may_ask(self, query: dict[str, str]) -> bool:
        """Whether key and budget allow a call; if not, it is refused."""
        given = self.headers.get("Authorization", "").removeprefix("Bearer ") or query.get("apiKey", "")
        if given != self.simulator.key:
            error = "Unknown API Key" if given else "API Key was not provided"
            self._send(401, {"status": "ERROR", "request_id": request_id(), "error": error})
            return False
        if not self.simulator.budget.spend(self.simulator.plan.calls_a_minute):
            self._refuse("429")
            return False
        return True

    def _answer(self, question: Aggregates | OpenClose | None) -> None:
        if question is None:
            self._refuse("not_found")
        elif isinstance(question, OpenClose):
            self._answer_open_close(question)
        elif question.timespan == "second" and not self.simulator.plan.seconds:
            self._refuse("not_entitled")
        elif not self._is_in_plan(question.day):
            self._refuse("not_entitled_in_200", code=403)
        else:
            self._answer_aggregates(question)

    def _is_in_plan(self, day: dt.date) -> bool:
        """Not before the plan's history; and a day that has not begun is refused in the same words."""
        return self.simulator.plan.first_date <= day and new_york_ms(day) <= self.simulator.now_ms

    def _answer_open_close(self, question: OpenClose) -> None:
        if not self._is_in_plan(question.day):
            self._refuse("not_entitled_in_200", code=403)
            return
        body = self.simulator.open_close(question)
        if body is None:
            self._refuse("not_found")
            return
        self._send(200, {"status": "OK", **body})

    def _answer_aggregates(self, question: Aggregates) -> None:
        fault = self.simulator.faults.take(str(question.day), question.page, question.timespan)
        name, _, argument = (fault or "").partition(":")
        if name in HTTP_FAULTS:
            self._refuse(name, retry_after=argument)
            return
        answer = self.simulator.page(question, self._base_url)
        if name == "repeated_cursor":
            answer["next_url"] = self._base_url + self.path
        if name == "duplicated_page":
            answer["next_url"] = self._base_url + question.next_path(question.start_ms)
        if name == "echoed_key":
            answer["asked_with"] = self.simulator.key
        self._spoil(answer, name, argument)
        if name in WIRE_FAULTS:
            self._break_off(name, argument, json.dumps(answer).encode())
            return
        self._send(200, answer)

    @property
    def _base_url(self) -> str:
        """The address that the client used, which is not always the one listened on."""
        return f"http://{self.headers.get('Host') or self.simulator.url.removeprefix('http://')}"

    def _refuse(self, name: str, *, code: int | None = None, retry_after: str = "", text: str = "") -> None:
        http_code, status, known_text = HTTP_FAULTS[name]
        key = "error" if status == "ERROR" else "message"
        headers = {"Retry-After": retry_after} if retry_after else {}
        self._send(code or http_code, {"status": status, "request_id": request_id(), key: text or known_text}, headers)

    @staticmethod
    def _spoil(answer: dict[str, Any], name: str, argument: str) -> None:
        """The fault in the answer itself, on copies of its bars: the originals are served again."""
        if "results" in answer:
            answer["results"] = [dict(bar) for bar in answer["results"]] if name in _IN_BODY else answer["results"]
        with suppress(IndexError, KeyError):  # a page with too few bars for it stays whole
            if name in BODY_FAULTS:
                BODY_FAULTS[name](answer)
            elif name in ARGUMENT_FAULTS:
                ARGUMENT_FAULTS[name](answer, argument)

    def _break_off(self, name: str, argument: str, body: bytes) -> None:
        if name == "html":
            self._send_bytes(200, b"<html><body>502 Bad Gateway</body></html>", {"Content-Type": "text/html"})
        elif name == "nan":
            self._send_bytes(200, re.sub(rb'"o": [\d.]+', b'"o": NaN', body, count=1), {})
        elif name == "truncated":
            self._send_bytes(200, body[: len(body) // 2], {})
        elif name == "redirect":
            self._send_bytes(302, b"", {"Location": f"{argument or 'http://localhost:9'}/elsewhere"})
        elif name == "slow":
            time.sleep(_SLOW_S)
            self._send_bytes(200, body, {"Content-Type": "application/json"})
        elif name == "stall":
            self._stall()
        else:
            self._promise(body)
            self._stall(body) if name == "trickle" else self._cut(name, body)

    def _promise(self, body: bytes) -> None:
        """The headers of an answer with the whole body."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
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

    def _send(self, code: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        sent = {"Content-Type": "application/json", "X-Request-Id": body.get("request_id", ""), **(headers or {})}
        self._send_bytes(code, msgspec.json.encode(body), sent)

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
