"""What is known on a session of rates and dividends, as texts that are kept with it, and read back to value it by.

A text holds only what could be known on the session, so that asking again later gives the same one: of yields the
curve of the last date before it; of dividends the amounts that had gone ex, and the dates that were declared, whose
amounts the vendor writes in later (see ``marketlake.options.dividends``). Texts are JSON, keys ascending, no blanks.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from marketlake.errors import BadArgument, MalformedPage, NotEntitled
from marketlake.lake import Lake
from marketlake.options.dividends import (
    ConstantDividends,
    Dividend,
    Dividends,
    Expected,
    KnownDividends,
    NoDividends,
)
from marketlake.options.rates import OLDEST_DAYS, TENORS, ConstantRate, TreasuryCurve, curve_before
from marketlake.polygon import dividends, treasury_yields
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.dividends import DividendsRequest
from marketlake.polygon.endpoint import Endpoint, PageT, RequestT
from marketlake.polygon.treasury_yields import YieldsRequest
from marketlake.sessions import SessionCalendar

_WHILE_EMPTY = 3
_YEARS_BACK, _YEARS_AHEAD = 5, 2
_REGULAR = frozenset({"recurring", "unknown", None})
"""The vendor's types of a dividend that comes again; its word may be absent."""

_QUARTERLY = 4

Row = dict[str, Any]


class _Text(msgspec.Struct, frozen=True, tag_field="source", forbid_unknown_fields=True):
    """What a text says beside its source."""


class _ConstantRate(_Text, frozen=True, tag="constant"):
    constant: float


class _Treasury(_Text, frozen=True, tag="treasury"):
    date: dt.date
    percent: dict[str, float]


class _NoDividends(_Text, frozen=True, tag="none"):
    pass


class _ConstantDividends(_Text, frozen=True, tag="constant"):
    constant_usd: float


