"""A running simulator: which bars it serves to whom, its faults, and a log of what was asked.

Source of paths, bodies and codes: the vendor's public API description and recorded answers.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import ThreadingHTTPServer
from itertools import islice
from typing import Any

from marketlake.errors import NotASession
from marketlake.model import SessionHours
from marketlake.sessions import SessionCalendar
from polygon_simulator import folds
from polygon_simulator.days import Bar, Days
from polygon_simulator.faults import Faults
from polygon_simulator.handler import Handler, request_id
from polygon_simulator.plan import Budget, Plan
from polygon_simulator.questions import Aggregates, OpenClose

_SECONDS_KEPT_DAYS = 32
_FOLDS_KEPT_DAYS = 10_000
_LOG_KEPT = 100_000


@dataclass
class Simulator:
    """A server on a port of its own, in threads of this process.

    ``requests`` is what was asked, in order (the last 100,000). ``differences`` says in what minute and
    day bars differ from their seconds. Bars later than now are not served.
    """

    days: Days
    key: str
    plan: Plan = field(default_factory=Plan)
    faults: Faults = field(default_factory=Faults)
    differences: folds.Differences = field(default_factory=folds.Differences)
    budget: Budget = field(default_factory=Budget)
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_LOG_KEPT))
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
        """Listen and serve. Raises OSError where the port is taken."""
        self._seconds = lru_cache(maxsize=_SECONDS_KEPT_DAYS)(self.days.bars)
        self._day_bars = lru_cache(maxsize=_FOLDS_KEPT_DAYS)(self._day_bar)
        self._server = _Server((self.host, self.port), type("BoundHandler", (Handler,), {"simulator": self}))
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The per-second bars of a day as they are served without a fault."""
        return self._seconds(ticker, day)

    def asked(self, day: dt.date) -> list[dict[str, Any]]:
        """The logged requests whose window starts on that New York day."""
        return [request for request in self.requests if request.get("day") == str(day)]

    def page(self, question: Aggregates, base_url: str) -> dict[str, Any]:
        """The answer to one question; ``next_url`` where bars are left, at the address it was asked at."""
        found = list(islice(self._window(question), question.limit + 1))
        served = found[: question.limit]
        answer: dict[str, Any] = {
            "ticker": question.ticker,
            "queryCount": len(served),
            "resultsCount": len(served),
            "adjusted": question.adjusted,
            "results": served,
            "status": "OK",
            "request_id": request_id(),
            "count": len(served),
        }
        if not served:
            del answer["results"], answer["count"]
        if len(found) > question.limit:
            answer["next_url"] = base_url + question.next_path(found[question.limit]["t"])
        return answer

    def open_close(self, question: OpenClose) -> Bar | None:
        """A day's official prices; None where the day has none."""
        hours = _hours(question.day)
        seconds = self.bars(question.ticker, question.day) if hours else []
        return folds.open_close(question.ticker, seconds, hours, self.differences) if hours else None

    def _window(self, question: Aggregates) -> Iterator[Bar]:
        end_ms = min(question.end_ms, int(time.time() * 1000))
        for day in question.days():
            bars = self._of_day(question.ticker, day, question.timespan)
            for bar in bars if question.ascending else reversed(bars):
                if question.start_ms <= bar["t"] <= end_ms:
                    yield bar

    def _of_day(self, ticker: str, day: dt.date, timespan: str) -> list[Bar]:
        if timespan == "second":
            return self.bars(ticker, day)
        if timespan == "minute":
            return folds.minutes(ticker, self.bars(ticker, day), self.differences)
        bar = self._day_bars(ticker, day)
        return [bar] if bar else []

    def _day_bar(self, ticker: str, day: dt.date) -> Bar | None:
        hours = _hours(day)
        return folds.day(ticker, self.bars(ticker, day), hours, self.differences) if hours else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _hours(day: dt.date) -> SessionHours | None:
    try:
        return SessionCalendar(max(day, dt.datetime.now(dt.UTC).date())).hours(day)
    except NotASession:
        return None
