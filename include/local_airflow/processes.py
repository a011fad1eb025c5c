"""Airflow's processes on this machine: started, found again, and ended with all their children."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_airflow.home import AirflowTrouble, Home

_TERM_WAIT_S = 10
_KILL_WAIT_S = 5


@dataclass(frozen=True)
class Running:
    """The processes that were started for one home. ``port`` is the API server's, on 127.0.0.1."""

    port: int
    started_by: str
    pids: dict[str, tuple[int, float]]

    def alive(self) -> list[psutil.Process]:
        """Those that still live: the same process id with the same start time."""
        return [process for pid, started_s in self.pids.values() if (process := _process(pid, started_s))]


class Processes:
    """Starts, finds and stops the Airflow processes of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._file = home.folder / "processes.json"

    def running(self) -> Running | None:
        """What was started before and lives; None where nothing does."""
        try:
            stored = json.loads(self._file.read_text())
        except FileNotFoundError:
            return None
        pids = {name: (pid, started_s) for name, (pid, started_s) in stored["pids"].items()}
        running = Running(stored["port"], stored["started_by"], pids)
        return running if running.alive() else None

    def start(self, component: str, port: int, started_by: str, environment: dict[str, str]) -> None:
        """Start one component (``api-server``, ``scheduler``, ...) in a process group of its own."""
        before = self.running()
        arguments = ["--port", str(port)] if component == "api-server" else []
        logs = self._home.folder / "process-logs"
        logs.mkdir(parents=True, exist_ok=True)
        with (logs / f"{component}.log").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", component, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self._home.folder,
            )
        pids = dict(before.pids) if before else {}
        pids[component] = (process.pid, psutil.Process(process.pid).create_time())
        staged = self._file.with_suffix(".new")
        staged.write_text(json.dumps({"port": port, "started_by": started_by, "pids": pids}))
        staged.replace(self._file)

    def require_alive(self) -> None:
        """Raise AirflowTrouble where one of the started processes has ended."""
        running = self.running()
        for name, (pid, started_s) in (running.pids if running else {}).items():
            if _process(pid, started_s) is None:
                raise AirflowTrouble(f"airflow {name} has ended: see {self.log_of(name)}.")
        if running is None:
            raise AirflowTrouble(
                f"no Airflow process of {self._home.folder} is alive: see {self.log_of('api-server')}."
            )

    def log_of(self, component: str) -> Path:
        """Where a component writes what it prints."""
        return self._home.folder / "process-logs" / f"{component}.log"

    def stop(self) -> int:
        """End every process of ``running`` and all below them: ask first, then insist. How many there were."""
        running = self.running()
        self._file.unlink(missing_ok=True)
        if running is None:
            return 0
        family = _with_children(running.alive())
        for process in running.alive():
            _signal(process, insist=False)
        _, left = psutil.wait_procs(family, timeout=_TERM_WAIT_S)
        for process in _with_children(left):
            _signal(process, insist=True)
        psutil.wait_procs(left, timeout=_KILL_WAIT_S)
        return len(family)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether a server could listen on that port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def foreign_scheduler(folder: Path) -> int | None:
    """The process id of an ``airflow scheduler`` or ``standalone`` that somebody else runs on that home."""
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if {"scheduler", "standalone"} & set(words[1:4]) and any("airflow" in word for word in words[:3]):
                home = process.environ().get("AIRFLOW_HOME", str(Path.home() / "airflow"))
                if Path(home) == folder:
                    return int(process.pid)
        except psutil.Error:
            continue
    return None


def _process(pid: int, started_s: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started_s) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def _with_children(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    family: dict[int, psutil.Process] = {}
    for process in processes:
        family[process.pid] = process
        try:
            family.update({child.pid: child for child in process.children(recursive=True)})
        except psutil.NoSuchProcess:
            continue
    return list(family.values())


def _signal(process: psutil.Process, *, insist: bool) -> None:
    try:
        process.kill() if insist else process.terminate()
    except psutil.NoSuchProcess:
        return
