"""Keeping processes alive, on stand-ins for Airflow's: bounded, alone, and never against ``make down``."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from local_airflow.server import health, keeper, stack
from local_airflow.server.components import KEEPER
from local_airflow.server.home import AirflowTrouble, Home
from local_airflow.server.keeper import Keeper, Patience
from local_airflow.server.processes import Processes, Running
from marketlake import settings
from rig import processes_in, until

LIVES = [sys.executable, "-c", "import time; time.sleep(60)"]
FAILS = [sys.executable, "-c", "import os; raise ValueError(os.environ['WHY'])"]
WHY = "database is locked"


@dataclass
class Ground:
    """A folder with stand-ins: one that lives, and one that was killed."""

    folder: Path
    processes: Processes
    now_s: float = 0
    said: list[str] = field(default_factory=list)

    def keeper(self) -> Keeper:
        return Keeper(self.folder, lambda _: {**os.environ, "WHY": WHY}, self.said.append, lambda: self.now_s)

    def record(self) -> Running:
        found = self.processes.running()
        assert found is not None
        return found

    def kill(self, name: str) -> None:
        psutil.Process(self.record().pids[name][0]).kill()
        self.has_ended(name)

    def has_ended(self, name: str) -> None:
        until(lambda: name in self.processes.ended(), timeout_s=10)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ground]:
    commands = {"scheduler": FAILS, "triggerer": FAILS, "api-server": LIVES, KEEPER: LIVES}
    for module in (keeper, stack):
        monkeypatch.setattr(module, "command_of", lambda name, _: commands[name])
    processes = Processes(tmp_path)
    processes.start("api-server", LIVES, 9, "up", dict(os.environ))
    processes.start("scheduler", LIVES, 9, "up", dict(os.environ))
    made = Ground(tmp_path, processes)
    made.kill("scheduler")
    yield made
    processes.stop()
    until(lambda: processes_in(tmp_path) == [], timeout_s=5)


def test_what_has_ended_is_started_again_three_times_an_hour_and_then_named_with_its_cause(made: Ground) -> None:
    keep = made.keeper()
    for _ in range(3):
        keep()
        made.has_ended("scheduler")
        made.now_s += 60
    words = (
        f"scheduler has ended: see .*scheduler.log, which says last: ValueError: {WHY}. It was started again 3 times"
    )
    with pytest.raises(AirflowTrouble, match=words):
        keep()
    assert len(made.said) == 3
    log = made.processes.log_of("scheduler-before")
    assert made.said[0] == f"scheduler has ended by itself, and is started again: see {log}"
    made.now_s = 3600
    keep()
    assert len(made.said) == 4
    assert made.record().again == ("scheduler",)


def test_what_ends_again_at_once_is_given_longer_each_time_before_it_is_started(made: Ground) -> None:
    keep, said = made.keeper(), []
    for made.now_s in (0, 14, 15, 44, 45):  # a quarter of a minute, then half of one
        keep()
        said.append(len(made.said))
        made.has_ended("scheduler")
    assert said == [1, 1, 2, 2, 3]


def test_each_component_has_a_bound_of_its_own(made: Ground) -> None:
    made.processes.start("triggerer", FAILS, 9, "up", {**os.environ, "WHY": WHY})
    made.has_ended("triggerer")
    keep = made.keeper()
    for _ in range(3):
        keep()
        made.has_ended("scheduler")
        made.has_ended("triggerer")
        made.now_s += 60
    assert len(made.said) == 6


def test_what_could_not_be_started_is_told_and_tried_again_within_the_bound(
    monkeypatch: pytest.MonkeyPatch, made: Ground
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    keep = made.keeper()
    monkeypatch.setattr(Processes, "_record", full)
    for _ in range(3):
        keep()
        made.now_s += 60
    assert [line.partition(" (")[0] for line in made.said] == [
        "scheduler has ended by itself, and could not be started again"
    ] * 3
    with pytest.raises(AirflowTrouble, match="It was started again 3 times"):
        keep()


def test_of_two_keepers_one_looks_on_until_the_other_is_gone(made: Ground) -> None:
    first, second = made.keeper(), made.keeper()
    assert first.keeps_alone()
    second()
    assert made.said == ["scheduler has ended by itself: waiting for it to be started again"]
    assert made.processes.ended() == ["scheduler"]
    del first
    second()
    assert made.said[1].startswith("scheduler has ended by itself, and is started again")


def test_patience_with_what_somebody_else_keeps_has_an_end(made: Ground) -> None:
    patience = Patience(made.folder, made.said.append, lambda: made.now_s)
    patience()
    made.now_s = 120
    patience()
    made.now_s = 121
    with pytest.raises(AirflowTrouble, match=r"scheduler has ended: see .*scheduler\.log"):
        patience()
    assert len(made.said) == 1


def test_a_keeper_that_has_ended_alone_tries_nobodys_patience(made: Ground) -> None:
    made.processes.start_again("scheduler", LIVES, dict(os.environ))
    made.processes.start(KEEPER, LIVES, 9, "up", dict(os.environ))
    made.kill(KEEPER)
    patience = Patience(made.folder, made.said.append, lambda: made.now_s)
    patience()
    made.now_s = 9_999
    patience()
    assert made.said == []


def test_the_process_that_keeps_ends_at_once_beside_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], made: Ground
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(made.folder))
    with FileLock(made.folder / "keeper.lock"):
        assert keeper.keep() == 0
    assert f"another process keeps the Airflow of {made.folder}: nothing to do" in capsys.readouterr().out
    assert keeper.keep() == 0  # nor does one that nobody has put on record
    assert "is kept by another process" in capsys.readouterr().out
    assert made.processes.ended() == ["scheduler"]


def test_what_is_being_ended_is_not_started_again(made: Ground) -> None:
    made.processes._record(Running(9, "up", made.record().pids, {}, unscheduled=False, ending=True))
    assert made.processes.start_again("scheduler", LIVES, dict(os.environ)) is False
    with pytest.raises(AirflowTrouble, match="scheduler has ended"):
        made.keeper()()
    assert [process.pid for process in processes_in(made.folder)] == [made.record().pids["api-server"][0]]


def test_what_is_started_again_while_everything_is_being_ended_is_ended_too(made: Ground) -> None:
    ended: list[int] = []
    ending = threading.Thread(target=lambda: ended.append(Processes(made.folder).stop()))
    with made.processes._turn():  # as a keeper holds it
        ending.start()
        ending.join(timeout=0.3)
        assert not made.record().ending
        made.processes._launch("scheduler", LIVES, made.record(), dict(os.environ))
    ending.join(timeout=20)
    assert ended == [2]
    assert processes_in(made.folder) == []
    assert not (made.folder / "processes.json").exists()


def test_a_start_whose_first_processes_were_ended_starts_no_further_one(made: Ground) -> None:
    Processes(made.folder).stop()
    with pytest.raises(AirflowTrouble, match="no process of .* is alive"):
        made.processes.start("triggerer", LIVES, 9, "up", dict(os.environ))
    assert processes_in(made.folder) == []


def test_what_was_started_anew_since_stays_on_record_when_an_end_is_through(
    monkeypatch: pytest.MonkeyPatch, made: Ground
) -> None:
    anew = Processes(made.folder)

    def ended_and_another_started(processes: list[psutil.Process]) -> int:
        for process in processes:
            process.kill()
        until(lambda: anew.running() is None, timeout_s=5)
        anew.start("api-server", LIVES, 9, "backfill", dict(os.environ))
        return len(processes)

    with monkeypatch.context() as patched:
        patched.setattr("local_airflow.server.processes.stop_all", ended_and_another_started)
        assert made.processes.stop() == 1
    assert made.record().started_by == "backfill"


def test_an_end_under_way_is_waited_for_and_one_that_hangs_is_named(
    monkeypatch: pytest.MonkeyPatch, made: Ground
) -> None:
    monkeypatch.setattr("local_airflow.server.processes._ENDING_S", 0.1)
    found = made.record()
    made.processes._record(Running(9, "up", found.pids, {}, unscheduled=False, ending=True))
    with pytest.raises(AirflowTrouble, match="is being ended, and is not gone after 0.1 s:  make down  again"):
        made.processes.wait_settled()
    found.alive()[0].kill()
    until(lambda: made.processes.running() is None, timeout_s=5)
    assert made.processes.wait_settled() is None


@pytest.mark.parametrize(("given", "unscheduled"), [("false", True), ("true", False), (None, False)])
def test_whether_the_schedule_was_started_is_on_record(tmp_path: Path, given: str | None, unscheduled: bool) -> None:
    environment = {**os.environ} | ({"MARKETLAKE__SCHEDULE__ENABLED": given} if given else {})
    processes = Processes(tmp_path)
    processes.start("api-server", LIVES, 9, "up", environment)
    found = processes.running()
    processes.stop()
    assert found is not None
    assert found.unscheduled is unscheduled


def test_the_record_of_an_earlier_version_is_read(made: Ground) -> None:
    pids = {name: list(one) for name, one in made.record().pids.items()}
    for started_by, unscheduled in (("up", False), ("backfill", True)):
        text = f'{{"port": 9, "started_by": "{started_by}", "pids": {pids}}}'.replace("'", '"')
        (made.folder / "processes.json").write_text(text)
        assert made.record().unscheduled is unscheduled


class Answers:
    """Airflow's API, as far as its health goes."""

    base_url = "http://127.0.0.1:9"

    def __init__(self, **changed: Any) -> None:
        names = ("scheduler", "dag_processor", "triggerer")
        since = {f"latest_{name}_heartbeat": "2999-01-01T00:00:00+00:00" for name in names}
        self._health = {
            name: {"status": "healthy", f"latest_{name}_heartbeat": since[f"latest_{name}_heartbeat"]} for name in names
        }
        self._health |= changed
        self.silent = False

    def healthy(self) -> dict[str, Any] | None:
        return None if self.silent else self._health

    def log_in(self) -> bool:
        return True


