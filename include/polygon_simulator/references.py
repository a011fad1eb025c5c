"""What is asked of a list: the filters, order, page and cursor of contracts, their snapshots, yields and dividends."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from polygon_simulator.options.contract import Contract
from polygon_simulator.questions import BadQuestion

CONTRACTS, CONTRACT, YIELDS, DIVIDENDS, SNAPSHOTS = ENDPOINTS = (
    "contracts", "contract", "yields", "dividends", "snapshots",
)  # fmt: skip
"""What a fault names in ``endpoint``."""

_PATHS = {
    "/v3/reference/options/contracts": CONTRACTS,
    "/fed/v1/treasury-yields": YIELDS,
    "/stocks/v1/dividends": DIVIDENDS,
}
_CONTRACT = re.compile(r"/v3/reference/options/contracts/([^/]+)")
_SNAPSHOTS = re.compile(r"/v3/snapshot/options/([^/]+)")
_OPERATORS = ("", "gt", "gte", "lt", "lte", "any_of")
_DATES = {"expiration_date", "date", "ex_dividend_date"}
_NUMBERS = {"strike_price", "frequency"}


@dataclass(frozen=True)
class _Shape:
    """A list's page sizes, its order, and the fields that can be asked for. ``key`` names a row."""

    default_limit: int
    highest_limit: int
    fields: tuple[str, ...]
    sort: str
    sorts: tuple[str, ...]
    key: str


