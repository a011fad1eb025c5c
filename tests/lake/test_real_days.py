"""Three recorded SPY sessions, value by value, through every reader the documents name."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from conftest import KEY, NOW, REAL, a_client, needs_real_days
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from polygon_simulator.days import RecordedDays
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

pytestmark = needs_real_days
DAYS = [dt.date(2013, 10, 7), dt.date(2013, 10, 8), dt.date(2013, 10, 9)]
PROJECT = Path(__file__).resolve().parents[2]
COLUMNS = {
    "timestamp": "t",
    "open": "o",
    "high": "h",
    "low": "l",
    "close": "c",
    "volume": "v",
    "vwap": "vw",
    "transactions": "n",
    "volume_exact": "v",
}


def recorded(day: dt.date) -> list[dict[str, Any]]:
    bars: list[dict[str, Any]] = json.loads(gzip.decompress((REAL / f"SPY-{day}.json.gz").read_bytes()))
    return bars


@pytest.fixture(scope="module")
def recorded_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """The three sessions, once for the tests that read them."""
    with Simulator(RecordedDays(REAL), KEY) as vendor, pytest.MonkeyPatch.context() as patched:
        patched.setenv("POLYGON_BASE_URL", vendor.url)
        patched.setenv("MARKETLAKE_ENV_FILE", "")
        patched.setenv("MARKETLAKE__STORAGE__ROOT", str(tmp_path_factory.mktemp("real") / "lake"))
        made = Lake(settings.load(), now=lambda: NOW)
        for day in DAYS:
            ingest(made, SECOND_BARS, spy(day), a_client(made, []))
        yield made


@pytest.fixture
def three_days(recorded_lake: Lake) -> Path:
    return recorded_lake.storage.root / "processed" / "spy"


def one_liner(document: str, reader: str) -> str:
    """A document's line for one reader."""
    match = re.search(rf"^(.*\b{reader}\..*data/processed/spy.*)$", (PROJECT / document).read_text(), re.MULTILINE)
    assert match, f"{document} has no line for {reader}"
    return match[1]


def read(document: str, reader: str, folder: Path) -> Any:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow.parquet as pq

    line = one_liner(document, reader).replace("data/processed/spy", str(folder)).partition("=")[2].strip()
    return eval(line, {"pd": pd, "pq": pq, "duckdb": duckdb, "pl": pl})


def as_columns(reader: str, found: Any) -> tuple[dict[str, list[Any]], str]:
    """Every column as plain values, and the type of the partition key."""
    if reader == "duckdb":
        return found.order("timestamp").arrow().read_all().to_pydict(), str(found.types[found.columns.index("date")])
    if reader == "pl":
        table = found.sort("timestamp")
        return table.to_dict(as_series=False), str(table.schema["date"])
    if reader == "pd":
        return {
            name: found[name].tolist() for name in found.columns
        }, f"{found['date'].dtype} of {found['date'].cat.categories.dtype}"
    return found.to_pydict(), str(found.schema.field("date").type)


@pytest.mark.parametrize(
    ("document", "reader", "key_type"),
    [
        ("README.md", "pd", "category of str"),
        ("README.md", "duckdb", "DATE"),
        ("docs/data.md", "pd", "category of str"),
        ("docs/data.md", "pq", "dictionary<values=string, indices=int32, ordered=0>"),
        ("docs/data.md", "duckdb", "DATE"),
        ("docs/data.md", "pl", "Date"),
    ],
)
def test_every_reader_gets_the_recorded_values(three_days: Path, document: str, reader: str, key_type: str) -> None:
    columns, found_type = as_columns(reader, read(document, reader, three_days))
    bars = [bar for day in DAYS for bar in recorded(day)]
    assert len(bars) == 18_012 + 23_436 + 22_026
    for name, key in COLUMNS.items():
        assert columns[name] == [bar[key] for bar in bars], name
    assert set(columns["ticker"]) == {"SPY"}
    assert [str(day) for day in columns["date"]] == [str(day) for day in DAYS for _ in recorded(day)]
    assert found_type == key_type


def test_the_certificates_hold_the_recorded_sums(recorded_lake: Lake) -> None:
    found = [kept_by(recorded_lake).partitions.certificate(spy(day)) for day in DAYS]
    assert [(one.rows, one.volume) for one in found if one] == [
        (18_012, 97_062_721),
        (23_436, 178_346_557),
        (22_026, 165_525_328),
    ]


def test_the_content_hashes_are_those_of_the_day_the_schema_was_made(recorded_lake: Lake) -> None:
    found = [kept_by(recorded_lake).partitions.certificate(spy(day)) for day in DAYS]
    assert [one.content_hash for one in found if one] == [
        "6bcd87be1b0042acbd671e69d9a1ea140eac3bad7780dcff190f77258cc5fe1b",
        "6230d38dc247d6407adc38cbf92e0c11184b9862ff410b02d8b63d607ca43bb1",
        "12aad614dbf503440b216aafbbdc346b5de81eaca70802eaf783b1dbab0ea707",
    ]


def test_a_page_limit_of_5000_and_of_50000_give_the_same_content(
    monkeypatch: pytest.MonkeyPatch, recorded_lake: Lake, lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    whole = [kept_by(recorded_lake).partitions.certificate(spy(day)) for day in DAYS]
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "5000")
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(lake.storage.root.parent / "paged"))
    paged = Lake(settings.load(), now=lambda: NOW)
    asked = len(simulator.requests)
    reports = [ingest(paged, SECOND_BARS, spy(day), a_client(paged, waits)) for day in DAYS]
    assert [report.content_hash for report in reports] == [one.content_hash for one in whole if one]
    assert len(simulator.requests) - asked == 4 + 5 + 5 + 3 * 2  # minute bars and day bar of each


def test_the_files_take_half_of_what_pandas_writes(three_days: Path, tmp_path: Path) -> None:
    import pandas as pd

    plain = tmp_path / "plain.parquet"
    ours = theirs = 0
    for day in DAYS:
        path = three_days / f"date={day}" / "bars.parquet"
        pd.read_parquet(path).drop(columns="date", errors="ignore").to_parquet(plain, index=False)
        ours, theirs = ours + path.stat().st_size, theirs + plain.stat().st_size
    assert ours <= 0.52 * theirs


def test_no_reader_sees_a_certificate_in_what_it_derives(recorded_lake: Lake) -> None:
    rows = kept_by(recorded_lake).partitions.read(spy(DAYS[0]))
    assert isinstance(rows, pa.Table)
    assert rows.schema.metadata is None
