"""A scheduled run of the real Airflow tells somebody, once; other runs tell nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import KEY, RecordedElseSparse
from local_airflow.server.api import AirflowApi
from local_airflow.server.home import Home
from local_airflow.server.ports import free_port
from marketlake import settings
from polygon_simulator.server import Simulator
from receivers import PATH, Webhook, webhook
from rig import DAG, Rig, ended, instances, rows, trigger, until

pytestmark = pytest.mark.airflow


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as running:
        yield running


@pytest.fixture
def rig(tmp_path: Path, hook: Webhook, migrated: Path) -> Iterator[Rig]:
    """Three sessions are due, all of them are answered with an error, and a run is late after a second."""
    with Simulator(RecordedElseSparse(), KEY) as simulator:
        simulator.faults.set("*", [{"fault": "500", "times": 0}])
        rig = Rig(tmp_path, simulator)
        rig.extra |= {
            "AIRFLOW__API__PORT": str(free_port()),
            "MARKETLAKE__AUDIT__ENABLED": "false",
            "MARKETLAKE__SCHEDULE__CATCH_UP_SESSIONS": "2",
            "MARKETLAKE__SCHEDULE__DEADLINE_S": "1",
            "MARKETLAKE__LOGGING__LEVEL": "DEBUG",
            "MARKETLAKE__REPORT__TO": '["webhook"]',
            "MARKETLAKE_WEBHOOK_URL": hook.url,
        }
        yield rig.with_database(migrated)
        rig.make("down")
        assert rig.processes() == []


def started(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> AirflowApi:
    """The Airflow that ``make up`` has started."""
    up = rig.make("up")
    assert up.returncode == 0, up.stdout
    monkeypatch.setenv("AIRFLOW_HOME", str(rig.home))
    api = AirflowApi(
        f"http://127.0.0.1:{rig.extra['AIRFLOW__API__PORT']}", "admin", Home.of(settings.load()).password()
    )
    assert api.log_in()
    return api


def test_a_scheduled_run_tells_that_it_is_late_and_what_failed_and_other_runs_tell_nobody(
    rig: Rig, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = started(rig, monkeypatch)
    until(lambda: rows(rig, "select 1 from dag_run where state = 'failed'"))
    ((run, run_type, logical_date),) = rows(rig, "select run_id, run_type, logical_date from dag_run")
    assert run_type == "scheduled"
    assert str(run).startswith(f"scheduled__{str(logical_date)[:10]}T0")  # its session, not the day after
    until(lambda: len(hook.got) == 2)
    late, report = (got["text"].splitlines() for got in hook.got)
    assert late[0].startswith(f"SPY second bars, run {run}: not finished by ")
    assert report[0].startswith(f"SPY second bars, run {run}: 3 of 3 sessions failed: ")
    assert report[1].startswith("missing or unfinished among the last 3: ")
    assert f"{api.base_url}/dags/{DAG}/runs/" in report[2]
    assert set(hook.paths) == {f"/{PATH}"}

    rig.simulator.faults.set("*", [{"fault": "negative", "times": 0}])
    manual = trigger(api, start_date="2024-07-01", end_date="2024-07-01")
    assert ended(api, manual) == "failed"
    assert instances(api, manual)["report", -1][0] == "failed"
    until(lambda: api.active_backfill(DAG) is None)
    asked = "backfill create --dag-id spy_second_bars --from-date 2024-07-02 --to-date 2024-07-02"
    assert rig.make("airflow", f"ARGS={asked}").returncode == 0
    until(lambda: rows(rig, "select 1 from dag_run where run_type = 'backfill' and state = 'failed'"))
    deadlines = (
        "select run_type, count(deadline.id) from dag_run left join deadline on dagrun_id = dag_run.id group by 1"
    )
    assert rows(rig, deadlines + " order by 1") == [("backfill", 0), ("manual", 0), ("scheduled", 1)]
    assert len(hook.got) == 2
    assert rows(rig, "select count(*) from dag_version") == [(1,)]

    secret = PATH.rpartition("/")[2].encode()
    holding = [
        str(path)
        for folder in (rig.home, rig.lake, rig.folder / "logs")
        for path in folder.rglob("*")
        if path.is_file() and secret in path.read_bytes()
    ]
    assert holding == []
