"""One page of the dividends endpoint, from JSON text to Arrow columns, strictly.

Source of the shapes: the vendor's endpoint ``/stocks/v1/dividends``.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
import pyarrow as pa

from marketlake.errors import MalformedPage
from marketlake.polygon.json_body import decoded, text

_PATH = "/stocks/v1/dividends"
_MOST = 5_000  # the vendor's own limit
_USD = "USD"

DIVIDENDS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=True),
        pa.field("ticker", pa.string(), nullable=False),
        pa.field("ex_dividend_date", pa.date32(), nullable=False),
        pa.field("declaration_date", pa.date32(), nullable=True),
        pa.field("cash_amount", pa.float64(), nullable=False),
        pa.field("frequency", pa.int64(), nullable=True),
        pa.field("distribution_type", pa.string(), nullable=True),
    ]
)
"""``cash_amount``: USD a share, unadjusted for later splits. ``frequency``: how many a year, 0 of one that is none of
them. ``distribution_type``: ``recurring``, ``special`` and others.

What changes with every later dividend or split, the vendor's factors and adjusted amounts, is left out.
"""


@dataclass(frozen=True)
class DividendsRequest:
    """The dividends of a ticker with an ex-date from ``first`` to ``last``, both included."""

    ticker: str
    first: dt.date
    last: dt.date

    def __str__(self) -> str:
        return f"{self.ticker} dividends from {self.first} to {self.last}"


class _Dividend(msgspec.Struct, gc=False):
    ticker: str
    ex_dividend_date: dt.date
    cash_amount: float
    declaration_date: dt.date | None = None
    currency: str | None = None
    frequency: float | None = None
    distribution_type: str | None = None
    id: str | None = None


class _Body(msgspec.Struct):
    """Only what is relied on; unknown keys come and go and are ignored."""

    status: str = ""
    results: list[_Dividend] | None = None
    next_url: str | None = None
    # They prove nothing, so they refuse nothing, whatever they are.
    request_id: Any = ""
    error: Any = None
    message: Any = None


_DECODER = msgspec.json.Decoder(_Body)


@dataclass(frozen=True)
class Page:
    """One decoded page. ``rows``: as ``DIVIDENDS``, in the vendor's order."""

    status: str
    message: str
    next_url: str | None
    request_id: str
    rows: pa.Table


def first_path(request: DividendsRequest, limit: int) -> str:
    """Path and query of the first page."""
    query = {
        "ticker": request.ticker,
        "ex_dividend_date.gte": request.first,
        "ex_dividend_date.lte": request.last,
        "sort": "ex_dividend_date.asc",
        "limit": min(limit, _MOST),
    }
    return f"{_PATH}?{urlencode(query)}"


def leads_on(request: DividendsRequest, path: str) -> bool:  # noqa: ARG001 (all questions have one path)
    """Whether a further page may lie at a path: all of them lie at the same one."""
    return path == _PATH


def decode(body: bytes) -> Page:
    """Decode one response body.

    Raises UndecodableBody if it is no JSON (cut short, HTML), MalformedPage if it is JSON of another shape, or with an
    amount that is none in USD.
    """
    page: _Body = decoded(_DECODER, body)
    rows = [_row(one) for one in page.results or []]
    return Page(page.status, text(page.error or page.message), page.next_url, text(page.request_id),
                pa.Table.from_pylist(rows, schema=DIVIDENDS))  # fmt: skip


def _row(one: _Dividend) -> dict[str, Any]:
    what = f"the dividend of {one.ticker} of {one.ex_dividend_date}"
    if one.currency not in {None, _USD}:
        raise MalformedPage(f"{what} is in {one.currency}, and prices are in {_USD}")
    if not (math.isfinite(one.cash_amount) and one.cash_amount >= 0):
        raise MalformedPage(f"{what} is of {one.cash_amount!r} {_USD}")
    if one.frequency is not None and not (one.frequency.is_integer() and one.frequency >= 0):
        raise MalformedPage(f"{what} comes {one.frequency!r} times a year")
    return msgspec.structs.asdict(one)


def require_echo(page: Page, request: DividendsRequest, number: int) -> None:
    """Refuse a page that answers another question: of another ticker, or of an ex-date that was not asked for."""
    where = f"{request}: page {number} (request id {page.request_id or 'none'})"
    for ticker, ex_date in zip(
        *(page.rows.column(name).to_pylist() for name in ("ticker", "ex_dividend_date")), strict=True
    ):
        if ticker != request.ticker:
            raise MalformedPage(f"{where} has one of {ticker}. Ask again later; if it stays, ask the vendor.")
        if not request.first <= ex_date <= request.last:
            raise MalformedPage(f"{where} has the one of {ex_date}. Ask again later; if it stays, ask the vendor.")
