"""One page of the option contracts endpoint, from JSON text to Arrow columns, strictly.

Source of the shapes: the vendor's endpoint ``/v3/reference/options/contracts``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
import pyarrow as pa

from marketlake.errors import MalformedPage
from marketlake.polygon.json_body import decoded, text
from marketlake.rows.option_chain import CHAIN

_PATH = "/v3/reference/options/contracts"
_MOST = 1_000  # the vendor's own limit
_AS_IT_CAME = ("contract", "underlying", "expiration_date", "contract_type", "strike_price", "exercise_style",
               "shares_per_contract", "primary_exchange", "cfi", "additional_underlyings")  # fmt: skip


@dataclass(frozen=True)
class ChainRequest:
    """Every contract of an underlying that was listed on a date, those that expire on it included."""

    underlying: str
    as_of: dt.date

    def __str__(self) -> str:
        return f"{self.underlying} option chain of {self.as_of}"


class _Contract(msgspec.Struct, gc=False):
    ticker: str
    underlying_ticker: str
    expiration_date: dt.date
    contract_type: str
    strike_price: float
    exercise_style: str
    shares_per_contract: float
    primary_exchange: str | None = None
    cfi: str | None = None
    additional_underlyings: list[Any] | None = None


class _Body(msgspec.Struct):
    """Only what is relied on; unknown keys come and go and are ignored."""

    status: str = ""
    results: list[_Contract] | None = None
    next_url: str | None = None
    # They prove nothing, so they refuse nothing, whatever they are.
    request_id: Any = ""
    error: Any = None
    message: Any = None


_DECODER = msgspec.json.Decoder(_Body)


@dataclass(frozen=True)
class Page:
    """One decoded page. ``rows`` have the columns of a chain that the vendor fills; in its order."""

    status: str
    message: str
    next_url: str | None
    request_id: str
    rows: pa.Table


def first_path(request: ChainRequest, limit: int) -> str:
    """Path and query of the first page. ``expired`` is false: it asks what has expired by today, not by ``as_of``."""
    query = {
        "underlying_ticker": request.underlying,
        "as_of": request.as_of,
        "expired": "false",
        "order": "asc",
        "sort": "ticker",
        "limit": min(limit, _MOST),
    }
    return f"{_PATH}?{urlencode(query)}"


def leads_on(request: ChainRequest, path: str) -> bool:  # noqa: ARG001 (all questions have one path)
    """Whether a further page may lie at a path: all of them lie at the same one."""
    return path == _PATH


def decode(body: bytes) -> Page:
    """Decode one response body.

    Raises UndecodableBody if it is no JSON (cut short, HTML), MalformedPage if it is JSON of another shape or with a
    number that cannot be what its field means.
    """
    page: _Body = decoded(_DECODER, body)
    return Page(page.status, text(page.error or page.message), page.next_url, text(page.request_id),
                _columns(page.results or []))  # fmt: skip


def _columns(contracts: list[_Contract]) -> pa.Table:
    rows = [_row(contract) for contract in contracts]
    schema = pa.schema([CHAIN.field(name) for name in _AS_IT_CAME])
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    return pa.table([list(column) for column in columns], schema=schema)


def _row(contract: _Contract) -> tuple[Any, ...]:
    *fields, shares, exchange, cfi, more = msgspec.structs.astuple(contract)
    if not shares.is_integer():
        raise MalformedPage(f"shares_per_contract of {contract.ticker} is {shares!r}, not a whole number")
    return *fields, int(shares), exchange, cfi, msgspec.json.encode(more).decode() if more else None


def require_echo(page: Page, request: ChainRequest, number: int) -> None:
    """Refuse a page that answers another question: of another underlying, or of contracts that had expired by then.

    The vendor echoes neither; what was asked for shows in the records alone.
    """
    where = f"{request}: page {number} (request id {page.request_id or 'none'})"
    for contract, underlying, expiration in zip(
        *(page.rows.column(name).to_pylist() for name in ("contract", "underlying", "expiration_date")), strict=True
    ):
        if underlying != request.underlying:
            raise MalformedPage(f"{where} has {contract}, which is of {underlying}. Ask again later.")
        if expiration < request.as_of:
            raise MalformedPage(f"{where} has {contract}, which had expired before {request.as_of}. Ask again later.")
