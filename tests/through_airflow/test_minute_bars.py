"""Minute bars alone, as a free key has them: recorded ones through the real Airflow, read back value by value."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from conftest import KEY, REAL, files_under, needs_real_days
from local_airflow.server.api import AirflowApi
from polygon_simulator.days import RecordedDays
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from rig import Rig, airflow_of, ended, instances, rows, trigger

pytestmark = [pytest.mark.airflow, needs_real_days]
DAG, AUDIT = "spy_minute_bars", "spy_minute_bars_audit"
DAYS = ("2013-10-07", "2013-10-08", "2013-10-09")
WEEK = (dt.date(2013, 10, 7), dt.date(2013, 10, 9))
SECONDS_OFF = {"MARKETLAKE__DATASETS__SECOND_BARS__TICKERS": "[]"}
MINUTES_ON = {"MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS": '["SPY"]'}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Rig]:
    real = RecordedDays(REAL)
    with Simulator(real, KEY, minutes=real, plan=Plan(seconds=False)) as simulator:
        yield Rig(tmp_path_factory.mktemp("minutes"), simulator, SECONDS_OFF | MINUTES_ON).with_database(migrated)


@pytest.fixture(scope="module")
def api(rig: Rig) -> Iterator[AirflowApi]:
    with airflow_of(rig) as up:
        yield up


@pytest.fixture(scope="module")
def told(rig: Rig, api: AirflowApi) -> str:
    """What ``make backfill`` says of the three days, once it has fetched them."""
    done = rig.make("backfill", "DATASET=minute_bars", f"FROM={DAYS[0]}", f"TO={DAYS[-1]}")
    assert done.returncode == 0, done.stdout
    return done.stdout


def recorded(day: str) -> list[dict[str, Any]]:
    bars: list[dict[str, Any]] = json.loads(gzip.decompress((REAL / "minutes" / f"SPY-{day}.json.gz").read_bytes()))
    return bars


def folder_of(rig: Rig) -> Path:
    return rig.lake / "minute_bars" / "processed" / "spy"


def test_three_recorded_days_are_fetched_each_with_its_own_request(rig: Rig, api: AirflowApi, told: str) -> None:
    assert "SPY minute bars: 3 sessions from 2013-10-07 to 2013-10-09, 3 not here yet: about 6 requests" in told
    assert "backfill 1, runs: 3 created, 0 cleared, 0 skipped" in told
    assert f"SPY minute bars: 3 of 3 sessions have their partition under {rig.lake}/minute_bars" in told
    asked = sorted((request["day"], request["timespan"]) for request in rig.simulator.requests)
    preflight = [(DAYS[0], "minute"), (DAYS[-1], "minute")]
    assert asked == sorted([*preflight, *((day, span) for day in DAYS for span in ("minute", "day"))])
    runs = {run["logical_date"][:10]: run["dag_run_id"] for run in api.runs(DAG, *WEEK)}
    assert tuple(sorted(runs)) == DAYS
    for day, run in runs.items():
        assert instances(api, run, dag=DAG) == {
            ("plan_sessions", -1): ("success", None),
            ("ingest_session", 0): ("success", day),
            ("dates_ended", -1): ("skipped", None),
            ("report", -1): ("skipped", None),
        }
    dags = (api._send("GET", "dags", params={"limit": 100}) or {})["dags"]
    assert sorted(dag["dag_id"] for dag in dags) == [DAG, AUDIT]


def of_pandas(folder: Path) -> dict[str, list[Any]]:
    found = pd.read_parquet(folder)
    absent = found[["vwap", "transactions"]].isna()
    assert (int(absent["vwap"].sum()), int(absent["transactions"].sum())) == (len(found), len(found))
    return {name: found[name].tolist() for name in found.columns} | {
        "vwap": [None] * len(found),
        "transactions": [None] * len(found),
    }


def of_pyarrow(folder: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = pq.read_table(folder).to_pydict()
    return found


def of_polars(folder: Path) -> dict[str, list[Any]]:
    return pl.read_parquet(folder, hive_partitioning=True).sort("timestamp").to_dict(as_series=False)


def of_duckdb(folder: Path) -> dict[str, list[Any]]:
    found = duckdb.sql(f"select * from read_parquet('{folder}/*/*.parquet', hive_partitioning = true)")
    read: dict[str, list[Any]] = found.order("timestamp").arrow().read_all().to_pydict()
    return read


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("reader", [of_pandas, of_pyarrow, of_polars, of_duckdb])
def test_every_reader_gets_the_recorded_minutes(rig: Rig, reader: Any) -> None:
    columns = reader(folder_of(rig))
    bars = [bar for day in DAYS for bar in recorded(day)]
    assert [set(bar) for bar in bars] == [{"t", "o", "h", "l", "c", "v"}] * len(bars)
    assert len(bars) == 828 + 828 + 813
    for name, key in {
        "timestamp": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v", "volume_exact": "v",
    }.items():  # fmt: skip
        assert columns[name] == [bar[key] for bar in bars], name
    for name in ("vwap", "transactions"):
        assert columns[name] == [None] * len(bars), name
    assert columns["ticker"] == ["SPY"] * len(bars)
    assert [str(day)[:10] for day in columns["date"]] == [day for day in DAYS for _ in recorded(day)]


@pytest.mark.usefixtures("told")
def test_the_lake_holds_minutes_and_nothing_else_and_verifies(rig: Rig) -> None:
    assert sorted(path.name for path in folder_of(rig).rglob("*.parquet")) == ["bars.parquet"] * 3
    assert not (rig.lake / "processed").exists()
    assert {path.split("/")[0] for path in files_under(rig.lake) if "/" in path} == {"minute_bars"}
    done = rig.make("verify")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(f"SPY minute bars: 3 partitions under {rig.lake}/minute_bars, 2,469 rows, ")
    assert rig.make("verify", "DATASET=minute_bars").stdout.partition("; 0 findings")[1]


@pytest.mark.usefixtures("told")
def test_recorded_minutes_are_complete_and_lack_the_auctions_that_their_day_bar_holds(rig: Rig) -> None:
    """It is folded from the recorded seconds, which hold both auctions, with another closing auction on top: what is
    left out stays within reconcile.day_short_share = 0.10.
    """
    found = {}
    for day in DAYS:
        footer = pq.read_metadata(folder_of(rig) / f"date={day}" / "bars.parquet").metadata
        certificate = json.loads(footer[b"marketlake.certificate"])
        compared = certificate["reconciliation"]
        assert (compared["minutes"], compared["not_compared"], compared["findings"]) == (None, {}, {"day": []})
        assert certificate["dataset"] == "minute_bars"
        found[day] = (certificate["state"], certificate["rows"], certificate["volume"], compared["day"]["volume_ratio"])
    assert found == {
        "2013-10-07": ("complete", 828, 92_720_576, 0.921642),
        "2013-10-08": ("complete", 828, 175_026_101, 0.963711),
        "2013-10-09": ("complete", 813, 158_425_072, 0.924343),
    }


@pytest.mark.usefixtures("told")
def test_fetched_again_by_hand_and_by_the_audit_nothing_changes(rig: Rig, api: AirflowApi) -> None:
    before = {path: (folder_of(rig) / path).read_bytes() for path in files_under(folder_of(rig))}
    asked = len(rig.simulator.requests)
    run = trigger(api, dag=DAG, start_date=DAYS[0], end_date=DAYS[-1], refetch=True)
    assert ended(api, run, dag=DAG) == "success"
    assert instances(api, run, dag=DAG) == {
        ("plan_sessions", -1): ("success", None),
        **{("ingest_session", index): ("success", day) for index, day in enumerate(DAYS)},
        ("dates_ended", -1): ("success", None),
        ("report", -1): ("success", None),
    }
    assert len(rig.simulator.requests) - asked == 6

    audit = trigger(api, dag=AUDIT, start_date=DAYS[0], end_date=DAYS[-1])
    assert ended(api, audit, dag=AUDIT) == "success"
    assert instances(api, audit, dag=AUDIT) == {
        ("plan_audit", -1): ("success", None),
        **{("audit_session", index): ("success", day) for index, day in enumerate(DAYS)},
        ("dates_ended", -1): ("success", None),
        ("summarise_audit", -1): ("success", None),
    }
    summary = json.loads((rig.lake / "minute_bars/audit/spy/audit.json").read_text())
    assert (summary["dataset"], summary["failed"]) == ("minute_bars", [])
    assert [(one["session"], one["outcome"], one["revision"]) for one in summary["visits"]] == [
        (day, "unchanged", 1) for day in DAYS
    ]
    assert {path: (folder_of(rig) / path).read_bytes() for path in files_under(folder_of(rig))} == before


@pytest.mark.usefixtures("told")
def test_a_backfill_without_a_name_is_of_the_dataset_that_is_on(rig: Rig) -> None:
    done = rig.backfill(DAYS[0], DAYS[-1])
    assert done.returncode == 0, done.stdout
    assert "nothing to do: all 3 sessions have a run that succeeded" in done.stdout
    assert f"SPY minute bars: 3 of 3 sessions have their partition under {rig.lake}/minute_bars" in done.stdout


def test_a_free_key_that_asks_for_seconds_is_told_of_minutes_before_anything_is_created(
    rig: Rig, api: AirflowApi
) -> None:
    created = "select (select count(*) from dag_run), (select count(*) from backfill)"
    asked, before = len(rig.simulator.requests), rows(rig, created)
    done = rig.backfill(DAYS[0], DAYS[-1], MARKETLAKE__DATASETS__SECOND_BARS__TICKERS='["SPY"]', DATASET="second_bars")
    assert done.returncode == 2
    (line,) = [line for line in done.stdout.splitlines() if "NotEntitled" in line]
    assert line.startswith("NotEntitled: SPY 2013-10-07: page 1: HTTP 403 from ")
    assert "per-second bars need Stocks Starter (5 years), Developer (10 years) or Advanced (all)" in line
    assert "or for minute bars (datasets.minute_bars.tickers), which every plan has: Basic those of 2 years" in line
    assert len(rig.simulator.requests) == asked + 1
    assert rows(rig, created) == before
    assert not (rig.lake / "processed").exists()
