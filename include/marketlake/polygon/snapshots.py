"""One page of the option chain snapshot endpoint, from JSON text to Arrow columns, strictly.

Source of the shapes: the vendor's endpoint ``/v3/snapshot/options/{underlying}``, and answers that were recorded of it.
It shows what is now: any date that is asked for is ignored, so none is.
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
from marketlake.rows.option_snapshot import SNAPSHOT

_MOST = 250  # the vendor's own limit
_OURS = frozenset({"open_interest_date", "fetched_at"})

AS_SHOWN = pa.schema(
    [field.with_nullable(field.nullable or field.name == "underlying") for field in SNAPSHOT if field.name not in _OURS]
)
"""The columns that the vendor fills; ``underlying`` only if it says so."""


@dataclass(frozen=True)
class SnapshotRequest:
    """Every live contract of an underlying, as it is shown now."""

    underlying: str

    def __str__(self) -> str:
        return f"{self.underlying} option snapshot"


class _Details(msgspec.Struct, gc=False):
    ticker: str
    contract_type: str
    expiration_date: dt.date
    strike_price: float


class _Greeks(msgspec.Struct, gc=False):
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None


class _Day(msgspec.Struct, gc=False):
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume: float | None = None
    vwap: float | None = None
    previous_close: float | None = None
    change: float | None = None
    change_percent: float | None = None
    last_updated: int | None = None


class _Trade(msgspec.Struct, gc=False):
    price: float | None = None
    size: float | None = None
    exchange: int | None = None
    conditions: list[int] | None = None
    sip_timestamp: int | None = None
    timeframe: str | None = None


class _Quote(msgspec.Struct, gc=False):
    bid: float | None = None
    bid_size: float | None = None
    ask: float | None = None
    ask_size: float | None = None
    midpoint: float | None = None
    last_updated: int | None = None
    timeframe: str | None = None


class _Underlying(msgspec.Struct, gc=False):
    ticker: str | None = None
    price: float | None = None
    last_updated: int | None = None
    timeframe: str | None = None


class _Contract(msgspec.Struct, gc=False):
    """Every part but the contract itself is absent, ``null`` or ``{}`` at times."""

    details: _Details
    open_interest: float | None = None
    implied_volatility: float | None = None
    break_even_price: float | None = None
    greeks: _Greeks | None = None
    day: _Day | None = None
    last_trade: _Trade | None = None
    last_quote: _Quote | None = None
    underlying_asset: _Underlying | None = None


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
    """One decoded page. ``rows``: as ``AS_SHOWN``, in the vendor's order."""

    status: str
    message: str
    next_url: str | None
    request_id: str
    rows: pa.Table


def first_path(request: SnapshotRequest, limit: int) -> str:
    """Path and query of the first page."""
    return f"{_path(request)}?{urlencode({'order': 'asc', 'sort': 'ticker', 'limit': min(limit, _MOST)})}"


def _path(request: SnapshotRequest) -> str:
    return f"/v3/snapshot/options/{request.underlying}"


def leads_on(request: SnapshotRequest, path: str) -> bool:
    """Whether a further page of a request may lie at a path: all of them lie at the same one."""
    return path == _path(request)


def decode(body: bytes) -> Page:
    """Decode one response body.

    Raises UndecodableBody if it is no JSON (cut short, HTML), MalformedPage if it is JSON of another shape, or with a
    fraction of a contract.
    """
    page: _Body = decoded(_DECODER, body)
    rows = [_row(one) for one in page.results or []]
    return Page(page.status, text(page.error or page.message), page.next_url, text(page.request_id),
                pa.Table.from_pylist(rows, schema=AS_SHOWN))  # fmt: skip


def _row(one: _Contract) -> dict[str, Any]:
    details, greeks, day = one.details, one.greeks or _Greeks(), one.day or _Day()
    trade, quote, underlying = one.last_trade or _Trade(), one.last_quote or _Quote(), one.underlying_asset
    underlying = underlying or _Underlying()
    counted = {
        "open_interest": one.open_interest, "day_volume": day.volume, "last_trade_size": trade.size,
        "bid_size": quote.bid_size, "ask_size": quote.ask_size,
    }  # fmt: skip
    return {
        **{name: _whole(number, f"{name} of {details.ticker}") for name, number in counted.items()},
        "contract": details.ticker,
        "underlying": underlying.ticker,
        "expiration_date": details.expiration_date,
        "contract_type": details.contract_type,
        "strike_price": details.strike_price,
        "implied_volatility": one.implied_volatility,
        **msgspec.structs.asdict(greeks),
        "break_even_price": one.break_even_price,
        **{f"day_{name}": value for name, value in msgspec.structs.asdict(day).items() if name != "volume"},
        "day_updated_ns": day.last_updated,
        "last_trade_price": trade.price,
        "last_trade_exchange": trade.exchange,
        "last_trade_conditions": None if trade.conditions is None else msgspec.json.encode(trade.conditions).decode(),
        "last_trade_ns": trade.sip_timestamp,
        "bid": quote.bid,
        "ask": quote.ask,
        "midpoint": quote.midpoint,
        "last_quote_ns": quote.last_updated,
        "underlying_price": underlying.price,
        "underlying_updated_ns": underlying.last_updated,
        "timeframe": quote.timeframe or trade.timeframe or underlying.timeframe,
    }


def _whole(number: float | None, what: str) -> int | None:
    if number is not None and not number.is_integer():
        raise MalformedPage(f"{what} is {number!r}, not a whole number")
    return None if number is None else int(number)


def require_echo(page: Page, request: SnapshotRequest, number: int) -> None:
    """Refuse a page that answers another question: of another underlying, if it says of which."""
    for contract, underlying in zip(
        *(page.rows.column(name).to_pylist() for name in ("contract", "underlying")), strict=True
    ):
        if underlying not in {None, request.underlying}:
            where = f"{request}: page {number} (request id {page.request_id or 'none'})"
            raise MalformedPage(f"{where} has {contract}, which is of {underlying}. Ask again later.")
