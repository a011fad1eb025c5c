"""A partition as a file: its certificate, what counts as one, and what becomes of one that is replaced."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from behind_the_lake import bytes_of, flip, keys_of, versions_of, write
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from polygon_simulator.server import Simulator
from seconds import DAY, fault, kept_by, spy

pytestmark = pytest.mark.places("folder", "bucket")
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
    before = versions_of(lake)
    assert ingest(lake, SECOND_BARS, spy(DAY), client).outcome == "unchanged"
    assert len(simulator.requests_for(DAY)) == 2
    assert versions_of(lake) == before


def test_other_rows_become_a_revision_and_the_old_file_is_kept(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    old = bytes_of(lake, PARTITION)
    fault(simulator, "fractional_volume")
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.revision) == ("revised", 2)
    assert bytes_of(lake, "revisions/spy/date=2024-11-26/rev=1.parquet") == old
    assert keys_of(lake) == {
        PARTITION,
        RAW,
        "raw/spy/date=2024-11-26/rev=2/pages-*.tar",
        "revisions/spy/date=2024-11-26/rev=1.parquet",
    }


@pytest.mark.places("folder")
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
    kept = "revisions/spy/date=2024-11-26"
    second = bytes_of(lake, f"{kept}/rev=2.parquet")
    write(lake, PARTITION, bytes_of(lake, f"{kept}/rev=1.parquet"))
    fault(simulator, "no_vwap_no_transactions")
    assert ingest(lake, SECOND_BARS, spy(DAY), client).revision == 4
    assert bytes_of(lake, f"{kept}/rev=2.parquet") == second


def test_a_damaged_partition_is_replaced_and_kept_as_evidence(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    damaged = flip(lake, PARTITION)
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.revision) == ("revised", 2)
    assert bytes_of(lake, "revisions/spy/date=2024-11-26/rev=1.parquet") == damaged


def test_a_file_without_a_certificate_does_not_count(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    bare = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(bytes_of(lake, PARTITION))).replace_schema_metadata(None), bare)
    write(lake, PARTITION, bare.getvalue())
    assert kept_by(lake).partitions.certificate(spy(DAY)) is None
    assert ingest(lake, SECOND_BARS, spy(DAY), client).outcome == "revised"


def test_the_footer_is_json_that_anybody_can_read(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    footer = pq.read_metadata(io.BytesIO(bytes_of(lake, PARTITION))).metadata[b"marketlake.certificate"]
    certificate = json.loads(footer)
    assert certificate["state"] == "complete"
    assert certificate["hours"]["regular_start_ms"] == 1732631400000
    assert os.linesep not in footer.decode()
