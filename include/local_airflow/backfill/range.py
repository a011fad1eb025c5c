"""The range of a backfill, and what is found out before anything is created: disk, key, plan, and the cost."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from marketlake.coverage.joint import JointCoverage
from marketlake.dataset_names import OPTIONS, UNNAMED
from marketlake.datasets import DATASETS, parts_of
from marketlake.datasets.dataset import ListedDataset
from marketlake.errors import SettingsError
from marketlake.ingest import preflight
from marketlake.ingest.collected import coverage_of
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.sessions import final_from

_SESSIONS_A_MINUTE = 100  # measured: what Airflow dispatches on a 2-core machine, two tasks a session
_HOURS_FROM_MIN = 180


@dataclass(frozen=True)
class Range:
    """The wanted dates, clipped to what can be had. Both ends included."""

    first: dt.date
    last: dt.date
    sessions: list[dt.date]
    dataset: str = UNNAMED
    ticker: str = ""
    """If it is of one of several."""

    def __str__(self) -> str:
        return self.of(self.first, self.last)

    def of(self, first: dt.date, last: dt.date) -> str:
        """Other dates of the same dataset and ticker, as ``make backfill`` takes them."""
        dataset = "" if self.dataset == UNNAMED else f"DATASET={self.dataset} "
        return f"{dataset}{f'TICKER={self.ticker} ' if self.ticker else ''}FROM={first} TO={last}"


def backfill_range(lake: Lake, first: str, last: str, say: Callable[[str], None], dataset: str = UNNAMED) -> Range:
    """The final sessions of a range. Raises SettingsError in one line if there are none to be had."""
    start, end = _date("FROM", first), _date("TO", last)
    if end < start:
        raise SettingsError(f"TO={end} is before FROM={start}: swap them.")
    history, last_final = lake.settings.history, lake.calendar.last_final(lake.now()) or start
    bounds = (max(start, history.start_date), min(end, last_final, history.end_date or end))
    sessions = lake.calendar.sessions(*bounds)
    if not sessions:
        raise SettingsError(
            f"no final session of the New York Stock Exchange from {start} to {end} (the last final one is"
            f" {last_final}; history: {history.start_date} to {history.end_date or 'today'}). Choose other dates."
        )
    for line in _clippings(lake, start, end, bounds):
        say(line)
    return Range(*bounds, sessions, dataset)


def _clippings(lake: Lake, start: dt.date, end: dt.date, bounds: tuple[dt.date, dt.date]) -> list[str]:
    """What of the wanted range is left out, and why."""
    lines = []
    if bounds[0] > start:
        lines.append(f"FROM={start} is clipped to {bounds[0]}, where the lake's history starts")
    if bounds[1] == lake.settings.history.end_date != end:
        lines.append(f"TO={end} is clipped to {bounds[1]}, where the lake's history ends")
    elif bounds[1] < end and (later := lake.calendar.next_session(bounds[1] + dt.timedelta(days=1))) and later <= end:
        when = f"{final_from(later):%Y-%m-%d %H:%M} New York"
        lines.append(f"TO={end} is clipped to {bounds[1]}, the last final session: {later} is final from {when}")
    return lines


def _date(name: str, value: str) -> dt.date:
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise SettingsError(f"{name}={value!r} is no date: write it as YYYY-MM-DD.") from None


def require_lake(lake: Lake, tickers: Iterable[str], wanted: Range, *, refetch: bool) -> None:
    """Raise StorageError if the lake cannot take what is to be fetched of all tickers; of options, if it can take
    nothing: how much that is has to be asked for.
    """
    if wanted.dataset == OPTIONS:
        preflight.require_place(lake, parts_of(OPTIONS, lake.settings))
        return
    coverages = (coverage_of(lake, wanted.dataset, ticker) for ticker in tickers)
    fetched = sum(len(to_fetch(coverage, wanted, refetch=refetch)) for coverage in coverages)
    preflight.require_lake(lake, DATASETS[wanted.dataset], fetched)


def probe_ends(lake: Lake, dataset: ListedDataset, client: PolygonClient, ticker: str, wanted: Range) -> list[str]:
    """Ask the API for the first and the last session: a line for each that it has nothing of. Creates nothing."""
    keys = [dataset.spec.key(ticker, session) for session in (wanted.sessions[0], wanted.sessions[-1])]
    return [
        f"{key}: the API has no bar of this session now; unless that changes, it will fail"
        for key in preflight.sessions_without_rows(lake, dataset, client, keys)
    ]


def estimate_line(lake: Lake, dataset: ListedDataset, ticker: str, wanted: Range, *, refetch: bool) -> str:
    """Sessions, requests, size and time of what is to be fetched."""
    coverage = coverage_of(lake, dataset.spec.name, ticker)
    fetched = len(to_fetch(coverage, wanted, refetch=refetch))
    cost = preflight.estimate(lake, dataset, fetched)
    return (
        f"{span_of(coverage, wanted, fetched, refetch=refetch)}: about {cost.requests} requests,"
        f" {math.ceil(cost.bytes / 1e6):,} MB, {_time(lake, cost)}"
    )


def span_of(coverage: JointCoverage, wanted: Range, fetched: int, *, refetch: bool) -> str:
    """Which sessions a backfill is of, and how many of them are to be fetched."""
    return (
        f"{coverage.title}: {len(wanted.sessions)} sessions from {wanted.sessions[0]} to {wanted.sessions[-1]},"
        f" {fetched} {'to fetch' if refetch else 'not here yet'}"
    )


def _time(lake: Lake, cost: preflight.Estimate) -> str:
    """What takes longer: Airflow's dispatching, or the calls if they are limited."""
    dispatch_min = cost.sessions / _SESSIONS_A_MINUTE
    if cost.least_min is None or cost.least_min < dispatch_min:
        return _minutes(dispatch_min)
    return f"{_minutes(cost.least_min)} at api.requests_per_minute = {lake.settings.api.requests_per_minute}"


def _minutes(minutes: float) -> str:
    return f"{minutes / 60:.0f} h" if minutes >= _HOURS_FROM_MIN else f"{max(1, round(minutes))} min"


def to_fetch(coverage: JointCoverage, wanted: Range, *, refetch: bool) -> list[dt.date]:
    """The sessions of a range that a backfill fetches."""
    return wanted.sessions if refetch else coverage.unfinished(wanted.sessions)
