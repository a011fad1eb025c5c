"""Option snapshots: what the vendor showed of every live contract of an underlying on a session.

It cannot be had later, at any price: open interest, and the vendor's own implied volatility and greeks. So it is no
input of anything that is made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from marketlake.datasets.dataset import Decoded, EmptyRule
from marketlake.lake import Lake
from marketlake.polygon import snapshots
from marketlake.polygon.fetch import Fetch, Listing
from marketlake.polygon.snapshots import SnapshotRequest
from marketlake.quality.checks import Check
from marketlake.quality.reconciliation import Reconciliation
from marketlake.quality.snapshot_checks import check_snapshot, doubts
from marketlake.rows.option_chain import CHAINS
from marketlake.rows.option_snapshot import SNAPSHOT, SNAPSHOTS
from marketlake.rows.spec import DatasetSpec, PartitionKey
from marketlake.sessions import SessionHours

LISTING = "snapshot"
NONE_BEFORE = "neither a snapshot nor a chain of the session before is held"


@dataclass(frozen=True)
class OptionSnapshot:
    """Every live contract, from one listing. ``ingest.options.snapshots`` asks for it, on the session itself.

    Sizes are of a full chain of 2026: 13,472 contracts.
    """

    spec: DatasetSpec = SNAPSHOTS
    pages: int = 54
    bytes_a_session: int = 900_000
    raw_bytes_a_session: int = 1_500_000
    empty: EmptyRule = EmptyRule.REFUSED
    bounds_silence: bool = False

    def own_pages(self, fetch: Fetch) -> Listing:
        """The pages of the snapshot."""
        return fetch.of(LISTING)

    def inputs(self, fetch: Fetch, rows: pa.Table) -> Mapping[str, str]:  # noqa: ARG002
        """Nothing beside them."""
        return {}

    def basis(self, fetch: Fetch) -> Mapping[str, str]:  # noqa: ARG002
        """Nothing, either."""
        return {}

    def decode(self, lake: Lake, fetch: Fetch, key: PartitionKey) -> Decoded:
        """The contracts of a fetch, ascending. Raises MalformedPage or UndecodableBody."""
        request, pages = SnapshotRequest(key.ticker), []
        for number, body in enumerate(self.own_pages(fetch).bodies, 1):
            page = snapshots.decode(body)
            snapshots.require_echo(page, request, number)
            pages.append(page)
        shown = pa.concat_tables([snapshots.AS_SHOWN.empty_table(), *(page.rows for page in pages)])
        return Decoded(_rows(lake, shown, fetch, key), tuple(page.request_id for page in pages))

    def check(self, rows: pa.Table, hours: SessionHours, max_silence_s: float | None) -> list[Check]:  # noqa: ARG002
        """Every check of the contracts."""
        return check_snapshot(rows, hours)

    def reconcile(self, lake: Lake, rows: pa.Table, fetch: Fetch, key: PartitionKey) -> Reconciliation:  # noqa: ARG002
        """The snapshot held against itself, and against the session before, of which the lake may hold something."""
        before = _contracts_before(lake, key)
        found = tuple(doubts(rows, before, key.session))
        return Reconciliation(None, None, {"before": NONE_BEFORE} if before is None else {}, {"snapshot": found})


OPTION_SNAPSHOT = OptionSnapshot()


def _rows(lake: Lake, shown: pa.Table, fetch: Fetch, key: PartitionKey) -> pa.Table:
    """With the session that open interest is of, which the vendor does not say, and the time of fetching."""
    before = lake.calendar.last_sessions(key.session, 2)[0]
    count = shown.num_rows
    underlying = shown.column("underlying").fill_null(key.ticker)
    columns = {
        **{name: shown.column(name) for name in shown.column_names},
        "underlying": underlying,
        "open_interest_date": pa.repeat(pa.scalar(before, pa.date32()), count),
        "fetched_at": pa.repeat(pa.scalar(fetch.fetched_at_ms, pa.int64()), count),
    }
    return pa.table([columns[name] for name in SNAPSHOT.names], schema=SNAPSHOT).sort_by("contract").combine_chunks()


def _contracts_before(lake: Lake, key: PartitionKey) -> frozenset[str] | None:
    """The contracts of the session before, by its snapshot or else its chain; None if the lake holds neither."""
    before = lake.calendar.last_sessions(key.session, 2)[0]
    for spec in (SNAPSHOTS, CHAINS):
        partitions = lake.store(spec).partitions
        held = partitions.inspect(spec.key(key.ticker, before))
        if held is not None and held.certificate is not None:
            return frozenset(partitions.rows_of(held).column("contract").to_pylist())
    return None
