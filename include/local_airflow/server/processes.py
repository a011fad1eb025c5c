"""Processes on this machine that outlive a command: started, found again, and ended with their children."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from local_airflow.server.cause import cause_in, last_exception_in
from local_airflow.server.home import AirflowTrouble
from local_airflow.server.process_tree import KILL_WAIT_S, TERM_WAIT_S, end_idle, orphans, process_of, stop_all

_TURN_S = 30
_ENDING_S = TERM_WAIT_S + KILL_WAIT_S + 5
_TAIL_BYTES = 65_536
_OF_THE_LAKE = (
    "MARKETLAKE_SETTINGS_FILE",
    "MARKETLAKE__API__BASE_URL",
    "MARKETLAKE__BARS__ADJUSTED",
    "MARKETLAKE__STORAGE__ENDPOINT_URL",
    "MARKETLAKE__STORAGE__ROOT",
    "MARKETLAKE__TICKERS",
    "POLYGON_BASE_URL",
)
_OF_ITS_DATASETS = ("MARKETLAKE__DATASETS__", "MARKETLAKE__OPTIONS__")
"""How the names of those begin that say what is fetched, and so which DAGs there are."""


@dataclass(frozen=True)
class Running:
    """What was started from one folder."""

    port: int
    """where it serves, on 127.0.0.1"""
    started_by: str
    """the command: ``up``, ``backfill`` or ``demo``"""
    pids: dict[str, tuple[int, float]]
    """of each process by its name: its id and start time, seconds since 1970"""
    given: dict[str, str]
    """the variables of the lake that it was started with"""
    unscheduled: bool
    """without its schedule"""
    ending: bool = False
    """somebody is ending it on purpose"""
    again: tuple[str, ...] = ()
    """the names of those that were started once more, which nobody has reported yet"""

    def alive(self) -> list[psutil.Process]:
        """Those that still live: the same process id with the same start time."""
        return [process for pid, started_s in self.pids.values() if (process := process_of(pid, started_s))]

    def living(self) -> list[str]:
        """The names of those that still live."""
        return [name for name, (pid, started_s) in self.pids.items() if process_of(pid, started_s)]


class Processes:
    """Starts, finds and stops the processes of one folder, which holds their ids and what they print.

    The record and what it names change together, within a lock that is held for moments: so nothing is started
    while everything is being ended, and nothing that was started stays unknown.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "processes.json"
        self._begun = False

    def running(self) -> Running | None:
        """What was started before and lives; None if nothing does."""
        try:
            stored = json.loads(self._file.read_text())
            pids = {name: (int(pid), float(started_s)) for name, (pid, started_s) in stored["pids"].items()}
            running = Running(
                stored["port"],
                stored["started_by"],
                pids,
                stored.get("given", {}),
                bool(stored.get("unscheduled", stored["started_by"] != "up")),
                bool(stored.get("ending")),
                tuple(stored.get("again", ())),
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):  # cut off by a loss of power
            return None
        return running if running.alive() else None

    def wait_settled(self) -> Running | None:
        """The same, once nothing is being ended any more. Raises AirflowTrouble if that takes too long."""
        deadline = time.monotonic() + _ENDING_S
        while (running := self.running()) is not None and running.ending:
            if time.monotonic() > deadline:
                raise AirflowTrouble(
                    f"the Airflow of {self._folder} is being ended, and is not gone after {_ENDING_S} s:  make down"
                    "  again, and then the same command."
                )
            time.sleep(0.2)
        return running

    def start(self, name: str, command: list[str], port: int, started_by: str, environment: dict[str, str]) -> None:
        """Start one process in a group of its own. Raises AirflowTrouble if those that this object has started
        before were ended meanwhile, or are being ended.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        with self._turn():
            before = self.running()
            if before.ending if before else self._begun:
                self.require_alive()
                raise AirflowTrouble(
                    f"{name} is not started: the Airflow of {self._folder} is being ended. Call again."
                )
            new = Running(port, started_by, {}, variables_of_the_lake(environment), _has_no_schedule(environment))
            self._launch(name, command, replace(new, pids=before.pids if before else {}), environment)
            self._begun = True

    def start_again(self, name: str, command: list[str], environment: dict[str, str]) -> bool:
        """Start one that has ended, or that is missing, beside those that live. False if there is nothing to do: it
        lives, nothing does, or everything is being ended.
        """
        with self._turn():
            running = self.running()
            if running is None or running.ending or (name in running.pids and name not in self.ended()):
                return False
            again = tuple(sorted({*running.again, *({name} & running.pids.keys())}))
            self._launch(name, command, replace(running, again=again), environment)
        return True

    def _launch(self, name: str, command: list[str], beside: Running, environment: dict[str, str]) -> None:
        if self.log_of(name).exists():
            self.log_of(name).replace(self.log_of(f"{name}-before"))
        with self.log_of(name).open("w") as output:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self._folder,
            )
        try:
            started = (process.pid, psutil.Process(process.pid).create_time())
            self._record(replace(beside, pids={**beside.pids, name: started}))
        except BaseException:  # an interrupt, say: nobody else would know of it
            process.kill()
            raise

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Held while the record and the processes change. Only for moments, since ``stop`` waits for it."""
        try:
            with FileLock(self._folder / "processes.lock", timeout=_TURN_S):
                yield
        except Timeout as exc:
            raise AirflowTrouble(
                f"another command has held {exc.lock_file} for {_TURN_S} s, which takes moments: see whether one hangs,"
                " then call again."
            ) from exc

    def _record(self, running: Running) -> None:
        staged = self._file.with_suffix(".new")
        staged.write_text(json.dumps(asdict(running)))
        staged.replace(self._file)

    def ended(self) -> list[str]:
        """The names of those that have ended while others live."""
        running = self.running()
        pids = running.pids if running else {}
        return [name for name, (pid, started_s) in pids.items() if process_of(pid, started_s) is None]

    def is_on_record(self, name: str, pid: int) -> bool:
        """Whether that process is the one that was started under that name, and nothing is being ended."""
        with self._turn():  # whoever starts a process writes its record within one
            running = self.running()
        return running is not None and not running.ending and running.pids.get(name, (0, 0.0))[0] == pid

    def end_of(self, name: str) -> str:
        """That a process has ended, its log, and the cause as far as the log says it. One line."""
        cause = cause_in(self._tail_of(name))
        return f"{name} has ended: see {self.log_of(name)}" + (f", which says last: {cause}" if cause else "")

    def last_exceptions(self) -> dict[str, str]:
        """The last exception in the log of each process on record, by name; of those that have one."""
        running = self.running()
        last = {name: last_exception_in(self._tail_of(name)) for name in (running.pids if running else {})}
        return {name: exception for name, exception in last.items() if exception}

    def _tail_of(self, name: str) -> str:
        """The end of what a process has printed; empty if that cannot be read."""
        try:
            with self.log_of(name).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def require_alive(self) -> None:
        """Raise AirflowTrouble if one of the started processes has ended."""
        for name in self.ended():
            raise AirflowTrouble(f"{self.end_of(name)}.")
        if self.running() is None:
            raise AirflowTrouble(f"no process of {self._folder} is alive: if nobody gave  make down, see {self._logs}.")

    @property
    def _logs(self) -> Path:
        return self._folder / "process-logs"

    def log_of(self, name: str) -> Path:
        """Where a process writes what it prints."""
        return self._logs / f"{name}.log"

    def stop(self) -> int:
        """End every process of ``running`` and all below them: ask first, then insist. How many there were."""
        if not self._file.exists():
            return 0
        with self._turn():
            running = self.running()
            if running is not None:
                with suppress(OSError):  # on a full disk, all is ended the same
                    self._record(replace(running, ending=True))
        self.stop_idle_workers()
        count = stop_all([*running.alive(), *orphans(self._folder)]) if running else 0
        with self._turn():
            left = self.running()
            if left is None or left.ending:  # else, another command has started anew since
                self._file.unlink(missing_ok=True)
        return count

    def stop_idle_workers(self) -> bool:
        """End the executor's workers of a scheduler that was killed, which would wait for ever. Whether some are left,
        because they are at a task.
        """
        return end_idle(orphans(self._folder))

    def take_restarted(self) -> tuple[str, ...]:
        """The names of those that were started again since the last call."""
        with self._turn():
            running = self.running()
            if running is None or not running.again:
                return ()
            with suppress(OSError):  # on a full disk, they are reported once more
                self._record(replace(running, again=()))
            return running.again


def variables_of_the_lake(environment: Mapping[str, str]) -> dict[str, str]:
    """Those that say which lake tasks write, what of, and where from; none of them is a secret."""
    return {
        name: value
        for name, value in environment.items()
        if value and (name in _OF_THE_LAKE or name.startswith(_OF_ITS_DATASETS))
    }


def _has_no_schedule(environment: Mapping[str, str]) -> bool:
    return environment.get("MARKETLAKE__SCHEDULE__ENABLED", "").lower() == "false"
