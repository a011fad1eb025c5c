"""The Airflow of this machine: its home, its port, and whether the one that is up is the one that is meant."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local_airflow import up as up_module
from local_airflow.server import stack
from local_airflow.server.home import AirflowTrouble, Home
from local_airflow.server.processes import Processes
from marketlake import settings


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Home:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("POLYGON_API_KEY", "a-key-that-nobody-sees-wxyz")
    return Home.of(settings.load())


@pytest.fixture
def up(home: Home) -> Iterator[Processes]:
    """A process in the place of an Airflow that was started for one lake."""
    processes = Processes(home.folder)
    started_with = home.environment | {
        "MARKETLAKE__STORAGE__ROOT": "/mnt/one",
        "MARKETLAKE__SCHEDULE__ENABLED": "false",
        "POLYGON_BASE_URL": "https://mirror.example.com",
        "MARKETLAKE__TICKERS": "",
    }
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    processes.start("api-server", command, 9, "up", started_with)
    yield processes
    processes.stop()


SAME = {"MARKETLAKE__STORAGE__ROOT": "/mnt/one", "POLYGON_BASE_URL": "https://mirror.example.com"}


def test_an_airflow_that_is_up_for_the_same_lake_is_used(home: Home, up: Processes) -> None:
    patient = {"MARKETLAKE__STORAGE__LOCK_TIMEOUT_S": "9"}  # which lake it is does not depend on that
    stack._require_same_lake(replace(home, environment=home.environment | SAME | patient))
    assert "wxyz" not in (home.folder / "processes.json").read_text()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (SAME | {"MARKETLAKE__STORAGE__ROOT": "/mnt/two"}, "STORAGE__ROOT is '/mnt/two' here and '/mnt/one' there."),
        (SAME | {"MARKETLAKE__TICKERS": '["QQQ"]'}, "MARKETLAKE__TICKERS is '[\"QQQ\"]' here and unset there."),
        (
            SAME | {"MARKETLAKE__OPTIONS__ENABLED": "true"},
            "OPTIONS__ENABLED is 'true' here and unset there.",
        ),
        (SAME | {"MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS": "[]"}, "TICKERS is '[]' here and unset there."),
        ({"MARKETLAKE__STORAGE__ROOT": "/mnt/one"}, "BASE_URL is unset here and 'https://mirror.example.com' there."),
    ],
)
def test_an_airflow_that_is_up_for_another_lake_is_refused(
    home: Home, up: Processes, given: dict[str, str], told: str
) -> None:
    with pytest.raises(AirflowTrouble, match="was started with other settings") as caught:
        stack._require_same_lake(replace(home, environment=home.environment | given))
    assert told in str(caught.value)


def test_where_none_is_up_there_is_nothing_to_compare(home: Home) -> None:
    stack._require_same_lake(home)


@pytest.mark.parametrize(("given", "port"), [("", 8080), ("1", 1), ("65535", 65_535)])
def test_the_port_is_a_number(home: Home, given: str, port: int) -> None:
    assert replace(home, environment=home.environment | {"AIRFLOW__API__PORT": given}).port == port


@pytest.mark.parametrize("given", ["abc", "0", "65536", "-1", "80.5"])
def test_what_is_no_port_is_told(home: Home, given: str) -> None:
    wrong = replace(home, environment=home.environment | {"AIRFLOW__API__PORT": given})
    with pytest.raises(AirflowTrouble, match=f"AIRFLOW__API__PORT={given} is no port: write a number from 1 to 65535"):
        _ = wrong.port


def test_a_home_that_cannot_be_written_is_told_at_once(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    def read_only(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    home.folder.mkdir()
    monkeypatch.setattr("local_airflow.server.home.tempfile.TemporaryFile", read_only)
    with pytest.raises(AirflowTrouble, match=r"cannot be made or written \(Permission denied\)"), home.starting():
        pass


def test_a_database_that_does_not_answer_in_time_is_told(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    monkeypatch.setattr("local_airflow.server.home._MIGRATE_S", 0.01)
    home.folder.mkdir()
    with pytest.raises(AirflowTrouble, match=r"\(embedded SQLite\) was not ready after 0.01 s: see whether it is"):
        home.migrate()


def test_what_is_not_ready_in_time_is_told_with_what_the_processes_say(home: Home, up: Processes) -> None:
    up.log_of("api-server").write_text(
        'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: no way\n'
    )
    with pytest.raises(AirflowTrouble) as caught:
        stack.wait_for(lambda: False, "the API server", up, 0)
    folder = home.folder / "process-logs"
    assert str(caught.value) == (
        f"the API server was not ready within 0 s: see {folder}. api-server says: ValueError: no way."
    )


def test_what_is_not_ready_in_time_is_told_without_a_cause_if_nobody_says_one(home: Home, up: Processes) -> None:
    up.log_of("api-server").write_text("all is well\n")
    with pytest.raises(AirflowTrouble, match=r"was not ready within 0 s: see \S+/process-logs\.$"):
        stack.wait_for(lambda: False, "the API server", up, 0)


def test_a_dag_that_cannot_be_read_is_told_with_the_message_of_its_error(home: Home, up: Processes) -> None:
    class Api:
        def import_errors(self) -> list[str]:
            return ["SettingsError: api.attempts is wrong"]

    with pytest.raises(AirflowTrouble, match=r"a DAG file cannot be read: SettingsError: api\.attempts is wrong"):
        stack.wait_for(lambda: False, "the DAG", up, 9, Api())  # type: ignore[arg-type]


def test_what_another_command_is_starting_is_ended_once_it_is_there(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("local_airflow.up._POLL_S", 0.05)
    processes = Processes(home.folder)
    asked = threading.Event()

    def start() -> None:
        with home.starting():
            asked.wait(10)
            processes.start("scheduler", [sys.executable, "-c", "import time; time.sleep(60)"], 9, "up", {})
            until_gone = time.monotonic() + 10
            while processes.running() is not None and time.monotonic() < until_gone:
                time.sleep(0.05)

    starting = threading.Thread(target=start)
    starting.start()
    while not home.is_starting():
        time.sleep(0.01)
    monkeypatch.setattr("local_airflow.up.say", lambda line: (print(line), asked.set()))
    assert up_module._end_all(home) == 1
    starting.join(10)
    assert "another command is starting Airflow: what it starts is ended" in capsys.readouterr().out
    assert (processes.running(), home.is_starting()) == (None, False)


def test_a_home_that_nobody_starts_is_not_waited_for(home: Home) -> None:
    assert home.is_starting() is False
    assert up_module._end_all(home) == 0
