"""Sessions through Airflow, against the official client's bare rate and against a plain DAG."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from pathlib import Path

from benchmark.airflow_runs import airflow
from benchmark.figures import Figure
from benchmark.peers import OfficialClient
from benchmark.postgres import postgres
from benchmark.vendor import TICKER

DAG = f"{TICKER.lower()}_second_bars"
_WARM = 8
_CLIENT = "official client, bare"


def bare_client(url: str, folder: Path, days: Sequence[dt.date]) -> list[float]:
    """Sessions a minute of the official client in a loop, one figure a session."""
    folder.mkdir(parents=True)
    client, found = OfficialClient(url, folder), []
    for day in days:
        started_s = time.perf_counter()
        client.session(day)
        found.append(60 / (time.perf_counter() - started_s))
    return found[1:]


def on_postgres(
    url: str, folder: Path, days: Sequence[dt.date], client: list[float], *, sessions: int, few: int, many: int
) -> list[Figure]:
    """A manual range, a backfill, and what a session costs in a small run and in a large one."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)  # the server's user has to come in
    with postgres(folder) as database, airflow(folder, url, database) as up:
        up.manual(DAG, list(days[:_WARM]))
        last, first = list(days[-sessions:]), list(days[:sessions])
        manual = [up.manual(DAG, days_, refetch=True) for days_ in (first, last)]
        backfill = up.backfill(DAG, first)
        small = up.manual(DAG, list(days[:few]), refetch=True)
        large = up.manual(DAG, list(days[:many]), refetch=True)
    name = "sessions a minute, PostgreSQL, LocalExecutor"
    return [
        Figure(f"{name}: manual range of {sessions}", "/min", [one.a_minute for one in manual], _CLIENT, client,
               limit=3, more_is_better=True),
        Figure(f"{name}: airflow backfill of {sessions}", "/min", [backfill.a_minute], _CLIENT, client,
               limit=1.5, more_is_better=True),
        Figure(f"CPU a session in a run of {many}", "s", [large.cpu_s / many], f"in a run of {few}",
               [small.cpu_s / few], limit=1.15),
        Figure(f"wall a session in a run of {many}", "s", [large.wall_s / many], f"in a run of {few}",
               [small.wall_s / few], limit=1.15),
    ]  # fmt: skip


def on_sqlite(url: str, folder: Path, days: Sequence[dt.date], client: list[float]) -> list[Figure]:
    """A manual range on the embedded database; a failed session fails the benchmark."""
    with airflow(folder, url, None) as up:
        up.manual(DAG, list(days[:_WARM]))
        spent = up.manual(DAG, list(days), refetch=True)
    name = f"sessions a minute, embedded SQLite: manual range of {len(days)}, none failed"
    return [Figure(name, "/min", [spent.a_minute], _CLIENT, client, limit=1, more_is_better=True)]


def plain_dag(url: str, folder: Path, days: Sequence[dt.date], client: list[float]) -> list[Figure]:
    """A DAG as people write it, on PostgreSQL as above."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    with postgres(folder) as database, airflow(folder, url, database, plain=True) as up:
        up.manual("plain_bars", list(days[:2]))
        spent = up.manual("plain_bars", list(days))
    name = f"sessions a minute of a plain DAG: manual range of {len(days)}"
    return [Figure(name, "/min", [spent.a_minute], _CLIENT, client, more_is_better=True)]
