"""What Airflow's ``db migrate`` has left on one home, so that it is not started if it has nothing to do.

Known of the embedded database alone, which is asked for its revision each time. Should the note ever be wrong, each
process of Airflow still refuses a database of another revision; and each keeps the templates of log files up to date.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from local_airflow.server.home_environment import DATABASE, embedded_database

_NOTE = "migrated.json"
_MATTERS = "AIRFLOW__DATABASE__"
"""What says where the database is, and who else has tables in it."""


class Migration:
    """The last one of a home that succeeded."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment

    def is_done(self) -> bool:
        """Whether the database is as this Airflow has left it, with the same settings."""
        done = self._done()
        try:
            return done is not None and json.loads((self._folder / _NOTE).read_text()) == done
        except (OSError, ValueError):
            return False

    def note(self) -> None:
        """That it has just succeeded."""
        done = self._done()
        if done is not None:
            (self._folder / _NOTE).write_text(json.dumps(done))

    def _done(self) -> dict[str, str] | None:
        """What there is to know of it; None if that is not enough."""
        if self._environment[DATABASE] != embedded_database(self._folder):
            return None
        given = {name: value for name, value in sorted(self._environment.items()) if name.startswith(_MATTERS)}
        try:
            settings = json.dumps(given).encode() + (self._folder / "airflow.cfg").read_bytes()
            revision = self._revision()
        except (OSError, sqlite3.Error):
            return None
        hashed = hashlib.sha256(settings).hexdigest()
        return {"airflow": version("apache-airflow"), "revision": revision, "settings": hashed} if revision else None

    def _revision(self) -> str:
        """Where the database's tables are; empty if that is not one place."""
        with closing(sqlite3.connect(f"{(self._folder / 'airflow.db').as_uri()}?mode=ro", uri=True)) as database:
            versions = database.execute("select version_num from alembic_version").fetchall()
        return str(versions[0][0]) if len(versions) == 1 else ""
