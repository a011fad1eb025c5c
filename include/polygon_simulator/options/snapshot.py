"""What is shown of a contract at a moment: the vendor's live snapshot of a chain.

As it was recorded at the vendor: ``day`` and ``last_trade`` are of the last day that the contract traded, however long
ago; a contract deep in the money has ``greeks: {}`` and no implied volatility; a plan without trades has neither
``last_trade`` nor ``break_even_price``, of the underlying the ticker alone, and a ``day`` that is stamped with its
midnight; one without quotes sees everything fifteen minutes later. Open interest is that of the close of the session
before, from 06:30 New York on.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import lru_cache
from typing import Any

import numpy as np

from marketlake.sessions import NEW_YORK, new_york_ms
from polygon_simulator.options import black76
from polygon_simulator.options.contract import Contract
from polygon_simulator.options.expiries import sessions
from polygon_simulator.options.market import OptionMarket
from polygon_simulator.options.pricing import Quote
from polygon_simulator.options.trades import Trades, cents

Row = dict[str, Any]

DELAY_MS = 15 * 60_000
OPEN_INTEREST_AT = dt.time(6, 30)
"""New York time from which the open interest of the session before is shown."""

_AFTER_CLOSE_MS = 15 * 60_000
_DEEP = 0.98
_NS_PER_MS = 1_000_000
_SECOND_MS = 1_000
_EXCHANGE, _CONDITION = 312, 209
_LOOKED_BACK = 3
_ROWS_KEPT = 1_024


def open_interest(contract: Contract, session: dt.date) -> int:
    """A made-up number of contracts that were open at the close of a session; it moves by a twentieth a day."""
    usual = int.from_bytes(hashlib.sha256(f"{contract.ticker} open".encode()).digest()[:2], "big") // 8
    moved = hashlib.sha256(f"{contract.ticker} {session} open".encode()).digest()[0] / 255 - 0.5
    return int(usual * (1 + 0.1 * moved))


def session_of_open_interest(now_ms: int) -> dt.date:
    """The session whose closing open interest is shown at a moment."""
    now = dt.datetime.fromtimestamp(now_ms / 1000, NEW_YORK)
    begun = now.date() if now.time() >= OPEN_INTEREST_AT else now.date() - dt.timedelta(days=1)
    last = sessions().last_sessions(begun, 2)
    return last[0]


class Snapshots:
    """Snapshots of any contract of an option market."""

    def __init__(self, market: OptionMarket) -> None:
        self._market = market
        self._shown = lru_cache(maxsize=_ROWS_KEPT)(self._row)

    def row(self, ticker: str, now_ms: int, *, trades: bool, quotes: bool) -> Row:
        """What is shown of a contract at a moment (Unix ms), by a plan with trades and quotes or without.

        Rows are shared: change copies. Raises KeyError for a ticker that is none.
        """
        contract = Contract.of(ticker)
        if contract is None:
            raise KeyError(ticker)
        delay_ms = 0 if quotes else DELAY_MS
        return self._shown(contract, session_of_open_interest(now_ms), _shown_ms(now_ms, delay_ms), delay_ms, trades)

    def _row(self, contract: Contract, open_at: dt.date, at_ms: int, delay_ms: int, trades: bool) -> Row:
        quotes = not delay_ms
        quote, traded = self._market.quote(contract.ticker, at_ms), self._last_traded(contract, at_ms)
        timeframe = "REAL-TIME" if quotes else "DELAYED"
        found: Row = {
            "day": _day(traded, self._closes(contract, traded), delay_ms if trades else None) if traded else {},
            "details": _details(contract.record()),
            "greeks": {},
            "open_interest": open_interest(contract, open_at),
            "underlying_asset": {"ticker": contract.underlying},
        }
        if quote is not None:
            found |= _valued(contract, quote)
        if trades and quote is not None:
            found |= _against(contract, quote, at_ms, timeframe)
            found |= {"last_trade": _last_trade(traded, timeframe)} if traded else {}
        if quotes and quote is not None:
            found["last_quote"] = _last_quote(contract, quote, at_ms, timeframe)
        return dict(sorted(found.items()))

    def _last_traded(self, contract: Contract, at_ms: int) -> Trades | None:
        """The trades of the last day on which there were any, of a few; None if there were none."""
        today = dt.datetime.fromtimestamp(at_ms / 1000, NEW_YORK).date()
        days = reversed(sessions().last_sessions(today, _LOOKED_BACK))
        made = (self._market.trades(contract, day, at_ms) for day in days)
        return next((trades for trades in made if trades is not None), None)

    def _closes(self, contract: Contract, traded: Trades) -> float | None:
        """The close of the session before the last day of trading, if there was any trade."""
        day = dt.datetime.fromtimestamp(int(traded.t[0]) / 1000, NEW_YORK).date()
        before = self._market.trades(contract, sessions().last_sessions(day, 2)[0])
        return float(before.c[-1]) if before is not None else None


def _shown_ms(now_ms: int, delay_ms: int) -> int:
    """The moment that is shown: now, or the end of trading in options of the last session that had opened."""
    now = dt.datetime.fromtimestamp(now_ms / 1000, NEW_YORK)
    last = sessions().last_sessions(now.date(), 2)
    opened = [day for day in last if sessions().hours(day).regular_start_ms <= now_ms]
    return min(now_ms - delay_ms, sessions().hours(opened[-1]).regular_end_ms + _AFTER_CLOSE_MS)


def _details(record: Row) -> Row:
    names = ("contract_type", "exercise_style", "expiration_date", "shares_per_contract", "strike_price", "ticker")
    return {name: record[name] for name in names}


def _day(traded: Trades, before: float | None, delay_ms: int | None) -> Row:
    """The last day of trading. Stamped with when its last trade was seen; ``delay_ms`` None: with its midnight."""
    bar = traded.folded(np.full(traded.t.size, traded.t[0])).bars()[0]
    midnight_ms = new_york_ms(dt.datetime.fromtimestamp(bar["t"] / 1000, NEW_YORK).date())
    updated_ms = midnight_ms if delay_ms is None else int(traded.t[-1]) + _SECOND_MS + delay_ms
    found = {
        "close": bar["c"], "high": bar["h"], "last_updated": updated_ms * _NS_PER_MS, "low": bar["l"], "open": bar["o"],
        "volume": bar["v"], "vwap": bar["vw"],
    }  # fmt: skip
    if before is not None:  # absent of one that did not trade on the session before, as it was recorded
        change = round(bar["c"] - before, 2)
        found |= {"change": change, "change_percent": round(100 * change / before, 3), "previous_close": before}
    return found


def _last_trade(traded: Trades, timeframe: str) -> Row:
    return {
        "conditions": [_CONDITION], "exchange": _EXCHANGE, "price": float(traded.c[-1]),
        "sip_timestamp": (int(traded.t[-1]) + _SECOND_MS - 1) * _NS_PER_MS, "size": 1, "timeframe": timeframe,
    }  # fmt: skip


def _valued(contract: Contract, quote: Quote) -> Row:
    """Implied volatility and greeks; nothing of a contract deep in the money, or that has expired."""
    greeks = black76.greeks(
        call=contract.call, spot=float(quote.spot[0] - quote.dividends_pv[0]), strike=contract.strike,
        years=float(quote.years[0]), rate=float(quote.rate[0]), vol=float(quote.vol[0]),
    )  # fmt: skip
    if not abs(greeks["delta"]) < _DEEP:
        return {}
    return {"greeks": greeks, "implied_volatility": float(quote.vol[0])}


def _against(contract: Contract, quote: Quote, at_ms: int, timeframe: str) -> Row:
    price, spot = float(cents(quote.price)[0]), float(quote.spot[0])
    even = round(contract.strike + (price if contract.call else -price), 2)
    underlying = {
        "change_to_break_even": round(even - spot, 4), "last_updated": at_ms * _NS_PER_MS, "price": spot,
        "ticker": contract.underlying, "timeframe": timeframe,
    }  # fmt: skip
    return {"break_even_price": even, "underlying_asset": underlying}


def _last_quote(contract: Contract, quote: Quote, at_ms: int, timeframe: str) -> Row:
    middle = float(quote.price[0])
    ask, bid = round(middle * 1.01 + 0.01, 2), round(max(middle * 0.99 - 0.01, 0.0), 2)
    sizes = hashlib.sha256(f"{contract.ticker} {at_ms}".encode()).digest()
    return {
        "ask": ask, "ask_size": 1 + sizes[0], "bid": bid, "bid_size": 1 + sizes[1],
        "last_updated": at_ms * _NS_PER_MS, "midpoint": round((ask + bid) / 2, 4), "timeframe": timeframe,
    }  # fmt: skip
