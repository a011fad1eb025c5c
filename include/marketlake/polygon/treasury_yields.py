"""One page of the treasury yields endpoint, from JSON text to Arrow columns, strictly.

Source of the shapes: the vendor's endpoint ``/fed/v1/treasury-yields``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
import pyarrow as pa

from marketlake.errors import MalformedPage
from marketlake.options.rates import TENORS
from marketlake.polygon.json_body import decoded, text

_PATH = "/fed/v1/treasury-yields"
_MOST = 50_000  # the vendor's own limit

YIELDS = pa.schema(
    [pa.field("date", pa.date32(), nullable=False), *(pa.field(tenor, pa.float64()) for tenor in TENORS)]
)
"""Percent a year, bond-equivalent; null for a tenor that the day has none of."""


@dataclass(frozen=True)
class YieldsRequest:
    """The yields of every date from ``first`` to ``last``, both included, that has some."""

    first: dt.date
    last: dt.date

    def __str__(self) -> str:
        return f"treasury yields from {self.first} to {self.last}"


class _Yields(msgspec.Struct, gc=False):
    date: dt.date
    yield_1_month: float | None = None
    yield_3_month: float | None = None
    yield_6_month: float | None = None
    yield_1_year: float | None = None
    yield_2_year: float | None = None
    yield_3_year: float | None = None
    yield_5_year: float | None = None
    yield_7_year: float | None = None
    yield_10_year: float | None = None
    yield_20_year: float | None = None
    yield_30_year: float | None = None


class _Body(msgspec.Struct):
    """Only what is relied on; unknown keys come and go and are ignored."""

    status: str = ""
    results: list[_Yields] | None = None
    next_url: str | None = None
    # They prove nothing, so they refuse nothing, whatever they are.
    request_id: Any = ""
    error: Any = None
    message: Any = None


_DECODER = msgspec.json.Decoder(_Body)


@dataclass(frozen=True)
class Page:
    """One decoded page. ``rows``: as ``YIELDS``, in the vendor's order."""

    status: str
    message: str
    next_url: str | None
    request_id: str
    rows: pa.Table


def first_path(request: YieldsRequest, limit: int) -> str:
    """Path and query of the first page. The order is asked for: the vendor's own has been both."""
    query = {
        "date.gte": request.first,
        "date.lte": request.last,
        "sort": "date.asc",
        "limit": min(limit, _MOST),
    }
    return f"{_PATH}?{urlencode(query)}"


def leads_on(request: YieldsRequest, path: str) -> bool:  # noqa: ARG001 (all questions have one path)
    """Whether a further page may lie at a path: all of them lie at the same one."""
    return path == _PATH


def decode(body: bytes) -> Page:
    """Decode one response body.

    Raises UndecodableBody if it is no JSON (cut short, HTML), MalformedPage if it is JSON of another shape.
    """
    page: _Body = decoded(_DECODER, body)
    rows = [msgspec.structs.asdict(one) for one in page.results or []]
    return Page(page.status, text(page.error or page.message), page.next_url, text(page.request_id),
                pa.Table.from_pylist(rows, schema=YIELDS))  # fmt: skip


def require_echo(page: Page, request: YieldsRequest, number: int) -> None:
    """Refuse a page that answers another question: yields of a date that was not asked for, or in another order."""
    where = f"{request}: page {number} (request id {page.request_id or 'none'})"
    dates = page.rows.column("date").to_pylist()
    for before, date in zip([None, *dates], dates, strict=False):
        if not request.first <= date <= request.last:
            raise MalformedPage(f"{where} has those of {date}. Ask again later; if it stays, ask the vendor.")
        if before is not None and date <= before:
            raise MalformedPage(f"{where} has {date} behind {before}, which does not ascend. Ask again later.")
