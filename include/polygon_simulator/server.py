"""A running simulator: which bars it serves to whom, its faults, and a log of what was asked.

Source of paths, bodies and codes: the vendor's public API description and recorded answers.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from http.server import ThreadingHTTPServer
from itertools import islice
from typing import Any

from marketlake.errors import NotASession
from marketlake.sessions import SessionCalendar, SessionHours, new_york_ms
from polygon_simulator import folds
from polygon_simulator.days import Bar, Days, Minutes
from polygon_simulator.faults import Faults
from polygon_simulator.handler import Handler
from polygon_simulator.plan import Budget, Plan
from polygon_simulator.questions import MINUTE_MS, Aggregates, OpenClose, request_id

_SECOND_MS = 1_000
_SECONDS_KEPT_DAYS = 8  # some 20 MB each
_MINUTES_KEPT_DAYS = 64  # some 0.5 MB each
_FOLDS_KEPT_DAYS = 10_000
_LOG_KEPT = 10_000


@dataclass
class Simulator:
    """A server on a port of its own, in threads of this process.

    ``requests`` is what was asked, in order (the last 10,000). ``minutes`` has minute bars to serve as they
    were recorded; of a day that it has none of, they are folded from ``days``. ``differences`` says in what
    folded bars differ from their seconds. ``now_s`` is the clock, in Unix seconds: a second or a recorded
    minute that is not over is neither served nor folded.
    """

    days: Days
    key: str
    minutes: Minutes | None = field(default=None, kw_only=True)
    plan: Plan = field(default_factory=Plan)
    faults: Faults = field(default_factory=Faults)
    differences: folds.Differences = field(default_factory=folds.Differences)
    budget: Budget = field(default_factory=Budget)
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_LOG_KEPT))
    now_s: Callable[[], float] = time.time
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
        """Listen and serve. Raises OSError if the port is taken."""
        self._seconds = lru_cache(maxsize=_SECONDS_KEPT_DAYS)(self.days.bars)
        recorded = self.minutes.minutes if self.minutes else _no_minutes
        self._minutes = lru_cache(maxsize=_MINUTES_KEPT_DAYS)(recorded)
        self._folded_minutes = lru_cache(maxsize=_MINUTES_KEPT_DAYS)(self._minutes_of)
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

    @property
    def now_ms(self) -> int:
        """The start of the second that is under way, in Unix ms."""
        return int(self.now_s()) * 1000

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The per-second bars of a day as they are served without a fault."""
        return self._seconds(ticker, day)

    def requests_for(self, day: dt.date, timespan: str = "second") -> list[dict[str, Any]]:
        """The logged requests for bars of that length whose window starts on that New York day."""
        wanted = (str(day), timespan)
        return [request for request in self.requests if (request.get("day"), request.get("timespan")) == wanted]

    def page(self, question: Aggregates, base_url: str) -> dict[str, Any]:
        """The answer to one question; ``next_url`` if bars are left, at the address it was asked at."""
        bars = list(islice(self._window(question), question.limit + 1))
        served = bars[: question.limit]
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
        if len(bars) > question.limit:
            answer["next_url"] = base_url + question.next_path(bars[question.limit]["t"])
        return answer

    def open_close(self, question: OpenClose) -> Bar | None:
        """A day's official prices; None if the day has none."""
        hours = _hours(question.day)
        bars, differences = self._to_fold(question.ticker, question.day)
        return folds.open_close(question.ticker, bars, hours, differences) if hours else None

    def _window(self, question: Aggregates) -> Iterator[Bar]:
        for day in question.days(last_ms=self.now_ms):
            bars = self._of_day(question.ticker, day, question.timespan)
            for bar in bars if question.ascending else reversed(bars):
                if question.start_ms <= bar["t"] <= question.end_ms:
                    yield bar

    def _of_day(self, ticker: str, day: dt.date, timespan: str) -> list[Bar]:
        if timespan == "second":
            return self._so_far(ticker, day)
        if timespan == "minute":
            return self._minutes_so_far(ticker, day)
        bar = (self._day_bars if self._is_over(day) else self._day_bar)(ticker, day)
        return [bar] if bar else []

    def _day_bar(self, ticker: str, day: dt.date) -> Bar | None:
        hours = _hours(day)
        bars, differences = self._to_fold(ticker, day)
        return folds.day(ticker, bars, hours, differences) if hours else None

    def _to_fold(self, ticker: str, day: dt.date) -> tuple[list[Bar], folds.Differences]:
        """What a day's bar is folded from: its seconds; if it has none, its minutes, whose volume is whole."""
        if seconds := self._so_far(ticker, day):
            return seconds, self.differences
        return self._minutes_so_far(ticker, day), replace(self.differences, volume_only=False)

    def _minutes_so_far(self, ticker: str, day: dt.date) -> list[Bar]:
        """The day's minutes: recorded ones that are over, or else folded from the seconds that are."""
        if recorded := self._minutes(ticker, day):
            return _over(recorded, MINUTE_MS, self.now_ms)
        return (self._folded_minutes if self._is_over(day) else self._minutes_of)(ticker, day)

    def _minutes_of(self, ticker: str, day: dt.date) -> list[Bar]:
        return folds.minutes(ticker, self._so_far(ticker, day), self.differences)

    def _is_over(self, day: dt.date) -> bool:
        return new_york_ms(day + dt.timedelta(days=1)) <= self.now_ms

    def _so_far(self, ticker: str, day: dt.date) -> list[Bar]:
        """The day's seconds that are over."""
        return _over(self.bars(ticker, day), _SECOND_MS, self.now_ms)


def _over(bars: list[Bar], length_ms: int, now_ms: int) -> list[Bar]:
    """Those of the bars, each that long, that have ended."""
    last_ms = now_ms - length_ms
    return bars if not bars or bars[-1]["t"] <= last_ms else [bar for bar in bars if bar["t"] <= last_ms]


def _no_minutes(_ticker: str, _day: dt.date) -> list[Bar]:
    return []


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _hours(day: dt.date) -> SessionHours | None:
    try:
        return SessionCalendar(max(day, dt.datetime.now(dt.UTC).date())).hours(day)
    except NotASession:
        return None
