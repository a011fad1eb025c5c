"""The lake in a bucket against the lake in a folder, and how much is lost where six machines publish at once."""

from __future__ import annotations

import datetime as dt
import gc
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import requests

import behind_the_lake as behind
from benchmark.airflow_runs import environment
from benchmark.figures import Figure
from benchmark.plans import filled
from benchmark.vendor import KEY, TICKER
from bucket_places import access_of, variables_of
from fault_proxy import FaultProxy
from marketlake import settings
from marketlake.coverage.index import CoverageIndex
from marketlake.coverage_page.calendar import calendar_of
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.planning import scheduled_plan
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from marketlake.research.selection import Subject
from object_store import WRITER, ObjectStore, running
from publication_race import Race, Result, prepared, run
from seconds import kept_by, spy

_FILLERS = 8


def in_a_bucket(
    url: str, folder: Path, days: Sequence[dt.date], first: dt.date, last: dt.date, *, runs: int
) -> list[Figure]:
    """Seconds and requests of sessions, listing, plan and coverage; the server runs beside them."""
    folder.mkdir(parents=True)
    store = running(folder / "store", os.getpid())
    return [
        *_sessions(url, folder / "sessions", store, days),
        *_years(url, folder / "years", store, first, last, runs),
    ]


def races(folder: Path, publications: int) -> list[Figure]:
    """What is lost where six machines publish the same two sessions, that often each, and some die at a write."""
    folder.mkdir(parents=True)
    store = running(folder / "store", os.getpid())
    with environment({"MARKETLAKE_ENV_FILE": ""}):
        rows = prepared()
    found: list[Figure] = []
    for conditional in (True, False):
        race = Race(publications=publications, dies=0.01, conditional=conditional)
        at = folder / ("with" if conditional else "without")
        at.mkdir()
        with environment(variables_of(store.endpoint_url, store.corner(), at) | {"MARKETLAKE_ENV_FILE": ""}):
            found.append(_violations(race, run(race, Lake(settings.load()), rows, at)))
    return found


def _lake(root: str, folder: Path, **given: str) -> Lake:
    known = {"MARKETLAKE__STORAGE__ROOT": root, "MARKETLAKE__LOGGING__FOLDER": str(folder / "logs")}
    with environment(known | {"MARKETLAKE_ENV_FILE": ""} | given):
        return Lake(settings.load(), find_access=partial(access_of, WRITER))


def _in_the_bucket(url: str, folder: Path, prefix: str, **given: str) -> Lake:
    variables = variables_of(url, prefix, folder) | given
    return _lake(variables.pop("MARKETLAKE__STORAGE__ROOT"), folder, **variables)


def _sessions(url: str, folder: Path, store: ObjectStore, days: Sequence[dt.date]) -> list[Figure]:
    """Dense sessions, taken in turns; the first of each warms up."""
    with FaultProxy(store.endpoint_url) as proxy:
        corner = store.corner()
        places = {
            "folder": _lake(str(folder / "lake"), folder),
            "bucket": _in_the_bucket(store.endpoint_url, folder, corner),
        }
        wall_s: dict[str, list[float]] = {place: [] for place in places}
        cpu_s: dict[str, list[float]] = {place: [] for place in places}
        for number, day in enumerate(days[:-1]):
            for place, lake in places.items():
                taken = _Taken.by(partial(_ingest, lake, url, day))
                wall_s[place] += [taken.wall_s] if number else []
                cpu_s[place] += [taken.cpu_s] if number else []
        _ingest(_in_the_bucket(proxy.url, folder, corner), url, days[-1])
        methods = [one.method for one in proxy.asked]
    requests_made = f"{methods.count('GET')} GET, {methods.count('PUT')} PUT"
    return [
        Figure("a dense session into a bucket", "s", wall_s["bucket"], "into a folder", wall_s["folder"]),
        Figure("CPU of a dense session into a bucket", "s", cpu_s["bucket"], "into a folder", cpu_s["folder"]),
        Figure("requests of a new session", "", [len(methods)], limit=10, note=requests_made),
    ]


