"""What has ended by itself is started again: on SQLite, a lock at the wrong moment ends a scheduler."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from local_airflow.server.components import KEEPER, command_of, environment_again
from local_airflow.server.home import AirflowTrouble, Home
from local_airflow.server.processes import Processes, Running
from marketlake.console import say
from marketlake.errors import OutputLost

_MOST_RESTARTS = 3
_WITHIN_S = 3600
_PAUSE_S = 15
_POLL_S = 2
_PATIENCE_S = 120


class Patience:
    """Looks on while somebody else keeps the processes of a folder: what has ended may take a while to come back."""

    def __init__(self, folder: Path, say: Callable[[str], None], now_s: Callable[[], float] = time.monotonic) -> None:
        self._processes = Processes(folder)
        self._say = say
        self._now_s = now_s
        self._since_s: dict[str, float] = {}

    def __call__(self) -> None:
        """Raise AirflowTrouble if something has ended and stays so, or everything is being ended."""
        running = self._processes.running()
        if running is None or running.ending:
            self._processes.require_alive()
            return
        ended = [name for name in self._processes.ended() if name != KEEPER]
        for name in ended:
            if name not in self._since_s:
                self._say(f"{name} has ended by itself: waiting for it to be started again")
        self._since_s = {name: self._since_s.get(name, self._now_s()) for name in ended}
        if any(self._now_s() - since_s > _PATIENCE_S for since_s in self._since_s.values()):
            self._processes.require_alive()


class Keeper:
    """Starts again what has ended, each a few times an hour. Of one folder there is one at a time."""

    def __init__(
        self,
        folder: Path,
        environment: Callable[[Running], dict[str, str]],
        say: Callable[[str], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes = Processes(folder)
        self._environment = environment
        self._say = say
        self._now_s = now_s
        self._patience = Patience(folder, say, now_s)
        self._lock = FileLock(folder / "keeper.lock", timeout=0)
        self._restarts: dict[str, list[float]] = {}
        self._workers_are_left = False

    def keeps_alone(self) -> bool:
        """Whether nobody else keeps these processes; as long as this object lives, nobody else will then."""
        if not self._lock.is_locked:
            try:
                self._lock.acquire()
            except Timeout:
                return False
        return True

    def __call__(self) -> None:
        """Look after the processes once. Raises AirflowTrouble if they end too often, or on purpose."""
        if not self.keeps_alone():
            self._patience()
            return
        running = self._processes.running()
        if running is None or running.ending:
            self._processes.require_alive()
            return
        for name in self._processes.ended():
            self._start_again(name, running)
        if self._workers_are_left:
            self._workers_are_left = self._processes.stop_idle_workers()

    def _start_again(self, name: str, running: Running) -> None:
        now_s = self._now_s()
        lately = [at_s for at_s in self._restarts.get(name, []) if now_s - at_s < _WITHIN_S]
        if lately and now_s - lately[-1] < _PAUSE_S * len(lately):
            return  # what it needs may be away for a while: a database that restarts
        if len(lately) >= _MOST_RESTARTS:
            raise AirflowTrouble(
                f"{self._processes.end_of(name)}. It was started again {len(lately)} times within an hour, and is not"
                " any more: once the cause is gone,  make up  or the command that was given starts it."
            )
        self._restarts[name] = [*lately, now_s]
        self._workers_are_left |= name == "scheduler"
        try:
            done = self._processes.start_again(name, command_of(name, running.port), self._environment(running))
        except OSError as exc:  # a full disk, say: it may pass, and each try counts
            self._say(f"{name} has ended by itself, and could not be started again ({exc})")
            return
        if done:
            self._say(
                f"{name} has ended by itself, and is started again: see {self._processes.log_of(f'{name}-before')}"
            )


def of_home(home: Home, say: Callable[[str], None]) -> Keeper:
    """The keeper of an Airflow that this command has started, for as long as the command lives."""
    return Keeper(home.folder, lambda running: environment_again(home, running), say)


def keep() -> int:
    """The process that ``make up`` starts beside Airflow: keeps it until it is ended, with the settings that Airflow
    was started with. 0 if there is nothing for it to keep. Raises AirflowTrouble if something ends too often.
    """
    folder = Path(os.environ["AIRFLOW_HOME"])
    processes, environment = Processes(folder), dict(os.environ)
    keeper = Keeper(folder, lambda _: environment, _log)
    if not keeper.keeps_alone():
        _log(f"another process keeps the Airflow of {folder}: nothing to do")
        return 0
    _log(f"keeps the Airflow of {folder}")
    while processes.is_on_record(KEEPER, os.getpid()):
        keeper()
        time.sleep(_POLL_S)
    _log("Airflow was ended, or is kept by another process")
    return 0


def _log(line: str) -> None:
    with suppress(OutputLost):  # on a full disk, Airflow is kept without a log
        say(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S}Z  {line}")
