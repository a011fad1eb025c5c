"""The HTTP side: key check, budget, plan, answers, refusals word for word, and broken answers on request."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from marketlake.sessions import new_york_ms
from polygon_simulator import questions, references, s3
from polygon_simulator.chain_faults import CHAIN_FAULTS
from polygon_simulator.days import Bar
from polygon_simulator.faults import ARGUMENT_FAULTS, BODY_FAULTS, HTTP_FAULTS, WIRE_FAULTS, Faults
from polygon_simulator.flat_files import BUCKET, FLAT_FILE
from polygon_simulator.plan import Budget, Plan
from polygon_simulator.questions import Aggregates, BadQuestion, OpenClose, request_id
from polygon_simulator.references import Reference
from polygon_simulator.snapshot_faults import SNAPSHOT_FAULTS
from polygon_simulator.wire import Wire

_ARGUMENT = {**ARGUMENT_FAULTS, **CHAIN_FAULTS, **SNAPSHOT_FAULTS}
_IN_BODY = {*BODY_FAULTS, *_ARGUMENT}

Question = Aggregates | OpenClose | Reference


class Serving(Protocol):
    """What the handler needs of the simulator that it answers for."""

    key: str
    plan: Plan
    budget: Budget
    faults: Faults
    requests: deque[dict[str, Any]]
    now_s: Callable[[], float]
    latency_ms: float

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

    def reference(self, question: Reference, base_url: str, fault: str) -> dict[str, Any] | None:
        """A page of a reference list; None for a contract that there is not."""

    def flat_file(self, request: s3.Request, fault: str) -> s3.Reply:
        """The bucket's answer."""


