"""The demo's own folder, environment and simulator: nothing of the user's is read, and nothing of it is left."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from filelock import FileLock, Timeout

from local_airflow.home import AirflowTrouble
from local_airflow.processes import Processes, free_port, stop_strays
from local_airflow.stack import wait_for
from marketlake import settings

FOLDER_VARIABLE = "MARKETLAKE_DEMO_FOLDER"
_KEY = "key-of-the-demo-only"
_OWN_FOLDERS = ("airflow", "simulator", "data", "logs")
_START_S = 60


@dataclass(frozen=True)
class DemoFolder:
    """One folder that holds a demo's lake, logs, Airflow and simulator."""

    path: Path

    @classmethod
    def of_this_checkout(cls) -> DemoFolder:
        """``.demo`` in the project folder, or what ``MARKETLAKE_DEMO_FOLDER`` names."""
        return cls((settings.project_folder() / os.environ.get(FOLDER_VARIABLE, ".demo")).absolute())

    @property
    def airflow(self) -> Processes:
        """The demo's Airflow."""
        return Processes(self.path / "airflow")

    @property
    def simulator(self) -> Processes:
        """The demo's simulator."""
        return Processes(self.path / "simulator")

    def end(self) -> int:
        """End what a demo has left running. How many processes there were."""
        return self.airflow.stop() + self.simulator.stop() + stop_strays(self.path / "airflow")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One demo of a folder at a time, which starts from nothing. Raises AirflowTrouble."""
        lock = FileLock(self.path / "lock", timeout=0)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as exc:
            raise AirflowTrouble(f"another demo runs in {self.path}: let it end, or stop it with Ctrl-C.") from exc
        except OSError as exc:
            raise AirflowTrouble(
                f"{self.path} cannot be written ({exc.strerror}): use a checkout that can be."
            ) from exc
        try:
            self.end()
            for name in _OWN_FOLDERS:
                shutil.rmtree(self.path / name, ignore_errors=True)
            yield
        finally:
            lock.release()

    def become(self, simulator_url: str) -> None:
        """Give this process, and all it starts, the demo's environment: no key, setting or Airflow of the user's."""
        defaults = self.path / "settings.yaml"
        defaults.write_text("{}\n")
        foreign = ("AIRFLOW", "MARKETLAKE", "POLYGON", "MASSIVE")
        for name in [name for name in os.environ if name.lstrip("_").startswith(foreign)]:
            del os.environ[name]
        os.environ |= {
            settings.ENV_FILE_VARIABLE: "",
            settings.SETTINGS_FILE_VARIABLE: str(defaults),
            settings.BASE_URL_VARIABLE: simulator_url,
            "POLYGON_API_KEY": _KEY,
            "AIRFLOW_HOME": str(self.path / "airflow"),
            "MARKETLAKE__STORAGE__ROOT": str(self.path / "data"),
            "MARKETLAKE__LOGGING__FOLDER": str(self.path / "logs"),
            "MARKETLAKE__TASKS__RETRIES": "0",
        }

    def start_simulator(self, faults: dict[str, list[dict[str, Any]]]) -> str:
        """Start the simulator on a free port, and wait until it answers. Its address."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "polygon_simulator", "--key", _KEY, "--port", str(port)]
        python_path = os.pathsep.join([str(settings.project_folder() / "include"), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": python_path}
        self.simulator.start("simulator", [*command, "--faults", json.dumps(faults)], port, "demo", environment)
        wait_for(lambda: _answers(url), "the simulator", self.simulator, _START_S)
        return url


def heal(simulator_url: str) -> None:
    """Let the simulator answer without faults."""
    _local("POST", f"{simulator_url}/simulator/faults", json={}).raise_for_status()


def _answers(url: str) -> bool:
    try:
        return _local("GET", f"{url}/simulator/health").ok
    except requests.RequestException:
        return False


def _local(method: str, url: str, **given: Any) -> requests.Response:
    """One request to this machine, past any proxy that the environment names."""
    with requests.Session() as http:
        http.trust_env = False
        return http.request(method, url, timeout=10, **given)
