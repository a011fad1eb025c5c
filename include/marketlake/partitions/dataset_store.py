"""Everything that is kept of one dataset, below its prefix."""

from __future__ import annotations

from contextlib import AbstractContextManager

from marketlake.partitions.raw_pages import RawPages
from marketlake.partitions.revisions import Revisions
from marketlake.partitions.store import PartitionStore
from marketlake.rows.spec import DatasetSpec, PartitionKey
from marketlake.settings.sections import Storage as StorageSettings
from marketlake.storage.storage import Storage, Writer


class DatasetStore:
    """One dataset's partitions, their revisions and raw pages. ``storage`` begins at the dataset's prefix."""

    def __init__(self, storage: Storage, spec: DatasetSpec, configured: StorageSettings) -> None:
        self.spec = spec
        self.storage = storage.under(spec.prefix)
        self.partitions = PartitionStore(self.storage, spec, configured.compression, configured.compression_level)
        self.revisions = Revisions(self.storage, self.partitions)
        self.raw_pages = RawPages(self.storage)
        self._lock_timeout_s = configured.lock_timeout_s

    def exclusive(self, key: PartitionKey) -> AbstractContextManager[Writer]:
        """A writer of one session, as a context manager, that nobody else has meanwhile. Raises LakeBusy."""
        return self.writer(f"{key.ticker.lower()}-{key.session}")

    def writer(self, name: str) -> AbstractContextManager[Writer]:
        """A writer that nobody else of that name has meanwhile. Raises LakeBusy."""
        return self.storage.exclusive(name, self._lock_timeout_s)
