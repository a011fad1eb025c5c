"""A partition as a file: its certificate, what counts as one, and what becomes of one that is replaced."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow.parquet as pq

from conftest import files_under, times_of
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from polygon_simulator.server import Simulator
from seconds import DAY, fault, kept_by, spy

PARTITION = "processed/spy/date=2024-11-26/bars.parquet"
RAW = "raw/spy/date=2024-11-26/rev=1/pages-*.tar"


def test_rows_handed_out_carry_no_certificate(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    rows = kept_by(lake).partitions.read(spy(DAY))
    assert rows is not None
    assert rows.schema.metadata is None
    assert rows.num_rows == 390


def test_the_same_rows_again_touch_no_file(lake: Lake, simulator: Simulator, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    before = times_of(lake.storage.root)
    assert ingest(lake, SECOND_BARS, spy(DAY), client).outcome == "unchanged"
    assert len(simulator.requests_for(DAY)) == 2
    assert times_of(lake.storage.root) == before


def test_other_rows_become_a_revision_and_the_old_file_is_kept(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    old = (lake.storage.root / PARTITION).read_bytes()
    fault(simulator, "fractional_volume")
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.revision) == ("revised", 2)
    assert (lake.storage.root / "revisions/spy/date=2024-11-26/rev=1.parquet").read_bytes() == old
    assert files_under(lake.storage.root) == {
        PARTITION,
        RAW,
        "raw/spy/date=2024-11-26/rev=2/pages-*.tar",
        "revisions/spy/date=2024-11-26/rev=1.parquet",
    }


def test_reading_a_partition_starts_no_thread_that_could_abort_the_process_at_its_end(
    lake: Lake, client: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    code = """if True:
        import datetime as dt, pathlib, sys, psutil
        from marketlake.partitions.store import PartitionStore
        from marketlake.rows.bars import SECONDS
        from marketlake.storage.local import LocalStorage
        store = PartitionStore(LocalStorage(pathlib.Path(sys.argv[1])), SECONDS, "zstd", 6)
        before = psutil.Process().num_threads()
        assert store.inspect(SECONDS.key("SPY", dt.date(2024, 11, 26))).certificate
        print(psutil.Process().num_threads() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, str(lake.storage.root)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"


def test_no_revision_is_numbered_twice_though_an_old_one_was_put_back(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    for name in ("delayed", "fractional_volume", "exponents"):
        fault(simulator, name)
        ingest(lake, SECOND_BARS, spy(DAY), client)
    kept = lake.storage.root / "revisions/spy/date=2024-11-26"
    second = (kept / "rev=2.parquet").read_bytes()
    (lake.storage.root / PARTITION).write_bytes((kept / "rev=1.parquet").read_bytes())
    fault(simulator, "no_vwap_no_transactions")
    assert ingest(lake, SECOND_BARS, spy(DAY), client).revision == 4
    assert (kept / "rev=2.parquet").read_bytes() == second


def test_a_damaged_partition_is_replaced_and_kept_as_evidence(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    path = lake.storage.root / PARTITION
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 0xFF
    path.write_bytes(bytes(damaged))
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.revision) == ("revised", 2)
    assert (lake.storage.root / "revisions/spy/date=2024-11-26/rev=1.parquet").read_bytes() == bytes(damaged)


def test_a_file_without_a_certificate_does_not_count(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    path = lake.storage.root / PARTITION
    pq.write_table(pq.read_table(path, partitioning=None).replace_schema_metadata(None), path)
    assert kept_by(lake).partitions.certificate(spy(DAY)) is None
    assert ingest(lake, SECOND_BARS, spy(DAY), client).outcome == "revised"


def test_the_footer_is_json_that_anybody_can_read(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    footer = pq.read_metadata(lake.storage.root / PARTITION).metadata[b"marketlake.certificate"]
    certificate = json.loads(footer)
    assert certificate["state"] == "complete"
    assert certificate["hours"]["regular_start_ms"] == 1732631400000
    assert os.linesep not in footer.decode()
