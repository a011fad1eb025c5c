"""The demo's own folder, environment and simulator: nothing of the user's is read, and nothing of it is left."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from filelock import FileLock, Timeout

from local_airflow.server.home import AirflowTrouble
from local_airflow.server.process_tree import stop_strays
from local_airflow.server.processes import Processes
from local_airflow.server.stack import end, wait_for
from marketlake import settings
from marketlake.console import say
from marketlake.dataset_names import NAMES
from marketlake.paths import path_of

FOLDER_VARIABLE = "MARKETLAKE_DEMO_FOLDER"
_KEY = "key-of-the-demo-only"
_MARK = "made-by-make-demo"
_OWN_FOLDERS = ("airflow", "simulator", "data", "logs")
_START_S = 60


@dataclass(frozen=True)
class DemoFolder:
    """One folder that holds a demo's lake, logs, Airflow and simulator."""

    path: Path

    @classmethod
    def of_this_checkout(cls) -> DemoFolder:
        """``.demo`` in the project folder, or what ``MARKETLAKE_DEMO_FOLDER`` names."""
        given = path_of(FOLDER_VARIABLE, os.environ.get(FOLDER_VARIABLE) or ".demo")
        return cls((settings.project_folder() / given).resolve())

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
        if self.path.exists() and not (self.path / _MARK).exists():
            return 0  # not a demo's; one that was deleted may still have processes
        recorded = end(self.airflow) + end(self.simulator)
        return recorded + stop_strays(self.path / "airflow") + stop_strays(self.path / "simulator")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One demo of a folder at a time, which starts from nothing. Raises AirflowTrouble."""
        self._claim()
        lock = FileLock(self.path / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as exc:
            raise AirflowTrouble(f"another demo runs in {self.path}: let it end, or stop it with Ctrl-C.") from exc
        try:
            if left := self.end():
                say(f"ended {left} processes of the last demo, whose files are now removed")
            self._empty()
            yield
        finally:
            lock.release()

    def _claim(self) -> None:
        """Mark the folder as a demo's. Raises AirflowTrouble if it holds what no demo has made."""
        others = [name for name in _OWN_FOLDERS if (self.path / name).exists()]
        if others and not (self.path / _MARK).exists():
            raise AirflowTrouble(
                f"{self.path} holds {', '.join(others)}, which no demo has made, and which stays as it is:"
                f" unset {FOLDER_VARIABLE}, or name an empty folder."
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / _MARK).touch()
        except OSError as exc:
            raise AirflowTrouble(
                f"{self.path} cannot be written ({exc.strerror}): set {FOLDER_VARIABLE} to a folder that can be."
            ) from exc

    def _empty(self) -> None:
        try:
            for name in _OWN_FOLDERS:
                if (self.path / name).exists():
                    shutil.rmtree(self.path / name)
        except OSError as exc:
            raise AirflowTrouble(
                f"{exc.filename} of the last demo cannot be removed ({exc.strerror}): remove {self.path} by hand."
            ) from exc

    def use_demo_environment(self, collected: Mapping[str, str]) -> None:
        """Give this process, and all it starts, the demo's environment: no key, setting, proxy or Airflow of
        the user's, and the variables that say what is ``collected``.
        """
        defaults = self.path / "settings.yaml"
        defaults.write_text("{}\n")
        foreign = re.compile(r"_?AIRFLOW|MARKETLAKE|POLYGON|MASSIVE|(https?|all)_proxy$", re.IGNORECASE)
        for name in [name for name in os.environ if foreign.match(name)]:
            del os.environ[name]
        os.environ |= {
            settings.ENV_FILE_VARIABLE: "",
            settings.SETTINGS_FILE_VARIABLE: str(defaults),
            "POLYGON_API_KEY": _KEY,
            "AIRFLOW_HOME": str(self.path / "airflow"),
            "MARKETLAKE__STORAGE__ROOT": str(self.path / "data"),
            "MARKETLAKE__LOGGING__FOLDER": str(self.path / "logs"),
            "MARKETLAKE__TASKS__RETRIES": "0",
            **collected,
        }

    def start_simulator(self, faults: dict[str, list[dict[str, Any]]], contracts: str = "full") -> str:
        """Start the simulator on a port that it finds free, and configure its address, which is returned."""
        command = [sys.executable, "-m", "polygon_simulator", "--faults", json.dumps(faults), "--contracts", contracts]
        python_path = os.pathsep.join([str(settings.project_folder() / "include"), os.environ.get("PYTHONPATH", "")])
        # Not as an argument: those are seen by every user of the machine.
        environment = {**os.environ, "PYTHONPATH": python_path, "POLYGON_API_KEY": _KEY}
        self.simulator.start("simulator", command, 0, "demo", environment)
        wait_for(lambda: self._address() is not None, "the simulator", self.simulator, _START_S)
        address = str(self._address())
        os.environ[settings.BASE_URL_VARIABLE] = address
        return address

    def _address(self) -> str | None:
        line = re.search(r"^serving on (\S+)$", self.simulator.log_of("simulator").read_text(), re.MULTILINE)
        return line[1] if line else None

    def heal(self, address: str) -> None:
        """Let the simulator answer without faults. Raises AirflowTrouble if it has died."""
        self.simulator.require_alive()
        with requests.Session() as http:
            http.trust_env = False
            try:
                http.post(f"{address}/simulator/faults", json={}, timeout=10).raise_for_status()
            except requests.RequestException as exc:
                raise AirflowTrouble(
                    f"the simulator does not answer ({type(exc).__name__}): see {self.simulator.log_of('simulator')}."
                ) from exc


def tickers_of(dataset: str) -> dict[str, str]:
    """The variables with which one dataset alone is collected, of SPY."""
    return {
        f"{settings.ENV_PREFIX}DATASETS__{name.upper()}__TICKERS": '["SPY"]' if name == dataset else "[]"
        for name in NAMES
    }
