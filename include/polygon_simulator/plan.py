"""What a key may see, and how often it may ask."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from marketlake.sessions import FIRST_SESSION
from polygon_simulator.references import CONTRACT, CONTRACTS, SNAPSHOTS

NAMES = ("basic", "starter", "developer", "advanced")
OPTION_NAMES = ("none", *NAMES)
_YEARS = {"basic": 2, "starter": 5, "developer": 10}
_OPTION_YEARS = {"basic": 2, "starter": 2, "developer": 4}
_OPTIONS_FROM = dt.date(2014, 6, 2)


@dataclass
class Plan:
    """``first_date``: nothing before it. ``seconds``: per-second bars at all. ``calls_a_minute``: None is no limit.

    Of options a plan of its own: ``options``, ``option_seconds`` and ``options_from`` say the same of their bars,
    ``option_chain`` whether contracts are listed, which every plan of the vendor has, ``option_snapshot`` whether they
    are shown live, ``option_trades`` and ``option_quotes`` with what, ``flat_files`` whether files can be fetched.
    ``stocks``: bars of stocks.
    """

    seconds: bool = True
    first_date: dt.date = FIRST_SESSION
    calls_a_minute: int | None = None
    stocks: bool = True
    options: bool = True
    option_chain: bool = True
    option_snapshot: bool = True
    option_trades: bool = True
    option_quotes: bool = True
    option_seconds: bool = True
    options_from: dt.date = _OPTIONS_FROM
    flat_files: bool = True

    @classmethod
    def named(cls, name: str, today: dt.date) -> Plan:
        """One of the vendor's stock plans: ``basic``, ``starter``, ``developer`` or ``advanced``."""
        years = _YEARS.get(name)
        first = today - dt.timedelta(days=round(years * 365.25)) if years else FIRST_SESSION
        return cls(seconds=name != "basic", first_date=first, calls_a_minute=5 if name == "basic" else None)

    def with_options(self, name: str, today: dt.date) -> Plan:
        """The same with one of the vendor's option plans, or with ``none``: contracts are listed, and have no bars.

        Which of them have seconds the vendor does not say; here, developer and advanced, as of trades.
        """
        years = _OPTION_YEARS.get(name)
        first = today - dt.timedelta(days=round(years * 365.25)) if years else _OPTIONS_FROM
        seconds = name in {"developer", "advanced"}
        since, paid = max(first, _OPTIONS_FROM), name not in {"none", "basic"}
        return replace(
            self, options=name != "none", option_seconds=seconds, options_from=since, flat_files=paid,
            option_snapshot=paid, option_trades=seconds, option_quotes=name == "advanced",
        )  # fmt: skip

    def lists(self, endpoint: str) -> bool:
        """Whether a reference list is in the plan; if not, it is told so with HTTP 200, as of bars without options."""
        limited = {CONTRACTS: self.option_chain, CONTRACT: self.option_chain, SNAPSHOTS: self.option_snapshot}
        return limited.get(endpoint, True)

    def refusal(self, ticker: str, timespan: str, day: dt.date) -> tuple[str, int] | None:
        """The refusal of a day's bars, and its HTTP code; None if they are in the plan.

        A key without options is told so with HTTP 200, as it was recorded at the vendor.
        """
        of_option = ticker.startswith("O:")
        if of_option and not self.options:
            return "not_entitled", 200
        seconds, first = (self.option_seconds, self.options_from) if of_option else (self.seconds, self.first_date)
        if not (of_option or self.stocks) or (timespan == "second" and not seconds):
            return "not_entitled", 403
        return None if first <= day else ("not_entitled_in_200", 403)


class Budget:
    """Calls within the last minute. Safe to use from many threads."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._spent_at_s: deque[float] = deque()

    def spend(self, calls_a_minute: int | None) -> bool:
        """Count one call. False, and nothing counted, if the minute's calls are spent."""
        if calls_a_minute is None:
            return True
        with self._lock:
            now_s = self._now_s()
            while self._spent_at_s and self._spent_at_s[0] <= now_s - 60:
                self._spent_at_s.popleft()
            if len(self._spent_at_s) >= calls_a_minute:
                return False
            self._spent_at_s.append(now_s)
            return True
