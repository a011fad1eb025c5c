"""The same files, asked lazily: pyarrow's dataset, Polars' LazyFrame, DuckDB's views."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from marketlake import open_lake
from marketlake.errors import BadArgument, SessionsMissing
from marketlake.research.lake import ResearchLake
from marketlake.rows.bars import BARS
from research_lake import Ground, ground, prepared

__all__ = ["ground", "prepared"]
WEDNESDAY = dt.date(2024, 11, 27)


@pytest.fixture
def lake(prepared: Ground) -> ResearchLake:
    return prepared.lake


def test_a_scan_has_the_rows_of_the_files_and_their_date(lake: ResearchLake) -> None:
    scanned = lake.scan("2024-11-25", "2024-12-02")
    assert isinstance(scanned, ds.Dataset)
    lazy = lake.scan("2024-11-25", "2024-12-02", engine="polars")
    assert isinstance(lazy, pl.LazyFrame)
    assert scanned.count_rows() == lazy.select(pl.len()).collect().item() == 390 * 4 + 210
    assert scanned.schema.field("date").type == pa.date32()
    assert lazy.collect_schema()["date"] == pl.Date
    bars = lake.bars("2024-11-25", "2024-12-02", hours="all", engine="arrow")
    table = scanned.to_table().sort_by("timestamp")
    assert (
        table["close"].to_pylist() == bars["close"].to_pylist() == lazy.sort("timestamp").collect()["close"].to_list()
    )
    assert table["timestamp"].to_pylist() == bars["timestamp"].cast(pa.int64()).to_pylist()


def test_whole_files_are_left_out_by_their_date(lake: ResearchLake) -> None:
    scanned = lake.scan("2024-11-25", "2024-12-02")
    fragments = list(scanned.get_fragments(filter=ds.field("date") == WEDNESDAY))
    assert [fragment.path.split("/")[-2] for fragment in fragments] == ["date=2024-11-27"]
    found = lake.scan("2024-11-25", "2024-12-02", engine="polars").filter(pl.col("date") == WEDNESDAY).collect()
    assert len(found) == 390


def test_a_scan_says_what_it_has_not(lake: ResearchLake) -> None:
    with pytest.raises(SessionsMissing, match="missing 2024-12-04"):
        lake.scan("2024-12-03", "2024-12-04")
    with pytest.raises(BadArgument, match="engine='pandas' is none of arrow, polars"):
        lake.scan("2024-12-03", engine="pandas")  # type: ignore[arg-type]
    with (
        pytest.warns(UserWarning, match="missing"),
        pytest.raises(BadArgument, match="no session of that range is held"),
    ):
        lake.scan("2024-12-04", missing="skip")


@pytest.mark.parametrize("engine", ["arrow", "polars"])
def test_a_scan_of_a_manifest_is_of_the_kept_file(ground: Ground, engine: Any) -> None:
    def closes(**more: Any) -> list[float]:
        scanned = ground.lake.scan(WEDNESDAY, engine=engine, **more)
        found = scanned.to_table() if engine == "arrow" else scanned.collect()
        volumes: list[float] = found["volume"].to_pylist() if engine == "arrow" else found["volume"].to_list()
        return volumes

    noted, before = ground.lake.manifest(WEDNESDAY), closes()
    ground.revise(WEDNESDAY)
    assert closes() != before
    assert closes(manifest=noted) == before


def test_duckdb_has_a_view_a_dataset_and_tables_of_sessions_and_certificates(ground: Ground) -> None:
    connection = ground.lake.duckdb()

    def rows(query: str) -> list[Any]:
        return list(connection.sql(query).fetchall())

    assert rows("select name from (show tables) order by 1") == [("certificates",), ("second_bars",), ("sessions",)]
    assert rows("select session, count(*) from second_bars group by 1 order by 1")[2:4] == [
        (WEDNESDAY, 390), (dt.date(2024, 11, 29), 210),
    ]  # fmt: skip
    assert rows("select strftime(min(time), '%H:%M %Z'), min(ticker) from second_bars") == [
        ("09:30 EST", "SPY")
    ] or rows("select strftime(min(time), '%H:%M'), min(ticker) from second_bars") == [("09:30", "SPY")]
    assert rows(
        "select session, strftime(open, '%H:%M'), strftime(close, '%H:%M'), early_close from sessions"
        " where session between '2024-11-27' and '2024-12-01' order by 1"
    ) == [(WEDNESDAY, "09:30", "16:00", False), (dt.date(2024, 11, 29), "09:30", "13:00", True)]
    assert rows("select dataset, ticker, count(*), sum(rows), min(state) from certificates group by 1, 2") == [
        ("second_bars", "SPY", 6, 2_160, "complete")
    ]
    joined = (
        "select sum(b.volume) = max(c.volume) from second_bars b join certificates c using (session) group by session"
    )
    assert set(rows(joined)) == {(True,)}


def test_a_view_is_of_what_was_complete_when_the_connection_was_made(ground: Ground) -> None:
    connection = ground.lake.duckdb()
    ground.fetch(dt.date(2024, 12, 4))
    assert connection.sql("select count(*) from second_bars").fetchall() == [(2_160,)]
    assert ground.lake.duckdb().sql("select count(*) from second_bars").fetchall() == [(2_550,)]


def test_of_an_empty_lake_there_are_tables_of_sessions_and_certificates(tmp_path: Path) -> None:
    (tmp_path / "processed").mkdir()
    connection = open_lake(tmp_path).duckdb()
    assert connection.sql("select count(*) from certificates").fetchall() == [(0,)]
    assert connection.sql("select count(*) > 5000 from sessions").fetchall() == [(True,)]


@pytest.mark.parametrize(
    "name", ["it's a lake", "date=2020-01-01", "key=value", "br[ac]ket", "st*r", "wh?t", "a%41 b#c", "zwölf"]
)
def test_a_folder_above_the_lake_may_have_any_name(ground: Ground, name: str) -> None:
    odd = ground.root.parent / name / "lake"
    odd.parent.mkdir()
    for sibling in ("stZr", "whZt", "bra", "brc"):  # what the names would match as patterns
        shutil.copytree(ground.root, ground.root.parent / sibling / "lake")
    ground.root.rename(odd)
    lake = open_lake(odd)
    by_session = "select session, count(*) from second_bars group by session order by session"
    assert lake.duckdb().sql(by_session).fetchall()[3] == (dt.date(2024, 11, 29), 210)
    assert lake.duckdb().sql("select count(*) from second_bars").fetchall() == [(2_160,)]
    columns = ["time", "session", *BARS.names]
    assert lake.duckdb().sql("select * from second_bars limit 0").columns == columns
    dates = lake.scan("2024-11-27", "2024-11-29").to_table()["date"].to_pylist()
    assert (set(dates), len(dates)) == ({WEDNESDAY, dt.date(2024, 11, 29)}, 600)
    frame = lake.scan("2024-11-27", "2024-11-29", engine="polars").collect()
    assert (frame["date"].to_list(), frame.columns) == (sorted(dates), [*BARS.names, "date"])


def test_a_scan_by_arrow_holds_pages_against_their_checksums(ground: Ground) -> None:
    path = ground.partition(WEDNESDAY)
    data = bytearray(path.read_bytes())
    data[1_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(OSError, match="CRC|checksum|crc"):
        ground.lake.scan(WEDNESDAY).to_table()
