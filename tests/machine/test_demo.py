"""``make demo`` as a new user types it: interrupted, killed, begun again, and kept."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from conftest import KEY
from local_airflow.demo import command
from local_airflow.demo.folder import DemoFolder
from local_airflow.server.api import AirflowApi
from local_airflow.server.home import AirflowTrouble
from local_airflow.server.process_tree import stop_strays
from local_airflow.server.processes import Processes
from local_airflow.server.stack import end
from marketlake.datasets import DATASETS
from marketlake.errors import InvalidBars, SettingsError
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from polygon_simulator.market import MadeUpDays
from polygon_simulator.server import Simulator
from rig import PROJECT, Rig, processes_in, until
from visitor import Visitor

pytestmark = pytest.mark.airflow
SESSIONS = [f"2025-11-{day}" for day in (19, 20, 21, 24, 25, 26, 28)] + [f"2025-12-0{day}" for day in (1, 2, 3)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A user with a key, a lake, and the home of another Airflow in the environment."""
    rig = Rig(tmp_path, Simulator(MadeUpDays(), "unused"))
    (tmp_path / ".env").write_text("MARKETLAKE__HISTORY__START_DATE=2026-01-01\n")
    rig.extra |= {
        "MARKETLAKE_ENV_FILE": str(tmp_path / ".env"),
        "MARKETLAKE__TICKERS": '["QQQ"]',
        "MARKETLAKE__SCHEDULE__CATCH_UP_SESSIONS": "not a number",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'of the user.db'}",
        "AIRFLOW_CONN_POLYGON_DEFAULT": '{"conn_type": "http", "host": "https://api.massive.com", "password": "real"}',
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "localhost,127.0.0.1,[::1],fd00::/8",
    }
    rig.home.mkdir()
    (rig.home / "airflow.cfg").write_text("of another Airflow")
    yield rig
    DemoFolder(tmp_path / "a demo").end()


