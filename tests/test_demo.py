"""``make demo`` as a new user types it: interrupted, killed, begun again, and kept."""

from __future__ import annotations

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

from local_airflow.api import AirflowApi
from local_airflow.demo_folder import DemoFolder
from local_airflow.home import AirflowTrouble
from polygon_simulator.market import MadeUpDays
from polygon_simulator.server import Simulator
from rig import PROJECT, Rig, processes_in, until

pytestmark = pytest.mark.airflow
SESSIONS = [f"2025-11-{day}" for day in (19, 20, 21, 24, 25, 26, 28)] + [f"2025-12-0{day}" for day in (1, 2, 3)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A user with a key, a lake, and the home of another Airflow in the environment."""
    rig = Rig(tmp_path, Simulator(MadeUpDays(), "unused"))
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
        read_until(interrupted, "Airflow is up after")
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.stdout is not None
        assert "interrupted" in interrupted.stdout.read()
    assert interrupted.returncode == 130
    until(lambda: left(rig) == [], timeout_s=15)

    done = rig.make("demo", "KEEP=1")
    assert done.returncode == 0, done.stdout
    assert re.search(r"SPY 2025-11-25  FAILED  InvalidBars: .* without a single bar", done.stdout)
    assert "SPY 2025-11-25  success" in done.stdout
    table = re.findall(r"^(\d{4}-\d\d-\d\d) \w{3} +([\d,]+) +\d+  (\w+) +(\d+) ", done.stdout, re.MULTILINE)
    assert [(session, state, tries) for session, _, state, tries in table] == [
        (session, "complete", "2" if session == "2025-11-25" else "1") for session in SESSIONS
    ]
    assert all(int(bars.replace(",", "")) > 30_000 for _, bars, _, _ in table)
    assert re.search(
        r"the bars are made up: every certificate names 127.0.0.1:\d+, which is not the vendor", done.stdout
    )

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
    assert "ended" in rig.make("down", AIRFLOW_HOME=str(rig.folder / "none")).stdout
    until(lambda: left(rig) == [], timeout_s=15)

    assert [path.name for path in rig.home.iterdir()] == ["airflow.cfg"]
    assert not rig.lake.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = r"file/demo cannot be written \(Not a directory\): use a checkout"
    with pytest.raises(AirflowTrouble, match=words), DemoFolder(tmp_path / "file" / "demo").alone():
        pass


def test_two_demos_at_a_time_are_refused(tmp_path: Path) -> None:
    one, other = DemoFolder(tmp_path), DemoFolder(tmp_path)
    with one.alone(), pytest.raises(AirflowTrouble, match="another demo runs in"), other.alone():
        pass
    with other.alone():
        pass
