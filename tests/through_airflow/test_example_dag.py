"""The example of a DAG that hangs on a finished session, beside the project's own."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest

from conftest import KEY, NOW
from local_airflow.server.api import AirflowApi
from marketlake import open_lake
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from polygon_simulator.server import Simulator
from rig import PROJECT, Rig, airflow_of, clear, ended, rows, trigger, until
from seconds import spy
from sparse_days import SparseDays

EXAMPLE = PROJECT / "docs/examples/session_features.py"
FEATURES, AUDIT = "session_features", "spy_bars_audit"
SIX = [f"2024-06-{day:02}" for day in (3, 4, 5, 6, 7, 10)]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(PROJECT / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(EXAMPLE, folder / "dags")
    variables = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW_VAR_SESSION_FEATURES_FOLDER": str(folder / "features"),
    }
    with Simulator(SparseDays(), KEY) as simulator:
        yield Rig(folder, simulator, variables).with_database(migrated)


@pytest.fixture(scope="module")
def api(rig: Rig) -> Iterator[AirflowApi]:
    """Up, and the example is known: of events before that it never hears."""
    with airflow_of(rig) as up:
        until(lambda: up.dag(FEATURES))
        yield up


def consumed(rig: Rig, api: AirflowApi) -> list[dict[str, Any]]:
    """Every run of the example, once each event has become a run and each run has ended."""

    def settled() -> list[dict[str, Any]]:
        waiting = rows(rig, "select count(*) from asset_partition_dag_run where created_dag_run_id is null")
        found = api._send("GET", f"dags/{FEATURES}/dagRuns", params={"limit": 100}) or {}
        runs = list(found["dag_runs"])
        return runs if waiting == [(0,)] and {run["state"] for run in runs} <= {"success", "failed"} else []

    return list(until(settled, every_s=0.5))


def tasks_of(rig: Rig, session: str | None) -> list[tuple[object, ...]]:
    """State and try of every task instance of the example for one session, the oldest run first."""
    key = f"= '{session}'" if session else "is null"
    return rows(
        rig,
        "select ti.state, ti.try_number from task_instance ti"
        f" join dag_run run on run.run_id = ti.run_id and run.dag_id = ti.dag_id and run.dag_id = '{FEATURES}'"
        f" where run.partition_key {key} order by run.id",
    )


def row(rig: Rig, session: str) -> dict[str, Any]:
    return dict(json.loads((rig.folder / f"features/{session}.json").read_text()))


def times(rig: Rig) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (rig.folder / "features").iterdir()}


def held(rig: Rig, session: str) -> str:
    """The content hash of a session that is held."""
    return str(json.loads(pq.read_metadata(rig.partition(session)).metadata[b"marketlake.certificate"])["content_hash"])


@pytest.mark.airflow
def test_a_backfill_gives_one_row_for_each_session_and_a_row_is_written_again_only_for_other_bars(
    rig: Rig, api: AirflowApi
) -> None:
    # 1. Six sessions: six runs, each of one task that was tried once.
    done = rig.backfill(SIX[0], SIX[-1])
    assert done.returncode == 0, done.stdout
    runs = consumed(rig, api)
    assert Counter(run["partition_key"] for run in runs) == dict.fromkeys(SIX, 1)
    assert Counter((run["run_type"], run["state"]) for run in runs) == {("asset_triggered", "success"): 6}
    for session in SIX:
        assert tasks_of(rig, session) == [("success", 1)]
        assert row(rig, session).keys() == {"session", "content_hash", "bars", "realised_variance", "volume"}
        assert (row(rig, session)["session"], row(rig, session)["bars"]) == (session, 390)
        assert row(rig, session)["content_hash"] == held(rig, session)
    first = times(rig)
    assert sorted(first) == [f"{session}.json" for session in SIX]

    # 2. Fetched again, the same: the event comes, and the row stays as it is.
    assert ended(api, trigger(api, start_date=SIX[1], end_date=SIX[1], refetch=True)) == "success"
    assert len(consumed(rig, api)) == 7
    assert tasks_of(rig, SIX[1]) == [("success", 1), ("skipped", 1)]
    assert times(rig) == first

    # 3. A revision: the row is written again, and no other one.
    before = row(rig, SIX[1])
    rig.simulator.faults.set(SIX[1], [{"fault": "changed:17", "times": 0}])
    assert ended(api, trigger(api, start_date=SIX[1], end_date=SIX[1], refetch=True)) == "success"
    assert len(consumed(rig, api)) == 8
    assert tasks_of(rig, SIX[1]) == [("success", 1), ("skipped", 1), ("success", 1)]
    after = row(rig, SIX[1])
    assert after["content_hash"] == held(rig, SIX[1]) != before["content_hash"]
    assert after["volume"] == before["volume"] + 17
    assert {name for name, written in times(rig).items() if first[name] != written} == {f"{SIX[1]}.json"}

    # 4. An audit of two sessions, of which one is a revision: one run.
    rig.simulator.faults.set(SIX[2], [{"fault": "changed:17", "times": 0}])
    audit = trigger(api, dag=AUDIT, start_date=SIX[2], end_date=SIX[3])
    assert ended(api, audit, dag=AUDIT) == "success"
    assert len(consumed(rig, api)) == 9
    assert tasks_of(rig, SIX[2]) == [("success", 1), ("success", 1)]
    assert tasks_of(rig, SIX[3]) == [("success", 1)]
    assert row(rig, SIX[2])["content_hash"] == held(rig, SIX[2])


@pytest.mark.airflow
def test_however_many_events_a_session_has_its_row_is_written_once(rig: Rig, api: AirflowApi) -> None:
    session = "2024-07-01"
    run = trigger(api, start_date=session, end_date=session)
    for _ in range(3):
        assert ended(api, run) == "success"
        clear(api, run, ["ingest_session", 0])
    assert ended(api, run) == "success"
    consumed(rig, api)
    events = api._send("GET", "assets/events", params={"source_run_id": run}) or {}
    assert [event["partition_key"] for event in events["asset_events"]] == [session] * 4
    states = Counter(state for state, _ in tasks_of(rig, session))
    assert states["success"] == 1
    assert states.keys() <= {"success", "skipped"}
    assert row(rig, session)["content_hash"] == held(rig, session)


@pytest.mark.airflow
def test_a_run_by_hand_without_a_key_writes_every_row_that_is_missing(rig: Rig, api: AirflowApi) -> None:
    session = "2024-07-02"
    assert ended(api, trigger(api, start_date=session, end_date=session)) == "success"
    consumed(rig, api)
    (rig.folder / f"features/{session}.json").unlink()
    before = times(rig)
    for _ in range(2):
        assert ended(api, trigger(api, dag=FEATURES), dag=FEATURES) == "success"
    assert tasks_of(rig, None) == [("success", 1), ("skipped", 1)]
    after = times(rig)
    assert after.keys() - before.keys() == {f"{session}.json"}
    assert {name: after[name] for name in before} == before


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("session_features", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_provisional_bars_wait_for_the_final_ones(
    example: ModuleType, lake: Lake, client: PolygonClient, tmp_path: Path
) -> None:
    session, folder = dt.date(2024, 11, 26), tmp_path / "features"
    early = Lake(lake.settings, now=lambda: dt.datetime(2024, 11, 27, 2, tzinfo=dt.UTC))
    assert ingest(early, SECOND_BARS, spy(session), client, allow_provisional=True).state == "provisional"
    assert example.update(open_lake(), str(session), folder) == []
    assert ingest(Lake(lake.settings, now=lambda: NOW), SECOND_BARS, spy(session), client).state == "complete"
    assert example.update(open_lake(), str(session), folder) == ["2024-11-26"]
    assert example.update(open_lake(), str(session), folder) == []


def test_a_session_of_which_nothing_is_held_is_no_silence(
    example: ModuleType, lake: Lake, client: PolygonClient, tmp_path: Path
) -> None:
    ingest(lake, SECOND_BARS, spy(dt.date(2024, 11, 27)), client)
    with pytest.raises(LookupError, match="2024-11-26: the lake holds no partition with a certificate"):
        example.update(open_lake(), "2024-11-26", tmp_path)
    assert list(tmp_path.glob("*.json")) == []


def test_the_realised_variance_is_the_sum_of_squared_log_returns(example: ModuleType) -> None:
    import pandas as pd

    bars = pd.DataFrame({"close": [100.0, 101.0, 100.0], "volume": [1, 2, 3]})
    assert example.features(bars) == {
        "bars": 3,
        "realised_variance": pytest.approx(2 * 0.00995033085**2),
        "volume": 6,
    }
