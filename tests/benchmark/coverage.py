"""The coverage of twenty years: what the page's server takes for it, cold, with the lake's index, and warm."""

from __future__ import annotations

import datetime as dt
import gc
import gzip
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from benchmark.airflow_runs import environment
from benchmark.drawn import drawn
from benchmark.figures import Figure
from benchmark.plans import filled
from benchmark.vendor import TICKER
from marketlake import settings
from marketlake.coverage.index import CoverageIndex
from marketlake.coverage_page.calendar import calendar_of
from marketlake.coverage_page.static_files import static_files
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.lake import Lake
from marketlake.partitions.layout import index_path
from marketlake.research.selection import Subject

_READERS = 8


def coverage(url: str, folder: Path, first: dt.date, last: dt.date, runs: int) -> list[Figure]:
    """Seconds from nothing to JSON. Files are in the system's cache."""
    given = {"MARKETLAKE__STORAGE__ROOT": str(folder), "MARKETLAKE__HISTORY__START_DATE": str(first)}
    with environment(given | {"MARKETLAKE__HISTORY__END_DATE": str(last), "MARKETLAKE_ENV_FILE": ""}):
        lake = Lake(settings.load())
    sessions = filled(lake, url, folder, first, last)
    subject = Subject(lake, SECOND_BARS, TICKER)
    _coverage(_index(subject, keep=False), subject, sessions)  # which loads the calendar library
    gc.collect()
    gc.freeze()  # what the benchmark itself holds is not looked through again in the middle of a figure
    cold_s, indexed_s, warm_s, bare_s = [], [], [], []
    for _ in range(runs):
        bare_s.append(_took(lambda: _footers(folder)))
        (folder / index_path(TICKER)).unlink(missing_ok=True)
        cold_s.append(_took(lambda: _coverage(_index(subject, keep=False), subject, sessions)))
        index = _index(subject, keep=True)
        _coverage(index, subject, sessions)
        indexed_s.append(_took(lambda: _coverage(_index(subject, keep=True), subject, sessions)))
        warm_s.append(_took(lambda index=index: _coverage(index, subject, sessions)))
    gc.unfreeze()
    loaded = [
        len(gzip.compress(file.data, 6)) / 1000 for name, file in static_files().items() if "standalone" not in name
    ]
    return [
        Figure(f"coverage of {sessions:,} sessions, cold", "s", cold_s, limit=1.5),
        Figure(f"coverage of {sessions:,} sessions, cold", "s", cold_s, "bare footers", bare_s),
        Figure(f"coverage of {sessions:,} sessions, with the lake's index", "s", indexed_s, limit=0.3),
        Figure(f"coverage of {sessions:,} sessions, warm", "s", warm_s, limit=0.1),
        Figure("what a browser loads, compressed", "kB", [sum(loaded)], limit=500),
        *drawn(calendar_of(subject, _index(subject, keep=True).look(), {}), runs),
    ]


def _index(subject: Subject, *, keep: bool) -> CoverageIndex:
    return CoverageIndex(subject.lake, subject.spec, subject.ticker, keep=keep)


def _coverage(index: CoverageIndex, subject: Subject, sessions: int) -> None:
    calendar = calendar_of(subject, index.look(), {})
    assert calendar.summary.complete == sessions, calendar.summary
    assert len(msgspec.json.encode(calendar)) > 100 * sessions


def _footers(folder: Path) -> None:
    """What nobody can do without who reads every file's footer, and knows where they are."""
    files = list((folder / "processed").glob("*/date=*/bars.parquet"))
    with ThreadPoolExecutor(_READERS) as readers:
        list(readers.map(pq.read_metadata, files))


def _took(act: Callable[[], None]) -> float:
    started_s = time.perf_counter()
    act()
    return time.perf_counter() - started_s
