"""What Airflow does again and again: parse the DAG files, and plan a day over a lake of twenty years."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from benchmark.airflow_runs import PLAIN_DAGS, environment
from benchmark.figures import Figure
from benchmark.one_session import Ours
from benchmark.vendor import TICKER
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.planning import scheduled_plan
from marketlake.lake import Lake
from marketlake.partitions.parquet_file import encoded
from marketlake.rows.bars import STOCK_BARS
from seconds import kept_by, spy

_PROJECT = Path(__file__).resolve().parents[2]
_HEAVY = ("pandas", "pyarrow", "numpy", "exchange_calendars", "aiohttp", "marketlake.ingest.session")
_PARSED = """
import gc, json, os, runpy, sys, time
import airflow.sdk
from airflow.dag_processing.dagbag import BundleDagBag
gc.freeze()  # as Airflow's DAG processor does, which then forks for a file
for path in sys.argv[1:]:
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0, path
        continue
    before = set(sys.modules)
    started_s, cpu_s = time.perf_counter(), time.process_time()
    runpy.run_path(path)
    cpu_s = time.process_time() - cpu_s
    found = {"took_s": time.perf_counter() - started_s, "cpu_s": cpu_s, "modules": sorted({*sys.modules} - before)}
    print("PARSED", json.dumps(found), flush=True)
    os._exit(0)
"""


def parse(folder: Path, runs: int) -> list[Figure]:
    """Seconds to read a DAG file in a process that has loaded Airflow and nothing else of ours."""
    files = sorted((_PROJECT / "dags").glob("*.py"))
    *ours, plains = zip(*[_parsed([*files, PLAIN_DAGS / "plain_bars.py"], folder) for _ in range(runs)], strict=True)
    plain = [one["took_s"] for one in plains]
    figures = []
    for name, found in zip([file.name for file in files], ours, strict=True):
        heavy = sorted({module for one in found for module in one["modules"] if module in _HEAVY})
        assert not heavy, f"{name} imports {heavy}"
        took_s = [one["took_s"] for one in found]
        figures.append(Figure(f"parsing {name}", "s", took_s, limit=0.15, note="no heavy module"))
        figures.append(Figure(f"parsing {name}", "s", took_s, "plain DAG", plain))
    return figures


def parse_of_many(folder: Path, runs: int) -> list[Figure]:
    """CPU of the same with 500 tickers of two datasets: as the DAG processor reads a file, and as a task does."""
    files = [_PROJECT / "dags" / name for name in ("second_bars.py", "bars_audit.py")]
    kinds = {
        "of one ticker": _tickers(1),
        "of 500": _tickers(500),
        "of 500, within a task": _tickers(500) | {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": "t0_second_bars"},
    }
    cpu_s: dict[tuple[str, str], list[float]] = {}
    for kind in [*kinds] * runs:  # in turn, as machines change their pace
        for file, found in zip(files, _parsed(files, folder, **kinds[kind]), strict=True):
            cpu_s.setdefault((file.name, kind), []).append(found["cpu_s"])
    figures = []
    for file in files:
        one, many, task = (cpu_s[file.name, kind] for kind in kinds)
        figures += [
            Figure(f"CPU of parsing {file.name} of 500 tickers", "s", many, limit=2, note="of two datasets"),
            Figure(f"CPU of parsing {file.name} of 500 tickers", "s", many, "of one", one),
            Figure(f"CPU of parsing {file.name} of 500 tickers within a task", "s", task, "of one", one, limit=1.5),
        ]
    return figures


def _tickers(count: int) -> dict[str, str]:
    """Variables with which so many are collected, of both datasets."""
    names = json.dumps([f"T{number}" for number in range(count)])
    return {f"MARKETLAKE__DATASETS__{dataset}__TICKERS": names for dataset in ("SECOND_BARS", "MINUTE_BARS")}


def _parsed(files: list[Path], folder: Path, **more: str) -> list[dict[str, Any]]:
    """What reading each of the files takes, and the modules that it loads."""
    given = {"AIRFLOW_HOME": str(folder), "PYTHONPATH": os.pathsep.join([f"{_PROJECT}/include", f"{_PROJECT}/plugins"])}
    with environment(given | {"AIRFLOW__CORE__LOAD_EXAMPLES": "False", "MARKETLAKE_ENV_FILE": ""} | more):
        done = subprocess.run([sys.executable, "-c", _PARSED, *files], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("PARSED ")]
    return [json.loads(line.removeprefix("PARSED ")) for line in lines]


class _Counting:
    """A storage that counts what it is asked."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self.calls: Counter[str] = Counter()

    def under(self, prefix: str) -> _Counting:
        assert not prefix, prefix  # of second bars
        return self

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._storage, name)


def plan(url: str, folder: Path, first: dt.date, last: dt.date, runs: int) -> list[Figure]:
    """Seconds for the plan of a daily run whose lake holds every session but the last."""
    with environment({"MARKETLAKE__STORAGE__ROOT": str(folder), "MARKETLAKE_ENV_FILE": ""}):
        configured = settings.load()
    sessions = filled(Lake(configured), url, folder, first, last)
    took_s, naive_s = [], []
    for _ in range(runs):
        lake = Lake(configured)
        counting = _Counting(lake.storage)
        lake.storage = counting  # type: ignore[assignment]
        started_s = time.perf_counter()
        planned = scheduled_plan(lake, coverage_of(lake, SECOND_BARS.spec.name, TICKER), last)
        took_s.append(time.perf_counter() - started_s)
        assert planned == [last], planned
        assert counting.calls["stamps"] == 1
        assert counting.calls["folders"] + counting.calls["exists"] == 0, counting.calls
        started_s = time.perf_counter()
        assert len(list((folder / "processed").glob("*/date=*/bars.parquet"))) == sessions
        naive_s.append(time.perf_counter() - started_s)
    name = f"plan of a daily run over {sessions} partitions"
    footers = f"one listing and {counting.calls['open']} footers"
    return [
        Figure(name, "s", took_s, limit=0.5, note=footers),
        Figure(name, "s", took_s, "a bare glob over the files", naive_s),
    ]


def filled(lake: Lake, url: str, folder: Path, first: dt.date, last: dt.date) -> int:
    """Make partitions of few rows, each with the certificate of a dense session under its own date."""
    days = lake.calendar.sessions(first, last)[:-1]
    file = Ours(url, folder).session(days[-1])
    certificate = kept_by(lake).partitions.certificate(spy(days[-1]))
    assert certificate is not None
    rows = pq.read_table(file, partitioning=None).slice(0, 10)
    compression, level = lake.settings.storage.compression, lake.settings.storage.compression_level
    for day in days[:-1]:
        dated = msgspec.structs.replace(certificate, session=day, rows=rows.num_rows)
        path = lake.storage.path(kept_by(lake).partitions.path(spy(day)))
        path.parent.mkdir(parents=True)
        path.write_bytes(encoded(rows, dated, STOCK_BARS, compression, level))
    return len(days)
