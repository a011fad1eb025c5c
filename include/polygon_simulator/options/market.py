"""The option market of a simulator: chains, bars, and what they were made from, for tests to hold results against."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from marketlake.sessions import NEW_YORK
from polygon_simulator.days import Bar
from polygon_simulator.options.chain import RULES, Chain, Level
from polygon_simulator.options.contract import Contract
from polygon_simulator.options.expiries import sessions
from polygon_simulator.options.pricing import Quote, quote
from polygon_simulator.options.trades import Trades, Underlying, trades

_DAYS_KEPT = 8
_CONTRACTS_KEPT = 64
_LENGTHS_MS = {"second": 1_000, "minute": 60_000}


class OptionMarket:
    """``bars`` are the underlying's, of a ticker, a day and a timespan; ``size`` is one of ``RULES``.

    Safe to use from many threads.
    """

    def __init__(self, bars: Callable[[str, dt.date, str], list[Bar]], level: Level, size: str = "full") -> None:
        self.chain = Chain(RULES[size], level)
        self._bars = bars
        self._lock = threading.Lock()
        self._made = lru_cache(maxsize=_DAYS_KEPT)(self._underlying)
        self._traded = lru_cache(maxsize=_CONTRACTS_KEPT)(self._trades)

    def bars(self, ticker: str, day: dt.date, timespan: str, before_ms: int | None = None) -> list[Bar]:
        """A contract's ``second``, ``minute`` or ``day`` bars of a New York day, ascending; none if it did not trade.

        Without those that end after ``before_ms``; a day's bar has no minute that does.
        """
        contract = Contract.of(ticker)
        if contract is None or not sessions().is_session(day) or not self.chain.has(contract, day):
            return []
        made = self._traded(contract, day)
        if timespan != "second":
            made = made.minutes()
        if before_ms is not None:
            length_ms = _LENGTHS_MS.get(timespan, _LENGTHS_MS["minute"])
            over = made.t + length_ms <= before_ms
            made = made if over.all() else made.only(over)
        if timespan == "day" and made.t.size:
            made = made.folded(np.full(made.t.size, sessions().hours(day).day_start_ms))
        return made.bars()

    def trades(self, contract: Contract, day: dt.date, before_ms: int | None = None) -> Trades | None:
        """A contract's second bars of a day, without those that end after ``before_ms``; None if it did not trade."""
        if not self.chain.has(contract, day):
            return None
        made = self._traded(contract, day)
        if before_ms is not None:
            made = made.only(made.t + _LENGTHS_MS["second"] <= before_ms)
        return made if made.t.size else None

    def simulated_iv(self, ticker: str, at_ms: int) -> float | None:
        """The vol that a contract is priced with at a moment, a fraction a year; None when it has expired.

        ``at_ms`` is when a bar ends. None too if the ticker is no contract or the underlying has no price yet.
        """
        known = self.quote(ticker, at_ms)
        return None if known is None or np.isnan(known.vol[0]) else float(known.vol[0])

    def quote(self, ticker: str, at_ms: int) -> Quote | None:
        """All that goes into a contract's price at a moment, in arrays of one; None as for ``simulated_iv``."""
        contract = Contract.of(ticker)
        session = dt.datetime.fromtimestamp(at_ms / 1000, NEW_YORK).date()
        if contract is None or not sessions().is_session(session):
            return None
        moment = np.array([at_ms], dtype=np.int64)
        spot = self.underlying(contract.underlying, session).at(moment)
        return None if np.isnan(spot[0]) else quote(contract, session, moment, spot)

    def underlying(self, ticker: str, day: dt.date) -> Underlying:
        """The underlying's prices of a day: those of its seconds, or else of its minutes."""
        with self._lock:  # sixteen threads that ask for one day make it once
            return self._made(ticker, day)

    def _underlying(self, ticker: str, day: dt.date) -> Underlying:
        for timespan, length_ms in _LENGTHS_MS.items():
            if bars := self._bars(ticker, day, timespan):
                rows = np.array([(bar["t"] + length_ms, bar["c"]) for bar in bars])
                return Underlying(rows[:, 0].astype(np.int64), rows[:, 1])
        return Underlying(np.zeros(0, np.int64), np.zeros(0))

    def _trades(self, contract: Contract, day: dt.date) -> Trades:
        return trades(contract, sessions().hours(day), self.underlying(contract.underlying, day))
