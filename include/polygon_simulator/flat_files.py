"""The vendor's flat files of options: one gzipped CSV a day with every contract that traded, made when first asked for.

Beside SPY's own contracts it holds what a prefix takes for them: SPYG, and an adjusted SPY1.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from marketlake.sessions import final_from
from polygon_simulator.days import Bar
from polygon_simulator.options.contract import Contract
from polygon_simulator.options.expiries import sessions
from polygon_simulator.options.market import OptionMarket

BUCKET, FLAT_FILE = "flatfiles", "flat_file"
HEADER = "ticker,volume,open,close,high,low,window_start,transactions"

_KEY = re.compile(r"us_options_opra/(minute|day)_aggs_v1/(\d{4})/(\d\d)/((\d{4})-(\d\d)-\d\d)\.csv\.gz")
_FILES_KEPT = 8
_NEIGHBOURS = 20
_UNDERLYING = "SPY"


@dataclass(frozen=True)
class FlatFile:
    """An object of the bucket. ``etag`` is quoted, as S3 says it."""

    key: str
    day: dt.date
    content: bytes
    published: dt.datetime

    @property
    def etag(self) -> str:
        """The MD5 of the content."""
        return f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'


class FlatFiles:
    """The files that are published by a moment. Safe to use from many threads."""

    def __init__(self, options: OptionMarket) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._made = lru_cache(maxsize=_FILES_KEPT)(self._file)

    def file(self, key: str, now: dt.datetime) -> FlatFile | None:
        """The file of a key; None if there is none, or not yet: it comes at 11:00 New York of the following day."""
        day = day_of(key)
        if day is None or not sessions().is_session(day) or now < final_from(day):
            return None
        with self._lock:
            return self._made(key, day)

    def keys(self, prefix: str, now: dt.datetime) -> Iterator[str]:
        """Every key with a prefix, ascending, of files published by now."""
        open_days = sessions()
        for kind in ("day", "minute"):
            for day in open_days.sessions(dt.date(2014, 6, 2), now.date()):
                key = f"us_options_opra/{kind}_aggs_v1/{day.year}/{day.month:02d}/{day}.csv.gz"
                if key.startswith(prefix) and final_from(day) <= now:
                    yield key

    def _file(self, key: str, day: dt.date) -> FlatFile:
        timespan = "minute" if "/minute_aggs_v1/" in key else "day"
        rows = [HEADER, *(row for ticker, bars in self._traded(day, timespan) for row in _rows(ticker, bars))]
        return FlatFile(key, day, _packed("\n".join(rows) + "\n"), final_from(day))

    def _traded(self, day: dt.date, timespan: str) -> list[tuple[str, list[Bar]]]:
        """Contracts with bars, ascending by ticker."""
        tickers = (record["ticker"] for record in self._options.chain.records(_UNDERLYING, day))
        traded = [(ticker, bars) for ticker in tickers if (bars := self._options.bars(ticker, day, timespan))]
        neighbours = [
            (other.ticker, bars)
            for ticker, bars in traded[:_NEIGHBOURS]
            for contract in [Contract.of(ticker)]
            if contract
            for other in (replace(contract, adjusted="1"), replace(contract, underlying="SPYG"))
        ]
        return sorted([*traded, *neighbours], key=lambda pair: pair[0])


def day_of(key: str) -> dt.date | None:
    """The date of a file's key; None if it is no file's."""
    match = _KEY.fullmatch(key)
    if not match or (match[2], match[3]) != (match[5], match[6]):
        return None
    try:
        return dt.date.fromisoformat(match[4])
    except ValueError:
        return None


def _rows(ticker: str, bars: list[Bar]) -> Iterator[str]:
    for bar in bars:
        prices = ",".join(f"{bar[key]:.10g}" for key in "ochl")
        yield f"{ticker},{bar['v']},{prices},{bar['t'] * 1_000_000},{bar['n']}"


def _packed(text: str) -> bytes:
    return gzip.compress(text.encode(), 6, mtime=0)
