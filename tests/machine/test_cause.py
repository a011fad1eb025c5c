"""Why a process ended: the message of its last exception, whatever libraries print around it."""

from __future__ import annotations

import pytest

from local_airflow.server.cause import cause_in

REFUSED = """INFO  [alembic] Will assume non-transactional DDL
Traceback (most recent call last):
  File "engine.py", line 869, in connect
    return self.loaded_dbapi.connect(*cargs, **cparams)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
psycopg2.OperationalError: connection to server at "127.0.0.1", port 9 failed: Connection refused

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "engine.py", line 870, in connect
    raise
sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to server at "127.0.0.1", port 9 failed: \
Connection refused
\tIs the server running on that host and accepting TCP/IP connections?

(Background on this error at: https://sqlalche.me/e/21/e3q8)
"""
NO_TABLE = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no such table: dag
[SQL: SELECT dag.dag_id
FROM dag]
[parameters: ('spy',)]
(Background on this error at: https://sqlalche.me/e/21/e3q8)
"""
INVALID = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings
api.attempts
  Input should be a valid integer [type=int_parsing]
    For further information visit https://errors.pydantic.dev/2.12/v/int_parsing
"""
BOXED = """╭──────── Traceback (most recent call last) ────────╮
│ /opt/airflow/cli.py:7 in main                     │
╰────────────────────────────────────────────────────╯
ModuleNotFoundError: No module named 'nowhere'
the process says one thing more
"""
LATER = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
ValueError: the first one

[2026-11-26] it goes on
Traceback (most recent call last):
  File "b.py", line 2, in <module>
InvalidURL: Invalid port: ':1]'
"""


@pytest.mark.parametrize(
    ("printed", "cause"),
    [
        (
            REFUSED,
            'sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to server at "127.0.0.1", port 9'
            " failed: Connection refused Is the server running on that host and accepting TCP/IP connections?",
        ),
        (NO_TABLE, "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no such table: dag"),
        (
            INVALID,
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings api.attempts Input should be"
            " a valid integer [type=int_parsing]",
        ),
        (BOXED, "ModuleNotFoundError: No module named 'nowhere' the process says one thing more"),
        (LATER, "InvalidURL: Invalid port: ':1]'"),
        ("usage: airflow [-h]\nairflow: error: no such command\n\n", "airflow: error: no such command"),
        ('Traceback (most recent call last):\n  File "a.py", line 1\n', 'File "a.py", line 1'),
        ("cannot use postgresql://airflow:hunter2@db/airflow\n", "cannot use ****@db/airflow"),
        ("\n \n", ""),
        ("", ""),
    ],
    ids=["refused", "no table", "invalid", "boxed", "two", "no traceback", "cut off", "secret", "blank", "nothing"],
)
def test_the_cause_is_the_message_of_the_last_exception(printed: str, cause: str) -> None:
    assert cause_in(printed) == cause
