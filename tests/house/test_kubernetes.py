"""The chart's values for this image, held against the compose file, the lock and their page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
TEXT = (PROJECT / "docs" / "kubernetes" / "values.yaml").read_text()
VALUES: dict[str, Any] = yaml.safe_load(TEXT)
ENV = {one["name"]: one["value"] for one in VALUES["env"]}
SERVICES = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())["services"]
COMPOSE = SERVICES["airflow-scheduler"]["environment"]
PAGE = (PROJECT / "docs/kubernetes.md").read_text()
NAMES = ("metadataSecretName", "resultBackendSecretName", "brokerUrlSecretName")


def test_what_the_values_set_is_what_the_compose_file_sets_but_for_where_things_lie_and_how_many() -> None:
    own = {
        "MARKETLAKE__STORAGE__ROOT", "MARKETLAKE__LOGGING__FOLDER", "MARKETLAKE__TASKS__WORKERS",
        "AIRFLOW__CORE__PARALLELISM", "AIRFLOW__CELERY__WORKER_CONCURRENCY",
    }  # fmt: skip
    assert own <= ENV.keys()
    assert {name: ENV[name] for name in ENV.keys() - own} == {name: COMPOSE.get(name) for name in ENV.keys() - own}


def test_what_the_compose_file_sets_for_the_scheduler_the_values_set_too() -> None:
    tuned = {name for name in COMPOSE if name.startswith("AIRFLOW__SCHEDULER__") and "HEALTH_CHECK" not in name}
    assert len(tuned) == 7
    assert tuned <= ENV.keys()


def test_there_is_room_for_as_many_tasks_as_the_workers_have_slots() -> None:
    workers = VALUES["workers"]["celery"]["replicas"]
    assert int(ENV["MARKETLAKE__TASKS__WORKERS"]) == workers
    slots = int(ENV["AIRFLOW__CELERY__WORKER_CONCURRENCY"])
    assert int(ENV["AIRFLOW__CORE__PARALLELISM"]) == workers * slots == 16


def test_pods_of_several_machines_share_no_count_of_calls_but_one_volume_of_logs() -> None:
    assert ENV["MARKETLAKE__LOGGING__FOLDER"].startswith("/tmp/")
    assert VALUES["logs"]["persistence"]["enabled"] is True
    assert ENV["MARKETLAKE__STORAGE__ROOT"].startswith("s3://")


def test_the_version_is_that_of_the_lock() -> None:
    locked = re.search(r"^apache-airflow==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    assert locked
    assert VALUES["airflowVersion"] == locked[1]


def test_secrets_are_named_and_each_is_created_by_the_page() -> None:
    named = {VALUES["data"][name] for name in NAMES}
    named |= {VALUES[name] for name in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName")}
    named |= {VALUES["redis"]["passwordSecretName"], *re.findall(r"name: (\S+)", VALUES["extraEnvFrom"])}
    assert set(re.findall(r"create secret generic (\S+)", PAGE)) == named
    assert not re.search(r"(?im)^\s*(password|pass|fernetKey|jwtSecret|apiSecretKey|brokerUrl):", TEXT)


def test_neither_the_charts_own_admin_nor_its_own_database_is_made() -> None:
    assert VALUES["createUserJob"]["enabled"] is False
    assert VALUES["postgresql"]["enabled"] is False


def test_the_cleanup_takes_the_tables_that_the_chores_take() -> None:
    script = SERVICES["airflow-chores"]["command"][-1]
    for table in VALUES["databaseCleanup"]["tables"]:
        assert re.search(rf"[\",\s]{table}[\",]", script), table
    assert "dag" not in VALUES["databaseCleanup"]["tables"]
    assert VALUES["databaseCleanup"]["enabled"] is VALUES["databaseCleanup"]["skipArchive"] is True
