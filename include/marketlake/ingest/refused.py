"""What came and may not enter: kept beside the lake, for whoever looks into it."""

from __future__ import annotations

import logging

from marketlake.errors import StorageError
from marketlake.lake import Lake
from marketlake.partitions.dataset_store import DatasetStore
from marketlake.polygon.fetch import Fetch, Listing
from marketlake.rows.spec import PartitionKey
from marketlake.storage.storage import Writer

_log = logging.getLogger(__name__)


def keep_refused(
    lake: Lake,
    store: DatasetStore,
    writer: Writer,
    key: PartitionKey,
    *,
    bodies: tuple[bytes, ...],
    host: str,
    because: str,
) -> None:
    """Store the pages of a fetch that is refused. If that fails, the refusal is still what is reported."""
    if not bodies or not lake.settings.storage.keep_raw_pages:
        return
    adjusted, now_ms = lake.settings.bars.adjusted, int(lake.now().timestamp() * 1000)
    fetch = Fetch({"refused": Listing(bodies)}, host, now_ms)
    try:
        store.raw_pages.put_rejected(writer, key, adjusted=adjusted, fetch=fetch, because=because)
    except StorageError as exc:
        _log.warning("%s: the refused pages could not be kept: %s", key, exc)
