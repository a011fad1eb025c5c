"""Where the simulator's bars come from: recorded days, or days made up from ticker and date."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import random
from pathlib import Path
from typing import Any, Protocol

from marketlake.errors import NotASession
from marketlake.sessions import SessionCalendar

Bar = dict[str, Any]


class Days(Protocol):
    """A source of one day's bars, in the keys and types of the aggregates endpoint."""

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The day's per-second bars, ascending; none where nothing traded."""


class RecordedDays:
    """Days recorded as ``{TICKER}-{YYYY-MM-DD}.json.gz`` in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The recorded bars; none for a day that was not recorded."""
        path = self._folder / f"{ticker}-{day}.json.gz"
        if not path.exists():
            return []
        bars: list[Bar] = json.loads(gzip.decompress(path.read_bytes()))
        return bars


class MadeUpDays:
    """Sparse days, the same for the same ticker and date, within the session's own regular hours.

    ``bars_a_day`` seconds are spread evenly; an early close holds proportionally fewer.
    """

    def __init__(self, calendar: SessionCalendar, bars_a_day: int = 390) -> None:
        self._calendar = calendar
        self._bars_a_day = bars_a_day

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The day's bars; none on a weekend or holiday."""
        try:
            hours = self._calendar.hours(day)
        except NotASession:
            return []
        chance = random.Random(f"{ticker} {day}")
        step_ms = 23_400_000 // self._bars_a_day // 1000 * 1000
        return [_made_up(chance, start_ms) for start_ms in range(hours.regular_start_ms, hours.regular_end_ms, step_ms)]


def _made_up(chance: random.Random, start_ms: int) -> Bar:
    low = chance.randint(10_000, 60_000)
    opens, closes = low + chance.randint(0, 9), low + chance.randint(0, 9)
    high = max(opens, closes) + chance.randint(0, 9)
    shares = chance.randint(1, 90_000)
    return {
        "v": shares,
        "vw": (low + high) / 200,
        "o": opens / 100,
        "c": closes / 100,
        "h": high / 100,
        "l": low / 100,
        "t": start_ms,
        "n": 1 + shares // 300,
    }
