"""Turns at the embedded SQLite: two connections to one file, as two of Airflow's processes have them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own: listeners to every engine of a process are not taken back.
SCRIPT = """
import asyncio, sqlite3, sys
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

path, turns, case = sys.argv[1:]
if turns == "turns":
    from local_airflow.server import sqlite_turns
    sqlite_turns.wait_for_turns()

other = sqlite3.connect(path, timeout=0.1, isolation_level=None)
other.execute("PRAGMA journal_mode=WAL")
other.execute("CREATE TABLE runs (name TEXT)")

def others_write():
    try:
        other.execute("INSERT INTO runs VALUES ('other')")
    except sqlite3.OperationalError as exc:
        print("other:", exc)

def names():
    return sorted(name for name, in other.execute("SELECT name FROM runs"))

async def asynchronous():
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    async with engine.connect() as connection:
        print("wait", (await connection.exec_driver_sql("PRAGMA busy_timeout")).scalar())
        async with connection.begin_nested():
            (await connection.execute(text("SELECT count(*) FROM runs"))).scalar()
            others_write()
            await connection.execute(text("INSERT INTO runs VALUES ('mine')"))
        print("seen before the commit", names())
        await connection.commit()
    await engine.dispose()

def synchronous():
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        print("wait", connection.exec_driver_sql("PRAGMA busy_timeout").scalar())
        with connection.begin_nested():
            connection.execute(text("SELECT count(*) FROM runs")).scalar()
            others_write()
            connection.execute(text("INSERT INTO runs VALUES ('mine')"))
        with connection.begin_nested():
            connection.execute(text("INSERT INTO runs VALUES ('mine too')"))
        print("seen before the commit", names())
        if case == "commit":
            connection.commit()
        else:
            connection.rollback()

try:
    asyncio.run(asynchronous()) if case == "asynchronous" else synchronous()
except OperationalError as exc:
    print("mine:", exc.orig, getattr(exc.orig, "sqlite_errorname", ""))
print("seen at the end", names())
"""

BUSY = "mine: database is locked SQLITE_BUSY_SNAPSHOT"
NOT_WAITED = ["wait 5000", BUSY, "seen at the end ['other']"]
CASES = {
    ("turns", "commit"): [
        "wait 60000",
        "other: database is locked",
        "seen before the commit []",
        "seen at the end ['mine', 'mine too']",
    ],
    ("turns", "rollback"): [
        "wait 60000",
        "other: database is locked",
        "seen before the commit []",
        "seen at the end []",
    ],
    ("turns", "asynchronous"): [
        "wait 60000",
        "other: database is locked",
        "seen before the commit []",
        "seen at the end ['mine']",
    ],
    # What Airflow meets without them. Where this is mended in SQLAlchemy or Airflow, ours can go.
    ("plain", "commit"): NOT_WAITED,
    ("plain", "asynchronous"): NOT_WAITED,
}


@pytest.mark.parametrize(("turns", "case"), CASES)
def test_a_savepoint_that_reads_and_then_writes_with_another_writer_between(
    tmp_path: Path, turns: str, case: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "airflow.db"), turns, case],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.splitlines() == CASES[turns, case], done.stderr[-2000:]


def test_every_process_of_airflow_has_turns() -> None:
    code = (
        "import sys; sys.argv = ['airflow', 'api-server']\n"
        "from airflow import settings; settings.initialize()\n"
        "from sqlalchemy import create_engine\n"
        "with create_engine('sqlite://').connect() as c: print(c.exec_driver_sql('PRAGMA busy_timeout').scalar())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "60000"
