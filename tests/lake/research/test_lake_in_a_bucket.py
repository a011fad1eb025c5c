"""A lake in a bucket reads as the same lake in a folder: every way of reading, by a reader who may not write."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
import pytest

import behind_the_lake as behind
from bucket_places import variables_of
from commanded import commanded
from conftest import KEY, NOW
from marketlake import open_lake, settings
from marketlake.coverage import index
from marketlake.coverage.index import CoverageIndex, HeldFacts
from marketlake.datasets.stock_bars import MINUTE_BARS
from marketlake.errors import BadArgument, SessionsMissing, StoreRefused
from marketlake.lake import Lake
from marketlake.research.lake import ResearchLake
from marketlake.rows.bars import SECONDS
from object_store import BUCKET, READER, WRITER, Identity, ObjectStore
from option_tables import WEDNESDAY as OF_OPTIONS
from option_tables import OptionGround
from polygon_simulator.server import Simulator
from research_lake import EARLY, MADE_UP, Ground
from sparse_days import SparseDays

MONDAY, TUESDAY = MADE_UP[:2]


@dataclass(frozen=True)
class Both:
    """One lake twice: in a folder, and, with the same bytes, in a bucket."""

    folder: Path
    address: str
    variables: dict[str, str]

    @property
    def in_a_folder(self) -> ResearchLake:
        return open_lake(self.folder)

    @property
    def in_a_bucket(self) -> ResearchLake:
        return open_lake(self.address)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, object_store: ObjectStore) -> Both:
    """Two sessions of seconds, the first in two revisions, one of minutes, and one of options."""
    folder = tmp_path_factory.mktemp("both")
    variables = variables_of(object_store.endpoint_url, object_store.corner(), folder, READER)
    with pytest.MonkeyPatch.context() as patched, Simulator(SparseDays(), KEY) as simulator:
        patched.setenv("MARKETLAKE_ENV_FILE", "")
        patched.setenv("POLYGON_BASE_URL", simulator.url)
        ground = Ground(simulator, folder / "lake")
        ground.fetch(MONDAY, EARLY)
        ground.fetch(MONDAY, dataset=MINUTE_BARS)
        ground.revise(MONDAY, at=NOW + dt.timedelta(hours=1))
        OptionGround(folder / "lake").fill(OF_OPTIONS)
        for name, value in variables.items():
            patched.setenv(name, value)
        behind.fill(Lake(settings.load()), folder / "lake")
    return Both(folder / "lake", variables["MARKETLAKE__STORAGE__ROOT"], variables)


@pytest.fixture
def both(prepared: Both, monkeypatch: pytest.MonkeyPatch) -> Both:
    for name, value in prepared.variables.items():
        monkeypatch.setenv(name, value)
    return prepared


def revised(lake: ResearchLake) -> pd.DataFrame:
    first = lake.manifest(MONDAY, as_of=NOW)
    assert first["sessions"][0]["revision"] == 1
    return lake.bars(MONDAY, manifest=first)


def rows_of(scanned: Any) -> pd.DataFrame:
    table = scanned.to_table() if hasattr(scanned, "to_table") else scanned.collect().to_arrow()
    text = {name: pa.string() for name in ("ticker",) if name in table.column_names}
    for name, kind in text.items():
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    return table.to_pandas().sort_values("timestamp", ignore_index=True)


WAYS: dict[str, tuple[Callable[[ResearchLake], Any], int]] = {
    "bars": (lambda lake: lake.bars(MONDAY), 390),
    "bars of several sessions": (lambda lake: lake.bars(MONDAY, EARLY, missing="skip"), 600),
    "bars as of a time": (lambda lake: lake.bars(MONDAY, as_of=NOW), 390),
    "bars of a manifest": (revised, 390),
    "bars of some columns, by the minute": (
        lambda lake: lake.bars(EARLY, columns=["close"], frequency="5min"), 42,
    ),
    "bars by Polars": (lambda lake: lake.bars(EARLY, engine="polars").to_pandas(), 210),
    "minute bars": (lambda lake: lake.bars(MONDAY, dataset="minute_bars"), 390),
    "a scan by Arrow": (lambda lake: rows_of(lake.scan(EARLY)), 210),
    "a scan by Polars": (lambda lake: rows_of(lake.scan(EARLY, engine="polars")), 210),
    "DuckDB": (
        lambda lake: lake.duckdb().sql("from second_bars order by timestamp").df().astype({"ticker": str}), 600,
    ),
    "DuckDB's certificates": (lambda lake: lake.duckdb().sql("from certificates order by all").df(), 7),
    "a tensor": (
        lambda lake: pd.DataFrame(lake.tensor(EARLY, step="1min", fill="ffill").values[0]), 210,
    ),
    "coverage": (lambda lake: lake.coverage(MONDAY, EARLY), 4),
    "certificates": (lambda lake: lake.certificates(MONDAY, EARLY), 2),
    "revisions": (lambda lake: lake.revisions(MONDAY), 2),
    "a revision": (lambda lake: lake.revision(MONDAY, 1), 390),
    "changes": (lambda lake: lake.changes(MONDAY, 1, 2), 17),
    "an option chain": (lambda lake: lake.option_chain(OF_OPTIONS).contracts, 18),
    "option bars": (lambda lake: lake.option_bars(OF_OPTIONS), 11),
    "an option panel": (lambda lake: lake.option_panel(OF_OPTIONS), 10),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*missing")
@pytest.mark.parametrize("way", WAYS)
def test_what_is_read_from_a_bucket_is_what_is_read_from_a_folder(both: Both, way: str) -> None:
    read, rows = WAYS[way]
    found = read(both.in_a_bucket)
    assert len(found) == rows
    pd.testing.assert_frame_equal(found, read(both.in_a_folder))


def test_a_lake_in_a_bucket_says_where_it_is_and_what_it_holds(both: Both) -> None:
    assert repr(both.in_a_bucket) == repr(both.in_a_folder).replace(str(both.folder), both.address)
    assert repr(open_lake()) == repr(both.in_a_bucket)
    assert str(both.in_a_bucket.root) == both.address


def facts_of(lake: Lake, *, keep: bool = True) -> dict[dt.date, HeldFacts]:
    """What the index says of each session, but for the version of its file."""
    found = CoverageIndex(lake, SECONDS, "SPY", keep=keep).look()
    return {session: msgspec.structs.replace(facts, version="") for session, facts in found.items()}


def test_the_index_of_the_coverage_page_is_made_of_a_bucket_too_and_not_written_by_a_reader(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_WORTH_WRITING", 1)
    in_a_folder = both.in_a_folder._lake
    facts = facts_of(in_a_folder, keep=False)
    assert list(facts) == [MONDAY, EARLY]
    lake = Lake(settings.load(), now=lambda: NOW)
    before = behind.versions_of(lake)
    assert facts_of(lake) == facts
    assert behind.versions_of(lake) == before
    as_writer = {"AWS_ACCESS_KEY_ID": WRITER.access_key_id, "AWS_SECRET_ACCESS_KEY": WRITER.secret_access_key}
    for name, value in as_writer.items():
        monkeypatch.setenv(name, value)
    assert facts_of(Lake(settings.load(), now=lambda: NOW)) == facts
    assert behind.versions_of(lake).keys() - before.keys() == {"index/spy.json"}


def test_what_is_missing_is_told_of_a_bucket_as_of_a_folder(both: Both) -> None:
    with pytest.raises(SessionsMissing, match="missing 2024-11-26"):
        both.in_a_bucket.bars(TUESDAY)


def test_an_empty_prefix_is_no_lake(both: Both) -> None:
    with pytest.raises(BadArgument, match=f"root='s3://{BUCKET}/nothing/here' holds no lake"):
        open_lake(f"s3://{BUCKET}/nothing/here")


def test_a_reader_without_the_right_to_read_is_told(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Identity("nobody-that-is-known", "a-secret-that-nobody-has-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", nobody.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", nobody.secret_access_key)
    with pytest.raises(StoreRefused, match=r"InvalidAccessKeyId: .*\(\*\*\*\*nown from AWS_ACCESS_KEY_ID of the env"):
        open_lake()


def test_the_commands_work_on_a_bucket(both: Both) -> None:
    done = commanded("verify", "--dataset", "minute_bars")
    assert (done.returncode, done.stderr) == (0, "")
    held = f"SPY minute bars: 1 partitions under {both.address}/minute_bars, 390 rows, 0.0 MB, 1 complete; 0 findings"
    assert done.stdout.startswith(held)
