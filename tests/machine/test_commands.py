"""``make backfill`` as a user types it, with an Airflow that it starts and ends by itself."""

from __future__ import annotations

import datetime as dt
import json
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from conftest import KEY, RecordedElseSparse
from local_airflow.server.api import AirflowApi
from local_airflow.server.ports import free_port
from polygon_simulator.server import Simulator
from rig import Rig, airflow_of, processes_in, rows, until

pytestmark = pytest.mark.airflow


OF_ANOTHER_AIRFLOW = {
    "AIRFLOW_CONFIG": "/srv/other/airflow.cfg",
    "AIRFLOW__API__SSL_CERT": "/srv/other/certificate.pem",
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "AIRFLOW__CORE__DAGS_FOLDER": "/srv/other/dags",
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "True",
    "AIRFLOW__CORE__PLUGINS_FOLDER": "/srv/other/plugins",
}
"""What may stand in the shell of somebody who has another Airflow."""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Simulator(RecordedElseSparse(), KEY) as simulator:
        rig = Rig(tmp_path / "a folder of %41 ? and 'quotes'", simulator, dict(OF_ANOTHER_AIRFLOW))
        rig.folder.mkdir()
        yield rig
        if rig.home.exists():  # else nothing can have been started
            rig.make("down")
        assert rig.processes() == []


def test_three_days_from_nothing_then_another_interrupted_and_resumed_then_the_days_fetched_again(rig: Rig) -> None:
    """In one home, and with one start less: each costs as much as all of its runs."""
    _three_days_from_nothing(rig)
    migrated_ns = (rig.home / "migrate.log").stat().st_mtime_ns
    _interrupted_with_its_processes_ended(rig)
    with airflow_of(rig):  # that a second command starts its own, the interrupted one shows
        _resumed(rig)
        again = rig.backfill("2013-10-05", "2013-10-09")
        assert again.returncode == 0, again.stdout
        assert "nothing to do: all 3 sessions have a run that succeeded" in again.stdout
        _the_days_fetched_again(rig)
    assert (rig.home / "migrate.log").stat().st_mtime_ns == migrated_ns
    assert rows(rig, "select run_type, count(*) from dag_run group by 1") == [("backfill", 15)]


def _three_days_from_nothing(rig: Rig) -> None:
    first = rig.backfill("2013-10-05", "2013-10-09")
    assert first.returncode == 0, first.stdout
    assert "SPY: 3 sessions from 2013-10-07 to 2013-10-09, 3 not here yet: about 9 requests" in first.stdout
    assert "3 created, 0 cleared, 0 skipped" in first.stdout
    assert "SPY: 3 of 3 sessions have their partition" in first.stdout
    assert KEY not in first.stdout
    assert rows(rig, "select count(*), count(distinct logical_date) from dag_run where run_type = 'backfill'") == [
        (3, 3)
    ]
    assert rows(rig, "select count(*) from dag_run") == [(3,)]
    assert rows(rig, "select task_id, map_index, state, count(*) from task_instance group by 1, 2, 3 order by 1") == [
        ("dates_ended", -1, "skipped", 3),
        ("ingest_session", 0, "success", 3),
        ("plan_sessions", -1, "success", 3),
        ("report", -1, "skipped", 3),
    ]
    assert rig.processes() == []
    for day in ("2013-10-07", "2013-10-08", "2013-10-09"):
        served = rig.simulator.bars("SPY", dt.date.fromisoformat(day))
        stored = pq.read_table(rig.partition(day), partitioning=None).to_pydict()
        for name, key in (("timestamp", "t"), ("open", "o"), ("low", "l"), ("volume", "v"), ("vwap", "vw")):
            assert stored[name] == [bar[key] for bar in served], (day, name)


