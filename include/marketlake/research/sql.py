"""The lake as tables of DuckDB."""

from __future__ import annotations

from typing import Any

import pandas as pd

from marketlake.lake import Lake
from marketlake.partitions.layout import PROCESSED
from marketlake.research import frames
from marketlake.research.arguments import engine as installed
from marketlake.research.opening import subjects
from marketlake.research.selection import Subject
from marketlake.sessions import FIRST_SESSION, NEW_YORK


def connect(lake: Lake) -> Any:
    """A connection in memory, with the views and tables that ``ResearchLake.duckdb`` names. Raises EngineMissing."""
    duckdb = installed("duckdb")
    connection = duckdb.connect()
    connection.execute(f"set timezone = '{NEW_YORK}'")
    held = subjects(lake)
    for subject in {subject.spec.name: subject for subject in held}.values():
        _view(connection, subject)
    last = lake.now().date()
    hours = (lake.calendar.hours(session) for session in lake.calendar.sessions(FIRST_SESSION, last))
    _table(connection, "sessions", frames.calendar(hours))
    if held:
        _table(connection, "certificates", pd.concat(map(_certificates, held), ignore_index=True))
    return connection


def _certificates(subject: Subject) -> pd.DataFrame:
    found = subject.find(sorted(subject.store.partitions.present(subject.ticker)))
    frame = frames.certificates(found).reset_index()
    frame.insert(0, "ticker", subject.ticker)
    frame.insert(0, "dataset", subject.spec.name)
    return frame


def _view(connection: Any, subject: Subject) -> None:
    """The files of a dataset, with ``time`` (the start of the bar) and ``session`` before their columns."""
    pattern = str(subject.file(f"{PROCESSED}/*/date=*/{subject.spec.rows.file_name}")).replace("'", "''")
    files = f"read_parquet('{pattern}', hive_partitioning = true, hive_types = {{'date': date}})"
    columns = "make_timestamptz(timestamp * 1000) as time, date as session, * exclude (date)"
    connection.execute(f"create view {subject.spec.name} as select {columns} from {files}")  # noqa: S608 (our own words)


def _table(connection: Any, name: str, frame: pd.DataFrame) -> None:
    connection.from_df(frame).project("* replace (session::date as session)").create(name)
