"""The processes of one Airflow: which there are, how each is started, and with what environment."""

from __future__ import annotations

import sys

from local_airflow.server.home import Home
from local_airflow.server.processes import Processes, Running

OF_UP = ("api-server", "dag-processor", "scheduler", "triggerer")
"""What ``make up`` starts, in this order, and what a healthy Airflow has."""
KEEPER = "keeper"
"""Starts the others again; what looks after it is the next ``make up``."""
UNSCHEDULED = {"MARKETLAKE__SCHEDULE__ENABLED": "false"}


def command_of(component: str, port: int) -> list[str]:
    """The command of one component. Only the API server listens, on 127.0.0.1."""
    arguments = {
        "api-server": ["--port", str(port)],
        # Their log servers listen on every address; logs lie on this machine, where the API server reads them.
        "scheduler": ["--skip-serve-logs"],
        "triggerer": ["--skip-serve-logs"],
    }
    if component == KEEPER:
        return [sys.executable, "-m", "local_airflow", "keep"]
    return [sys.executable, "-m", "airflow", component, *arguments.get(component, [])]


def start_component(
    processes: Processes, component: str, port: int, started_by: str, environment: dict[str, str]
) -> None:
    """Start one component (``api-server``, ``scheduler``, ...) for the first time."""
    processes.start(component, command_of(component, port), port, started_by, environment)


def started_environment(home: Home, port: int) -> dict[str, str]:
    """The environment of every process of one stack: they find the API server at that port."""
    return home.environment | {
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
    }


def environment_again(home: Home, running: Running) -> dict[str, str]:
    """The same for what joins a stack later: one that was started without its schedule gets none by that."""
    return started_environment(home, running.port) | (UNSCHEDULED if running.unscheduled else {})
