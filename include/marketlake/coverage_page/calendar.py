"""The calendar: the state of every session from the first to the last, and what is said of all of them together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

import msgspec

from marketlake import commands
from marketlake.coverage.index import HeldFacts
from marketlake.coverage_page.attempts import FAILED, RUNNING, Attempt, Attempts, Run
from marketlake.coverage_page.options import PartlyHeld
from marketlake.coverage_page.subjects import Shown
from marketlake.dataset_names import dag_id, run_title
from marketlake.lake import Lake
from marketlake.partitions.certificate import State
from marketlake.research.selection import MISSING


class SessionCell(msgspec.Struct, frozen=True):
    """One session. ``state``: of its certificate, or ``missing``, ``failed``, ``running``.

    Figures are of the partition, None without one that can be believed: ``rows``, ``volume`` (shares),
    ``reconciled`` (share of the longer bars' volume), ``revision``, ``bytes`` (of the file). ``reasons``: a line each,
    why it is suspect, has failed, or could not be fetched again. ``run``: the attempt that says so.
    """

    date: dt.date
    state: str
    early_close: bool = False
    rows: int | None = None
    volume: float | None = None
    reconciled: float | None = None
    revision: int | None = None
    bytes: int | None = None
    reasons: tuple[str, ...] = ()
    run: Run | None = None


class Holiday(msgspec.Struct, frozen=True):
    """A weekday without a session, and why."""

    date: dt.date
    name: str


class Summary(msgspec.Struct, frozen=True):
    """How many sessions are expected and complete, and what is held: bars, bytes of partitions, from when to when."""

    expected: int
    complete: int
    bars: int
    bytes: int
    first_held: dt.date | None
    last_held: dt.date | None


class Action(msgspec.Struct, frozen=True):
    """Whether whoever looks may fetch sessions, which, and what one takes.

    ``first``, ``last``: a run refuses what lies outside; None if it refuses everything. ``requests_a_session``,
    ``bytes_a_session``, ``seconds_a_session``: None if that is not known before one was fetched. ``most_requests``: a
    run is refused if its sessions could take more, each ``most_a_session``; None: without that bound.
    """

    may_trigger: bool
    requests_a_session: int | None
    bytes_a_session: int | None
    requests_per_minute: int | None
    sessions_in_flight: int
    seconds_a_session: float | None = None
    first: dt.date | None = None
    last: dt.date | None = None
    most_a_session: int | None = None
    most_requests: int | None = None


class CoverageCalendar(msgspec.Struct, frozen=True):
    """One ticker of one dataset, or of options, both ends included.

    ``what_first``: what to do if nothing is held, else None.
    """

    dataset: str
    ticker: str
    dag_id: str
    title: str
    first: dt.date
    last: dt.date
    summary: Summary
    sessions: list[SessionCell]
    holidays: list[Holiday]
    running: int
    what_first: str | None = None
    action: Action | None = None


def calendar_of(
    subject: Shown, held: Mapping[dt.date, HeldFacts], attempts: Attempts, action: Action | None = None
) -> CoverageCalendar:
    """From the first to the last session of settings or lake, as the lake has it and as it is being fetched."""
    calendar = subject.lake.calendar
    sessions = sessions_shown(subject, held)
    cells = [cell(day, held.get(day), attempts.get(day), early_close=calendar.closes_early(day))
             for day in sessions]  # fmt: skip
    first, last = (sessions[0], sessions[-1]) if sessions else (calendar.last, calendar.last)
    return CoverageCalendar(
        subject.name,
        subject.ticker,
        dag_id(subject.name, subject.ticker),
        run_title(subject.name, subject.ticker),
        first,
        last,
        _summary(cells, held),
        cells,
        [Holiday(day, name) for day, name in calendar.closings(first, last).items()],
        running=sum(one.state == RUNNING for one in cells),
        what_first=None if held else _what_first(subject, sessions),
        action=action,
    )


def sessions_shown(subject: Shown, held: Iterable[dt.date]) -> list[dt.date]:
    """The sessions that can be fetched, and whatever lies between them and what is held."""
    calendar = subject.lake.calendar
    bounds = [*(day for day in held if calendar.is_session(day)), *(fetchable(subject.lake) or ())]
    return calendar.sessions(min(bounds), max(bounds)) if bounds else []


def fetchable(lake: Lake) -> tuple[dt.date, dt.date] | None:
    """From where to where the settings want sessions that are final, both included; None if there is none."""
    history, final = lake.settings.history, lake.calendar.last_final(lake.now())
    last = min((day for day in (final, history.end_date) if day is not None), default=None)
    return (history.start_date, last) if last is not None and history.start_date <= last else None


def cell(day: dt.date, held: HeldFacts | None, attempt: Attempt | None, *, early_close: bool = False) -> SessionCell:
    """What is known of one session. An attempt that failed does not take from what is held: it is said beside it."""
    believed = held is not None and held.state is not None
    state: str = held.state if held is not None and held.state is not None else _without_state(held)
    reasons = held.reasons if held is not None else ()
    run = None
    if attempt is not None and not _is_past(attempt, held):
        run = attempt.run
        reasons = (*reasons, *_said_of(attempt, believed=believed))
        state = RUNNING if run.state == RUNNING else state if believed else FAILED
    if held is None or not believed:
        return SessionCell(day, state, early_close, bytes=held.bytes if held else None, reasons=reasons, run=run)
    return SessionCell(
        day, state, early_close, held.rows, held.volume, held.reconciled, held.revision, held.bytes, reasons, run
    )


def _without_state(held: HeldFacts | None) -> str:
    """What a session is of which nothing is held, or a part, or what cannot be believed."""
    return MISSING if held is None or isinstance(held, PartlyHeld) else FAILED


def _is_past(attempt: Attempt, held: HeldFacts | None) -> bool:
    """Whether a failed attempt is older than what is held, and so of no interest any more."""
    return (
        attempt.run.state == FAILED
        and held is not None
        and held.state is not None
        and held.certified_at_ms >= attempt.ended_ms
    )


def _said_of(attempt: Attempt, *, believed: bool) -> tuple[str, ...]:
    if attempt.run.state != FAILED:
        return ()
    reason = attempt.reason or "its task ended without a reason: see its log"
    return (f"fetching it again failed: {reason}" if believed else reason,)


def _summary(cells: Iterable[SessionCell], held: Mapping[dt.date, HeldFacts]) -> Summary:
    believed = [day for day, facts in held.items() if facts.state is not None]
    expected = list(cells)
    complete = sum(facts.state == State.COMPLETE for facts in held.values())
    return Summary(
        len(expected),
        complete,
        sum(facts.rows for facts in held.values()),
        sum(facts.bytes for facts in held.values()),
        min(believed, default=None),
        max(believed, default=None),
    )


def _what_first(subject: Shown, sessions: list[dt.date]) -> str:
    if not sessions:
        return "Nothing is held, and the settings' history has no session that is final yet: see history in them."
    configured = subject.lake.settings.tickers_of(subject.name)
    last = sessions[-5:]
    command = commands.fetching(subject.name, subject.ticker, last[0], last[-1], tickers=configured, again=False)
    return f"Nothing is held yet. Put a key into .env, then fetch the first sessions:  {command}"