def _ingest(lake: Lake, url: str, day: dt.date) -> None:
    client = PolygonClient(Transport(requests.Session(), ApiKey(KEY, "the benchmark"), lake.settings.api, base_url=url))
    report = ingest(lake, SECOND_BARS, spy(day), client)
    assert report.outcome == "created", report


def _years(url: str, folder: Path, store: ObjectStore, first: dt.date, last: dt.date, runs: int) -> list[Figure]:
    """What is asked of a lake of many sessions, of both places in turns."""
    history = {"MARKETLAKE__HISTORY__START_DATE": str(first), "MARKETLAKE__HISTORY__END_DATE": str(last)}
    here = _lake(str(folder / "lake"), folder, **history)
    sessions = filled(here, url, folder / "lake", first, last)
    corner = store.corner()
    there = _in_the_bucket(store.endpoint_url, folder, corner, **history)
    made = folder / "lake"
    files = [path for path in (*made.rglob("*.parquet"), made / "lake.json") if "raw" not in path.parts]
    with ThreadPoolExecutor(_FILLERS) as fillers:
        list(fillers.map(lambda path: behind.write(there, str(path.relative_to(made)), path.read_bytes()), files))
    asks: dict[str, Callable[[Lake], None]] = {
        "listing": lambda lake: _require(len(kept_by(lake).partitions.present(TICKER)), sessions),
        "plan of a daily run": lambda lake: _require(
            scheduled_plan(lake, coverage_of(lake, SECOND_BARS.spec.name, TICKER), last), [last]
        ),
        "coverage, cold": lambda lake: _coverage(lake, sessions, keep=False),
        "coverage, with the lake's index": lambda lake: _coverage(lake, sessions, keep=True),
    }
    _coverage(here, sessions, keep=False)  # which loads the calendar library
    gc.collect()
    gc.freeze()
    figures = []
    for name, ask in asks.items():
        if "index" in name:
            ask(here), ask(there)  # which write it
        ours, peer = [], []
        for _ in range(runs):
            ours.append(_Taken.by(partial(ask, there)).wall_s)
            peer.append(_Taken.by(partial(ask, here)).wall_s)
        with FaultProxy(store.endpoint_url) as proxy:
            ask(_in_the_bucket(proxy.url, folder, corner, **history))
        note = f"{len(proxy.asked):,} requests"
        figures.append(Figure(f"{name}, {sessions:,} sessions in a bucket", "s", ours, "in a folder", peer, note=note))
    gc.unfreeze()
    return figures


def _require(found: object, expected: object) -> None:
    assert found == expected, (found, expected)


def _coverage(lake: Lake, sessions: int, *, keep: bool) -> None:
    subject = Subject(lake, SECOND_BARS, TICKER)
    index = CoverageIndex(lake, subject.spec, TICKER, keep=keep)
    _require(calendar_of(subject, index.look(), {}).summary.complete, sessions)


def _violations(race: Race, result: Result) -> Figure:
    """None with conditions, and some without them: else the race could not find any."""
    kind = "with" if race.conditional else "without"
    note = f"{result.publications} publications, {result.killed} killed, {result.refused} writes refused"
    name = f"violations in a race of {race.racers} {kind} conditional writes"
    limit = 0 if race.conditional else 1
    return Figure(name, "", [len(result.violations)], limit=limit, more_is_better=not race.conditional, note=note)


@dataclass(frozen=True)
class _Taken:
    """What an act took, in seconds: on the clock, and of this process's CPU."""

    wall_s: float
    cpu_s: float

    @classmethod
    def by(cls, act: Callable[[], None]) -> _Taken:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        act()
        return cls(time.perf_counter() - wall_s, time.process_time() - cpu_s)