@pytest.fixture
def all_alive(monkeypatch: pytest.MonkeyPatch, made: Ground) -> Ground:
    monkeypatch.setattr(health, "_WELL_S", 0)
    made.processes.start_again("scheduler", LIVES, dict(os.environ))
    assert made.processes.take_restarted() == ("scheduler",)
    made.processes.start("dag-processor", LIVES, 9, "up", dict(os.environ))
    made.processes.start("triggerer", LIVES, 9, "up", dict(os.environ))
    return made


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"scheduler": {"status": "unhealthy"}}, "scheduler gives no sign of life: see .*scheduler.log. Do it."),
        ({"triggerer": {"status": None}}, "triggerer gives no sign of life: see .*triggerer.log. Do it."),
        ({"dag_processor": {}}, "dag-processor gives no sign of life: see .*dag-processor.log. Do it."),
        (
            # of the one before: Airflow calls it healthy for half a minute after it was killed
            {"scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2013-10-07T00:00:00+00:00"}},
            "scheduler gives no sign of life",
        ),
    ],
)
def test_a_component_without_a_sign_of_life_is_named(all_alive: Ground, changed: dict[str, Any], told: str) -> None:
    health.require_well(all_alive.processes, Answers(), "Do it.")  # type: ignore[arg-type]
    with pytest.raises(AirflowTrouble, match=told):
        health.require_well(all_alive.processes, Answers(**changed), "Do it.")  # type: ignore[arg-type]


