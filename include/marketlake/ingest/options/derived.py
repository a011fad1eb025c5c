"""Publishing rows that are made of other partitions: their certificate names those, and stands on theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from marketlake.datasets.dataset import Dataset
from marketlake.ingest.certify import CertifiedRows
from marketlake.ingest.publish import publish
from marketlake.ingest.report import Report
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, Hours, State
from marketlake.polygon.fetch import raw_digest
from marketlake.quality.checks import require_acceptable
from marketlake.quality.reconciliation import Reconciliation
from marketlake.rows.spec import PartitionKey


def publish_derived(
    lake: Lake,
    dataset: Dataset,
    key: PartitionKey,
    rows: pa.Table,
    *,
    inputs: Mapping[str, str],
    basis: Mapping[str, str],
    of: Sequence[Certificate],
) -> Report:
    """Judge and publish rows that were made of partitions with the certificates ``of``, the first of them foremost.

    They are as suspect or provisional as what they are made of. ``inputs``: content hashes by dataset; ``basis``: by
    what else they were made. Raises InvalidBars for rows that cannot be true, LakeBusy or StorageError.
    """
    hours = lake.calendar.hours(key.session)
    checks = tuple(dataset.check(rows, hours, None))
    require_acceptable(checks, key, (), dataset.spec.rows.noun.removesuffix("s"))
    doubts = tuple(f"{one.dataset} is suspect" for one in of if one.state is State.SUSPECT)
    facts = dataset.spec.rows.facts(rows)
    certificate = Certificate(
        schema_version=dataset.spec.rows.version,
        ticker=key.ticker,
        session=key.session,
        state=_state(of, is_empty=not rows.num_rows),
        adjusted=of[0].adjusted,
        source_host=of[0].source_host,
        pages=0,
        request_ids=(),
        raw_digest=raw_digest(()),
        rows=rows.num_rows,
        first_timestamp=facts.first_timestamp,
        last_timestamp=facts.last_timestamp,
        volume=facts.volume,
        transactions=facts.transactions,
        content_hash=dataset.spec.rows.content_hash(rows),
        hours=Hours.of(hours),
        checks=checks,
        waivers=(),
        revision=0,
        fetched_at_ms=max(one.fetched_at_ms for one in of),
        published_at_ms=0,
        reconciliation=Reconciliation(None, None, {}, {"inputs": doubts}),
        dataset=key.dataset,
        inputs=dict(inputs),
        basis=dict(basis),
    )
    with lake.store(dataset.spec).exclusive(key) as writer:
        return publish(lake, dataset, writer, CertifiedRows(rows, certificate))


def _state(of: Sequence[Certificate], *, is_empty: bool) -> State:
    states = {one.state for one in of}
    if State.PROVISIONAL in states:
        return State.PROVISIONAL
    if is_empty:
        return State.EMPTY
    return State.SUSPECT if State.SUSPECT in states else State.COMPLETE
