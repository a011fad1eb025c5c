"""``AIRFLOW_HOME`` and the environment of every Airflow process of this checkout."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from local_airflow.server.cause import cause_in
from local_airflow.server.home_environment import DATABASE, admin, airflow_environment, search_path
from local_airflow.server.migration import Migration
from marketlake import proxies, settings
from marketlake.errors import MarketLakeError
from marketlake.paths import path_of

_START_S = 180
_MIGRATE_S = 600
_HIGHEST_PORT = 65_535
_AIRFLOWS = re.compile(r"AIRFLOW__\w+")
_MOST_NAMED = 8
_MARK = "home-of-spy-options-intelligence-platform"


class AirflowTrouble(MarketLakeError):
    """Airflow did not do what it was asked; the message says what to look at."""


@dataclass(frozen=True)
class Home:
    """One ``AIRFLOW_HOME``. ``environment`` is complete: user's over ``.env`` over what this needs."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    def of(cls, configured: settings.Settings) -> Home:
        """The home that ``AIRFLOW_HOME`` names, else ``.airflow`` in the project folder."""
        project = settings.project_folder()
        given = settings.environment()
        folder = (project / path_of("AIRFLOW_HOME", given.get("AIRFLOW_HOME") or ".airflow")).absolute()
        environment = airflow_environment(project, folder, configured, given) | {
            "PYTHONPATH": search_path(project / "include", given.get("PYTHONPATH", "")),
            **proxies.normalised(given, served=[configured.api.base_url]),
            "PATH": search_path(Path(sys.executable).parent, given.get("PATH", os.defpath)),
        }
        return cls(folder, environment)

    @property
    def database(self) -> str:
        """What the metadata database is, without user or password."""
        url = self.environment[DATABASE]
        return "embedded SQLite" if url.startswith("sqlite") else url.partition("://")[0].partition("+")[0]

    @property
    def user(self) -> str:
        """The name to log in with. Raises SettingsError if nobody may do everything."""
        return admin(self.environment)

    @property
    def port(self) -> int:
        """Where the API server of ``make up`` listens, on 127.0.0.1. Raises AirflowTrouble."""
        given = self.environment.get("AIRFLOW__API__PORT") or "8080"
        if not given.isdecimal() or not 0 < int(given) <= _HIGHEST_PORT:
            raise AirflowTrouble(f"AIRFLOW__API__PORT={given} is no port: write a number from 1 to {_HIGHEST_PORT}.")
        return int(given)

    @property
    def passwords_file(self) -> Path:
        """Where the password of the user lies, readable by its owner alone."""
        return Path(self.environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])

    def password(self) -> str:
        """The password of the user; made up and stored on first use."""
        path = self.passwords_file
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if self.user not in known:
            known[self.user] = secrets.token_urlsafe(12)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(json.dumps(known))
        return known[self.user]

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Only one command at a time prepares or starts this home. Raises AirflowTrouble."""
        self._make_folder()
        lock = FileLock(self.folder / "start.lock", timeout=_START_S)
        try:
            lock.acquire()
        except Timeout as exc:
            raise AirflowTrouble(
                f"another command has been starting Airflow on {self.folder} for {_START_S} s: wait for it, or end it"
                " with  make down"
            ) from exc
        try:
            yield
        finally:
            lock.release()

    def is_starting(self) -> bool:
        """Whether a command prepares or starts this home just now."""
        if not self.folder.is_dir():
            return False
        try:
            with FileLock(self.folder / "start.lock", timeout=0):
                return False
        except Timeout:
            return True

    def claim(self) -> None:
        """Mark the folder as this project's. Raises AirflowTrouble if another Airflow lives in it:
        its database may be of another version, and would be changed for good.
        """
        self._make_folder()
        mark = self.folder / _MARK
        others = [name for name in ("airflow.cfg", "airflow.db") if (self.folder / name).exists()]
        if others and not mark.exists():
            raise AirflowTrouble(
                f"AIRFLOW_HOME={self.folder} holds another Airflow ({', '.join(others)}), which stays as it is:"
                " unset AIRFLOW_HOME, or name an empty folder."
            )
        mark.touch()

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as exc:
            raise AirflowTrouble(
                f"AIRFLOW_HOME={self.folder} cannot be made or written ({exc.strerror}): set AIRFLOW_HOME to a folder"
                " that can be."
            ) from exc

    def migrate(self) -> None:
        """Create or update the metadata database, within ``starting``; there is nothing to do if the last time is
        still good. Raises AirflowTrouble.
        """
        self.claim()
        migration = Migration(self.folder, self.environment)
        if migration.is_done():
            return
        with (self.folder / "migrate.log").open("w") as output:
            try:
                done = subprocess.run(
                    [sys.executable, "-m", "airflow", "db", "migrate"],
                    env=self.environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    check=False,
                    timeout=_MIGRATE_S,
                )
            except subprocess.TimeoutExpired as exc:
                raise AirflowTrouble(
                    f"the metadata database ({self.database}) was not ready after {_MIGRATE_S} s: see whether it is"
                    f" locked or out of reach. What was printed: {output.name}"
                ) from exc
        if done.returncode:
            cause = cause_in(Path(output.name).read_text(errors="replace")) or "nothing was printed"
            given = sorted(name for name, value in settings.environment().items() if _AIRFLOWS.match(name) and value)
            raise AirflowTrouble(
                f"the metadata database ({self.database}) could not be prepared: {cause.rstrip('.?')}. See"
                f" {', '.join(given[:_MOST_NAMED]) or DATABASE}, and all that was printed: {output.name}"
            )
        migration.note()
