"""Which sessions a run has to fetch, by the calendar and by what the lake holds."""

from __future__ import annotations

import datetime as dt
import enum
import logging
from collections.abc import Sequence

from marketlake import commands
from marketlake.coverage.joint import JointCoverage
from marketlake.errors import NotASession, NotFinal, SettingsError
from marketlake.lake import Lake
from marketlake.sessions import FIRST_SESSION, NEW_YORK

_log = logging.getLogger(__name__)


class Source(enum.StrEnum):
    """Where an ingest takes its pages from."""

    API = "api"
    RAW = "raw"


def scheduled_plan(lake: Lake, coverage: JointCoverage, own: dt.date) -> list[dt.date]:
    """The run's own session and what is missing or provisional among the last ones before it, newest first.

    Older gaps are only counted, with the command that fills them: filling years is a backfill's work.
    """
    known = _known(lake, own)
    window = catch_up_window(lake, own)
    older = coverage.missing(day for day in known if day < window[0])
    recent = coverage.unfinished(window)
    if older:
        configured = lake.settings.tickers_of(coverage.name)
        _log.warning(
            "%s: %d sessions before the catch-up window have no partition; fill them with  %s",
            coverage.title, len(older),
            commands.fetching(coverage.name, coverage.ticker, older[0], older[-1], tickers=configured, again=False),
        )  # fmt: skip
    return sorted({*recent, *({own} & set(known))}, reverse=True)


def catch_up_window(lake: Lake, own: dt.date) -> list[dt.date]:
    """The session of a scheduled run and those before it that it also looks after, ascending."""
    return _known(lake, own)[-lake.settings.schedule.catch_up_sessions - 1 :]


def _known(lake: Lake, own: dt.date) -> list[dt.date]:
    sessions = lake.calendar.sessions(lake.settings.history.start_date, own)
    return [day for day in sessions if lake.settings.history.includes(day)]


def backfill_plan(lake: Lake, own: dt.date) -> list[dt.date]:
    """Exactly the run's session. Raises NotASession, or SettingsError outside the lake's history."""
    lake.calendar.hours(own)
    if not lake.settings.history.includes(own):
        raise SettingsError(_outside(lake, own))
    lake.calendar.require_final(own, lake.now(), allow_provisional=False)
    return [own]


def manual_plan(
    lake: Lake,
    coverage: JointCoverage,
    *,
    start: dt.date | None,
    end: dt.date | None,
    sessions: Sequence[dt.date],
    logical_date: dt.date | None,
    refetch: bool,
    source: Source,
    allow_provisional: bool,
) -> list[dt.date]:
    """The sessions a person asked for, ascending: without ``refetch``, only what is missing.

    ``sessions`` are exactly those, and each must be one that can be fetched; of the dates from ``start`` to ``end``,
    those that are not final yet are left out, with a warning, unless ``allow_provisional``. Raises SettingsError if no
    date was given, several ways of giving some, or end before start; NotASession if none is in range.
    """
    if sessions:
        requested = _named(lake, sessions, start or end, allow_provisional)
        span = f"{len(requested)} that were named"
    else:
        first, last = _date_range(lake, start, end, logical_date, allow_provisional)
        requested = _within(lake, coverage.title, first, last, allow_provisional)
        span = f"{len(requested)} sessions from {first} to {last}"
    wanted = requested if refetch or source is Source.RAW else coverage.unfinished(requested)
    _log.info("%s: %d of %s are to be fetched", coverage.title, len(wanted), span)
    return wanted


def _named(lake: Lake, sessions: Sequence[dt.date], bound: dt.date | None, allow_provisional: bool) -> list[dt.date]:
    """Sessions that were given one by one, ascending. Raises NotASession, NotFinal or SettingsError for any other."""
    if bound is not None:
        raise SettingsError("sessions together with start_date or end_date: give one or the other.")
    wanted = sorted(set(sessions))
    for day in wanted:
        lake.calendar.hours(day)
        if not lake.settings.history.includes(day):
            raise SettingsError(_outside(lake, day))
        lake.calendar.require_final(day, lake.now(), allow_provisional=allow_provisional)
    return wanted


def _within(lake: Lake, title: str, first: dt.date, last: dt.date, allow_provisional: bool) -> list[dt.date]:
    """The sessions from ``first`` to ``last`` that can be fetched. Raises NotASession or NotFinal without any."""
    in_range = lake.calendar.sessions(first, last)
    sessions = [day for day in in_range if lake.settings.history.includes(day)]
    if not sessions:
        raise NotASession(
            f"no session of the New York Stock Exchange from {first} to {last}{_history(lake)}."
            " Choose other dates, or change history in the settings."
        )
    if len(sessions) < len(in_range):
        _log.warning(
            "%s: %d of %d sessions from %s to %s are left out%s",
            title, len(in_range) - len(sessions), len(in_range), first, last, _history(lake),
        )  # fmt: skip
    ready = [day for day in sessions if _may_fetch(lake, day, allow_provisional)]
    if len(ready) < len(sessions):
        _log.warning(
            "%d sessions are not final yet and are left out: %s", len(sessions) - len(ready), sessions[len(ready) :]
        )
    if not ready:
        lake.calendar.require_final(sessions[0], lake.now(), allow_provisional=allow_provisional)
    return ready


def _date_range(
    lake: Lake,
    start: dt.date | None,
    end: dt.date | None,
    logical_date: dt.date | None,
    allow_provisional: bool,
) -> tuple[dt.date, dt.date]:
    if start is None and end is None:
        if logical_date is None:
            raise SettingsError("no dates: give start_date and end_date, or sessions, or a logical date.")
        return logical_date, logical_date
    if start is None:
        raise SettingsError(f"end_date {end} without start_date: give both.")
    if end is None:
        today = lake.now().astimezone(NEW_YORK).date()
        end = today if allow_provisional else max(start, lake.calendar.last_final(lake.now()) or start)
    if end < start:
        raise SettingsError(f"end_date {end} is before start_date {start}: swap them.")
    return start, end


def _may_fetch(lake: Lake, day: dt.date, allow_provisional: bool) -> bool:
    try:
        lake.calendar.require_final(day, lake.now(), allow_provisional=allow_provisional)
    except NotFinal:
        return False
    return True


def _history(lake: Lake) -> str:
    history = lake.settings.history
    return f" (the lake's history: {max(history.start_date, FIRST_SESSION)} to {history.end_date or 'today'})"


def _outside(lake: Lake, day: dt.date) -> str:
    return f"{day} is outside the lake's history{_history(lake)}. Change history in the settings, or the date."
