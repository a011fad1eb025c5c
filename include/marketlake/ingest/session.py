"""The main use case: one session of one ticker of a dataset, from pages to a partition that proves itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from marketlake.datasets.dataset import ListedDataset
from marketlake.errors import NotFinal, RefusedData
from marketlake.ingest.certify import certify, judge
from marketlake.ingest.one_kind import require_same_kind
from marketlake.ingest.publish import publish
from marketlake.ingest.refused import keep_refused
from marketlake.ingest.report import Report
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.fetch import Fetch, Listing
from marketlake.quality.reconciliation import NOT_FINAL, SWITCHED_OFF
from marketlake.rows.spec import PartitionKey
from marketlake.sessions import is_final


def ingest(
    lake: Lake, dataset: ListedDataset, key: PartitionKey, client: PolygonClient, *, allow_provisional: bool = False
) -> Report:
    """Fetch, judge, compare and publish one session.

    Two callers on one session take turns. Raises Retryable, StopAndTell, RefusedData or
    StorageError; whatever is raised, the partition is the old one, whole.
    """
    store = lake.store(dataset.spec)
    lake.calendar.hours(key.session)  # raises NotASession
    now = lake.now()
    lake.calendar.require_final(key.session, now, allow_provisional=allow_provisional)
    require_same_kind(lake, host=client.host, key=key)
    fetch: Fetch | None = None
    with store.exclusive(key) as writer:
        try:
            fetch, decoded = dataset.fetch(lake, client, key)
            final = is_final(key.session, now) and _is_final_there(
                lake, key, fetch, allow_provisional=allow_provisional
            )
            judged = judge(lake, dataset, key, fetch, decoded, final=final)
            fetch = fetch.with_listings(_longer(lake, dataset, client, key, final=final))
            certified = certify(lake, dataset, judged, fetch)
        except RefusedData as refusal:
            pages = Listing(refusal.bodies) if fetch is None else dataset.own_pages(fetch)
            keep_refused(lake, store, writer, key, bodies=pages.bodies, host=client.host, because=str(refusal))
            raise
        return publish(lake, dataset, writer, certified)


def _is_final_there(lake: Lake, key: PartitionKey, fetch: Fetch, *, allow_provisional: bool) -> bool:
    """Whether the session is final by the answer's own clock, too. Raises NotFinal if it is not and must be."""
    there = lake.now() - dt.timedelta(seconds=fetch.clock_ahead_s)
    try:
        lake.calendar.require_final(key.session, there, allow_provisional=allow_provisional)
    except NotFinal as exc:
        ahead = f"{fetch.clock_ahead_s / 3600:.1f} h ahead of {fetch.source_host}"
        raise NotFinal(
            f"{key}: this machine's clock is {ahead}, by whose clock {exc} Set the clock, and clear the task."
        ) from None
    return is_final(key.session, there)


def _longer(
    lake: Lake, dataset: ListedDataset, client: PolygonClient, key: PartitionKey, *, final: bool
) -> Mapping[str, Listing]:
    if not lake.settings.reconcile.enabled:
        return dataset.without_longer(SWITCHED_OFF)
    return dataset.longer(lake, client, key) if final else dataset.without_longer(NOT_FINAL)
