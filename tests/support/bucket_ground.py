"""The ground of the fault suite in a bucket: lakes before a fault, reached through the proxy, and seen without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import behind_the_lake as behind
from bucket_places import access_of
from conftest import NOW
from fault_lake import DAY, KNOWN, Ground, ground
from fault_proxy import FaultProxy
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import Report, ingest
from marketlake.lake import Lake
from marketlake.lake_root import Bucket
from marketlake.rows.bars import STOCK_BARS
from marketlake.verify.verify import verify
from object_store import BUCKET, REGION, WRITER, ObjectStore
from seconds import kept_by, spy

ATTEMPTS = 2


@dataclass
class BucketGround:
    """A vendor that answers from memory, a proxy before the store, and the lakes of ``fault_lake`` to start from."""

    ground: Ground
    proxy: FaultProxy
    store: ObjectStore

    def prepared(self, *, old: bool) -> str:
        """The prefix of a new lake: empty, or with the old partition."""
        prefix = self.store.corner()
        if old:
            behind.fill(self.seen(prefix), self.ground.folder / "old")
        return prefix

    def lake(self, prefix: str, *, hasty: bool = False) -> Lake:
        """The lake as the session under test has it."""
        return self._lake(prefix, self.proxy.url, 1 if hasty else 30, "machine")

    def seen(self, prefix: str) -> Lake:
        """The lake as nothing disturbs it."""
        return self._lake(prefix, self.store.endpoint_url, 30, "another machine")

    def _lake(self, prefix: str, url: str, read_timeout_s: float, machine: str) -> Lake:
        settings = self.ground.settings
        storage = {
            "root": Bucket(BUCKET, prefix),
            "endpoint_url": url,
            "region": REGION,
            "attempts": ATTEMPTS,
            "read_timeout_s": read_timeout_s,
        }
        logs = settings.logging.model_copy(update={"folder": self.ground.folder / machine})
        changed = settings.model_copy(update={"storage": settings.storage.model_copy(update=storage), "logging": logs})
        return Lake(changed, now=lambda: NOW, find_access=partial(access_of, WRITER))

    def ingest(self, lake: Lake) -> Report:
        """The session, as the vendor has it today."""
        return ingest(lake, SECOND_BARS, spy(DAY), self.ground.client(lake))

    def content(self, prefix: str) -> str | None:
        """The content hash of the partition's rows, which its certificate has too; None without one."""
        lake = self.seen(prefix)
        held = kept_by(lake).partitions.inspect(spy(DAY))
        if held is None:
            return None
        assert held.certificate is not None
        found = STOCK_BARS.content_hash(pq.read_table(pa.BufferReader(held.seen.data)).replace_schema_metadata(None))
        assert held.certificate.content_hash == found
        return found

    def require_whole(self, prefix: str) -> None:
        """Nothing lies where nothing belongs, whatever lies there is whole, and nothing is found wrong."""
        lake = self.seen(prefix)
        for key in behind.versions_of(lake):
            assert KNOWN.fullmatch(key), key
            if key.endswith(".parquet"):
                data = behind.bytes_of(lake, key)
                assert pq.read_table(pa.BufferReader(data), page_checksum_verification=True).num_rows > 0, key
        assert verify(lake, SECOND_BARS).findings == ()

    def run_again(self, prefix: str) -> None:
        """The next attempt, undisturbed: complete, whatever the last one left."""
        report = self.ingest(self.lake(prefix))
        assert (report.content_hash, report.state) == (self.ground.undisturbed, "complete")
        assert self.content(prefix) == self.ground.undisturbed
        self.require_whole(prefix)


@contextmanager
def bucket_ground(folder: Path, store: ObjectStore) -> Iterator[BucketGround]:
    """The ground of one module of tests."""
    with ground(folder) as made, FaultProxy(store.endpoint_url) as proxy:
        made.keep_answers()
        yield BucketGround(made, proxy, store)
