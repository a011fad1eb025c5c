"""``make backfill`` as a user types it, with an Airflow that it starts and ends by itself."""

from __future__ import annotations

import re
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import KEY, RecordedElseMadeUp
from polygon_simulator.server import Simulator
from rig import Rig, until

pytestmark = pytest.mark.airflow


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Simulator(RecordedElseMadeUp(), KEY) as simulator:
        rig = Rig(tmp_path, simulator)
        yield rig
        rig.make("down")
        assert rig.processes() == []


def rows(rig: Rig, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(rig.home / "airflow.db") as database:
        return database.execute(query).fetchall()


def test_three_days_from_nothing_then_resumed_then_fetched_again(rig: Rig) -> None:
    first = rig.backfill("2013-10-05", "2013-10-09")
    assert first.returncode == 0, first.stdout
    assert "SPY: 3 sessions from 2013-10-07 to 2013-10-09, 3 to fetch: about 3 requests" in first.stdout
    assert "3 created, 0 cleared, 0 skipped" in first.stdout
    assert "SPY: 3 of 3 sessions have their partition" in first.stdout
    assert KEY not in first.stdout
    assert rows(rig, "select count(*), count(distinct logical_date) from dag_run where run_type = 'backfill'") == [
        (3, 3)
    ]
    assert rows(rig, "select count(*) from dag_run") == [(3,)]
    assert rows(rig, "select task_id, map_index, state, count(*) from task_instance group by 1, 2, 3 order by 1") == [
        ("ingest_session", 0, "success", 3),
        ("plan_sessions", -1, "success", 3),
    ]
    assert rig.processes() == []

    again = rig.backfill("2013-10-05", "2013-10-09")
    assert again.returncode == 0, again.stdout
    assert "nothing to do: all 3 sessions have a successful run" in again.stdout

    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in rig.lake.rglob("*") if path.is_file()}
    asked = len(rig.simulator.requests)
    refetched = rig.backfill("2013-10-05", "2013-10-09", REFETCH="1")
    assert refetched.returncode == 0, refetched.stdout
    assert "0 created, 3 cleared, 0 skipped" in refetched.stdout
    assert len(rig.simulator.requests) - asked == 2 + 3  # the first and the last session are asked before
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in rig.lake.rglob("*") if path.is_file()}
    assert after == before
    assert rows(rig, "select count(*) from asset_event") == [(6,)]


def test_an_interrupted_backfill_pauses_ends_its_processes_and_resumes(rig: Rig) -> None:
    rig.simulator.faults.set("*", [{"fault": "slow", "times": 0}])
    running = rig.start_backfill("2024-01-02", "2024-01-31")
    output = running.stdout
    assert output is not None
    line = next(line for line in output if re.search(r"[1-9]\d* success", line))
    assert "success" in line
    running.send_signal(signal.SIGINT)
    rest = output.read()
    assert running.wait(timeout=60) == 130
    assert "paused. Resume with  make backfill FROM=2024-01-02 TO=2024-01-31" in rest
    until(lambda: rig.processes() == [], timeout_s=10)
    assert rows(rig, "select is_paused, completed_at is null from backfill") == [(1, 1)]
    assert sum(1 for _ in rig.lake.rglob("bars.parquet")) < 21

    rig.simulator.faults.clear()
    other = rig.backfill("2024-03-01", "2024-03-05")
    assert other.returncode == 2
    assert "there can be only one. Resume it with  make backfill FROM=2024-01-02 TO=2024-01-31" in other.stdout

    resumed = rig.backfill("2024-01-02", "2024-01-31")
    assert resumed.returncode == 0, resumed.stdout
    assert "re-attached to backfill 1" in resumed.stdout
    assert "SPY: 21 of 21 sessions have their partition" in resumed.stdout
    assert rows(rig, "select count(*) from dag_run") == [(21,)]
    assert rows(rig, "select state, count(*) from task_instance group by 1") == [("success", 42)]


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (("2024-13-01", "2024-12-02"), {}, "FROM='2024-13-01' is no date: write it as YYYY-MM-DD."),
        (("", ""), {}, "FROM='' is no date"),
        (("2024-12-02", "2024-11-25"), {}, "TO=2024-11-25 is before FROM=2024-12-02"),
        (("2024-11-30", "2024-12-01"), {}, "no final session of the New York Stock Exchange"),
        (("2199-01-04", "2199-01-08"), {}, "no final session of the New York Stock Exchange"),
        (("2024-11-25", "2024-11-26"), {"MARKETLAKE__API__ATTEMPTS": "x"}, "api.attempts (MARKETLAKE__API__ATTEMPTS)"),
        (("2024-11-25", "2024-11-26"), {"MARKETLAKE__STORAGE__ROOT": "/proc/lake"}, "cannot write into /proc/lake"),
        (("2024-11-25", "2024-11-26"), {"MARKETLAKE__STORAGE__MIN_FREE_BYTES": "9" * 17}, "storage.min_free_bytes"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_before_anything_starts(
    rig: Rig, arguments: tuple[str, str], environment: dict[str, str], told: str
) -> None:
    done = rig.backfill(*arguments, **environment)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make:")]
    assert done.returncode != 0
    assert told in lines[-1]
    assert len(lines) == 1
    assert not rig.home.exists()
