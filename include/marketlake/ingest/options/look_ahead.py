"""A look at a few of the sessions that are to be fetched: how many contracts the rule selects of their chains.

It judges no chain. One that is unfit, or cannot be listed now, is left out: its own date fails later, and no other.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from marketlake.errors import BadArgument, InputMissing, MarketLakeError, NotEntitled, RefusedData, Retryable
from marketlake.ingest.options.freezing import reference, rule_of
from marketlake.lake import Lake
from marketlake.options.selection import OPEN_0930, PREVIOUS_CLOSE, select
from marketlake.polygon import contracts
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.contracts import ChainRequest
from marketlake.rows.option_chain import CHAINS

MOST_LOOKS = 8
"""A chain is some 14 pages of a session's 2,300 requests: eight of them take seven seconds, and a range of as many
sessions is known exactly."""
MOST_LIMITED_LOOKS = 2
"""Of a key whose calls are counted by the minute a chain takes minutes: the two ends alone."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """What one session showed: how many contracts the rule selects, and in how many pages its chain came."""

    session: dt.date
    contracts: int
    pages: int


def look_ahead(lake: Lake, client: PolygonClient, ticker: str, sessions: Sequence[dt.date]) -> list[Look]:
    """The first session, the last one, and some between, ascending; fewer if some could not be looked at.

    Raises what the client raises on a key, and what kept every single one from being looked at, unless the answers were
    refused: then nothing is known, and each date says why.
    """
    looks, trouble = [], None
    for session in spread(sessions, MOST_LIMITED_LOOKS if lake.settings.api.requests_per_minute else MOST_LOOKS):
        try:
            looks.append(look(lake, client, ticker, session))
        except (Retryable, RefusedData, NotEntitled, BadArgument) as exc:
            _log.warning("%s %s options: it could not be looked at, and is counted as others are: %s",
                         ticker, session, exc)  # fmt: skip
            trouble = _worse(trouble, exc)
    if trouble is not None and not looks and not isinstance(trouble, RefusedData | BadArgument):
        raise trouble
    return looks


def look(lake: Lake, client: PolygonClient, ticker: str, session: dt.date) -> Look:
    """One session. Its chain is that of the lake, or else the vendor's list. Raises as ``PolygonClient.ask``,
    InputMissing without a price to select by, and BadArgument for a chain that nothing can be selected from.
    """
    chain, pages = _chain(lake, client, ticker, session)
    if not chain.num_rows:
        return Look(session, 0, pages)
    usd = _reference_usd(lake, client, ticker, session)
    selected = select(chain, rule_of(lake), usd, session).column("selected")
    return Look(session, pc.sum(selected).as_py(), pages)


def spread(sessions: Sequence[dt.date], most: int) -> list[dt.date]:
    """At most so many of ``sessions``, evenly, the first and the last among them."""
    last, count = len(sessions) - 1, min(most, len(sessions))
    places = {round(number * last / max(1, count - 1)) for number in range(count)}
    return [sessions[place] for place in sorted(places)]


def _chain(lake: Lake, client: PolygonClient, ticker: str, session: dt.date) -> tuple[pa.Table, int]:
    """The contracts of a session, and in how many pages they came."""
    partitions = lake.store(CHAINS).partitions
    held = partitions.inspect(CHAINS.key(ticker, session))
    if held is not None and held.certificate is not None:
        return partitions.rows_of(held), held.certificate.pages
    pages = client.ask(contracts, ChainRequest(ticker, session)).pages
    return pa.concat_tables([page.rows for page in pages]), len(pages)


def _reference_usd(lake: Lake, client: PolygonClient, ticker: str, session: dt.date) -> float:
    """The price that will be selected by; if that is of the session itself, and not in the lake yet, the one before."""
    kind = rule_of(lake).reference
    try:
        return reference(lake, client, ticker, session, kind).usd
    except InputMissing:
        if kind != OPEN_0930:
            raise
        return reference(lake, client, ticker, session, PREVIOUS_CLOSE).usd


def _worse(known: MarketLakeError | None, new: MarketLakeError) -> MarketLakeError:
    """Of what kept sessions from being looked at, what a person would have to know first."""
    return new if known is None or isinstance(known, RefusedData | BadArgument) else known
