"""The lake as tables of DuckDB."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from marketlake.datasets import DATASETS
from marketlake.lake import Lake
from marketlake.research import frames
from marketlake.research.arguments import TAKEN
from marketlake.research.arguments import engine as installed
from marketlake.research.lazily import arrow_files
from marketlake.research.opening import subjects
from marketlake.research.selection import Found, Subject
from marketlake.sessions import FIRST_SESSION, NEW_YORK
from marketlake.storage.s3.storage import S3Storage

_TICKER = "underlying as ticker"
_OF_CONTRACT = (
    "strptime('20' || contract[-15:-10], '%Y%m%d')::date as expiry",
    "if(contract[-9] = 'C', 'call', 'put') as type",
    "contract[-8:]::integer / 1000 as strike",
)
"""A contract's ticker ends with ``yymmdd``, ``C`` or ``P``, and eight digits of the strike."""


def connect(lake: Lake) -> Any:
    """A connection in memory, with the views and tables that ``ResearchLake.duckdb`` names. Raises EngineMissing."""
    duckdb = installed("duckdb")
    connection = duckdb.connect()
    connection.execute(f"set timezone = '{NEW_YORK}'")
    found = [(subject, _held(subject)) for subject in subjects(lake)]
    for name in dict.fromkeys(subject.spec.name for subject, _ in found):
        _view(connection, name, [one for one in found if one[0].spec.name == name])
    hours = (lake.calendar.hours(day) for day in lake.calendar.sessions(FIRST_SESSION, lake.now().date()))
    _table(connection, "sessions", frames.calendar(hours))
    empty = frames.certificates([]).reset_index().assign(dataset="", ticker="")
    _table(connection, "certificates", pd.concat([_certificates(*one) for one in found]) if found else empty)
    return connection


def _held(subject: Subject) -> list[Found]:
    return subject.find(sorted(subject.store.partitions.present(subject.ticker)))


def _certificates(subject: Subject, found: list[Found]) -> pd.DataFrame:
    frame = frames.certificates(found).reset_index()
    frame.insert(0, "ticker", subject.ticker)
    frame.insert(0, "dataset", subject.spec.name)
    return frame


def _view(connection: Any, name: str, parts: list[tuple[Subject, list[Found]]]) -> None:
    """The files of a dataset, with ``time`` (the start of the bar) and ``session`` before their columns.

    Of options, whose columns do not say it, also the underlying's ``ticker``, and behind them what a contract's says.
    """
    taken = [(subject, [one.path for one in found if subject.takes(one, TAKEN)]) for subject, found in parts]
    taken = [(subject, paths) for subject, paths in taken if paths]
    if not taken:
        return
    spec = parts[0][0].spec
    time = ["make_timestamptz(timestamp * 1000) as time"] if spec.bar_ms else []
    of_options = [] if name in DATASETS else [_TICKER]
    columns = [*spec.rows.schema.names, *(_OF_CONTRACT if spec.bar_ms and of_options else ())]
    selected = ", ".join([*time, "session", *of_options, *columns])
    rows = " union all by name ".join(_rows(connection, subject, paths) for subject, paths in taken)
    connection.execute(f"create view {name} as select {selected} from ({rows})")  # noqa: S608 (names and paths of ours)


def _rows(connection: Any, subject: Subject, paths: Sequence[str]) -> str:
    """The query of a subject's rows, with ``session`` and ``underlying``.

    Of an object store by way of Arrow: what DuckDB reads one with is a download.
    """
    named = f"'{subject.ticker}' as underlying"
    if isinstance(subject.store.storage, S3Storage):
        table = f"files_of_{subject.spec.name}_{subject.ticker.lower()}".replace(".", "_")
        connection.register(table, arrow_files(subject, paths))
        return f"select date as session, {named}, * exclude (date) from {table}"  # noqa: S608
    # By the name of the file: a folder above the lake may be called date=... as well.
    session = r"regexp_extract(filename, '.*/date=(\d{4}-\d\d-\d\d)/', 1)::date as session"
    files = ", ".join(f"'{_as_pattern(subject.address(path))}'" for path in paths)
    return f"select {session}, {named}, * from read_parquet([{files}], hive_partitioning = false, filename = true)"  # noqa: S608


def _as_pattern(path: str) -> str:
    """A path for DuckDB, which takes every one for a pattern."""
    return re.sub(r"([*?\[\\])", r"[\1]", path).replace("'", "''")


def _table(connection: Any, name: str, frame: pd.DataFrame) -> None:
    connection.from_df(frame).project("* replace (session::date as session)").create(name)