class _Declared(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """A date that lies ahead. ``frequency``: how many a year, 0 of a special one."""

    ex_date: dt.date
    declaration_date: dt.date
    frequency: int


class _Paid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One that has gone ex. ``amount_usd``: USD a share, unadjusted."""

    ex_date: dt.date
    amount_usd: float
    declaration_date: dt.date | None
    frequency: int


class _VendorDividends(_Text, frozen=True, tag="vendor"):
    """As they were known on ``session``."""

    ticker: str
    session: dt.date
    paid: list[_Paid]
    declared: list[_Declared]


_RATES = _ConstantRate | _Treasury
_DIVIDENDS = _NoDividends | _ConstantDividends | _VendorDividends


@dataclass(frozen=True)
class _KnownOn(KnownDividends):
    """What was known on one session, which says nothing of another: later, amounts would be lacking."""

    known_on: dt.date

    def ahead(self, session: dt.date, last: dt.date) -> tuple[Expected, ...]:
        if session != self.known_on:
            raise BadArgument(f"these dividends are those known on {self.known_on}; {session} was asked for.")
        return super().ahead(session, last)


def rates_text(lake: Lake, client: PolygonClient, session: dt.date) -> str:
    """What is known of rates on a session; the vendor is asked if ``options.rates.source`` is ``treasury``.

    Raises as ``PolygonClient.ask``, MalformedPage for yields that are none, NotEntitled if the plan has none of them,
    and BadArgument if there are none of the ten days before; the last two name the setting that goes on without them.
    """
    rates = lake.settings.options.rates
    if rates.source == "constant":
        return _written(_ConstantRate(rates.constant))
    request = YieldsRequest(session - dt.timedelta(days=OLDEST_DAYS), session - dt.timedelta(days=1))
    rows = _rows_of(client, treasury_yields, request, "date", "options.rates.source: constant")
    try:
        curves = list(_curves(rows))
    except BadArgument as exc:
        raise MalformedPage(f"{exc} Fetch again later, or set options.rates.source: constant.") from None
    curve = curve_before(curves, session)
    return _written(_Treasury(curve.date, dict(curve.percent)))


def dividends_text(lake: Lake, client: PolygonClient, ticker: str, session: dt.date) -> str:
    """What is known of a ticker's dividends on a session; the vendor is asked if ``options.dividends.source`` says so.

    Raises as ``PolygonClient.ask``, MalformedPage if one comes twice, and NotEntitled if the plan has none of them,
    which names the setting that goes on without them.
    """
    configured = lake.settings.options.dividends
    if configured.source == "none":
        return _written(_NoDividends())
    if configured.source == "constant":
        return _written(_ConstantDividends(configured.constant_usd))
    request = DividendsRequest(ticker, _years_from(session, -_YEARS_BACK), _years_from(session, _YEARS_AHEAD))
    rows = _rows_of(client, dividends, request, "id", "options.dividends.source: constant")
    paid = [_paid(row) for row in rows if row["ex_dividend_date"] <= session]
    declared = [_declared(row) for row in rows if row["ex_dividend_date"] > session and _is_declared(row, session)]
    in_order = sorted(paid, key=lambda one: (one.ex_date, one.frequency, one.amount_usd, str(one.declaration_date)))
    return _written(_VendorDividends(ticker, session, in_order, sorted(declared)))


def rates_of(text: str) -> ConstantRate | TreasuryCurve:
    """The rates of a text that ``rates_text`` wrote. Raises BadArgument for any other."""
    inputs: _ConstantRate | _Treasury = _read(text, _RATES, "rates")
    return (
        ConstantRate(inputs.constant)
        if isinstance(inputs, _ConstantRate)
        else TreasuryCurve(inputs.date, inputs.percent)
    )


def dividends_of(text: str, calendar: SessionCalendar) -> Dividends:
    """The dividends of a text that ``dividends_text`` wrote, to be asked of its session alone.

    Raises BadArgument for any other text.
    """
    inputs: _NoDividends | _ConstantDividends | _VendorDividends = _read(text, _DIVIDENDS, "dividends")
    if isinstance(inputs, _NoDividends):
        return NoDividends()
    if isinstance(inputs, _ConstantDividends):
        return ConstantDividends(inputs.constant_usd, calendar)
    paid = [Dividend(one.ex_date, one.amount_usd, one.declaration_date, one.frequency) for one in inputs.paid]
    # An amount that is not known is not looked at: on this session it lies ahead.
    ahead = [Dividend(one.ex_date, 0.0, one.declaration_date, one.frequency) for one in inputs.declared]
    return _KnownOn([*paid, *ahead], calendar, inputs.session)


def _rows_of(
    client: PolygonClient, endpoint: Endpoint[RequestT, PageT], request: RequestT, key: str, without: str
) -> list[Row]:
    """Every row of a listing. ``key``: what no two rows share; ``without``: the setting that goes on without them."""
    try:
        answer = client.ask(endpoint, request, while_empty=_WHILE_EMPTY)
    except NotEntitled as exc:
        raise NotEntitled(
            f"{request}: the plan of this key does not include them. To go on without them, set {without}; or use a key"
            " whose plan has them."
        ) from exc
    rows: list[Row] = [row for page in answer.pages for row in page.rows.to_pylist()]
    counts = Counter(row[key] for row in rows if row[key] is not None)
    double = next((name for name, count in counts.items() if count > 1), None)
    if double is not None:
        raise MalformedPage(
            f"{request}: the one with {key} {double} comes twice. Fetch again later.", bodies=answer.listing.bodies
        )
    return rows


def _curves(rows: list[Row]) -> Iterator[TreasuryCurve]:
    """A curve a date that has any yield. Raises BadArgument for a yield that is none."""
    for row in rows:
        percent = {tenor: row[tenor] for tenor in TENORS if row[tenor] is not None}
        if percent:
            yield TreasuryCurve(row["date"], percent)


def _is_declared(row: Row, session: dt.date) -> bool:
    return row["declaration_date"] is not None and row["declaration_date"] <= session


def _paid(row: Row) -> _Paid:
    return _Paid(row["ex_dividend_date"], row["cash_amount"], row["declaration_date"], _frequency(row))


def _declared(row: Row) -> _Declared:
    return _Declared(row["ex_dividend_date"], row["declaration_date"], _frequency(row))


def _frequency(row: Row) -> int:
    """How many a year, four if it is not said; 0 if it says nothing of later ones."""
    if row["distribution_type"] not in _REGULAR:
        return 0
    return _QUARTERLY if row["frequency"] is None else row["frequency"]


def _years_from(session: dt.date, years: int) -> dt.date:
    return dt.date(session.year + years, session.month, min(session.day, 28))


def _written(inputs: _Text) -> str:
    return msgspec.json.encode(inputs, order="sorted").decode()


def _read(text: str, kinds: Any, what: str) -> Any:
    try:
        inputs = msgspec.json.decode(text, type=kinds)
    except msgspec.DecodeError as exc:
        raise BadArgument(f"this is no text of {what}: {exc}") from None
    if _written(inputs) != text:
        raise BadArgument(f"this is no text of {what}: its JSON is not the canonical one.")
    return inputs
