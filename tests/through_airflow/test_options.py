"""Options through the real Airflow: a backfill, a date that fails alone, a panel that waits, an audit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import KEY
from local_airflow.server.api import AirflowApi
from polygon_simulator.server import Simulator
from rig import Rig, airflow_of, ended, instances, trigger
from smooth_days import SmoothDays

pytestmark = pytest.mark.airflow
DAG, AUDIT = "spy_options", "spy_options_audit"
WEEK = ("2024-11-22", "2024-11-25", "2024-11-26", "2024-11-27", "2024-11-29")
OPTIONS = {
    "MARKETLAKE__OPTIONS__ENABLED": "true",
    "MARKETLAKE__OPTIONS__EMPTY_RECHECK_S": "0",
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Rig]:
    with Simulator(SmoothDays(), KEY, contracts="few") as simulator:
        yield Rig(tmp_path_factory.mktemp("options"), simulator, OPTIONS).with_database(migrated)


@pytest.fixture(scope="module")
def api(rig: Rig) -> Iterator[AirflowApi]:
    with airflow_of(rig) as up:
        yield up


def test_explore(rig: Rig, api: AirflowApi) -> None:
    done = rig.make("backfill", "FROM=2024-11-22", "TO=2024-11-29")
    print(done.stdout)
    done = rig.make("backfill", "DATASET=options", "FROM=2024-11-22", "TO=2024-11-29")
    print(done.stdout)
    for run in api.runs(DAG, dt.date(2024, 11, 22), dt.date(2024, 11, 29)):
        print(run["dag_run_id"], run["state"], instances(api, run["dag_run_id"], dag=DAG))
        for one in api.task_instances(DAG, run["dag_run_id"]):
            print(one["task_id"], one["map_index"], one["state"], one["duration"], one["rendered_map_index"])
    run = trigger(api, dag=DAG, start_date="2024-11-22", end_date="2024-11-25", refetch=True)
    print(ended(api, run, dag=DAG), instances(api, run, dag=DAG))
    for one in api.task_instances(DAG, run):
        print(one["task_id"], one["map_index"], one["state"], one["duration"], one["rendered_map_index"])
        if one["task_id"] in ("report", "plan_sessions"):
            for event in api.log_events(one):
                print("   ", event.get("event"))
    run = trigger(api, dag=DAG, start_date="2024-11-22", end_date="2024-11-25")
    print(ended(api, run, dag=DAG), instances(api, run, dag=DAG))
    assert 0
