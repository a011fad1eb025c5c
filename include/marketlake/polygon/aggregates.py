"""One page of the aggregates endpoint, from JSON text to Arrow columns, strictly.

Source of the shapes: the vendor's aggregates endpoint ``/v2/aggs/ticker/.../range/1/second/...``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any
from urllib.parse import unquote, urlencode

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marketlake.errors import MalformedPage
from marketlake.polygon.json_body import decoded, text
from marketlake.polygon.request import BarRequest
from marketlake.rows.bars import BARS

Floats = NDArray[np.float64]

_LARGEST_EXACT_INTEGER = 2.0**53


class _Bar(msgspec.Struct, gc=False):
    """Any number may come with an exponent or a fraction, so all are floats until they are checked.

    What may be absent is NaN then, which no JSON number is; or None, if the vendor sends a null.
    """

    t: float
    o: float
    h: float
    l: float  # noqa: E741 (the vendor's name)
    c: float
    v: float
    vw: float | None = math.nan
    n: float | None = math.nan


class _Body(msgspec.Struct):
    """Only what is relied on; unknown keys come and go and are ignored."""

    status: str = ""
    ticker: str | None = None
    adjusted: bool | None = None
    results: list[_Bar] | None = None
    results_count: float | None = msgspec.field(default=None, name="resultsCount")
    next_url: str | None = None
    # They prove nothing, so they refuse nothing, whatever they are.
    request_id: Any = ""
    error: Any = None
    message: Any = None


_NUMBERS = ("t", "o", "h", "l", "c", "v", "vw", "n")
_BAR_NUMBERS = attrgetter(*_NUMBERS)


class _Outlined(msgspec.Struct):
    results: list[msgspec.Raw] | None = None
    request_id: Any = ""


_DECODER = msgspec.json.Decoder(_Body)
_OUTLINE_DECODER = msgspec.json.Decoder(_Outlined)


@dataclass(frozen=True)
class Page:
    """One decoded page. ``rows`` lack only the ticker column, whose echo stands beside them."""

    status: str
    message: str
    ticker: str | None
    adjusted: bool | None
    results_count: float | None
    next_url: str | None
    request_id: str
    rows: pa.Table


def decode(body: bytes) -> Page:
    """Decode one response body.

    Raises UndecodableBody if it is no JSON (cut short, HTML), MalformedPage if it is JSON of
    another shape or with a number that cannot be what its field means.
    """
    page = decoded(_DECODER, body)
    return Page(
        status=page.status,
        message=text(page.error or page.message),
        ticker=page.ticker,
        adjusted=page.adjusted,
        results_count=page.results_count,
        next_url=page.next_url,
        request_id=text(page.request_id),
        rows=_columns(page.results or []),
    )


@dataclass(frozen=True)
class Outline:
    """How many bars a page has, and the vendor's id of it."""

    rows: int
    request_id: str


def outline(body: bytes) -> Outline:
    """The outline of a response body, of which the bars are not looked at. Raises as ``decode``."""
    page = decoded(_OUTLINE_DECODER, body)
    return Outline(len(page.results or []), text(page.request_id))


def _columns(bars: list[_Bar]) -> pa.Table:
    column = dict(zip(_NUMBERS, np.ascontiguousarray(_numbers(bars).T), strict=True))
    columns = {
        "timestamp": pa.array(_integers(column["t"], "t")),
        "open": column["o"],
        "high": column["h"],
        "low": column["l"],
        "close": column["c"],
        "volume": pa.array(_integers(np.rint(column["v"]), "v")),
        "vwap": pa.array(column["vw"], mask=np.isnan(column["vw"])),
        "transactions": _nullable_integers(column["n"], "n"),
        "volume_exact": column["v"],
    }
    return pa.table(columns, schema=pa.schema([BARS.field(name) for name in columns]))


def _numbers(bars: list[_Bar]) -> Floats:
    """The bars' numbers, of shape (bars, names), in one pass; NaN, which JSON has no word for, if one is absent."""

    def each() -> Iterator[float | None]:
        return chain.from_iterable(map(_BAR_NUMBERS, bars))

    size = len(bars) * len(_NUMBERS)
    try:
        numbers = np.fromiter(each(), np.float64, size)
    except TypeError:  # a null
        numbers = np.fromiter((math.nan if number is None else number for number in each()), np.float64, size)
    return numbers.reshape(len(bars), len(_NUMBERS))


def _integers(values: Floats, key: str) -> NDArray[np.int64]:
    wrong = np.flatnonzero((np.rint(values) != values) | (np.abs(values) > _LARGEST_EXACT_INTEGER))
    if len(wrong):
        raise MalformedPage(f"{key} of bar {wrong[0]} is {values[wrong[0]]!r}, not a whole number below 2**53")
    return values.astype(np.int64)


def _nullable_integers(values: Floats, key: str) -> pa.Array:
    absent = np.isnan(values)
    return pa.array(_integers(np.where(absent, 0, values), key), mask=absent)


def require_echo(page: Page, request: BarRequest, number: int) -> None:
    """Refuse a page that answers another question, or that does not hold what it says it holds."""
    where = f"{request}: page {number} (request id {page.request_id or 'none'})"
    if page.ticker != request.ticker:
        raise MalformedPage(f"{where} is of ticker {page.ticker!r}. Ask again later; if it stays, ask the vendor.")
    if page.adjusted is not request.adjusted:
        raise MalformedPage(
            f"{where} says adjusted={page.adjusted}, asked was adjusted={request.adjusted}."
            " Ask again later; if it stays, ask the vendor."
        )
    if page.results_count != page.rows.num_rows:
        raise MalformedPage(
            f"{where} announces {page.results_count} bars and holds {page.rows.num_rows}, so it is not what was sent."
            " Ask again later; if it stays, ask the vendor."
        )


def leads_on(request: BarRequest, path: str) -> bool:
    """Whether a further page of a request may lie at a path: all pages lie below the same one."""
    return unquote(path).startswith(f"{_path(request)}/")  # the colon of O:SPY... comes in either form


def _path(request: BarRequest) -> str:
    return f"/v2/aggs/ticker/{request.ticker}/range/1/{request.timespan.value}"


def first_path(request: BarRequest, limit: int) -> str:
    """Path and query of the first page."""
    hours = request.hours
    query = {"adjusted": str(request.adjusted).lower(), "sort": "asc", "limit": limit}
    return f"{_path(request)}/{hours.day_start_ms}/{hours.day_end_ms - 1}?{urlencode(query)}"
