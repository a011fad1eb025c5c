"""When Airflow's ``db migrate`` is left out: only over a database that it has left as it is, with the same settings."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from local_airflow.server import home as home_module
from local_airflow.server import migration as migration_module
from local_airflow.server.home import AirflowTrouble, Home
from local_airflow.server.home_environment import DATABASE
from local_airflow.server.migration import Migration
from marketlake import settings


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Home:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "a home of %41 ? and 'quotes'"))
    return Home.of(settings.load())


@pytest.fixture
def migrations(monkeypatch: pytest.MonkeyPatch, home: Home) -> list[int]:
    """The exit codes of ``db migrate`` so far, in whose place a stub brings the database to one revision."""
    codes: list[int] = []

    def run(*_: object, **__: object) -> SimpleNamespace:
        at(home, "29ce7909c52b")
        (home.folder / "airflow.cfg").write_text("[core]")
        codes.append(0)
        return SimpleNamespace(returncode=codes[-1])

    monkeypatch.setattr(home_module.subprocess, "run", run)
    return codes


def at(home: Home, revision: str) -> None:
    with closing(sqlite3.connect(home.folder / "airflow.db")) as database:
        database.execute("create table if not exists alembic_version (version_num text)")
        database.execute("delete from alembic_version")
        database.execute("insert into alembic_version values (?)", [revision])
        database.commit()


def test_a_database_is_migrated_once(home: Home, migrations: list[int]) -> None:
    for _ in range(3):
        home.migrate()
    assert migrations == [0]


def older_database(home: Home) -> None:
    at(home, "686269002441")


def no_database(home: Home) -> None:
    (home.folder / "airflow.db").unlink()


def damaged_database(home: Home) -> None:
    (home.folder / "airflow.db").write_bytes(b"SQLite format 3\0, and then nothing")


def two_places(home: Home) -> None:
    with closing(sqlite3.connect(home.folder / "airflow.db")) as database:
        database.execute("insert into alembic_version values ('another')")
        database.commit()


def other_file_of_settings(home: Home) -> None:
    (home.folder / "airflow.cfg").write_text("[logging]\nlog_filename_template = x")


def no_file_of_settings(home: Home) -> None:
    (home.folder / "airflow.cfg").unlink()


def damaged_note(home: Home) -> None:
    (home.folder / "migrated.json").write_text('{"airflow": ')


@pytest.mark.parametrize(
    "change",
    [
        older_database,
        no_database,
        damaged_database,
        two_places,
        other_file_of_settings,
        no_file_of_settings,
        damaged_note,
    ],
)
def test_what_has_changed_in_the_home_is_migrated_again(
    home: Home, migrations: list[int], change: Callable[[Home], None]
) -> None:
    home.migrate()
    change(home)
    if change is damaged_database:
        assert not Migration(home.folder, home.environment).is_done()
        return
    home.migrate()
    assert migrations == [0, 0]


def test_other_settings_of_the_database_are_migrated_with(home: Home, migrations: list[int]) -> None:
    given = {"AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS": "x"}
    home.migrate()
    replace(home, environment=home.environment | given).migrate()
    assert migrations == [0, 0]
    replace(home, environment=home.environment | given | {"AIRFLOW__CORE__PARALLELISM": "2"}).migrate()
    assert migrations == [0, 0]


def test_another_airflow_migrates_again(monkeypatch: pytest.MonkeyPatch, home: Home, migrations: list[int]) -> None:
    home.migrate()
    monkeypatch.setattr(migration_module, "version", lambda _: "3.4.0")
    home.migrate()
    assert migrations == [0, 0]


@pytest.mark.parametrize("url", ["postgresql+psycopg2://airflow@127.0.0.1/airflow", "sqlite:////srv/elsewhere.db"])
def test_a_database_that_others_may_change_is_migrated_each_time(home: Home, migrations: list[int], url: str) -> None:
    elsewhere = replace(home, environment=home.environment | {DATABASE: url})
    for _ in range(2):
        elsewhere.migrate()
    assert migrations == [0, 0]


def test_a_migration_that_failed_is_not_noted(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    monkeypatch.setattr(home_module.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    with pytest.raises(AirflowTrouble, match="could not be prepared"):
        home.migrate()
    assert not (home.folder / "migrated.json").exists()
