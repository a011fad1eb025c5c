"""Which contracts of a session are asked for: decided once, by what was known before the first of its bars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from marketlake import commands
from marketlake.dataset_names import OPTIONS
from marketlake.errors import BadArgument, InputMissing, NotEntitled
from marketlake.lake import Lake
from marketlake.options.selection import OPEN_0930, FrozenRule, SelectionRule, select
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.rows.bars import SECONDS
from marketlake.rows.option_chain import CHAINS
from marketlake.rows.spec import PartitionKey
from marketlake.sessions import SessionHours


@dataclass(frozen=True)
class HeldChain:
    """A session's chain as the lake holds it, and the hash of its content."""

    rows: pa.Table
    content_hash: str


@dataclass(frozen=True)
class Reference:
    """A price of the underlying, USD, when it was (Unix ms UTC, the end of its bar, or the moment of an open), and
    where it is from.
    """

    usd: float
    at_ms: int
    source: str


def held_chain(lake: Lake, ticker: str, session: dt.date) -> HeldChain:
    """The chain of a session. Raises InputMissing if the lake has none that proves itself."""
    partitions = lake.store(CHAINS).partitions
    held = partitions.inspect(CHAINS.key(ticker, session))
    if held is None or held.certificate is None:
        raise InputMissing(
            f"{ticker} {session} options: the lake holds no chain of it that proves itself, from which contracts could"
            f" be selected. Clear the task fetch_chain, or fetch it with  {_fetching(lake, OPTIONS, ticker, session)}"
        )
    return HeldChain(partitions.rows_of(held), held.certificate.content_hash)


def rule_of(lake: Lake) -> SelectionRule:
    """The rule of the settings."""
    return SelectionRule(**lake.settings.options.selection.model_dump())


def frozen(
    lake: Lake, client: PolygonClient, key: PartitionKey, chain: HeldChain, earlier: Sequence[FrozenRule | None]
) -> FrozenRule:
    """The rule with its reference price: one of ``earlier`` if it is of the same rule and chain, so that what fills a
    gap meanwhile selects no other contracts; else made now. Raises as ``reference``.
    """
    rule = rule_of(lake)
    wanted = (rule, key.ticker, key.session, chain.content_hash)
    for one in earlier:
        if one and (one.rule, one.underlying, one.session, one.chain_hash) == wanted:
            return one
    price = reference(lake, client, key.ticker, key.session, rule.reference)
    return FrozenRule(rule, key.ticker, key.session, price.usd, price.at_ms, price.source, chain.content_hash)


def reasons_of(chain: HeldChain, rule: FrozenRule) -> dict[str, str]:
    """Why each contract of a chain is selected or not, ascending by contract."""
    reasons = select(chain.rows, rule.rule, rule.reference_usd, rule.session).column("reason").to_pylist()
    return dict(zip(chain.rows.column("contract").to_pylist(), reasons, strict=True))


def reference(lake: Lake, client: PolygonClient, ticker: str, session: dt.date, kind: str) -> Reference:
    """The price that strikes are held against, of before any bar that is asked for.

    Raises InputMissing if neither lake nor vendor has it, and what the client raises.
    """
    if kind == OPEN_0930:
        return _open(lake, ticker, session)
    sessions = lake.calendar.last_sessions(session, 2)
    before = lake.calendar.hours(sessions[0]) if sessions[:-1] else None
    found = before and (_close_of_seconds(lake, ticker, before) or _close_of_day(client, ticker, before))
    if not found:
        where = f"has no bar of {sessions[0]}" if before else "begins with it"
        raise InputMissing(
            f"{ticker} {session} options: there is no previous close to select strikes by: the lake has no second bars"
            f" of the session before, and the API {where}. Clear the task later, or set"
            " options.selection.reference: open_0930."
        )
    return found


def _open(lake: Lake, ticker: str, session: dt.date) -> Reference:
    """The open of the first second bar of regular hours."""
    hours = lake.calendar.hours(session)
    bars = _regular_seconds(lake, ticker, hours)
    if bars is None:
        raise InputMissing(
            f"{ticker} {session} options: options.selection.reference is open_0930, and the lake holds no second bars"
            f" of that session."
            f" Fetch them with  {_fetching(lake, SECONDS.name, ticker, session)}  or set previous_close."
        )
    at_ms = bars.column("timestamp")[0].as_py()
    return Reference(bars.column("open")[0].as_py(), at_ms, f"second_bars of {session}, the open")


def _close_of_seconds(lake: Lake, ticker: str, hours: SessionHours) -> Reference | None:
    """The close of the last second bar of regular hours that the lake holds."""
    bars = _regular_seconds(lake, ticker, hours)
    if bars is None:
        return None
    end_ms = bars.column("timestamp")[-1].as_py() + SECONDS.bar_ms
    return Reference(bars.column("close")[-1].as_py(), end_ms, f"second_bars of {hours.session}, the last close")


def _regular_seconds(lake: Lake, ticker: str, hours: SessionHours) -> pa.Table | None:
    """The second bars of a session's regular hours; None if the lake holds none that prove themselves."""
    partitions = lake.store(SECONDS).partitions
    held = partitions.inspect(SECONDS.key(ticker, hours.session))
    if held is None or held.certificate is None:
        return None
    bars = partitions.rows_of(held)
    start = bars.column("timestamp")
    within = pc.and_(pc.greater_equal(start, hours.regular_start_ms), pc.less(start, hours.regular_end_ms))
    regular = bars.filter(within)
    return regular if regular.num_rows else None


def _close_of_day(client: PolygonClient, ticker: str, hours: SessionHours) -> Reference | None:
    """The close of the vendor's unadjusted day bar. Raises NotEntitled, with what goes on without it."""
    request = BarRequest(ticker, hours, adjusted=False, timespan=Timespan.DAY)
    try:
        pages = client.fetch(request).pages
    except NotEntitled as exc:
        raise NotEntitled(
            f"{exc} It is asked for the price by which contracts are selected: fetch the second bars of"
            f" {hours.session} into the lake, or take a plan with stocks."
        ) from exc
    closes = [close for page in pages for close in page.rows.column("close").to_pylist()]
    try:
        return Reference(closes[-1], hours.regular_end_ms, f"the vendor's day bar of {hours.session}")
    except IndexError:
        return None


def _fetching(lake: Lake, dataset: str, ticker: str, session: dt.date) -> str:
    tickers = lake.settings.tickers_of(dataset)
    return commands.fetching(dataset, ticker, session, session, tickers=tickers, again=True)


def earlier_rule(basis: dict[str, str] | None) -> FrozenRule | None:
    """The frozen rule of a certificate's basis; None without one that can be read."""
    try:
        return FrozenRule.from_canonical(basis["rule"]) if basis and "rule" in basis else None
    except BadArgument:
        return None
