"""Offline verification: every partition of a range, the folders they lie in, and the calendar."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

from marketlake.errors import NotASession, SettingsError, StorageError
from marketlake.lake import Lake
from marketlake.partitions.layout import PROCESSED, is_of_a_ticker, located, place_of
from marketlake.partitions.parquet_file import certificate_in
from marketlake.partitions.store import PartitionStore
from marketlake.sessions import NEW_YORK, SessionHours
from marketlake.storage.storage import Storage
from marketlake.verify.examination import Examined, examined
from marketlake.verify.findings import Finding, Kind

Place = tuple[str, dt.date, SessionHours | None]
"""Ticker, session, and the calendar's hours, None on a day that is no session."""


@dataclass(frozen=True)
class Verification:
    """What was read, and what was found. ``states`` counts the partitions that nothing is wrong with."""

    tickers: tuple[str, ...]
    partitions: int
    rows: int
    size_bytes: int
    states: dict[str, int]
    findings: tuple[Finding, ...]


def verify(
    lake: Lake,
    *,
    ticker: str | None = None,
    first: dt.date | None = None,
    last: dt.date | None = None,
) -> Verification:
    """Read every partition from ``first`` to ``last``, both included, with no call to the API.

    Without dates, from a ticker's first partition to its last. Raises SettingsError where there is nothing to
    verify, StorageError where the lake cannot be listed.
    """
    if first and last and last < first:
        raise SettingsError(f"--to {last} is before --from {first}: swap them.")
    paths = [path for path in lake.storage.tree(PROCESSED) if ticker is None or path.startswith(f"{ticker.lower()}/")]
    held = sorted({place for place in map(located, paths) if place is not None})
    within = [place for place in held if (first or place[1]) <= place[1] <= (last or place[1])]
    results = _examined(lake, within)
    strays = list(_strays(lake.storage, [path for path in paths if located(path) is None], set(held)))
    emptied = {(one.ticker, one.session) for one in strays if one.session and one.kind is Kind.MISSING}
    findings = [
        *(finding for result in results for finding in result.findings),
        *_mixed(results),
        *_outside_history(lake, within),
        *(
            one
            for one in strays
            if one.session is None or (first or one.session) <= one.session <= (last or one.session)
        ),
        *(gap for name in _tickers(held, ticker) for gap in _gaps(lake, name, {*held, *emptied}, first, last)),
    ]
    if not results and not findings:
        raise SettingsError(
            f"nothing to verify under {lake.storage.root / PROCESSED}: check storage.root, the ticker and the dates."
        )
    return Verification(
        tickers=tuple(_tickers(held, ticker)),
        partitions=len(results),
        rows=sum(result.rows for result in results),
        size_bytes=sum(result.size_bytes for result in results),
        states=dict(Counter(result.state.value for result in results if result.state)),
        findings=tuple(sorted(findings, key=lambda one: (one.ticker, one.session or dt.date.min, one.kind))),
    )


def _tickers(held: Iterable[tuple[str, dt.date]], ticker: str | None) -> list[str]:
    return [ticker] if ticker else sorted({name for name, _ in held})


def _examined(lake: Lake, places: list[tuple[str, dt.date]]) -> list[Examined]:
    """In threads: reading, decoding and hashing hold no lock of Python's, and spawned processes would spend
    as long on their imports as on 100 dense sessions.
    """
    work: list[Place] = [(name, session, _hours(lake, session)) for name, session in places]
    with ThreadPoolExecutor(_processors()) as pool:
        return list(pool.map(partial(_examine, lake.storage), work))


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _hours(lake: Lake, session: dt.date) -> SessionHours | None:
    try:
        return lake.calendar.hours(session)
    except NotASession:
        return None


def _examine(storage: Storage, place: Place) -> Examined:
    ticker, session, hours = place
    try:
        data = storage.get(PartitionStore.key(ticker, session))
    except StorageError as exc:
        return Examined(ticker, session, (Finding(ticker, session, Kind.UNREADABLE, str(exc)),))
    if data is None:
        return Examined(ticker, session, (Finding(ticker, session, Kind.MISSING, "it vanished meanwhile"),))
    return examined(data, ticker, session, hours)


