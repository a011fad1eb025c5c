"""What is asked: the aggregates' path, query and cursor, as the vendor reads them."""

from __future__ import annotations

import base64
import datetime as dt
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

from marketlake.sessions import NEW_YORK, new_york_ms

HIGHEST_LIMIT, DEFAULT_LIMIT = 50_000, 5_000
MINUTE_MS = 60_000
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

    def days(self, last_ms: int) -> list[dt.date]:
        """Every New York day of the window up to ``last_ms``, in the order of the answer."""
        count = (_new_york_day(min(self.end_ms, last_ms)) - self.day).days + 1
        days = [self.day + dt.timedelta(days=number) for number in range(count)]
        return days if self.ascending else days[::-1]

    def next_path(self, next_ms: int) -> str:
        """Path and query of the following page, which starts at the bar of ``next_ms``. It carries no key.

        The vendor's cursor is known to hold limit and sort; whether it holds ``adjusted`` is not known,
        and the page's number is the simulator's own.
        """
        query = f"limit={self.limit}&sort={'asc' if self.ascending else 'desc'}"
        cursor = f"{query}&adjusted={str(self.adjusted).lower()}&page={self.page + 1}"
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
    try:
        return _read(path, query)
    except (OverflowError, OSError) as exc:  # of dates that no calendar reaches
        raise BadQuestion("Could not parse the time parameter. Use YYYY-MM-DD or Unix MS Timestamps") from exc


def _read(path: str, query: Mapping[str, str]) -> Aggregates | OpenClose | None:
    if match := _OPEN_CLOSE.fullmatch(path):
        return OpenClose(unquote(match[1]), _date(match[2], "date"))
    if match := _AGGREGATES.fullmatch(path):
        return _aggregates(match, query)
    return None


def _aggregates(match: re.Match[str], query: Mapping[str, str]) -> Aggregates:
    cursor = _cursor(query.get("cursor", ""))
    given = {**query, **cursor}
    if match[2] != "1" or match[3] not in TIMESPANS:
        raise BadQuestion(f"this simulator serves 1 {', 1 '.join(TIMESPANS)}; not {match[2]} {match[3]}")
    start_ms, end_ms = _window_ms(match[4], "from"), _window_ms(match[5], "to", end=True)
    if end_ms < start_ms:
        raise BadQuestion("The parameter 'to' cannot be a time that occurs before 'from'")
    for name, allowed in (
        ("limit", r"[0-9]{1,9}"),
        ("page", r"[0-9]{1,9}"),
        ("sort", "asc|desc"),
        ("adjusted", "(?i:true|false)"),
    ):
        if name in given and not re.fullmatch(allowed, given[name]):
            raise BadQuestion(f"Could not parse the parameter: '{name}'")
    start_ms, end_ms = _snapped(start_ms, end_ms, match[3])
    return Aggregates(
        ticker=unquote(match[1]),
        timespan=match[3],
        start_ms=start_ms,
        end_ms=end_ms,
        limit=max(1, min(int(given.get("limit", DEFAULT_LIMIT)), HIGHEST_LIMIT)),
        adjusted=given.get("adjusted", "true").lower() == "true",
        ascending=given.get("sort", "asc") == "asc",
        page=int(cursor.get("page", 1)),
    )


def _cursor(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()))
    except ValueError as exc:
        raise BadQuestion("Could not parse the parameter: 'cursor'") from exc


def _snapped(start_ms: int, end_ms: int, timespan: str) -> tuple[int, int]:
    """Bounds snapped outward to whole units, both included. Documented for dates; for minutes, inferred."""
    if timespan == "second":
        return start_ms, end_ms
    if timespan == "minute":
        return start_ms // MINUTE_MS * MINUTE_MS, end_ms // MINUTE_MS * MINUTE_MS + MINUTE_MS - 1
    following = _new_york_day(end_ms) + dt.timedelta(days=1)
    return new_york_ms(_new_york_day(start_ms)), new_york_ms(following) - 1


def _window_ms(value: str, name: str, *, end: bool = False) -> int:
    """A bound in Unix ms: as given, or of a New York date, snapped outward."""
    if re.fullmatch(r"[0-9]{9,}", value):
        return int(value)
    day = _date(value, name)
    return new_york_ms(day + dt.timedelta(days=1)) - 1 if end else new_york_ms(day)


def _date(value: str, name: str) -> dt.date:
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            raise ValueError(value)
        return dt.date.fromisoformat(value)
    except ValueError:
        raise BadQuestion(
            f"Could not parse the time parameter: '{name}'. Use YYYY-MM-DD or Unix MS Timestamps"
        ) from None


def _new_york_day(ms: int) -> dt.date:
    return dt.datetime.fromtimestamp(ms / 1000, NEW_YORK).date()


def request_id() -> str:
    """As the vendor's: 32 hexadecimal digits."""
    return uuid.uuid4().hex
