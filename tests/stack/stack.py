"""A stack of its own: its secrets, its lake, its simulator, and what its Airflow and its lake say."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from local_airflow import env_file
from local_airflow.server.api import AirflowApi
from local_airflow.server.home import AirflowTrouble
from stack.engine import Engine

DAG = "spy_second_bars"
AIRFLOW = ("airflow-scheduler", "airflow-worker", "airflow-triggerer", "airflow-dag-processor", "airflow-apiserver")


@dataclass(frozen=True)
class Stack:
    """The running containers and a user of their Airflow."""

    engine: Engine
    folder: Path
    api: AirflowApi
    dates: tuple[dt.date, dt.date]

    def ended(self) -> int:
        """Sessions of backfills that have ended well."""
        counted = self.engine.sql(
            "select count(*) from task_instance t join dag_run r using (dag_id, run_id) where r.run_type = 'backfill'"
            f" and dag_id = '{DAG}' and t.task_id = 'ingest_session' and t.state = 'success'"
        )
        return int(counted[0][0])

    def under_way(self) -> tuple[int, int]:
        """Backfill runs that have not ended, and sessions that are fetched at this moment."""
        runs = self.engine.sql("select count(*) from dag_run where state in ('queued', 'running')")
        tasks = self.engine.sql(
            "select count(*) from task_instance where state = 'running' and task_id = 'ingest_session'"
        )
        return int(runs[0][0]), int(tasks[0][0])

    def create_backfill(self, first: str, last: str, runs: int) -> None:
        """By the command that the docs name."""
        self.engine.execute(
            "airflow-scheduler", "airflow", "backfill", "create", "--dag-id", DAG, "--from-date", first,
            "--to-date", last, "--reprocess-behavior", "failed", "--max-active-runs", str(runs),
        )  # fmt: skip

    def log_in(self) -> None:
        """Raises AirflowTrouble if the API server does not know the admin."""
        if not self.api.log_in():
            raise AirflowTrouble(f"the API server at {self.api.base_url} does not let its admin in")


def written_env(folder: Path, *, workers: int, calls_a_minute: int, s3: bool) -> tuple[Path, str, AirflowApi]:
    """The environment file of a stack of its own, its project's name, and the user of its Airflow."""
    project, port = f"spy-stack-{secrets.token_hex(3)}", _free_port()
    path, lake = folder / "env", folder / "data"
    lake.mkdir()
    asked = env_file._demo({}) | (env_file._s3("demo") if s3 else {})
    given = {name: value() for name, value in asked.items()}
    if os.getuid() == 0:
        os.chown(lake, int(given["AIRFLOW_UID"]), 0)
    given |= {
        "COMPOSE_PROJECT_NAME": project,
        "CONTAINERS_ENV_FILE": str(path),
        "LAKE_FOLDER": str(lake),
        "AIRFLOW_PORT": str(port),
        "AIRFLOW_WORKERS": str(workers),
        "MARKETLAKE__API__REQUESTS_PER_MINUTE": str(calls_a_minute),
        "MARKETLAKE__SCHEDULE__ENABLED": "false",
    }
    path.touch(0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    return path, project, AirflowApi(f"http://127.0.0.1:{port}", "admin", given["AIRFLOW_ADMIN_PASSWORD"])


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
