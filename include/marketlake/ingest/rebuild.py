"""A partition anew from its raw pages, without a call."""

from __future__ import annotations

import msgspec

from marketlake.datasets.dataset import FetchedDataset
from marketlake.datasets.finality import settled_ms
from marketlake.errors import RawPagesUnusable
from marketlake.ingest.certify import certify, judge, with_revision
from marketlake.ingest.one_kind import record_kind, require_same_kind
from marketlake.ingest.publish import publish, report_on, unless_overtaken
from marketlake.ingest.report import Outcome, Report
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.dataset_store import DatasetStore
from marketlake.partitions.raw_pages import FETCH_INSTEAD, StoredPages
from marketlake.partitions.store import HeldPartition
from marketlake.polygon.fetch import raw_digest
from marketlake.rows.spec import PartitionKey
from marketlake.storage.storage import Writer


def rebuild(lake: Lake, dataset: FetchedDataset, key: PartitionKey, *, allow_provisional: bool = False) -> Report:
    """Judge and publish the stored pages of one session.

    Takes turns with ``ingest`` on the same session. Raises RawPagesUnusable if they are absent, damaged or
    superseded, StopAndTell, RefusedData or StorageError; whatever is raised, the partition is the old one, whole.
    """
    store = lake.store(dataset.spec)
    lake.calendar.hours(key.session)  # raises NotASession
    lake.calendar.require_final(key.session, lake.now(), allow_provisional=allow_provisional)
    require_same_kind(lake, key=key)
    with store.exclusive(key) as writer:
        return unless_overtaken(key, lambda: _rebuild(lake, dataset, writer, key))


def _rebuild(lake: Lake, dataset: FetchedDataset, writer: Writer, key: PartitionKey) -> Report:
    """The partition anew from its raw pages: whatever was made of revision N's pages is revision N."""
    store = lake.store(dataset.spec)
    held = store.partitions.inspect(key)
    proven = held.certificate if held else None
    footer = held.footer_certificate if held else None
    stored = _pages_of(dataset, store.raw_pages.pages_of(key, _revision(store, key, held)), footer)
    _require_usable(lake, dataset, key, stored, proven)
    fetch = stored.fetch
    final = fetch.fetched_at_ms >= settled_ms(dataset.spec, lake.calendar.hours(key.session))
    judged = judge(lake, dataset, key, fetch, dataset.decode(lake, fetch, key), final=final)
    certified = certify(lake, dataset, judged, fetch)
    if proven is not None:
        return publish(lake, dataset, writer, certified)
    record_kind(lake, fetch.source_host)
    certificate = with_revision(certified.certificate, stored.revision, lake.now())
    certificate = msgspec.structs.replace(certificate, published_at_ms=_published_at_ms(certificate, held))
    store.partitions.publish(writer, judged.rows, certificate, held)
    return report_on(Outcome.RENEWED if held else Outcome.CREATED, certificate)


def _revision(store: DatasetStore, key: PartitionKey, held: HeldPartition | None) -> int:
    return held.certificate.revision if held and held.certificate else _last_pages(store, key, held)


def _pages_of(dataset: FetchedDataset, stored: list[StoredPages], footer: Certificate | None) -> StoredPages:
    """Of the pages of one revision, oldest first, those that the footer's certificate is of; without one the newest."""
    if footer is None:
        return stored[-1]
    own = [pages for pages in stored if raw_digest(dataset.own_pages(pages.fetch).bodies) == footer.raw_digest]
    before = [pages for pages in own if pages.fetch.fetched_at_ms <= footer.fetched_at_ms]
    return (before or own or stored)[-1]


def _require_usable(
    lake: Lake, dataset: FetchedDataset, key: PartitionKey, stored: StoredPages, proven: Certificate | None
) -> None:
    """Raise SettingsError for pages of another kind than the lake's, RawPagesUnusable for those of another fetch."""
    require_same_kind(lake, host=stored.fetch.source_host, key=key)
    if stored.adjusted is not lake.settings.bars.adjusted:
        raise RawPagesUnusable(f"{key}: the raw pages are adjusted={stored.adjusted}. {FETCH_INSTEAD}")
    if proven and proven.raw_digest != raw_digest(dataset.own_pages(stored.fetch).bodies):
        raise RawPagesUnusable(
            f"{key}: the raw pages are of another fetch than the partition, which stays. {FETCH_INSTEAD}"
        )


def _last_pages(store: DatasetStore, key: PartitionKey, held: HeldPartition | None) -> int:
    """The revision whose pages make the partition anew, if the file proves nothing: the last one published.

    Raises RawPagesUnusable if a later one is known: its pages were not kept, and older rows must not return.
    """
    newest = store.raw_pages.last_revision(key)
    superseded = store.partitions.last_revision(None, key)
    known = max(superseded + 1, held.footer_certificate.revision if held and held.footer_certificate else 0)
    if 0 < newest < known:
        raise RawPagesUnusable(
            f"{key}: the newest raw pages are of revision {newest}, but revision {known} was published since."
            f" {FETCH_INSTEAD}"
        )
    return newest or known


def _published_at_ms(certificate: Certificate, held: HeldPartition | None) -> int:
    """When rebuilt rows entered the lake: as their lost certificate says, or, without one, when they were fetched."""
    footer = held.footer_certificate if held else None
    if footer is None:
        return certificate.fetched_at_ms
    same = footer.content_hash == certificate.content_hash
    return footer.published_at_ms if same else certificate.published_at_ms
