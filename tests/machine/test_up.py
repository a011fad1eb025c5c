"""``make up`` over an Airflow that is up in part: what is dead comes back by itself, or is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conftest import KEY
from local_airflow import __main__
from local_airflow.server import health
from local_airflow.server.api import AirflowApi
from local_airflow.server.ports import free_port
from local_airflow.server.processes import Processes
from polygon_simulator.server import Simulator
from rig import DAG, Rig, ended, instances, rows, trigger, until
from sparse_days import SparseDays

pytestmark = pytest.mark.airflow
COMPONENTS = ("api-server", "dag-processor", "scheduler", "triggerer")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Rig]:
    """An Airflow that is up, and schedules nothing. Ended in the moment in which a component dies."""
    with Simulator(SparseDays(), KEY) as simulator:
        extra = {
            "AIRFLOW__API__PORT": str(free_port()),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "5",
            "MARKETLAKE__SCHEDULE__ENABLED": "false",
            "MARKETLAKE__TASKS__RETRIES": "4",  # a task that starts while the API server is down needs another try
        }
        rig = Rig(tmp_path_factory.mktemp("up"), simulator, extra).with_database(migrated)
        done = rig.make("up")
        assert done.returncode == 0, done.stdout
        yield rig
        kill(rig, "scheduler")
        done = rig.make("down")
        assert "ended" in done.stdout
        assert rig.processes() == []
        assert not (rig.home / "processes.json").exists()


@pytest.fixture
def api(rig: Rig) -> AirflowApi:
    (passwords,) = rig.home.glob("*passwords*")
    api = AirflowApi(
        f"http://127.0.0.1:{rig.extra['AIRFLOW__API__PORT']}", "admin", json.loads(passwords.read_text())["admin"]
    )
    assert api.log_in()
    return api


def pids(rig: Rig) -> dict[str, int]:
    found = Processes(rig.home).running()
    assert found is not None
    return {name: pid for name, (pid, _) in found.pids.items()}


def kill(rig: Rig, name: str) -> None:
    psutil.Process(pids(rig)[name]).kill()


def keepers(rig: Rig) -> list[int]:
    """The living keepers of the home, whether on record or not."""
    found = [psutil.Process(pid) for pid in rig.processes()]
    return [process.pid for process in found if process.cmdline()[1:] == ["-m", "local_airflow", "keep"]]


def up_here(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> int:
    """``make up`` in this process, so that its bounds can be shortened. Its exit code."""
    monkeypatch.setattr(sys, "argv", ["local_airflow", "up"])
    monkeypatch.setattr("local_airflow.__main__.signal.signal", lambda *_: None)
    for name, value in rig.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", "")
    return __main__.main()


def test_whatever_was_killed_runs_again_and_is_named(rig: Rig, api: AirflowApi) -> None:
    before = pids(rig)
    for name in COMPONENTS:
        kill(rig, name)
    done = rig.make("up")
    assert done.returncode == 0, done.stdout
    for name in COMPONENTS:
        assert f"{name} had ended by itself, and is started again: its logs are in " in done.stdout
    assert "Airflow is up again at http://127.0.0.1:" in done.stdout
    after = pids(rig)
    assert after["keeper"] == before["keeper"]
    assert not set(after.values()) & {before[name] for name in COMPONENTS}
    run = trigger(api, start_date="2024-09-03", end_date="2024-09-04")
    assert ended(api, run) == "success"
    assert instances(api, run) == {
        ("plan_sessions", -1): ("success", None),
        ("ingest_session", 0): ("success", "2024-09-03"),
        ("ingest_session", 1): ("success", "2024-09-04"),
        ("dates_ended", -1): ("success", None),
        ("report", -1): ("success", None),
    }
    assert "is up already" in rig.make("up").stdout


def test_a_keeper_that_was_killed_is_started_again_and_stays_alone(rig: Rig) -> None:
    before = pids(rig)
    kill(rig, "keeper")
    done = rig.make("up")
    assert done.returncode == 0, done.stdout
    assert "keeper had ended by itself, and is started again" in done.stdout
    assert keepers(rig) == [pids(rig)["keeper"]]
    keeping = psutil.Process(pids(rig)["keeper"])
    assert (keeping.terminal(), os.getsid(keeping.pid)) == (None, keeping.pid)
    log = rig.home / "process-logs" / "keeper.log"  # begun anew with it
    until(lambda: "keeps the Airflow of" in log.read_text(), timeout_s=60)  # before that, whoever comes is the keeper
    second = subprocess.run(
        [sys.executable, "-m", "local_airflow", "keep"],
        env=rig.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert second.returncode == 0
    assert "another process keeps the Airflow of" in second.stdout
    assert {**pids(rig), "keeper": 0} == {**before, "keeper": 0}


def test_a_scheduler_that_lives_without_a_sign_of_life_is_named(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scheduler = psutil.Process(pids(rig)["scheduler"])
    scheduler.suspend()
    try:
        monkeypatch.setattr(health, "_WELL_S", 1)
        until(lambda: not health.is_well(Processes(rig.home), AirflowApi(url(rig), "admin", "")), timeout_s=30)
        assert up_here(rig, monkeypatch) == 2
        log = rig.home / "process-logs" / "scheduler.log"
        assert capsys.readouterr().err == (
            f"AirflowTrouble: scheduler gives no sign of life: see {log}. To start all of it anew:  make down  and"
            "  make up\n"
        )
    finally:
        scheduler.resume()
    monkeypatch.undo()
    done = rig.make("up")
    assert (done.returncode, "is up already" in done.stdout) == (0, True), done.stdout


def url(rig: Rig) -> str:
    return f"http://127.0.0.1:{rig.extra['AIRFLOW__API__PORT']}"


def test_a_backfill_survives_the_death_of_the_api_server_and_keeps_nothing_itself(rig: Rig) -> None:
    rig.simulator.faults.set("*", [{"fault": "slow", "times": 0}])
    with rig.start_backfill("2024-08-05", "2024-08-07") as running:
        assert running.stdout is not None
        next(line for line in running.stdout if "3 running" in line)
        rig.simulator.faults.clear()
        kill(rig, "api-server")
        rest = running.stdout.read()
    assert running.returncode == 0, rest
    assert "SPY: 3 of 3 sessions have their partition" in rest
    assert "is started again: see" not in rest
    assert rows(rig, "select state, count(*) from dag_run where run_type = 'backfill' group by 1") == [("success", 3)]
    assert len(keepers(rig)) == 1
    assert rows(rig, f"select count(*) from task_instance where dag_id = '{DAG}' and run_id like 'backfill%'") == [
        (12,)
    ]
