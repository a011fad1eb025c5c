"""What is asked: the aggregates' path, query and cursor, as the vendor reads them."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

from marketlake.sessions import NEW_YORK, new_york_ms

HIGHEST_LIMIT, DEFAULT_LIMIT = 50_000, 5_000
TIMESPANS = ("second", "minute", "day")

_AGGREGATES = re.compile(r"/v2/aggs/ticker/([^/]+)/range/(\d+)/([a-z]+)/([^/]+)/([^/]+)")
_OPEN_CLOSE = re.compile(r"/v1/open-close/([^/]+)/([^/]+)")


class BadQuestion(ValueError):
    """A request that the vendor refuses with 400 and this text."""


@dataclass(frozen=True)
class Aggregates:
    """One page of aggregate bars. ``start_ms`` and ``end_ms`` are Unix ms UTC, both included."""

    ticker: str
    timespan: str
    start_ms: int
    end_ms: int
    limit: int
    adjusted: bool
    ascending: bool
    page: int

    @property
    def day(self) -> dt.date:
        """The New York day that the window starts on."""
        return _new_york_day(self.start_ms)

    def days(self) -> list[dt.date]:
        """Every New York day of the window, in the order of the answer."""
        count = (_new_york_day(self.end_ms) - self.day).days + 1
        days = [self.day + dt.timedelta(days=number) for number in range(count)]
        return days if self.ascending else days[::-1]

    def next_path(self, next_ms: int) -> str:
        """Path and query of the following page, which starts at the bar of ``next_ms``. It carries no key.

        The vendor's cursor is known to hold limit and sort; whether it holds ``adjusted`` is not known,
        and the page's number is the simulator's own.
        """
        asked = f"limit={self.limit}&sort={'asc' if self.ascending else 'desc'}"
        cursor = f"{asked}&adjusted={str(self.adjusted).lower()}&page={self.page + 1}"
        start_ms, end_ms = (next_ms, self.end_ms) if self.ascending else (self.start_ms, next_ms)
        path = f"/v2/aggs/ticker/{quote(self.ticker)}/range/1/{self.timespan}/{start_ms}/{end_ms}"
        return f"{path}?cursor={base64.urlsafe_b64encode(cursor.encode()).decode().rstrip('=')}"


@dataclass(frozen=True)
class OpenClose:
    """A day's official prices."""

    ticker: str
    day: dt.date


def read(path: str, query: Mapping[str, str]) -> Aggregates | OpenClose | None:
    """What a request asks for; None for a path that is not served. Raises BadQuestion."""
    if match := _OPEN_CLOSE.fullmatch(path):
        return OpenClose(unquote(match[1]), _date(match[2], "date"))
    if match := _AGGREGATES.fullmatch(path):
        return _aggregates(match, query)
    return None


def _aggregates(match: re.Match[str], query: Mapping[str, str]) -> Aggregates:
    asked = {**query, **_cursor(query.get("cursor", ""))}
    if match[2] != "1" or match[3] not in TIMESPANS:
        raise BadQuestion(f"this simulator serves 1 {', 1 '.join(TIMESPANS)}; not {match[2]} {match[3]}")
    start_ms, end_ms = _window_ms(match[4], "from"), _window_ms(match[5], "to", end=True)
    if end_ms < start_ms:
        raise BadQuestion("The parameter 'to' cannot be a time that occurs before 'from'")
    if not asked.get("limit", "1").isdigit() or asked.get("sort", "asc") not in {"asc", "desc"}:
        raise BadQuestion("Could not parse the parameter: 'limit' or 'sort'")
    return Aggregates(
        ticker=unquote(match[1]),
        timespan=match[3],
        start_ms=start_ms,
        end_ms=end_ms,
        limit=max(1, min(int(asked.get("limit", DEFAULT_LIMIT)), HIGHEST_LIMIT)),
        adjusted=asked.get("adjusted", "true") == "true",
        ascending=asked.get("sort", "asc") == "asc",
        page=int(asked.get("page", 1)),
    )


def _cursor(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()))
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise BadQuestion("Could not parse the parameter: 'cursor'") from exc


def _window_ms(value: str, name: str, *, end: bool = False) -> int:
    """A bound in Unix ms: as given, or of a New York date, snapped outward."""
    if re.fullmatch(r"\d{9,}", value):
        return int(value)
    day = _date(value, name)
    return new_york_ms(day + dt.timedelta(days=1)) - 1 if end else new_york_ms(day)


def _date(value: str, name: str) -> dt.date:
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise BadQuestion(
            f"Could not parse the time parameter: '{name}'. Use YYYY-MM-DD or Unix MS Timestamps"
        ) from None


def _new_york_day(ms: int) -> dt.date:
    return dt.datetime.fromtimestamp(ms / 1000, NEW_YORK).date()