def test_a_silent_api_server_and_a_dead_component_are_named_together(all_alive: Ground) -> None:
    all_alive.kill("triggerer")
    api = Answers()
    api.silent = True
    words = r"^api-server does not answer at http://127.0.0.1:9; triggerer has ended: see .*triggerer\.log\. Do it\.$"
    with pytest.raises(AirflowTrouble, match=words):
        health.require_well(all_alive.processes, api, "Do it.")  # type: ignore[arg-type]


def test_of_the_airflow_of_somebody_else_every_component_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(health, "_WELL_S", 0)
    health.require_well(Processes(tmp_path), Answers(), "Do it.")  # type: ignore[arg-type]
    with pytest.raises(AirflowTrouble, match="^triggerer gives no sign of life. Do it.$"):
        health.require_well(Processes(tmp_path), Answers(triggerer={"status": None}), "Do it.")  # type: ignore[arg-type]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, all_alive: Ground) -> Home:
    monkeypatch.setenv("AIRFLOW_HOME", str(all_alive.folder))
    return Home.of(settings.load())


def restarting(home: Home, started_by: str, made: Ground) -> Callable[[], bool]:
    found = stack.Stack(Answers(), ours=False, started_by=started_by)  # type: ignore[arg-type]
    return lambda: stack.restart_ended(home, found, made.said.append)


def test_an_airflow_without_a_keeper_gets_one_and_a_second_look_gives_no_second(home: Home, all_alive: Ground) -> None:
    restart = restarting(home, "up", all_alive)
    assert restart() is False
    before = all_alive.record().pids
    assert KEEPER in before
    assert restart() is False
    assert all_alive.record().pids == before
    assert all_alive.said == []
    all_alive.kill(KEEPER)
    assert restart() is True
    logs = all_alive.folder / "process-logs"
    assert all_alive.said == [f"keeper had ended by itself, and is started again: its logs are in {logs}"]
    assert restart() is False


def test_a_keeper_is_not_given_to_the_airflow_of_another_command_nor_with_another_lake(
    home: Home, all_alive: Ground
) -> None:
    assert restarting(home, "backfill", all_alive)() is False
    other = Home(home.folder, home.environment | {"MARKETLAKE__STORAGE__ROOT": "/mnt/another"})
    with pytest.raises(AirflowTrouble, match="was started with other settings"):
        restarting(other, "up", all_alive)()
    assert KEEPER not in all_alive.record().pids


def test_a_keeper_that_is_started_later_gives_no_schedule_to_what_had_none(
    monkeypatch: pytest.MonkeyPatch, home: Home, all_alive: Ground
) -> None:
    found = all_alive.record()
    all_alive.processes._record(Running(9, "up", found.pids, found.given, unscheduled=True))
    restarting(home, "up", all_alive)()
    keeping = psutil.Process(all_alive.record().pids[KEEPER][0]).environ()
    assert keeping["MARKETLAKE__SCHEDULE__ENABLED"] == "false"
    assert keeping["AIRFLOW__API__PORT"] == "9"
