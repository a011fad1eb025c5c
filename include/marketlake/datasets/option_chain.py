"""The option chain: every contract of an underlying as it stood on a session."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.datasets.dataset import Cost, Decoded, EmptyRule
from marketlake.errors import MarketLakeError, NotEntitled, RefusedData, Retryable, StopAndTell
from marketlake.lake import Lake
from marketlake.polygon import contracts
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.contracts import ChainRequest
from marketlake.polygon.fetch import Fetch, Listing
from marketlake.quality.chain_checks import check_chain, doubts, require_continuity
from marketlake.quality.checks import Check
from marketlake.quality.reconciliation import FAILED, NOT_INCLUDED, Reconciliation
from marketlake.rows.option_chain import CHAIN, CHAINS
from marketlake.rows.spec import DatasetSpec, PartitionKey
from marketlake.sessions import SessionHours
from marketlake.settings import Settings

_OWN, _BEFORE, _HELD = "contracts", "before", "held"
_STANDARD_SHARES, _AMERICAN = 100, "american"


class _HeldBefore(msgspec.Struct, frozen=True):
    """The previous session's contracts as the lake held them, kept among the pages so that rebuilding needs no lake."""

    content_hash: str
    contracts: list[str]


@dataclass(frozen=True)
class OptionChain:
    """Every contract, from one listing; and which of them were listed before, by the previous session's.

    Sizes are of a full chain of 2026: 13,472 contracts.
    """

    spec: DatasetSpec = CHAINS
    pages: int = 14
    bytes_a_session: int = 150_000
    raw_bytes_a_session: int = 500_000
    empty: EmptyRule = EmptyRule.REFUSED
    bounds_silence: bool = False

    def fetch(self, lake: Lake, client: PolygonClient, key: PartitionKey) -> tuple[Fetch, Decoded]:
        """The chain as of the session, and the previous one's, from the lake if it has it. Raises as ``ask`` does."""
        request = ChainRequest(key.ticker, key.session)
        answer = client.ask(contracts, request, while_empty=self.empty.attempts)
        fetch = answer.as_fetch(_OWN, client.host).with_listings(_before(lake, client, key))
        try:
            return fetch, self.decode(lake, fetch, key)
        except RefusedData as exc:
            raise type(exc)(str(exc), bodies=answer.listing.bodies) from exc

    def own_pages(self, fetch: Fetch) -> Listing:
        """The pages of the session's own chain."""
        return fetch.of(_OWN)

    def inputs(self, fetch: Fetch, rows: pa.Table) -> Mapping[str, str]:  # noqa: ARG002
        """The contracts that were listed before, by a digest of their names; nothing if they are not known."""
        before = _contracts_before(fetch)
        if before is None:
            return {}
        return {"contracts_before": hashlib.sha256("\n".join(sorted(before)).encode()).hexdigest()}

    def basis(self, fetch: Fetch) -> Mapping[str, str]:  # noqa: ARG002
        """Nothing beside what was asked for."""
        return {}

    def decode(self, lake: Lake, fetch: Fetch, key: PartitionKey) -> Decoded:  # noqa: ARG002
        """The contracts of a fetch, ascending. Raises MalformedPage or UndecodableBody."""
        request, pages = ChainRequest(key.ticker, key.session), []
        for number, body in enumerate(self.own_pages(fetch).bodies, 1):
            page = contracts.decode(body)
            contracts.require_echo(page, request, number)
            pages.append(page)
        listed, before = pa.concat_tables([page.rows for page in pages]).sort_by("contract"), _contracts_before(fetch)
        if before is not None and listed.num_rows:
            require_continuity(listed, before, key.session, str(request))
        return Decoded(_rows(listed, key.ticker, before), tuple(page.request_id for page in pages))

    def longer(self, lake: Lake, client: PolygonClient, key: PartitionKey) -> Mapping[str, Listing]:  # noqa: ARG002
        """Nothing: the chain before came with the fetch, since rows are made of it."""
        return {}

    def without_longer(self, because: str) -> Mapping[str, Listing]:  # noqa: ARG002
        """Nothing, either."""
        return {}

    def check(self, rows: pa.Table, hours: SessionHours, max_silence_s: float | None) -> list[Check]:  # noqa: ARG002
        """Every check of the contracts."""
        return check_chain(rows, hours.session)

    def reconcile(self, lake: Lake, rows: pa.Table, fetch: Fetch, key: PartitionKey) -> Reconciliation:  # noqa: ARG002
        """The chain held against itself and the one before."""
        absent = fetch.of(_BEFORE).absent_because
        found = tuple(doubts(rows, _contracts_before(fetch)))
        return Reconciliation(None, None, {_BEFORE: absent} if absent else {}, {"chain": found})

    def has_rows(self, lake: Lake, client: PolygonClient, key: PartitionKey) -> bool:  # noqa: ARG002
        """Ask for one contract."""
        return bool(client.first(contracts, ChainRequest(key.ticker, key.session)).rows.num_rows)

    def cost(self, configured: Settings) -> Cost:
        """The pages of a full chain, and of the one before, which a lake that grows day by day has already."""
        raw_bytes = self.raw_bytes_a_session if configured.storage.keep_raw_pages else 0
        return Cost(2 * self.pages, self.bytes_a_session + raw_bytes)


