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
from polygon_simulator.flat_files import FLAT_FILE, FlatFiles
from polygon_simulator.handler import Handler
from polygon_simulator.market import level
from polygon_simulator.options.chain import Level
from polygon_simulator.options.market import OptionMarket
from polygon_simulator.plan import Budget, Plan
from polygon_simulator.questions import MINUTE_MS, Aggregates, OpenClose, request_id
from polygon_simulator.reference_pages import ReferencePages
from polygon_simulator.references import Reference
from polygon_simulator.s3 import Bucket, Reply, Request

S3_ACCESS_KEY = "simulated-access-key"

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

    ``contracts`` says how large a chain is: ``full``, some 10,000 of SPY, or ``few``; ``level`` the price that its
    strikes go by. ``options`` is the market of them, which knows the vol that a bar was priced with. Before it
    answers, a request waits for ``latency_ms``. ``s3_access_key`` lets in to the bucket of flat files, which is
    served at the same address.
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
    contracts: str = field(default="full", kw_only=True)
    level: Level = field(default=level, kw_only=True)
    latency_ms: float = field(default=0, kw_only=True)
    s3_access_key: str = field(default=S3_ACCESS_KEY, kw_only=True)
    options: OptionMarket = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._begin_anew()

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
        self._begin_anew()
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

    def requests_for(self, day: dt.date, timespan: str = "second", ticker: str = "") -> list[dict[str, Any]]:
        """The logged requests for bars of that length whose window starts on that New York day.

        ``timespan`` may be the endpoint of a list (``contracts``) instead, or ``flat_file``; ``ticker``: of that alone.
        """
        wanted = (str(day), timespan)
        found = [request for request in self.requests if (request.get("day"), request.get("timespan")) == wanted]
        return [request for request in found if not ticker or request["ticker"] == ticker]

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

    def reference(self, question: Reference, base_url: str, fault: str = "") -> dict[str, Any] | None:
        """A page of a reference list; None for a contract that there is not."""
        return self._references.page(question, self.now_ms, self.plan, base_url, fault)

    def flat_file(self, request: Request, fault: str = "") -> Reply:
        """The answer to a request for the bucket of flat files."""
        return self._bucket.reply(request, dt.datetime.fromtimestamp(self.now_s(), dt.UTC), self.plan, fault)

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

    def _begin_anew(self) -> None:
        """Keep no day of a source that may have been replaced since."""
        recorded = self.minutes.minutes if self.minutes else _no_minutes
        self._seconds = lru_cache(maxsize=_SECONDS_KEPT_DAYS)(self.days.bars)
        self._minutes = lru_cache(maxsize=_MINUTES_KEPT_DAYS)(recorded)
        self.options = OptionMarket(self._of_underlying, self.level, self.contracts)
        self._references = ReferencePages(self.options)
        self._bucket = Bucket(
            FlatFiles(self.options), self.s3_access_key, lambda day: self.faults.standing(str(day), FLAT_FILE)
        )

    def _of_underlying(self, ticker: str, day: dt.date, timespan: str) -> list[Bar]:
        """What options are priced from: seconds, or recorded minutes."""
        return self._seconds(ticker, day) if timespan == "second" else self._minutes(ticker, day)

    def _of_day(self, ticker: str, day: dt.date, timespan: str) -> list[Bar]:
        if ticker.startswith("O:"):
            return self.options.bars(ticker, day, timespan, self.now_ms)
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
