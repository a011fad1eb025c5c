"""The ground of the fault suite: a vendor, lakes before a fault, and what must hold after one."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import requests

from conftest import KEY, NOW, direct
from kept_answers import KeptAnswers
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import Report, ingest
from marketlake.lake import Lake
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from marketlake.rows.bars import BARS, STOCK_BARS
from marketlake.settings import Settings
from polygon_simulator.server import Simulator
from seconds import kept_by, spy
from sparse_days import SparseDays

DAY = dt.date(2024, 11, 26)
PAGE_LIMIT = 200  # of 390 bars: two pages
KNOWN = re.compile(
    r"processed/spy/date=D/bars\.parquet|raw/spy/date=D/rev=\d+/pages-\w{12}\.tar|raw-rejected/spy/date=D/pages\.tar"
    r"|revisions/spy/date=D/rev=\d+\.parquet|\.staging/locks/(spy-D|lake\.json)\.lock|lake\.json".replace(
        "D", r"\d{4}-\d\d-\d\d"
    )
)
"""Every place of a file in a lake at rest."""
STAGED = re.compile(r"\.staging/(lake\.json|spy-\d{4}-\d\d-\d\d)/.+")


@dataclass
class Ground:
    """A vendor whose sessions take two pages, and two lakes of one session: as it is, and as it was."""

    folder: Path
    vendor: Simulator
    settings: Settings
    undisturbed: str = ""
    old: str = ""
    waits: list[float] = field(default_factory=list)
    sessions: dict[int, requests.Session] = field(default_factory=dict)
    """The connections of each process, kept from test to test; a child does not write into its parent's."""
    kept: KeptAnswers | None = None
    """In the place of connections, for as long as the vendor is without faults."""

    def prepare(self) -> None:
        """Fill the two lakes; their content hashes are what a reader may see after a fault."""
        self.undisturbed = self.ingest(self.lake(self.folder / "undisturbed")).content_hash
        self.vendor.faults.set(str(DAY), [{"fault": "changed:17", "times": 0}])
        self.old = self.ingest(self.lake(self.folder / "old")).content_hash
        self.faithful()
        assert self.old != self.undisturbed

    def faithful(self) -> None:
        """The vendor without faults, nothing asked and nothing waited for."""
        self.vendor.faults.clear()
        self.vendor.requests.clear()
        self.waits.clear()

    def lake(self, root: Path, *, old: bool = False, **api: Any) -> Lake:
        """A lake at a folder: empty, or with the old partition."""
        if old:
            shutil.copytree(self.folder / "old", root)
        changed = {
            "storage": self.settings.storage.model_copy(update={"root": root}),
            "api": self.settings.api.model_copy(update=api),
        }
        return Lake(self.settings.model_copy(update=changed), now=lambda: NOW)

    def client(self, lake: Lake, base_url: str | None = None) -> PolygonClient:
        """A real client that waits for nothing."""
        session = self.sessions.setdefault(os.getpid(), direct())
        if self.kept:
            session.mount("http://", self.kept)
        return PolygonClient(
            Transport(
                session,
                ApiKey(KEY, "a test"),
                lake.settings.api,
                base_url=base_url,
                sleep=self.waits.append,
                now_s=NOW.timestamp,
            )
        )

    def ingest(self, lake: Lake, base_url: str | None = None) -> Report:
        return ingest(lake, SECOND_BARS, spy(DAY), self.client(lake, base_url))

    def keep_answers(self) -> None:
        """From now on, the vendor is not asked again what it has answered once."""
        self.kept = KeptAnswers()
        self.ingest(self.lake(self.folder / "kept"))  # before a child asks, whose parent would not know

    def before(self, *, old: bool) -> str | None:
        """What a reader saw before the fault."""
        return self.old if old else None

    def run_again(self, lake: Lake) -> None:
        """The same session without the fault: complete, as an undisturbed one, with nothing left over."""
        self.faithful()
        lake.storage.sweep()  # as each run's plan does
        report = self.ingest(self.lake(lake.storage.root))
        assert (report.content_hash, report.state) == (self.undisturbed, "complete")
        assert seen(lake) == self.undisturbed
        require_whole(lake)


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """The ground of one module of tests."""
    with Simulator(SparseDays(), KEY) as vendor, pytest.MonkeyPatch.context() as patched:
        patched.setenv("POLYGON_BASE_URL", vendor.url)
        patched.setenv("MARKETLAKE__API__PAGE_LIMIT", str(PAGE_LIMIT))
        patched.setenv("MARKETLAKE__STORAGE__LOCK_TIMEOUT_S", "30")
        patched.setenv("MARKETLAKE_ENV_FILE", "")
        made = Ground(folder, vendor, settings.load())
        made.prepare()
        yield made


def seen(lake: Lake, day: dt.date = DAY) -> str | None:
    """The content hash of the one partition of that day, the same for each reader; None without one.

    ``pyarrow`` reads the ticker's folder as anybody would, DuckDB its files by their pattern, the lake the partition.
    """
    folder = lake.storage.root / "processed" / "spy"
    held = kept_by(lake).partitions.inspect(spy(day))
    if held is None:
        assert not [path for path in folder.glob(f"date={day}/*") if path.is_file()]
        return None
    rows = ds.dataset(folder, format="parquet", partitioning="hive")
    table = rows.to_table(columns=BARS.names, filter=ds.field("date") == str(day))
    found = STOCK_BARS.content_hash(table.replace_schema_metadata(None))
    assert held.certificate is not None
    assert held.certificate.content_hash == found
    (sums,) = duckdb.execute(
        f"select count(*), sum(timestamp), sum(volume) from '{folder}/*/bars.parquet' where date = '{day}'"
    ).fetchall()
    assert sums == (table.num_rows, pc.sum(table["timestamp"]).as_py(), pc.sum(table["volume"]).as_py())
    return found


def contents(lake: Lake) -> dict[str, bytes]:
    """Every file of a lake but its locks, with its bytes."""
    root = lake.storage.root
    paths = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def require_whole(lake: Lake, *, staged: bool = False) -> None:
    """Nothing lies where nothing belongs, and whatever lies there can be read to its end."""
    for name, data in contents(lake).items():
        assert KNOWN.fullmatch(name) or (staged and STAGED.fullmatch(name)), name
        if name.endswith(".parquet") and not name.startswith(".staging"):
            assert pq.read_table(pa.BufferReader(data), page_checksum_verification=True).num_rows > 0, name
        if match := re.fullmatch(r"raw/spy/date=(.+)/rev=(\d+)/pages-\w+\.tar", name):
            stored = kept_by(lake).raw_pages.pages_of(spy(dt.date.fromisoformat(match[1])), int(match[2]))
            assert all(one.fetch.of("second").bodies for one in stored), name