def _interrupted_with_its_processes_ended(rig: Rig) -> None:
    rig.extra["MARKETLAKE__TASKS__RETRIES"] = "4"  # the interrupt takes one try of whatever it ends, and so may a stall
    rig.simulator.faults.set("*", [{"fault": "slow", "times": 0}])
    for day in (10, 11, 12, 16):  # not one of them arrives before the interrupt does
        rig.simulator.faults.set(f"2024-01-{day}", [{"fault": "stall", "times": 0}])
    running = rig.start_backfill("2024-01-02", "2024-01-18")
    output = running.stdout
    assert output is not None
    line = next(line for line in output if re.search(r"[1-9]\d* success", line))
    assert "success" in line
    other = rig.backfill("2024-03-01", "2024-03-05")
    assert other.returncode == 2
    assert "there can be only one. Resume it with  make backfill FROM=2024-01-02 TO=2024-01-18" in other.stdout
    running.send_signal(signal.SIGINT)
    rest = output.read()
    assert running.wait(timeout=60) == 130
    assert "paused. Resume with  make backfill FROM=2024-01-02 TO=2024-01-18" in rest
    until(lambda: rig.processes() == [], timeout_s=10)
    assert rows(rig, "select is_paused, completed_at is null from backfill where id = 2") == [(1, 1)]
    assert sum(1 for _ in rig.lake.rglob("date=2024-01-*/bars.parquet")) < 12
    rig.simulator.faults.clear()


def _resumed(rig: Rig) -> None:
    resumed = rig.backfill("2024-01-02", "2024-01-18")
    assert resumed.returncode == 0, resumed.stdout
    assert "re-attached to backfill 2" in resumed.stdout
    assert "SPY: 12 of 12 sessions have their partition" in resumed.stdout
    of_january = "from {} where run_id like 'backfill__2024-01-%'"
    assert rows(rig, f"select count(*) {of_january.format('dag_run')}") == [(12,)]
    states = rows(rig, f"select state, count(*) {of_january.format('task_instance')} group by 1")
    assert states == [("skipped", 24), ("success", 24)]


def _the_days_fetched_again(rig: Rig) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in rig.lake.rglob("*") if path.is_file()}
    asked = len(rig.simulator.requests)
    assert rows(rig, "select count(*) from asset_event") == [(15,)]
    refetched = rig.backfill("2013-10-05", "2013-10-09", REFETCH="1")
    assert refetched.returncode == 0, refetched.stdout
    assert "0 created, 3 cleared, 0 skipped" in refetched.stdout
    first_and_last, seconds_minutes_day = 2, 3
    assert len(rig.simulator.requests) - asked == first_and_last + 3 * seconds_minutes_day
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in rig.lake.rglob("*") if path.is_file()}
    assert after == before
    assert rows(rig, "select count(*) from asset_event") == [(18,)]


def test_up_runs_the_schedule_and_fills_recent_gaps_and_down_ends_it(rig: Rig, migrated: Path) -> None:
    rig.with_database(migrated)
    rig.extra["MARKETLAKE__SCHEDULE__CATCH_UP_SESSIONS"] = "2"
    rig.extra["AIRFLOW__API__PORT"] = str(free_port())
    up = rig.make("up")
    assert up.returncode == 0, up.stdout
    assert f"Airflow is up at http://127.0.0.1:{rig.extra['AIRFLOW__API__PORT']} on embedded SQLite" in up.stdout
    assert "user admin, password in" in up.stdout
    assert "is up already" in rig.make("up").stdout
    listening = set()
    for process in processes_in(rig.home):
        with suppress(psutil.NoSuchProcess):  # a task that has just ended
            listening |= {one.laddr for one in process.net_connections("inet") if one.status == "LISTEN"}
    assert listening == {("127.0.0.1", int(rig.extra["AIRFLOW__API__PORT"]))}
    api = AirflowApi(f"http://127.0.0.1:{rig.extra['AIRFLOW__API__PORT']}", "admin", _password(rig))
    assert api.log_in()
    until(lambda: rows(rig, "select count(*) from dag_run where state = 'success'") == [(2,)])
    assert rows(rig, "select dag_id, run_type, state, count(*) from dag_run group by 1, 2, 3 order by 1") == [
        ("spy_bars_audit", "scheduled", "success", 1),
        ("spy_second_bars", "scheduled", "success", 1),
    ]
    instances = "select task_id, state, count(*) from task_instance where dag_id = '{}' group by 1, 2 order by 1"
    assert rows(rig, instances.format("spy_second_bars")) == [
        ("dates_ended", "success", 1),
        ("ingest_session", "success", 3),
        ("plan_sessions", "success", 1),
        ("report", "success", 1),
    ]
    assert rows(rig, instances.format("spy_bars_audit")) == [  # of a lake that was just filled, nothing is due
        ("audit_session", "skipped", 1),
        ("dates_ended", "success", 1),
        ("plan_audit", "success", 1),
        ("summarise_audit", "success", 1),
    ]
    newest_first = rows(rig, "select rendered_map_index from task_instance where map_index >= 0 order by map_index")
    assert newest_first == sorted(newest_first, reverse=True)
    assert "ended" in rig.make("down").stdout
    assert rig.processes() == []
    assert "no Airflow of this checkout is up" in rig.make("down").stdout