class Handler(Wire):
    """Answers the requests of one connection for one simulator."""

    simulator: Serving

    def date_time_string(self, timestamp: float | None = None) -> str:
        """What ``Date`` says: the simulator's clock."""
        return formatdate(self.simulator.now_s() if timestamp is None else timestamp, usegmt=True)

    def do_GET(self) -> None:
        """Answer one request."""
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if parts.path == "/simulator/health":
            self.send_json(200, {"status": "OK"})
            return
        if self.simulator.latency_ms:
            time.sleep(self.simulator.latency_ms / 1000)
        if request := s3.Request.of(self.command, unquote(parts.path), query, dict(self.headers.items())):
            self._answer_s3(request)
            return
        try:
            question = references.read(parts.path, query) or questions.read(parts.path, query)
        except BadQuestion as exc:
            self._log(parts.path, None)
            if self._may_ask(query):
                self._refuse("bad_request", text=str(exc))
            return
        self._log(parts.path, question)
        if self._may_ask(query):
            self._answer(question)

    def do_HEAD(self) -> None:
        """Answer one request for a flat file without its content; nothing else has a HEAD."""
        if self.path.startswith(f"/{BUCKET}"):
            self.do_GET()
        else:
            self.send_plain(405, b"", {})

    def do_POST(self) -> None:
        """Set faults: ``POST /simulator/faults {"2013-10-08": [{"fault": "500", "times": 0}]}``."""
        if self.path != "/simulator/faults":
            self._refuse("not_found")
            return
        try:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.simulator.faults.replace(body)
        except (ValueError, KeyError, AttributeError, TypeError) as exc:
            self.send_json(400, {"status": "ERROR", "error": f"no faults: {exc}"})
            return
        self.send_json(200, {"status": "OK"})

    def _log(self, path: str, question: Question | None) -> None:
        entry = {
            "path": path,
            "day": str(question.day) if question else None,
            "page": question.page if isinstance(question, Aggregates | Reference) else None,
            "timespan": question.timespan if isinstance(question, Aggregates | Reference) else None,
            "ticker": question.ticker if question else None,
            "authorization": self.headers.get("Authorization"),
        }
        self.simulator.requests.append(entry)

    def _may_ask(self, query: dict[str, str]) -> bool:
        """Whether key and budget allow a call; if not, it is refused."""
        given = self.headers.get("Authorization", "").removeprefix("Bearer ") or query.get("apiKey", "")
        if given != self.simulator.key:
            error = "Unknown API Key" if given else "API Key was not provided"
            self.send_json(401, {"status": "ERROR", "request_id": request_id(), "error": error})
            return False
        if not self.simulator.budget.spend(self.simulator.plan.calls_a_minute):
            self._refuse("429")
            return False
        return True

    def _answer(self, question: Question | None) -> None:
        if question is None:
            self._refuse("not_found")
        elif isinstance(question, Reference):
            self._answer_reference(question)
        elif refusal := self._refusal(question):
            name, code = refusal
            self._refuse(name, code=code)
        elif isinstance(question, OpenClose):
            self._answer_open_close(question)
        else:
            self._answer_aggregates(question)

    def _refusal(self, question: Aggregates | OpenClose) -> tuple[str, int] | None:
        """Why the plan does not allow it; a day that has not begun is refused as one before the plan's history."""
        timespan = question.timespan if isinstance(question, Aggregates) else "day"
        if refusal := self.simulator.plan.refusal(question.ticker, timespan, question.day):
            return refusal
        begun = new_york_ms(question.day) <= self.simulator.now_ms
        return None if begun else ("not_entitled_in_200", 403)

    def _answer_open_close(self, question: OpenClose) -> None:
        body = self.simulator.open_close(question)
        if body is None:
            self._refuse("not_found")
            return
        self.send_json(200, {"status": "OK", **body})

    def _answer_aggregates(self, question: Aggregates) -> None:
        contract = question.ticker if question.ticker.startswith("O:") else ""
        fault = self.simulator.faults.take(str(question.day), question.page, question.timespan, contract)
        name, _, argument = (fault or "").partition(":")
        if name in HTTP_FAULTS:
            self._refuse(name, retry_after=argument)
            return
        answer = self.simulator.page(question, self._base_url)
        self._send_page(answer, name, argument, question.next_path(question.start_ms))

    def _answer_reference(self, question: Reference) -> None:
        if not self.simulator.plan.lists(question.endpoint):
            self._refuse("not_entitled", code=200)
            return
        fault = self.simulator.faults.take(question.day, question.page, question.endpoint)
        name, _, argument = (fault or "").partition(":")
        if name in HTTP_FAULTS:
            self._refuse(name, retry_after=argument)
            return
        answer = self.simulator.reference(question, self._base_url, name)
        if answer is None:
            self._refuse("not_found")
            return
        if name == "empty":  # of lists: with the key, and without counts
            answer, name = {"results": [], "status": "OK", "request_id": request_id()}, ""
        self._send_page(answer, name, argument, question.again())

    def _answer_s3(self, request: s3.Request) -> None:
        entry = {"path": self.path, "day": str(request.day or ""), "page": request.page, "timespan": FLAT_FILE}
        entry |= {"ticker": None, "method": self.command, "authorization": self.headers.get("Authorization")}
        self.simulator.requests.append(entry)
        fault = self.simulator.faults.take(str(request.day or "*"), request.page, FLAT_FILE)
        name, _, argument = (fault or "").partition(":")
        reply = self.simulator.flat_file(request, name)
        if name in WIRE_FAULTS:
            self.break_off(name, argument, reply.body, reply.code, reply.headers)
            return
        self.send_plain(reply.code, reply.body, reply.headers)

    def _send_page(self, answer: dict[str, Any], name: str, argument: str, again: str) -> None:
        """An answer with its fault, if it has one; ``again`` asks for the same page."""
        if name == "repeated_cursor":
            answer["next_url"] = self._base_url + self.path
        if name == "duplicated_page":
            answer["next_url"] = self._base_url + again
        if name == "echoed_key":
            answer["asked_with"] = self.simulator.key
        self._spoil(answer, name, argument)
        if name in WIRE_FAULTS:
            self.break_off(name, argument, json.dumps(answer).encode())
            return
        self.send_json(200, answer)

    @property
    def _base_url(self) -> str:
        """The address that the client used, which is not always the one listened on."""
        return f"http://{self.headers.get('Host') or self.simulator.url.removeprefix('http://')}"

    def _refuse(self, name: str, *, code: int | None = None, retry_after: str = "", text: str = "") -> None:
        http_code, status, known_text = HTTP_FAULTS[name]
        key = "error" if status == "ERROR" else "message"
        headers = {"Retry-After": retry_after} if retry_after else {}
        body = {"status": status, "request_id": request_id(), key: text or known_text}
        self.send_json(code or http_code, body, headers)

    @staticmethod
    def _spoil(answer: dict[str, Any], name: str, argument: str) -> None:
        """The fault in the answer itself, on copies of its rows: the originals are served again."""
        if isinstance(answer.get("results"), list):
            answer["results"] = [dict(row) for row in answer["results"]] if name in _IN_BODY else answer["results"]
        with suppress(IndexError, KeyError):  # a page with too few rows for it stays whole
            if name in BODY_FAULTS:
                BODY_FAULTS[name](answer)
            elif name in _ARGUMENT:
                _ARGUMENT[name](answer, argument)
