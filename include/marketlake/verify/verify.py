"""Offline verification: every partition of a range, the folders they lie in, and the calendar."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from marketlake.coverage.coverage import Coverage
from marketlake.datasets.dataset import Dataset
from marketlake.errors import NotASession, PlaceUnusable, SettingsError, StorageError
from marketlake.lake import Lake
from marketlake.partitions.dataset_store import DatasetStore
from marketlake.partitions.layout import PROCESSED, Place, locate
from marketlake.rows.spec import PartitionKey
from marketlake.sessions import NEW_YORK, DateRange, SessionHours
from marketlake.verify.examination import Examination, examine
from marketlake.verify.findings import Finding, Kind
from marketlake.verify.inputs import held_against_inputs
from marketlake.verify.strays import strays


@dataclass(frozen=True)
class Verification:
    """What was read of a dataset, and what was found. ``states`` counts the partitions that nothing is wrong with."""

    tickers: tuple[str, ...]
    partitions: int
    rows: int
    size_bytes: int
    states: dict[str, int]
    findings: tuple[Finding, ...]
    dataset: str


def verify(
    lake: Lake,
    dataset: Dataset,
    *,
    ticker: str | None = None,
    first: dt.date | None = None,
    last: dt.date | None = None,
) -> Verification:
    """Read every partition of a dataset from ``first`` to ``last``, both included, with no call to the API.

    Without dates, from a ticker's first partition to its last. Raises SettingsError if there is nothing to
    verify, StorageError if the lake cannot be listed.
    """
    if first and last and last < first:
        raise SettingsError(f"--to {last} is before --from {first}: swap them.")
    store = lake.store(dataset.spec)
    paths = [path for path in store.storage.tree(PROCESSED) if ticker is None or path.startswith(f"{ticker.lower()}/")]
    places = {path: locate(path, dataset.spec.rows.file_name) for path in paths}
    held = sorted({place for place in places.values() if place is not None})
    dates = DateRange(first, last)
    keys = [dataset.spec.key(*place) for place in held if place[1] in dates]
    results = [held_against_inputs(lake, result) for result in _examine_all(lake, dataset, keys)]
    odd = list(strays(store, [path for path, place in places.items() if place is None], set(held)))
    # A folder without a file that can be seen is a finding already.
    known = {*held, *((stray.ticker, stray.session) for stray in odd if stray.session and stray.kind is Kind.MISSING)}
    tickers = [ticker] if ticker else sorted({name for name, _ in held})
    findings = [
        *(finding for result in results for finding in result.findings),
        *_mixed(results),
        *_outside_history(lake, keys),
        *(stray for stray in odd if stray.session is None or stray.session in dates),
        *(gap for coverage in _coverages(lake, dataset, tickers, known) for gap in _gaps(lake, coverage, dates)),
    ]
    if not results and not findings:
        raise SettingsError(
            f"nothing to verify under {store.storage.where}/{PROCESSED}: check storage.root, the ticker and the dates."
        )
    return Verification(
        tickers=tuple(tickers),
        partitions=len(results),
        rows=sum(result.rows for result in results),
        size_bytes=sum(result.size_bytes for result in results),
        states=dict(Counter(result.state.value for result in results if result.state)),
        findings=tuple(
            sorted(findings, key=lambda finding: (finding.ticker, finding.session or dt.date.min, finding.kind))
        ),
        dataset=dataset.spec.name,
    )


def _coverages(lake: Lake, dataset: Dataset, tickers: Iterable[str], known: set[Place]) -> Iterator[Coverage]:
    """Of each ticker, by the listing that was made already."""
    for ticker in tickers:
        own = frozenset(session for name, session in known if name == ticker)
        yield Coverage(lake, dataset.spec, ticker, present=own)


def _examine_all(lake: Lake, dataset: Dataset, keys: list[PartitionKey]) -> list[Examination]:
    """In threads: reading, decoding and hashing hold no lock of Python's, and spawned processes would spend
    as long on their imports as on 100 dense sessions.
    """
    work = [(key, _hours(lake, key.session)) for key in keys]
    store = lake.store(dataset.spec)
    with ThreadPoolExecutor(store.storage.readers if store.storage.is_remote else _processors()) as pool:
        return list(pool.map(partial(_examine, store, dataset), work))


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _hours(lake: Lake, session: dt.date) -> SessionHours | None:
    try:
        return lake.calendar.hours(session)
    except NotASession:
        return None


def _examine(store: DatasetStore, dataset: Dataset, of: tuple[PartitionKey, SessionHours | None]) -> Examination:
    key, hours = of
    try:
        data = store.storage.get(store.partitions.path(key))
    except PlaceUnusable:
        raise
    except StorageError as exc:
        return Examination(key, (_finding(key, Kind.UNREADABLE, str(exc)),))
    if data is None:
        return Examination(key, (_finding(key, Kind.MISSING, "it vanished meanwhile"),))
    return examine(data, dataset, key, hours)


def _finding(key: PartitionKey, kind: Kind, detail: str) -> Finding:
    return Finding(key.ticker, key.session, kind, detail, dataset=key.dataset)


def _mixed(results: list[Examination]) -> Iterator[Finding]:
    """Those whose rows are of another source, or adjusted otherwise, than most."""
    sources = Counter(result.source for result in results if result.source)
    usual = sources.most_common(1)[0][0] if sources else None
    for result in results:
        if result.source and usual and result.source != usual:
            detail = f"its rows are {_source(result.source)}, most of the lake's are {_source(usual)}"
            yield _finding(result.key, Kind.MIXED, detail)


def _source(source: tuple[str, bool]) -> str:
    return f"{'adjusted' if source[1] else 'unadjusted'} and from {source[0]}"


def _outside_history(lake: Lake, keys: Iterable[PartitionKey]) -> Iterator[Finding]:
    history = lake.settings.history
    for key in keys:
        if not _within_history(lake, key.session):
            bounds = f"the lake's history is {history.start_date} to {history.end_date or 'today'}"
            yield _finding(key, Kind.OUTSIDE_HISTORY, bounds)


def _within_history(lake: Lake, session: dt.date) -> bool:
    end = lake.settings.history.end_date or lake.now().astimezone(NEW_YORK).date()
    return lake.settings.history.start_date <= session <= end


def _gaps(lake: Lake, coverage: Coverage, dates: DateRange) -> Iterator[Finding]:
    """The sessions without a partition, a finding for each run of them; none of what nobody can fetch any more."""
    if coverage.spec.live:
        return
    sound = [day for day in coverage.present if _within_history(lake, day) and lake.calendar.is_session(day)]
    start, end = dates.first or min(sound, default=None), dates.last or max(sound, default=None)
    history, last_final = lake.settings.history, lake.calendar.last_final(lake.now())
    if start is None or end is None or last_final is None:
        return
    bounds = max(start, history.start_date), min(end, last_final, history.end_date or end)
    for gap in coverage.gaps(lake.calendar.sessions(*bounds)):
        detail = "it has no partition" if len(gap) == 1 else f"{len(gap)} sessions to {gap[-1]} have no partition"
        key = coverage.spec.key(coverage.ticker, gap[0])
        yield replace(_finding(key, Kind.MISSING, detail), last=gap[-1])
