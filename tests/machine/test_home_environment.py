"""What stands in the shell of another Airflow: it is set over, or refused by name, before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import make_url

from local_airflow.server.home import Home
from local_airflow.server.home_environment import DATABASE
from marketlake import settings
from marketlake.errors import SettingsError

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.environ", {"AIRFLOW_HOME": str(tmp_path / "home"), "PATH": "/usr/bin"})


def environment(monkeypatch: pytest.MonkeyPatch, **given: str) -> dict[str, str]:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return Home.of(settings.load()).environment


SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"


@pytest.mark.parametrize(
    ("name", "foreign", "expected"),
    [
        ("AIRFLOW__CORE__DAGS_FOLDER", "/srv/other/dags", str(PROJECT / "dags")),
        ("AIRFLOW__CORE__PLUGINS_FOLDER", "/srv/other/plugins", str(PROJECT / "plugins")),
        ("AIRFLOW__CORE__AUTH_MANAGER", "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager", SIMPLE),
        ("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True", "False"),
        ("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor", "LocalExecutor"),
        ("AIRFLOW__CORE__LOAD_EXAMPLES", "True", "False"),
        ("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", "True", "False"),
        ("AIRFLOW__API__HOST", "0.0.0.0", "127.0.0.1"),
        ("AIRFLOW_CONFIG", "/srv/other/airflow.cfg", None),
        ("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", "[]", None),
        ("AIRFLOW__API__SSL_CERT", "/srv/other/cert.pem", None),
        ("AIRFLOW__API__SSL_KEY", "/srv/other/key.pem", None),
        ("AIRFLOW__CORE__UNIT_TEST_MODE", "True", None),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC", "postgresql+asyncpg://other/airflow", None),
        ("_AIRFLOW__AS_LIBRARY", "True", None),
        ("AIRFLOW__CORE__PARALLELISM", "4", "4"),
        ("AIRFLOW__CORE__PARALLELISM", "", "8"),
        ("AIRFLOW__CORE__DEFAULT_TIMEZONE", "America/New_York", "America/New_York"),
        ("AIRFLOW_CONN_POLYGON_DEFAULT", "http://", "http://"),
    ],
)
def test_what_can_only_be_this_checkouts_is_set_over_the_shell_and_the_rest_stays(
    monkeypatch: pytest.MonkeyPatch, name: str, foreign: str, expected: str | None
) -> None:
    assert environment(monkeypatch, **{name: foreign}).get(name) == expected


INTERVAL = "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL"
LIMITS = ("AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT", "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT")


@pytest.mark.parametrize(
    ("tickers", "audit", "given", "interval", "limits"),
    [
        (1, "true", {}, "30", ("30", "50")),
        (75, "true", {}, "30", ("30", "50")),
        (500, "true", {}, "200", ("30", "100")),
        (500, "false", {}, "100", ("30", "50")),
        (5_000, "true", {}, "2000", ("250", "1000")),
        (500, "true", {INTERVAL: "45"}, "45", ("30", "100")),
    ],
)
def test_the_more_dags_there_are_the_less_often_and_the_longer_airflow_reads_them_unless_somebody_says_how(
    monkeypatch: pytest.MonkeyPatch, tickers: int, audit: str, given: dict[str, str], interval: str,
    limits: tuple[str, str],
) -> None:  # fmt: skip
    names = json.dumps([f"T{number}" for number in range(tickers)])
    found = environment(monkeypatch, MARKETLAKE__TICKERS=names, MARKETLAKE__AUDIT__ENABLED=audit, **given)
    assert found[INTERVAL] == interval
    assert tuple(found[name] for name in LIMITS) == limits


def test_the_passwords_of_another_airflow_are_not_written_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "passwords.json"
    other.write_text('{"boss": "secret"}')
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(other))
    home = Home.of(settings.load())
    assert home.password()
    assert home.passwords_file == tmp_path / "home" / "simple_auth_manager_passwords.json.generated"
    assert other.read_text() == '{"boss": "secret"}'


def test_another_folder_that_holds_the_lakes_dags_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "second_bars.py").touch()
    assert environment(monkeypatch, AIRFLOW__CORE__DAGS_FOLDER=str(tmp_path))["AIRFLOW__CORE__DAGS_FOLDER"] == str(
        tmp_path
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({f"{DATABASE}_CMD": "cat /run/db"}, f"{DATABASE}_CMD is not read here: set {DATABASE} itself, or unset"),
        ({f"{DATABASE}_SECRET": "db"}, f"{DATABASE}_SECRET is not read here"),
        ({DATABASE: "airflow:hunter2"}, f"{DATABASE} is no address of a database, such as postgresql"),
        ({"AIRFLOW_HOME": "/srv/$HOME", "HOME": "/root"}, "the path of the Airflow home (/srv/$HOME) holds"),
        ({"AIRFLOW_HOME": "/srv/${USER}", "USER": "me"}, "holds $USER, which Airflow would take for the variable"),
        ({"MARKETLAKE__LOGGING__FOLDER": "/srv/$HOME", "HOME": "/root"}, "logging.folder (/srv/$HOME)"),
        ({"AIRFLOW_HOME": "~nobodyhere/.airflow"}, "AIRFLOW_HOME=~nobodyhere/.airflow: ~nobodyhere is nobody's home"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_apart_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        environment(monkeypatch, **given)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_dollar_without_such_a_variable_is_a_dollar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment(monkeypatch, AIRFLOW_HOME="/srv/$nowhere")["AIRFLOW_HOME"] == "/srv/$nowhere"


@pytest.mark.parametrize("name", ["%41", "a?b", "a#b", "a b", "it's", 'say "no"', "ü", "$nowhere", "a&b=c", "a@b:c"])
def test_the_embedded_database_lies_in_its_home_whatever_that_is_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    given = environment(monkeypatch, AIRFLOW_HOME=str(tmp_path / name))
    url = make_url(given[DATABASE])
    assert (url.database, dict(url.query)) == (str(tmp_path / name / "airflow.db"), {})


@pytest.mark.parametrize(("users", "name"), [("admin:admin", "admin"), ("bob:viewer, eve:ADMIN", "eve")])
def test_the_user_is_one_who_may_start_a_backfill(monkeypatch: pytest.MonkeyPatch, users: str, name: str) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", users)
    assert Home.of(settings.load()).user == name


def test_users_without_an_admin_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "bob:viewer")
    with pytest.raises(SettingsError, match="SIMPLE_AUTH_MANAGER_USERS names no admin, who would start a backfill"):
        _ = Home.of(settings.load()).user


@pytest.mark.parametrize(
    ("database", "cause"),
    [
        ("postgresql+psycopg2://airflow:hunter2@127.0.0.1:9/airflow", "port 9 failed: Connection refused"),
        ("sqlite:////nowhere/at/all/airflow.db", "unable to open database file"),
        ("postgresql+nodriver://airflow:hunter2@127.0.0.1/airflow", "load plugin: sqlalchemy.dialects:postgresql"),
    ],
)  # fmt: skip
@pytest.mark.airflow
def test_a_database_that_cannot_be_used_is_told_with_its_cause(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database: str, cause: str
) -> None:
    from local_airflow.server.home import AirflowTrouble

    monkeypatch.setenv(DATABASE, database)
    with pytest.raises(AirflowTrouble) as caught:
        Home.of(settings.load()).migrate()
    told = str(caught.value)
    assert cause in told
    assert f"See {DATABASE}, and all that was printed: {tmp_path}/home/migrate.log" in told
    assert "\n" not in told
    assert "hunter2" not in told
    assert "Background on this error" not in told