def _before(lake: Lake, client: PolygonClient, key: PartitionKey) -> dict[str, Listing]:
    """The previous session's contracts: those that the lake holds, else the vendor's list. What fails fails alone."""
    session = _session_before(lake, key.session)
    if session is None:
        return {_BEFORE: Listing(absent_because="there is no session before it")}
    partitions = lake.store(CHAINS).partitions
    held = partitions.inspect(CHAINS.key(key.ticker, session))
    if held is not None and held.certificate is not None:
        names = partitions.rows_of(held).column("contract").to_pylist()
        return {_HELD: Listing((msgspec.json.encode(_HeldBefore(held.certificate.content_hash, names)),))}
    try:
        return {_BEFORE: client.ask(contracts, ChainRequest(key.ticker, session)).listing}
    except NotEntitled:
        return {_BEFORE: Listing(absent_because=NOT_INCLUDED)}
    except (Retryable, StopAndTell, RefusedData) as exc:
        return {_BEFORE: Listing(absent_because=f"{FAILED} ({type(exc).__name__})")}


def _session_before(lake: Lake, session: dt.date) -> dt.date | None:
    before = lake.calendar.last_sessions(session, 2)
    return before[0] if len(before) > 1 else None


def _contracts_before(fetch: Fetch) -> frozenset[str] | None:
    """The contracts of the previous session; None if they are not known."""
    for body in fetch.of(_HELD).bodies:
        return frozenset(msgspec.json.decode(body, type=_HeldBefore).contracts)
    bodies = fetch.of(_BEFORE).bodies
    try:
        names = [contracts.decode(body).rows.column("contract").to_pylist() for body in bodies]
    except MarketLakeError:  # it came, and cannot be read: as if it had not come
        return None
    return frozenset(name for page in names for name in page) if bodies else None


def _rows(listed: pa.Table, underlying: str, before: frozenset[str] | None) -> pa.Table:
    known = pa.nulls(listed.num_rows, pa.bool_()) if before is None else _among(listed, sorted(before))
    columns = {**{name: listed.column(name) for name in listed.column_names},
               "standard": _standard(listed, underlying), "listed_before": known}  # fmt: skip
    return pa.table([columns[name] for name in CHAIN.names], schema=CHAIN).combine_chunks()


def _among(listed: pa.Table, names: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(listed.column("contract"), pa.array(names, pa.string()))


def _standard(listed: pa.Table, underlying: str) -> pa.ChunkedArray:
    """Whether a contract is what one expects: the underlying's own root, 100 shares, American, nothing beside them."""
    root = f"^O:{underlying.replace('.', '')}[0-9]{{6}}[CP]"
    own_root = pc.match_substring_regex(listed.column("contract"), root)
    shares = pc.equal(listed.column("shares_per_contract"), _STANDARD_SHARES)
    american = pc.equal(listed.column("exercise_style"), _AMERICAN)
    alone = pc.is_null(listed.column("additional_underlyings"))
    return pc.and_(pc.and_(own_root, shares), pc.and_(american, alone))


OPTION_CHAIN = OptionChain()
