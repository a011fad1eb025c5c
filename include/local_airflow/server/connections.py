"""Whether Airflow has a connection, as far as that can be known without Airflow, whose import takes 2 s of CPU."""

from __future__ import annotations

import sqlite3
from configparser import Error, RawConfigParser
from contextlib import closing
from pathlib import Path

from local_airflow.server.home import Home
from local_airflow.server.home_environment import DATABASE, embedded_database

_BACKENDS = (("secrets", "backend"), ("workers", "secrets_backend"))
_OF_BACKENDS = ("AIRFLOW__SECRETS__", "AIRFLOW__WORKERS__SECRETS_")


def is_surely_absent(name: str, home: Home) -> bool:
    """Whether there is none, wherever Airflow would look: in a variable, a secrets backend, or its database.

    False if only Airflow can tell: over a backend, another database than the embedded one, or a home without one yet.
    """
    variables = (f"AIRFLOW_CONN_{name.upper()}", *_OF_BACKENDS)
    if home.environment[DATABASE] != embedded_database(home.folder) or any(
        given.startswith(variables) for given in home.environment
    ):
        return False
    try:
        return not _names_a_backend(home.folder / "airflow.cfg") and not _is_stored(name, home.folder / "airflow.db")
    except (OSError, UnicodeDecodeError, sqlite3.Error, Error):
        return False


def _names_a_backend(file: Path) -> bool:
    parser = RawConfigParser(strict=False)
    parser.read_string(file.read_text(encoding="utf-8"))
    return any(
        value.strip()
        for section, name in _BACKENDS
        if parser.has_section(section)
        for option, value in parser.items(section)
        if option.startswith(name)
    )


def _is_stored(name: str, database: Path) -> bool:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as opened:
        return bool(opened.execute("select 1 from connection where conn_id = ?", [name]).fetchall())