def _mixed(results: list[Examined]) -> Iterator[Finding]:
    """Those whose bars are of another source, or adjusted otherwise, than most."""
    sources = Counter(result.source for result in results if result.source)
    usual = sources.most_common(1)[0][0] if sources else None
    for result in results:
        if result.source and usual and result.source != usual:
            detail = f"its bars are {_source(result.source)}, most of the lake's are {_source(usual)}"
            yield Finding(result.ticker, result.session, Kind.MIXED, detail)


def _source(source: tuple[str, bool]) -> str:
    return f"{'adjusted' if source[1] else 'unadjusted'} and from {source[0]}"


def _outside_history(lake: Lake, places: list[tuple[str, dt.date]]) -> Iterator[Finding]:
    history = lake.settings.history
    for ticker, session in places:
        if not _within_history(lake, session):
            bounds = f"the lake's history is {history.start_date} to {history.end_date or 'today'}"
            yield Finding(ticker, session, Kind.OUTSIDE_HISTORY, bounds)


def _within_history(lake: Lake, session: dt.date) -> bool:
    end = lake.settings.history.end_date or lake.now().astimezone(NEW_YORK).date()
    return lake.settings.history.start_date <= session <= end


def _strays(storage: Storage, paths: list[str], held: set[tuple[str, dt.date]]) -> Iterator[Finding]:
    """Whatever lies there and is no partition, a finding for each file or folder that would have to go."""
    for odd, within in groupby(sorted(paths, key=_odd_part), key=_odd_part):
        folder, slash, name = odd.rpartition("/")
        place = place_of(folder)
        ticker, session = odd.split("/")[0].upper() if slash else "", place[1] if place else None
        if place and not name:
            yield Finding(ticker, session, Kind.MISSING, "no file can be seen in its folder")
        else:
            kind, detail = _what_it_is(storage, list(within), held)
            yield Finding(ticker, session, kind, f"{f'{PROCESSED}/{odd}'!a} {detail}")


def _what_it_is(storage: Storage, paths: list[str], held: set[tuple[str, dt.date]]) -> tuple[Kind, str]:
    """Of one file, or of the files of one folder; a path that ends with a slash is a folder without any."""
    copied = next((place for path in paths if (place := _copied(storage, path, held))), None)
    if copied:
        return Kind.DUPLICATE, f"is or has a second file of {copied[0]} {copied[1]}"
    return Kind.STRAY, "is a folder in which no file can be seen" if paths[0].endswith("/") else "is no partition"


def _odd_part(path: str) -> str:
    """The path down to where it first leaves ``{ticker}/date=D/``: what to move to be rid of it."""
    parts = path.split("/")
    depth = 3 if place_of("/".join(parts[:2])) else 2 if is_of_a_ticker(parts[0]) else 1
    return "/".join(parts[:depth])


def _copied(storage: Storage, path: str, held: set[tuple[str, dt.date]]) -> tuple[str, dt.date] | None:
    """The partition that a stray file is another file of."""
    key = f"{PROCESSED}/{path}"
    certificate = None
    with suppress(StorageError):  # it is a stray in any case
        file = storage.open(key) if storage.exists(key) else None
        if file is not None:
            with file:
                certificate = certificate_in(file)
    place = (certificate.ticker, certificate.session) if certificate else None
    return place if place in held else None


def _gaps(
    lake: Lake, ticker: str, held: set[tuple[str, dt.date]], first: dt.date | None, last: dt.date | None
) -> Iterator[Finding]:
    """The sessions without a partition, a finding for each run of them."""
    own = {session for name, session in held if name == ticker}
    sound = [day for day in own if _within_history(lake, day) and lake.calendar.is_session(day)]
    start, end = first or min(sound, default=None), last or max(sound, default=None)
    history, last_final = lake.settings.history, lake.calendar.last_final(lake.now())
    if start is None or end is None or last_final is None:
        return
    bounds = max(start, history.start_date), min(end, last_final, history.end_date or end)
    for is_held, run in groupby(lake.calendar.sessions(*bounds), key=own.__contains__):
        days = list(run)
        if not is_held:
            detail = (
                "it has no partition" if len(days) == 1 else f"{len(days)} sessions to {days[-1]} have no partition"
            )
            yield replace(Finding(ticker, days[0], Kind.MISSING, detail), last=days[-1])
