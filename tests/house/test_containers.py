"""The containers' files, held against the lock, against ``make env`` and against what must never be in them."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_airflow import env_file
from local_airflow.server.home import Home
from marketlake import settings

PROJECT = Path(__file__).resolve().parents[2]
COMPOSE = (PROJECT / "docker-compose.yaml").read_text()
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
AIRFLOW = {name: service for name, service in SERVICES.items() if name.startswith("airflow-")}
SECRETS = sorted(name for name in env_file._CONTAINERS if name != "AIRFLOW_UID")
_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)(:[?-])?([^}]*)\}")


def texts(value: Any) -> Iterator[str]:
    """Every string of a document, keys too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from (key, *texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    else:
        yield str(value)


CLEANED = re.sub(r"\\\s+", "", re.search(r'--tables "([^"]+)"', AIRFLOW["airflow-chores"]["command"][-1])[1]).split(",")  # type: ignore[index]
VARIABLES = [found for text in texts(yaml.safe_load(COMPOSE)) for found in _VARIABLE.findall(text)]


def test_every_secret_is_required_by_its_name_and_has_no_default() -> None:
    used = {name for name, *_ in VARIABLES}
    assert set(SECRETS) <= used
    for name, operator, rest in VARIABLES:
        if name in SECRETS:
            assert (operator, rest) == (":?", f"{name} is missing: run  make env")


def test_whatever_has_no_default_is_written_by_make_env() -> None:
    required = {name for name, operator, _ in VARIABLES if operator != ":-"}
    assert required
    assert required <= set(env_file._CONTAINERS)


def test_every_value_of_make_env_is_asked_for_or_read_by_compose_itself() -> None:
    asked = {name for name, *_ in VARIABLES} | {"COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"}
    assert set(env_file._demo({})) - asked == {"POLYGON_API_KEY", "POLYGON_BASE_URL"}  # by the env_file of the services
    assert set(env_file._s3("")) - asked == {
        "MARKETLAKE__STORAGE__ENDPOINT_URL", "MARKETLAKE__STORAGE__ADDRESSING", "AWS_REGION",
    }  # fmt: skip


def test_no_password_stands_in_the_files() -> None:
    for _, service in SERVICES.items():
        for name, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD$|SECRET|FERNET|_KEY$|CONN$|BROKER_URL|BACKEND", name) and value:
                assert _VARIABLE.search(value), name
    assert not re.search(r"(?i)^(ENV|ARG) .*(key|secret|passw|token)", DOCKERFILE, re.MULTILINE)


BESIDE_THE_FILE = {
    "postgres": {"POSTGRES_PASSWORD"},
    "redis": {"REDIS_PASSWORD"},
    "airflow-init": {*SECRETS},
    "airflow-chores": {*SECRETS} - {"AIRFLOW_ADMIN_PASSWORD"},
    "airflow-apiserver": {*SECRETS} - {"AIRFLOW_ADMIN_PASSWORD"},
    "airflow-scheduler": {*SECRETS} - {"AIRFLOW_ADMIN_PASSWORD"},
    "airflow-dag-processor": {*SECRETS} - {"AIRFLOW_ADMIN_PASSWORD"},
    "airflow-triggerer": {*SECRETS} - {"AIRFLOW_ADMIN_PASSWORD"},
    # What a task does could sign other tasks' tokens with the one, and read every stored connection by the other.
    "airflow-worker": {*SECRETS} - {"AIRFLOW_ADMIN_PASSWORD", "AIRFLOW_JWT_SECRET", "AIRFLOW_FERNET_KEY"},
    "simulator": {"SIMULATOR_KEY"},
    "object-store": {"OBJECT_STORE_ADMIN_KEY", "AWS_SECRET_ACCESS_KEY"},
    "object-store-bucket": {"OBJECT_STORE_ADMIN_KEY"},
}
"""The secrets of the environment file that compose puts into each service."""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_the_secrets_that_it_needs_and_no_other(name: str) -> None:
    found = {variable for text in texts(SERVICES[name]) for variable, *_ in _VARIABLE.findall(text)}
    optional = {"SIMULATOR_KEY", "OBJECT_STORE_ADMIN_KEY", "AWS_SECRET_ACCESS_KEY"}
    assert found & {*SECRETS, *optional} == BESIDE_THE_FILE[name]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_with_the_whole_file_hides_the_files_own_names_of_its_secrets(name: str) -> None:
    if "env_file" not in SERVICES[name]:
        return
    own = {"AIRFLOW_ADMIN_PASSWORD"} if name == "airflow-init" else set()
    hidden = {variable for variable, value in SERVICES[name]["environment"].items() if value == ""}
    assert hidden >= {*SECRETS, "SIMULATOR_KEY", "OBJECT_STORE_ADMIN_KEY"} - own


def test_the_whole_file_is_for_airflow_alone() -> None:
    assert {name for name, service in SERVICES.items() if "env_file" in service} == set(AIRFLOW)
    assert set(SERVICES["simulator"]["environment"]) == {"PYTHONPATH", "POLYGON_API_KEY"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_an_argument_that_every_user_of_the_host_sees(name: str) -> None:
    service = SERVICES[name]
    for words in (
        service.get("command", ""),
        service.get("entrypoint", ""),
        service.get("healthcheck", {}).get("test"),
    ):
        filled_in = {variable for text in texts(words) for variable, *_ in _VARIABLE.findall(text)}
        by_a_shell = set(re.findall(r"\$\$\{?([A-Z_]+)", " ".join(texts(words))))
        assert filled_in <= {"LAKE_FOLDER"}
        # By standard input, and by the environment of one command.
        assert by_a_shell <= {"REDIS_PASSWORD", "KEEP_DAYS", "ADMIN_KEY", "LAKE_ID", "LAKE_KEY"}
        assert "--key" not in (words or "")


def test_what_is_queued_on_a_dead_worker_is_put_back_after_a_minute_and_waits_as_long_as_by_default() -> None:
    given = AIRFLOW["airflow-scheduler"]["environment"]
    timeout_s = int(given["AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT"])
    tries = 1 + int(given["AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES"])
    assert (timeout_s, timeout_s * tries) == (60, 3 * 600)
    # A task's token ends with the timeout and Airflow's leeway of 10 s: taken from the queue after that and before it
    # is put back, the task would lose a try.
    assert int(given["AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL"]) < 10
    code = (
        "from airflow.jobs.scheduler_job_runner import SchedulerJobRunner; from airflow.jobs.job import Job;"
        "one = SchedulerJobRunner(Job(), executors=[__import__('unittest.mock').mock.Mock()]);"
        "print(one._task_queued_timeout, one._num_stuck_queued_retries)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {name: value for name, value in given.items() if name.startswith("AIRFLOW__SCHEDULER__")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "60.0 29"


def test_one_variable_says_how_many_workers_there_are_and_how_many_tasks_they_have_room_for() -> None:
    assert AIRFLOW["airflow-worker"]["deploy"] == {"mode": "replicated", "replicas": "${AIRFLOW_WORKERS:-1}"}
    given = AIRFLOW["airflow-scheduler"]["environment"]
    assert given["MARKETLAKE__TASKS__WORKERS"] == "${AIRFLOW_WORKERS:-1}"
    assert given["AIRFLOW__CELERY__WORKER_CONCURRENCY"] == given["AIRFLOW__CORE__PARALLELISM"]  # of one worker
    *shell, script = AIRFLOW["airflow-scheduler"]["command"]
    done = subprocess.run(
        [*shell, script.replace("$$", "$").replace("airflow scheduler", "printenv AIRFLOW__CORE__PARALLELISM")],
        env=os.environ | {"AIRFLOW__CORE__PARALLELISM": "8", "MARKETLAKE__TASKS__WORKERS": "3"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "24\n"


def test_no_service_has_a_name_that_a_second_container_of_it_could_not_have() -> None:
    assert not [name for name, service in SERVICES.items() if {"container_name", "hostname"} & set(service)]


def test_the_object_store_starts_with_no_key_missing_and_keeps_its_names_beside_its_objects() -> None:
    store = SERVICES["object-store"]
    missing = subprocess.run(
        [*store["entrypoint"][:2], store["entrypoint"][2].replace("$$", "$").partition("umask")[0]],
        env={"PATH": os.environ["PATH"], "ADMIN_KEY": "a-key", "LAKE_ID": "", "LAKE_KEY": "another"},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert missing.returncode != 0
    assert "LAKE_ID: is missing: run  make env S3=1" in missing.stderr
    assert "-dir=/lake/objects " in store["entrypoint"][2]
    assert store["environment"]["WEED_LEVELDB2_DIR"].startswith("/lake/objects/")
    assert store["volumes"] == ["${LAKE_FOLDER:-./data}:/lake"]


def test_every_process_that_writes_or_shows_a_log_has_the_lakes_folder_in_which_they_lie() -> None:
    for name in AIRFLOW:
        assert "${LAKE_FOLDER:-./data}:/opt/airflow/data" in AIRFLOW[name]["volumes"], name
        assert AIRFLOW[name]["environment"]["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] == "/opt/airflow/data/logs"


def test_the_chores_are_bounded_and_take_no_dag_away_and_no_count_of_calls() -> None:
    script = AIRFLOW["airflow-chores"]["command"][-1]
    assert AIRFLOW["airflow-chores"]["profiles"] == ["chores"]
    assert "timeout 3600 airflow db clean" in script
    assert CLEANED == [
        "asset_event", "callback", "celery_taskmeta", "celery_tasksetmeta", "connection_test_request", "dag_run",
        "dag_version", "deadline", "import_error", "job", "log", "partitioned_asset_key_log", "revoked_token",
        "task_instance", "task_instance_history", "task_reschedule", "task_state_store", "trigger", "xcom",
    ]  # fmt: skip
    assert all(
        "! -path './calls" in line or "! -path ./calls" in line for line in script.splitlines() if "-delete" in line
    )


def test_only_the_ui_is_published_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"airflow-apiserver": ["127.0.0.1:${AIRFLOW_PORT:-8080}:8080"]}


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_can_reach_the_machine(name: str) -> None:
    service = SERVICES[name]
    assert not {"privileged", "network_mode", "pid", "ipc", "cap_add", "devices"} & set(service)
    assert not [volume for volume in service.get("volumes", []) if "docker.sock" in volume]
    assert not str(service.get("user", "-")).startswith(("0", "root"))


ONE_SHOTS = {"airflow-init", "airflow-chores", "object-store-bucket"}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_SHOTS))
def test_a_service_that_stays_says_how_it_is_and_comes_back(name: str) -> None:
    health = SERVICES[name]["healthcheck"]
    assert health["test"][0] in {"CMD", "CMD-SHELL"}
    assert {"interval", "timeout", "retries", "start_period"} <= set(health)
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_image_of_each_server_is_named_with_its_version() -> None:
    assert SERVICES["postgres"]["image"] == "postgres:16"
    assert SERVICES["redis"]["image"] == "redis:7"
    assert SERVICES["object-store"]["image"] == "chrislusf/seaweedfs:4.48"


def test_the_image_is_the_version_of_the_lock() -> None:
    locked = re.search(r"^apache-airflow==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    assert locked
    assert re.findall(r"^FROM (.+)$", DOCKERFILE, re.MULTILINE) == [f"apache/airflow:{locked[1]}-python3.11"]


def test_the_image_installs_the_lock_alone_before_any_code() -> None:
    installs = re.findall(r"pip install[^\n]*", DOCKERFILE)
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    copied = re.findall(r"^COPY .*?(\S+) /opt/airflow/(\S+)$", DOCKERFILE, re.MULTILINE)
    assert [source for source, target in copied if source == target] == [
        "requirements.txt", "plugins", "include", "dags",
    ]  # fmt: skip
    assert DOCKERFILE.index("pip install") < DOCKERFILE.index("COPY --chown=airflow:0 plugins")


def test_the_image_runs_as_nobody_special_and_finds_the_packages() -> None:
    assert "USER" not in DOCKERFILE
    assert "HEALTHCHECK" not in DOCKERFILE
    assert re.search(r"^ENV PYTHONPATH=/opt/airflow/include$", DOCKERFILE, re.MULTILINE)
    assert (PROJECT / "include" / "airflow_local_settings.py").exists()


PRIVATE = (
    ".env", ".env.demo", "include/.env", ".git/config", ".venv/bin/python", "data/processed/x", ".demo/x",
    ".airflow/airflow.db", "tests/conftest.py", "include/marketlake/__pycache__/x.pyc",
)  # fmt: skip
PUBLIC = ("requirements.txt", "dags/second_bars.py", "plugins/marketlake_plugin.py", "include/settings.yaml")


def ignored(path: str) -> bool:
    """Whether the builder leaves a path out: the last rule that names it or a folder above it decides."""
    parents = [str(parent) for parent in (Path(path), *Path(path).parents) if str(parent) != "."]
    out = False
    for line in (PROJECT / ".dockerignore").read_text().splitlines():
        rule = line.strip().lstrip("!").removeprefix("**/")
        if not rule or rule.startswith("#"):
            continue
        names = [Path(parent).name for parent in parents] if "**/" in line else parents
        if any(fnmatch.fnmatchcase(name, rule) for name in names):
            out = not line.startswith("!")
    return out


@pytest.mark.parametrize(
    ("path", "expected"), [*((path, True) for path in PRIVATE), *((path, False) for path in PUBLIC)]
)
def test_only_code_enters_the_build(path: str, expected: bool) -> None:
    assert ignored(path) is expected


@pytest.mark.parametrize("name", AIRFLOW)
def test_every_airflow_process_has_the_same_environment_but_for_what_few_may_know(name: str) -> None:
    own = {
        "AIRFLOW_ADMIN_PASSWORD", "DUMB_INIT_SETSID", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET",
        "KEEP_DAYS",
    }  # fmt: skip
    first = AIRFLOW["airflow-apiserver"]["environment"]
    given = AIRFLOW[name]["environment"]
    assert {k: v for k, v in given.items() if k not in own} == {k: v for k, v in first.items() if k not in own}
    for key in ("image", "user", "env_file"):
        assert AIRFLOW[name][key] == AIRFLOW["airflow-apiserver"][key]


def test_the_password_of_the_ui_reaches_the_api_server_alone() -> None:
    assert {name for name, service in SERVICES.items() if "ui:/opt/airflow/ui" in service.get("volumes", [])} == {
        "airflow-init",
        "airflow-apiserver",
    }
    told = {name for name, service in AIRFLOW.items() if service["environment"]["AIRFLOW_ADMIN_PASSWORD"]}
    assert told == {"airflow-init"}


ELSEWHERE = {
    "AIRFLOW__API__HOST", "AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__CORE__EXECUTOR", "AIRFLOW__CORE__PLUGINS_FOLDER",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
}  # fmt: skip
"""What a container must set to something else than a laptop."""


def test_what_the_laptop_sets_for_airflow_the_containers_set_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AIRFLOW__")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg2://")
    laptop = {k: v for k, v in Home.of(settings.load()).environment.items() if k.startswith("AIRFLOW__")}
    containers = AIRFLOW["airflow-scheduler"]["environment"]
    assert laptop.keys() >= ELSEWHERE
    assert laptop.keys() <= containers.keys()
    for name in laptop.keys() - ELSEWHERE:
        assert _VARIABLE.sub(lambda match: match[3], containers[name]) == laptop[name], name


def test_no_name_of_make_env_means_anything_to_airflow() -> None:
    meant = ("AIRFLOW__", "AIRFLOW_HOME", "AIRFLOW_CONFIG", "AIRFLOW_CONN_", "AIRFLOW_VAR_", "MARKETLAKE")
    assert not [name for name in env_file._CONTAINERS if name.startswith(meant)]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["airflow", "celery", "worker"], True),
        (["celery", "--app", "airflow.providers.celery.executors.celery_executor.app", "inspect", "ping"], False),
        (["airflow", "jobs", "check"], False),
        (["airflow", "api-server"], False),
    ],
    ids=["worker", "its health check", "another health check", "API server"],
)
def test_the_worker_preloads_what_its_tasks_import_and_a_health_check_does_not(
    command: list[str], expected: bool
) -> None:
    code = f"import sys; sys.argv = {command!r}; import airflow; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ
        | {"PYTHONPATH": str(PROJECT / "include"), "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ({"marketlake.ingest.session", "pyarrow.parquet"} <= set(done.stdout.split())) is expected
