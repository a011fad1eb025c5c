"""What Airflow takes and keeps of a session, by a manual range and by a backfill: ``docs/sizing.md`` multiplies it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmark.airflow_runs import BenchAirflow, Spent, airflow
from benchmark.figures import Figure
from benchmark.metadata import metadata_of
from benchmark.through_airflow import DAG
from sizing import BACKFILL, MANUAL, Footprint, sizing_table

_WARM = 8


def footprint(url: str, folder: Path, database: str, days: Sequence[dt.date]) -> list[Figure]:
    """Both in one Airflow, half of the sessions each, on an empty database. Prints the table of the documents, too."""
    half = (len(days) - _WARM) // 2
    with airflow(folder, url, database) as up:
        up.manual(DAG, days[:_WARM])
        manual, of_manual, rows_of_manual = _measured(
            up, database, folder, partial(up.manual, DAG, days[_WARM:][:half])
        )
        backfill, of_backfill, rows = _measured(up, database, folder, partial(up.backfill, DAG, days[-half:]))
    print(sizing_table())
    pairs = (("a backfill", of_backfill, BACKFILL, rows), ("a manual range", of_manual, MANUAL, rows_of_manual))
    figures = [figure for name, found, known, tables in pairs for figure in _beside(name, found, known, tables)]
    return [
        Figure(f"sessions a minute, a backfill of {half}", "/min", [backfill.a_minute], "a manual range",
               [manual.a_minute], more_is_better=True),
        Figure("CPU a session of a backfill", "s", [backfill.cpu_s / half], "of a manual range", [manual.cpu_s / half],
               note=f"{manual.cpu_ms_a_session}; of a backfill {backfill.cpu_ms_a_session}"),
        *figures,
    ]  # fmt: skip


def _measured(up: BenchAirflow, database: str, folder: Path, run: Callable[[], Spent]) -> tuple[Spent, Footprint, str]:
    """What sessions took, what one of them leaves, and the rows of a thousand of them by table."""
    before, logs_before = metadata_of(database), _bytes_under(folder / "logs")
    spent = run()
    left = metadata_of(database).since(before)
    return (
        spent,
        Footprint(
            rows=sum(left.rows.values()) / spent.sessions,
            database_bytes=sum(left.bytes.values()) // spent.sessions,
            log_bytes=(_bytes_under(folder / "logs") - logs_before) // spent.sessions,
        ),
        left.a_thousand(spent.sessions),
    )


def _beside(name: str, found: Footprint, known: Footprint, tables: str) -> list[Figure]:
    """What was found, against what the documents reckon with."""
    rows = [
        ("rows in Airflow's database", "", found.rows, known.rows),
        ("bytes in Airflow's database", "bytes", found.database_bytes, known.database_bytes),
        ("bytes of task logs", "bytes", found.log_bytes, known.log_bytes),
    ]
    return [
        Figure(f"{what} a session of {name}", unit, [value], "docs/sizing.md", [expected],
               note=f"of 1,000: {tables}" if unit == "" else "")
        for what, unit, value, expected in rows
    ]  # fmt: skip


def _bytes_under(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