_SHAPES = {
    CONTRACTS: _Shape(
        10, 1_000, ("underlying_ticker", "ticker", "contract_type", "expiration_date", "strike_price"),
        "ticker", ("ticker", "underlying_ticker", "expiration_date", "strike_price"), "ticker",
    ),
    YIELDS: _Shape(100, 50_000, ("date",), "date", ("date",), "date"),
    DIVIDENDS: _Shape(
        100, 5_000, ("ticker", "ex_dividend_date", "frequency", "distribution_type"),
        "ticker", ("ticker", "ex_dividend_date"), "ex_dividend_date",
    ),
    SNAPSHOTS: _Shape(
        10, 250, ("contract_type", "expiration_date", "strike_price"),
        "ticker", ("ticker", "expiration_date", "strike_price"), "ticker",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Filter:
    """``field`` against a value; ``operator`` is one of gt, gte, lt, lte, any_of, or empty: equal."""

    field: str
    operator: str
    value: Any

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row passes."""
        found = row[self.field]
        if self.operator == "any_of":
            return found in self.value
        return bool(
            found == self.value if not self.operator
            else found > self.value if self.operator == "gt"
            else found >= self.value if self.operator == "gte"
            else found < self.value if self.operator == "lt"
            else found <= self.value
        )  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """One page of a list, or one contract (``ticker``). ``after`` is what the last row before it is sorted by."""

    endpoint: str
    path: str
    given: tuple[tuple[str, str], ...]
    filters: tuple[Filter, ...] = ()
    sort: str = ""
    ascending: bool = True
    limit: int = 1
    page: int = 1
    after: tuple[Any, ...] | None = None
    as_of: dt.date | None = None
    expired: bool = False
    ticker: str = ""

    @property
    def timespan(self) -> str:
        """What the log of requests says in the place of a bar's length: the endpoint."""
        return self.endpoint

    @property
    def day(self) -> str:
        """The date that a fault names: of a chain the one that was asked for; ``*`` without one."""
        return str(self.as_of or "*")

    def wanted(self, field: str) -> str:
        """The value that a field must have; empty if any."""
        return next((str(rule.value) for rule in self.filters if rule.field == field and not rule.operator), "")

    def order(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """What a row is sorted by: its own key settles what ``sort`` leaves open."""
        return row[self.sort], row[_SHAPES[self.endpoint].key]

    def next_path(self, last: Mapping[str, Any], extra: Mapping[str, Any]) -> str:
        """Path and query of the page after a row. It carries no key.

        The cursor is the vendor's, of contracts: ``ap=`` the last record with what the lists do not show
        (``extra``), then the question; of snapshots ``ap=`` the last ticker and its strike; of the others only known
        to be opaque. ``page`` is the simulator's own.
        """
        if self.endpoint == SNAPSHOTS:
            return self._path_after(f"{last['ticker']}:{last['strike_price']:.2f}")
        return self._path_after(json.dumps({**extra, **last}, separators=(",", ":")))

    def again(self) -> str:
        """Path and query of the same rows as one more page."""
        return self._path_after(dict(self.given).get("ap", ""))

    def _path_after(self, record: str) -> str:
        query = sorted((name, value) for name, value in self.given if name not in {"ap", "page", "cursor", "as"})
        begin = [f"ap={quote(record, safe='')}", "as="] if record else []
        cursor = "&".join([*begin, *([urlencode(query)] if query else []), f"page={self.page + 1}"])
        return f"{self.path}?cursor={base64.urlsafe_b64encode(cursor.encode()).decode().rstrip('=')}"

    def without_filters(self) -> Reference:
        """Half of the page, as if its filters had been forgotten."""
        return replace(self, filters=(), limit=max(1, self.limit // 2))


def read(path: str, query: Mapping[str, str]) -> Reference | None:
    """What a request asks for; None for a path of another endpoint. Raises BadQuestion."""
    if match := _CONTRACT.fullmatch(path):
        as_of = _date(query["as_of"], "as_of") if "as_of" in query else None
        return Reference(CONTRACT, path, tuple(query.items()), as_of=as_of, ticker=unquote(match[1]))
    shown = _SNAPSHOTS.fullmatch(path)
    endpoint = SNAPSHOTS if shown else _PATHS.get(path)
    if endpoint is None:
        return None
    shape = _SHAPES[endpoint]
    given = _cursor(query["cursor"]) if "cursor" in query else {name: query[name] for name in query if name != "apiKey"}
    if endpoint == CONTRACTS:
        given = {"limit": str(shape.default_limit), "order": "asc", "sort": shape.sort, **given}
    of_underlying = [Filter("underlying_ticker", "", unquote(shown[1]))] if shown else []
    sort, ascending = _sorted_by(given, shape)
    question = Reference(
        endpoint, path, tuple(given.items()),
        filters=(*of_underlying, *_filters(given, shape)), sort=sort, ascending=ascending,
        limit=max(1, min(int(_matching(given, "limit", "[0-9]{1,9}", str(shape.default_limit))), shape.highest_limit)),
        page=int(_matching(given, "page", "[0-9]{1,9}", "1")),
        as_of=_date(given["as_of"], "as_of") if given.get("as_of") and endpoint == CONTRACTS else None,
        expired=_matching(given, "expired", "(?i:true|false)", "false").lower() == "true",
    )  # fmt: skip
    return replace(question, after=_after(given["ap"], question)) if "ap" in given else question


def _after(text: str, question: Reference) -> tuple[Any, ...]:
    try:
        return question.order(_shown_last(text) if question.endpoint == SNAPSHOTS else json.loads(text))
    except (ValueError, KeyError, TypeError) as exc:
        raise BadQuestion("Could not parse the parameter: 'cursor'") from exc


def _shown_last(text: str) -> Mapping[str, Any]:
    """The record of the contract that a snapshot's cursor names: ``O:SPY241220C00600000:600.00``."""
    contract = Contract.of(text.rpartition(":")[0])
    if contract is None:
        raise ValueError(text)
    return contract.record()


def _filters(given: Mapping[str, str], shape: _Shape) -> list[Filter]:
    names = ((field, operator) for field in shape.fields for operator in _OPERATORS)
    parameters = ((field, operator, f"{field}.{operator}".rstrip(".")) for field, operator in names)
    return [
        Filter(field, operator, _value(field, operator, given[name], name))
        for field, operator, name in parameters
        if name in given
    ]


def _value(field: str, operator: str, text: str, name: str) -> Any:
    if operator == "any_of":
        return frozenset(_value(field, "", part, name) for part in text.split(","))
    if field in _DATES:
        return str(_date(text, name))
    if field in _NUMBERS:
        try:
            return float(text)
        except ValueError:
            raise BadQuestion(f"Could not parse the parameter: '{name}'") from None
    return text


def _sorted_by(given: Mapping[str, str], shape: _Shape) -> tuple[str, bool]:
    """The field, and whether ascending: of contracts by ``order``, of the others by ``sort=field.desc``.

    Yields take ``order`` too, as the vendor's client sends it; of dividends it is ignored.
    """
    field, _, direction = given.get("sort", shape.sort).partition(".")
    order = _matching(given, "order", "asc|desc", "asc")
    if field not in shape.sorts or direction not in {"", "asc", "desc"}:
        raise BadQuestion("Could not parse the parameter: 'sort'")
    if shape is _SHAPES[DIVIDENDS] or direction:
        return field, direction != "desc"
    return field, order == "asc"


def _matching(given: Mapping[str, str], name: str, allowed: str, default: str) -> str:
    text = given.get(name, default)
    if not re.fullmatch(allowed, text):
        raise BadQuestion(f"Could not parse the parameter: '{name}'")
    return text


def _cursor(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()))
    except ValueError as exc:
        raise BadQuestion("Could not parse the parameter: 'cursor'") from exc


def _date(text: str, name: str) -> dt.date:
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError(text)
        return dt.date.fromisoformat(text)
    except ValueError:
        raise BadQuestion(f"Could not parse the time parameter: '{name}'. Use YYYY-MM-DD") from None