def started(rig: Rig, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "local_airflow", "demo", *arguments],
        cwd=rig.folder, env=rig.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def read_until(process: subprocess.Popen[str], start: str) -> None:
    """Read what a process prints up to the line that starts so."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        if line.startswith(start):
            return
        lines.append(line)
    raise AssertionError("".join(lines))


def left(rig: Rig) -> list[psutil.Process]:
    """What a demo has left running: its Airflow, and its simulator."""
    return processes_in(rig.folder / "a demo" / "airflow") + processes_in(rig.folder / "a demo" / "simulator")


def test_a_demo_survives_a_kill_and_an_interrupt_and_ends_complete(rig: Rig) -> None:
    with started(rig) as killed:
        read_until(killed, "starting Airflow")
        killed.kill()
    assert left(rig)

    with started(rig) as interrupted:
        read_until(interrupted, "starting Airflow")
        until((rig.folder / "a demo/airflow/process-logs/dag-processor.log").exists)
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.stdout is not None
        assert "interrupted" in interrupted.stdout.read()
    assert interrupted.returncode == 130
    until(lambda: left(rig) == [], timeout_s=15)

    done = rig.make("demo", "KEEP=1")
    assert done.returncode == 0, done.stdout
    assert re.search(r"SPY 2025-11-25  FAILED  InvalidBars: .* without a single bar", done.stdout)
    assert "SPY 2025-11-25  success" in done.stdout
    assert "look at it in a notebook:\n  make notebook\n" in done.stdout
    assert all(KEY not in str(process.environ()) for process in left(rig))
    table = re.findall(r"^(\d{4}-\d\d-\d\d) \w{3} +([\d,]+) +\d+  (\w+) +(\d+) ", done.stdout, re.MULTILINE)
    assert [(session, state, tries) for session, _, state, tries in table] == [
        (session, "complete", "2" if session == "2025-11-25" else "1") for session in SESSIONS
    ]
    assert all(int(bars.replace(",", "")) > 30_000 for _, bars, _, _ in table)
    assert re.search(r"SPY: NOT THE VENDOR'S: bars of this range were served by 127.0.0.1:\d+\n", done.stdout)

    lines = re.findall(r"^  \.venv/bin/python (-c .*)$", done.stdout, re.MULTILINE)
    read = [
        subprocess.run(
            [sys.executable, *shlex.split(line)], cwd=PROJECT, capture_output=True, text=True, check=True
        ).stdout
        for line in lines
    ]
    assert len(read) == 2
    assert all(session in read[0] for session in SESSIONS)
    assert '"early_close":true' in read[1]

    kept = re.search(r"(http://127.0.0.1:\d+)/dags/spy_second_bars  user (\w+), password in (\S.*)$", done.stdout, re.M)
    assert kept
    password = re.search(r'"admin": "([^"]+)"', Path(kept[3]).read_text())
    assert password
    assert AirflowApi(kept[1], kept[2], password[1]).log_in()
    assert requests.get(kept[1], timeout=10).status_code == 200
    page = f"{kept[0]}\n  {kept[1]}/coverage/?dataset=second_bars&ticker=SPY  which sessions it holds\n"
    assert page in done.stdout
    states = Visitor.logged_in(kept[1], kept[2], password[1]).states()
    assert [session for session, state in states.items() if state == "complete"] == list(SESSIONS)
    assert "processes of a demo" in rig.make("down").stdout  # whatever the user's settings are
    until(lambda: left(rig) == [], timeout_s=15)

    assert [path.name for path in rig.home.iterdir()] == ["airflow.cfg"]
    assert not rig.lake.exists()
    assert not (rig.folder / "of the user.db").exists()


def test_a_demo_of_minutes_shows_minutes_alone(rig: Rig) -> None:
    done = rig.make("demo", "DATASET=minute_bars")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(
        "a demo on made-up SPY minute bars: no key is used, and nothing leaves this machine\n"
    )
    assert (
        "SPY 2025-11-25 minute bars  FAILED  InvalidBars: SPY 2025-11-25 minute bars: the API answered" in done.stdout
    )
    assert "SPY 2025-11-25 minute bars  success" in done.stdout
    table = re.findall(r"^(\d{4}-\d\d-\d\d) \w{3} +([\d,]+) +\d+  (\w+) +(\d+) ", done.stdout, re.MULTILINE)
    assert table == [
        (session, "780" if session == "2025-11-28" else "960", "complete", "2" if session == "2025-11-25" else "1")
        for session in SESSIONS
    ]
    lake = rig.folder / "a demo/data"
    assert sorted(path.name for path in lake.iterdir() if path.is_dir() and path.name[0] != ".") == ["minute_bars"]
    assert f"{lake}/minute_bars/processed/spy').groupby" in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "  MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS='[\"SPY\"]' make backfill DATASET=minute_bars FROM=2024-11-25"
        " TO=2024-12-02"
    )
    until(lambda: left(rig) == [], timeout_s=15)


def test_a_demo_of_options_shows_chains_bars_and_vols_of_three_sessions(rig: Rig) -> None:
    done = rig.make("demo", "OPTIONS=1")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("a demo on made-up options of SPY: no key is used, and nothing leaves this machine\n")
    assert re.search(
        r"^SPY options: 3 sessions .*, 3 not here yet: \d+ contracts, [\d,]+ to [\d,]+ requests,", done.stdout, re.M
    )
    assert "SPY options: 3 of 3 sessions have all of their partitions (option chain, option selection," in done.stdout
    table = re.findall(r"^(2025-\d\d-\d\d) \w{3}" + r" +([\d,]+)" * 6 + r"  complete$", done.stdout, re.MULTILINE)
    assert [session for session, *_ in table] == ["2025-11-26", "2025-11-28", "2025-12-01"]
    for _, *figures in table:
        listed, asked, empty, bars, rows, with_iv = (int(figure.replace(",", "")) for figure in figures)
        assert listed > asked > empty > 0
        assert bars == rows > 5_000
        assert rows > with_iv > 0.9 * rows
    vols = re.findall(
        r"^ +(\d+) days  O:SPY25\w+ +[\d.]+ USD at \d\d:\d\d, SPY [\d.]+: ([\d.]+)%$", done.stdout, re.MULTILINE
    )
    assert len(vols) > 3
    assert [int(days) for days, _ in vols] == sorted({int(days) for days, _ in vols})
    assert all(5 < float(vol) < 60 for _, vol in vols)
    for line in re.findall(r"^  \.venv/bin/python (-c .*)$", done.stdout, re.MULTILINE):
        subprocess.run([sys.executable, *shlex.split(line)], cwd=PROJECT, capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == (
        "  MARKETLAKE__OPTIONS__ENABLED=true MARKETLAKE__OPTIONS__TICKERS='[\"SPY\"]' make backfill DATASET=options"
        " FROM=2024-11-25 TO=2024-11-25"
    )
    until(lambda: left(rig) == [], timeout_s=15)


def test_the_demo_of_options_has_a_name_of_its_own() -> None:
    with pytest.raises(SettingsError, match="make demo OPTIONS=1"):
        command.run(keep=False, dataset="options")


def test_a_demo_of_a_dataset_that_there_is_none_of_is_told_in_one_line(rig: Rig) -> None:
    done = rig.make("demo", "DATASET=minutes")
    assert done.returncode == 2
    assert (
        done.stdout.splitlines()[0]
        == "SettingsError: there is no dataset 'minutes': those are second_bars, minute_bars."
    )
    assert not (rig.folder / "a demo").exists()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "second_bars"),
        ({"MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS": '["QQQ"]'}, "second_bars"),
        ({"MARKETLAKE__TICKERS": "[]", "MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS": '["QQQ"]'}, "minute_bars"),
        ({"MARKETLAKE__TICKERS": "[]"}, "second_bars"),  # no settings at all, which a demo does not need
    ],
)
def test_a_demo_is_of_the_dataset_that_the_settings_have_on(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert command._of_settings() == expected


@pytest.mark.parametrize("name", list(DATASETS))
def test_the_demos_failing_day_fails_whichever_dataset_is_shown(lake: Lake, client: PolygonClient, name: str) -> None:
    with Simulator(MadeUpDays(), KEY) as simulator:
        simulator.faults.replace(command.FAULTS)
        client.transport.base_url = simulator.url
        with pytest.raises(InvalidBars, match="2025-11-25.* without a single bar"):
            ingest(lake, DATASETS[name], DATASETS[name].spec.key("SPY", command.FAILING), client)


def test_a_folder_that_holds_what_no_demo_made_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "data" / "processed").mkdir(parents=True)
    words = "holds data, which no demo has made, and which stays as it is"
    with pytest.raises(AirflowTrouble, match=words), DemoFolder(tmp_path).alone():
        pass
    assert (tmp_path / "data" / "processed").is_dir()
    assert DemoFolder(tmp_path).end() == 0


@pytest.mark.parametrize(("named", "folder"), [("", ".demo"), (None, ".demo"), ("../x/./y", "../x/y")])
def test_the_folder_is_dot_demo_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch, named: str | None, folder: str
) -> None:
    if named is not None:
        monkeypatch.setenv("MARKETLAKE_DEMO_FOLDER", named)
    assert DemoFolder.of_this_checkout().path == (PROJECT / folder).resolve()


def test_a_damaged_list_of_processes_is_no_list(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"pids": 3}'):
        (tmp_path / "processes.json").write_text(text)
        assert Processes(tmp_path).running() is None
        assert Processes(tmp_path).stop() == 0


def test_an_interrupt_while_a_process_starts_leaves_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("local_airflow.server.processes.json.dumps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Processes(tmp_path).start("sleep", ["sleep", "60"], 0, "a test", dict(os.environ))
    until(lambda: processes_in(tmp_path) == [], timeout_s=5)


def test_the_key_of_the_demos_simulator_is_no_argument_of_its_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POLYGON_BASE_URL", "http://127.0.0.1:9")  # which it replaces
    stage = DemoFolder(tmp_path)
    try:
        url = stage.start_simulator({})
        commands = [" ".join(one.cmdline()) for one in processes_in(tmp_path / "simulator")]
        held = {"Authorization": "Bearer key-of-the-demo-only"}
        answer = requests.get(f"{url}/v1/open-close/SPY/2025-11-25", headers=held, timeout=30)
    finally:
        end(stage.simulator)
    assert answer.status_code == 200
    assert [command for command in commands if "polygon_simulator" in command]
    assert not [command for command in commands if "key-of-the-demo-only" in command]


def test_strays_of_a_folder_are_ended_and_others_are_not(tmp_path: Path) -> None:
    stray = subprocess.Popen(
        [sys.executable, "-m", "polygon_simulator", "--key", "x"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    other = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    try:
        assert stray.stdout is not None
        assert stray.stdout.readline().startswith("serving on")
        assert stop_strays(tmp_path) == 1
        assert stray.wait(timeout=5) is not None
        assert other.poll() is None
    finally:
        stray.kill()
        other.kill()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = r"file/demo cannot be written \(Not a directory\): set MARKETLAKE_DEMO_FOLDER"
    with pytest.raises(AirflowTrouble, match=words), DemoFolder(tmp_path / "file" / "demo").alone():
        pass


def test_two_demos_at_a_time_are_refused(tmp_path: Path) -> None:
    one, other = DemoFolder(tmp_path), DemoFolder(tmp_path)
    with one.alone(), pytest.raises(AirflowTrouble, match="another demo runs in"), other.alone():
        pass
    with other.alone():
        pass
