"""What a command does with an output that ends, is full or cannot take a word: no traceback, and the true exit code."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commanded import commanded_of
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from seconds import spy

DAY = dt.date(2024, 11, 26)

PROJECT = Path(__file__).resolve().parents[2]


@contextmanager
def closed_pipe() -> Iterator[int]:
    """A pipe whose reader has gone, as after ``head``."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def full() -> Iterator[int]:
    """A disk without room."""
    with Path("/dev/full").open("wb") as file:
        yield file.fileno()


def run(output: int, *command: str, **environment: str) -> tuple[int, str]:
    """Exit code and standard error of a command of this project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=kept | {"PYTHONPATH": str(PROJECT / "include"), "MARKETLAKE_ENV_FILE": ""} | environment,
        stdout=output, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.fixture
def sound(lake: Lake, client: PolygonClient) -> Lake:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    return lake


@pytest.fixture
def with_strays(sound: Lake) -> Lake:
    for number in range(2_000):  # more than a pipe holds
        (sound.storage.root / "processed" / f"a-stray-with-a-long-name-{'x' * 60}-{number}").touch()
    return sound


def test_a_pipe_that_is_closed_is_no_finding(sound: Lake) -> None:
    with closed_pipe() as output:
        assert run(output, "marketlake", "verify") == (0, "")


def test_findings_behind_a_closed_pipe_are_findings(with_strays: Lake) -> None:
    with closed_pipe() as output:
        assert run(output, "marketlake", "verify") == (1, "")


def test_a_reader_that_goes_after_the_first_line_ends_nothing(with_strays: Lake) -> None:
    command = f'"{sys.executable}" -m marketlake verify | head -n 1; exit "${{PIPESTATUS[0]}}"'
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "include"), "MARKETLAKE_ENV_FILE": ""}
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (1, "", 1)


FULL = (
    "OutputLost: what this command says cannot be written (No space left on device): send it elsewhere, and give the"
    " command again.\n"
)


@pytest.mark.parametrize("command", [("marketlake", "verify"), ("local_airflow", "down")])
def test_an_output_that_is_full_is_told_in_one_line(sound: Lake, tmp_path: Path, command: tuple[str, ...]) -> None:
    with full() as output:
        home = {"AIRFLOW_HOME": str(tmp_path / "home"), "MARKETLAKE_DEMO_FOLDER": str(tmp_path / "demo")}
        assert run(output, *command, **home) == (2, FULL)


@pytest.mark.parametrize(
    "command",
    [("local_airflow", "down"), ("local_airflow", "--help"), ("marketlake", "verify", "--help")],
)
def test_a_command_whose_reader_has_gone_ends_as_it_would_with_one(tmp_path: Path, command: tuple[str, ...]) -> None:
    with closed_pipe() as output:
        home = {"AIRFLOW_HOME": str(tmp_path / "home"), "MARKETLAKE_DEMO_FOLDER": str(tmp_path / "demo")}
        assert run(output, *command, **home) == (0, "")


def test_the_simulator_says_in_one_line_that_it_cannot_say_where_it_serves() -> None:
    with full() as output:
        assert run(output, "polygon_simulator", "--key", "a-made-up-key") == (2, FULL)


def test_a_path_that_is_no_text_is_said_all_the_same(sound: Lake) -> None:
    (sound.storage.root / "processed" / os.fsdecode(b"stray-\xff")).touch()
    for encoding in ("utf-8", "ascii"):
        done = subprocess.run(
            [sys.executable, "-m", "marketlake", "verify"],
            env=os.environ | {"PYTHONPATH": str(PROJECT / "include"), "PYTHONIOENCODING": encoding},
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (1, b"")
        assert rb"stray-\udcff" in done.stdout


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"MARKETLAKE__STORAGE__ROOT": "~nobodyhere/lake"}, "~nobodyhere is nobody's home on this machine"),
        ({"POLYGON_BASE_URL": "https://example.com:abc"}, "a port is a number from 1 to 65535"),
        ({"MARKETLAKE_ENV_FILE": "/nowhere/.env"}, "MARKETLAKE_ENV_FILE names /nowhere/.env, which is not there"),
        ({"MARKETLAKE_SETTINGS_FILE": "~nobodyhere/x"}, "MARKETLAKE_SETTINGS_FILE=~nobodyhere/x: ~nobodyhere is"),
    ],
)
@pytest.mark.parametrize("command", [("marketlake", "verify"), ("local_airflow", "up"), ("local_airflow", "down")])
def test_a_setting_that_is_no_use_is_one_line_and_exit_code_2(
    tmp_path: Path, command: tuple[str, ...], given: dict[str, str], told: str
) -> None:
    home = {"AIRFLOW_HOME": str(tmp_path / "home"), "MARKETLAKE_DEMO_FOLDER": str(tmp_path / "demo")}
    done = commanded_of(*command, **(home | given))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert told in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_demo_folder_in_nobodys_home_is_one_line_and_exit_code_2() -> None:
    code, said = run(subprocess.DEVNULL, "local_airflow", "down", MARKETLAKE_DEMO_FOLDER="~nobodyhere/demo")
    assert (code, len(said.splitlines())) == (2, 1)
    assert "MARKETLAKE_DEMO_FOLDER=~nobodyhere/demo: ~nobodyhere is nobody's home" in said
