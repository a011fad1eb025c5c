"""Airflow's database if it is the embedded SQLite: whoever will write waits for a turn, and does not fail.

Airflow creates backfill runs inside savepoints. pysqlite opens no transaction for a savepoint, so each run was
committed separately, and a concurrent commit made the next write fail (SQLITE_BUSY_SNAPSHOT). Airflow then rolled
back runs the scheduler had already started. BEGIN IMMEDIATE takes the write lock first.
"""

from typing import Any

from sqlalchemy import Connection, Engine, event

# Airflow creates a thousand runs of a backfill in half a minute, and everybody else waits that long.
_WAIT_MS = 60_000


def wait_for_turns() -> None:
    """From now on, in this process: a savepoint takes SQLite's lock for writing first, and a lock is waited for."""
    event.listen(Engine, "connect", _wait)
    event.listen(Engine, "savepoint", _begin)


def _wait(connection: Any, _: object) -> None:
    if "sqlite" in type(connection).__module__:  # of the driver, or of its asynchronous cover
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_WAIT_MS}")
        cursor.close()


def _begin(connection: Connection, _: str) -> None:
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
