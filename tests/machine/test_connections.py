"""What is known of a connection without Airflow: that there is none, or else nothing."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from conftest import KEY, forget_the_machine
from local_airflow.server.connections import is_surely_absent
from local_airflow.server.home import Home
from local_airflow.server.home_environment import DATABASE
from marketlake import settings
from rig import PROJECT

NAME = "polygon_default"


@pytest.fixture
def folder(migrated: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home with Airflow's own empty database and file of settings, in which nothing names a connection."""
    forget_the_machine(monkeypatch)
    folder = tmp_path / "a home of %41 ? and 'quotes'"
    folder.mkdir()
    for name in ("airflow.db", "airflow.cfg"):
        shutil.copy(migrated / name, folder)
    monkeypatch.setenv("AIRFLOW_HOME", str(folder))
    return folder


def is_known() -> bool:
    return is_surely_absent(NAME, Home.of(settings.load()))


def stored(folder: Path, name: str) -> None:
    with closing(sqlite3.connect(folder / "airflow.db")) as database:
        row = "insert into connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) values (?, 'http', 0, 0)"
        database.execute(row, [name])
        database.commit()


def test_of_an_airflow_without_connections_it_is_known(folder: Path) -> None:
    assert is_known()
    stored(folder, "another")
    assert is_known()


def test_one_in_the_database_is_for_airflow_to_read(folder: Path) -> None:
    stored(folder, NAME)
    assert not is_known()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AIRFLOW_CONN_POLYGON_DEFAULT", "http://:key@127.0.0.1"),
        ("AIRFLOW_CONN_POLYGON_DEFAULT", ""),
        ("AIRFLOW__SECRETS__BACKEND", "a.backend"),
        ("AIRFLOW__SECRETS__BACKEND_CMD", "which backend"),
        ("AIRFLOW__WORKERS__SECRETS_BACKEND", "a.backend"),
        (DATABASE, "sqlite:////srv/elsewhere.db"),
    ],
)
def test_a_variable_that_may_lead_to_one_is_for_airflow_to_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert not is_known()


@pytest.mark.parametrize(
    ("empty", "line"),
    [
        ("\nbackend = \n", "\nbackend = a.backend\n"),
        ("\nbackend = \n", "\nbackend = \nbackend_cmd = which backend\n"),
        ("\nsecrets_backend = \n", "\nsecrets_backend = a.backend\n"),
        ("[secrets]", "no settings"),
    ],
)
def test_a_file_of_settings_that_names_a_backend_or_cannot_be_read_is_for_airflow(
    folder: Path, empty: str, line: str
) -> None:
    file = folder / "airflow.cfg"
    text = file.read_text()
    assert empty in text
    file.write_text(line if line == "no settings" else text.replace(empty, line))
    assert not is_known()


@pytest.mark.parametrize("name", ["airflow.db", "airflow.cfg"])
def test_a_home_in_the_making_is_for_airflow(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert not is_known()


ASK = """
import sys
from local_airflow import client_of_tasks
from local_airflow.server.home import Home
from marketlake import settings
configured = settings.load()
print(client_of_tasks.client(Home.of(configured), configured), "airflow" in sys.modules)
"""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, f"API key ****{KEY[-4:]} from POLYGON_API_KEY False"),
        (
            {"AIRFLOW_CONN_POLYGON_DEFAULT": "http://:of-the-connection-c0nn@127.0.0.1%3A9"},
            "API key ****c0nn from the connection polygon_default True",
        ),
    ],
)
def test_the_client_is_the_same_with_airflow_and_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str
) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    asked = subprocess.run(
        [sys.executable, "-c", ASK], cwd=PROJECT, capture_output=True, text=True, timeout=120, check=True
    )
    assert told in asked.stdout