def test_up_warns_of_a_missing_key_and_of_a_taken_port(rig: Rig, migrated: Path) -> None:
    rig.with_database(migrated)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = rig.make("up", POLYGON_API_KEY="", AIRFLOW__API__PORT=str(port))
    assert up.returncode == 2
    assert "WARNING: no API key: put POLYGON_API_KEY=... into .env" in up.stdout
    assert f"port {port} of 127.0.0.1 is taken: set AIRFLOW__API__PORT to another one." in up.stdout


def test_the_home_of_another_airflow_stays_as_it_is(rig: Rig) -> None:
    rig.home.mkdir()
    (rig.home / "airflow.cfg").write_text("[core]\n")
    (rig.home / "airflow.db").write_text("the database of somebody else")
    for done in (rig.make("up"), rig.backfill("2024-11-25", "2024-11-26"), rig.make("airflow", "ARGS=version")):
        assert done.returncode == 2
        assert f"AIRFLOW_HOME={rig.home} holds another Airflow (airflow.cfg, airflow.db)" in done.stdout
    assert (rig.home / "airflow.cfg").read_text() == "[core]\n"
    assert (rig.home / "airflow.db").read_text() == "the database of somebody else"


def _password(rig: Rig) -> str:
    (file,) = rig.home.glob("*passwords*")
    assert file.stat().st_mode & 0o077 == 0
    return str(json.loads(file.read_text())["admin"])


def test_a_backfill_reaching_into_the_future_is_clipped_and_says_so(rig: Rig, migrated: Path) -> None:
    rig.with_database(migrated)
    done = rig.backfill("2024-11-29", "2199-12-31", POLYGON_API_KEY="wrong-key-of-somebody-else")
    assert "TO=2199-12-31 is clipped to" in done.stdout
    assert "the last final session" in done.stdout
    assert "KeyRefused" in done.stdout
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (("2024-13-01", "2024-12-02"), {}, "FROM='2024-13-01' is no date: write it as YYYY-MM-DD."),
        (
            ("", ""),
            {},
            "usage: make backfill FROM=YYYY-MM-DD TO=YYYY-MM-DD [DATASET=second_bars] [TICKER=SPY] [REFETCH=1]",
        ),
        (
            ("2024-11-25", ""),
            {},
            "usage: make backfill FROM=YYYY-MM-DD TO=YYYY-MM-DD [DATASET=second_bars] [TICKER=SPY] [REFETCH=1]",
        ),
        (("2024-12-02", "2024-11-25"), {}, "TO=2024-11-25 is before FROM=2024-12-02"),
        (("2024-11-30", "2024-12-01"), {}, "no final session of the New York Stock Exchange"),
        (("2199-01-04", "2199-01-08"), {}, "no final session of the New York Stock Exchange"),
        (
            ("2024-11-25", "2024-11-26"),
            {"DATASET": "minutes"},
            "SettingsError: there is no dataset 'minutes': those are second_bars, minute_bars, options.",
        ),
        (
            ("2024-11-25", "2024-11-26"),
            {"DATASET": "minute_bars"},
            "SettingsError: DATASET=minute_bars is off: name a ticker in datasets.minute_bars.tickers, such as"
            " MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS='[\"SPY\"]'. On: second_bars.",
        ),
        (
            ("1999-01-04", "1999-01-08"),
            {"DATASET": "minute_bars", "MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS": '["SPY"]'},
            "no final session of the New York Stock Exchange from 1999-01-04 to 1999-01-08",
        ),
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
