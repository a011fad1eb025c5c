"""Certified rows enter the lake: decided by what it holds, in one atomic step."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
import pyarrow as pa

from marketlake.datasets.dataset import Dataset
from marketlake.errors import ComparisonLost, LakeBusy, Overtaken, RawPagesUnusable, RefusedData, Retryable
from marketlake.ingest.certify import CertifiedRows, Origin, renew, with_revision
from marketlake.ingest.one_kind import record_kind
from marketlake.ingest.report import Outcome, Report, log_report
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.changes import Changes, changes
from marketlake.partitions.dataset_store import DatasetStore
from marketlake.partitions.raw_pages import StoredPages
from marketlake.partitions.store import HeldPartition
from marketlake.rows.spec import PartitionKey
from marketlake.storage.storage import Writer

_MOST_DECISIONS = 5
_log = logging.getLogger(__name__)


def publish(lake: Lake, dataset: Dataset, writer: Writer, certified: CertifiedRows) -> Report:
    """Publish certified rows, as what they are to those that are held: the same, the same with another certificate,
    others, or the first. Raises ComparisonLost, SettingsError if the lake is of another kind, or StorageError.
    """
    record_kind(lake, certified.certificate.source_host)
    return unless_overtaken(certified.certificate.key, lambda: _decide(lake, dataset, writer, certified))


def unless_overtaken(key: PartitionKey, decide: Callable[[], Report]) -> Report:
    """What ``decide`` comes to; decided anew, a few times, if somebody else published what it went by meanwhile.

    Raises LakeBusy if that happens each time, and what ``decide`` raises.
    """
    for _ in range(_MOST_DECISIONS):
        try:
            return decide()
        except Overtaken as exc:
            _log.warning("%s: overtaken: %s", key, exc)
    raise LakeBusy(
        f"{key}: others published it {_MOST_DECISIONS} times while this was to be published. Nothing is lost: see who"
        " else fetches this session, and clear the task later."
    )


def _decide(lake: Lake, dataset: Dataset, writer: Writer, certified: CertifiedRows) -> Report:
    """Publish by what is held now. Raises Overtaken if something else is held by then."""
    rows, certificate = certified.rows, certified.certificate
    store, key = lake.store(dataset.spec), certificate.key
    held = store.partitions.inspect(key)
    old = held.certificate if held else None
    if held is not None and old is not None and old.content_hash == certificate.content_hash:
        certificate = renew(certificate, old, lake.now())
        if held.sealed and old.claims_the_same(certificate):
            return report_on(Outcome.UNCHANGED, old)
        outcome = Outcome.RENEWED
    else:
        certificate = with_revision(certificate, _next_revision(store, held, certified), lake.now())
        certificate = msgspec.structs.replace(certificate, changes=_changes(store, held, rows))
        _require_comparison(certificate, old)
        outcome = Outcome.REVISED if held else Outcome.CREATED
    if certified.origin and lake.settings.storage.keep_raw_pages:
        fetch, adjusted = certified.origin.fetch, certificate.adjusted
        store.raw_pages.keep(writer, key, certificate.revision, adjusted=adjusted, fetch=fetch)
    store.partitions.publish(writer, rows, certificate, held)
    return report_on(outcome, certificate)


def report_on(outcome: Outcome, certificate: Certificate) -> Report:
    """Make the report of a session, and log it."""
    report = Report.of(outcome, certificate)
    log_report(report, certificate.reconciliation)
    return report


def _next_revision(store: DatasetStore, held: HeldPartition | None, certified: CertifiedRows) -> int:
    """The number of rows that are new to ``processed/``.

    Pages of a later revision than any that is known were left by a publication that failed behind them, or their
    partition is lost. Made of the same rows, they are of this revision: failing again and again adds none.
    """
    key = certified.certificate.key
    known = store.partitions.last_revision(held, key)
    left = store.raw_pages.last_revision(key) if certified.origin else 0
    if certified.origin is None or left <= known:
        return known + 1
    return left if _are_pages_of(store, certified.origin, certified.certificate, left) else left + 1


def _are_pages_of(store: DatasetStore, origin: Origin, certificate: Certificate, revision: int) -> bool:
    """Whether pages that are stored as a revision's hold the rows of a certificate."""
    try:
        pages = store.raw_pages.pages_of(certificate.key, revision)
    except RawPagesUnusable:
        return False
    return any(_content_hash(store, origin, stored) == certificate.content_hash for stored in pages)


def _content_hash(store: DatasetStore, origin: Origin, stored: StoredPages) -> str | None:
    """Of the rows that stored pages hold; None if they cannot be read."""
    try:
        return store.spec.rows.content_hash(origin.decode(stored.fetch).rows)
    except (RefusedData, Retryable, pa.ArrowException):
        return None


def _require_comparison(certificate: Certificate, old: Certificate | None) -> None:
    """Raise ComparisonLost for rows that could not be held against longer bars, if those they would replace were."""
    lost = certificate.reconciliation.lost_since(old.reconciliation) if old and certificate.reconciliation else {}
    if old and lost:
        reasons = "; ".join(f"the {part} bars: {why}" for part, why in lost.items())
        raise ComparisonLost(
            f"{certificate.key}: other rows came than those of revision {old.revision} ({certificate.changes}), which"
            f" were compared with longer bars; these could not be ({reasons}). Nothing is replaced. It is tried again;"
            " clear the task later if it stays."
        )


def _changes(store: DatasetStore, held: HeldPartition | None, rows: pa.Table) -> Changes | None:
    """What the rows change in those that are held; None if none are, or they prove nothing."""
    if held is None or held.certificate is None:
        return None
    return changes(store.partitions.rows_of(held), rows, held.revision, store.spec.rows)
