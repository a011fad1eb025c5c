"""A run a session of the New York Stock Exchange, due when its bars are final."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from airflow.utils.types import DagRunType

_NAMED_BY_SESSION = frozenset({DagRunType.SCHEDULED, DagRunType.BACKFILL_JOB})


class SessionTimetable(Timetable):
    """Logical date = session date at 00:00 UTC; due at ``ready_time`` New York on the following day.

    Both ends of a backfill are included, and no run exists for a weekend, holiday or closure. With
    ``enabled=False`` the scheduler is given nothing, while backfills are still served. No run is later
    than ``end_date``. A date that Airflow hands over as a midnight of some zone is that date: see ``date_meant``.

    A run's id has the New York midnight with which its session begins. That has the session's date in UTC, too, is of
    the form that Airflow takes whatever ``allowed_run_id_pattern`` says, and is in no id of an older version: those
    have the moment when the run was due, which no midnight is.
    """

    description = "every session of the New York Stock Exchange, when its bars are final"

    def __init__(
        self, ready_time: str, closures: Sequence[str] = (), enabled: bool = True, end_date: str | None = None
    ) -> None:
        self._ready_time = dt.time.fromisoformat(ready_time)
        self._closures = tuple(closures)
        self._enabled = enabled
        self._end_date = dt.date.fromisoformat(end_date) if end_date else dt.date.max

    @property
    def summary(self) -> str:
        """The schedule as the UI shows it."""
        when = f"sessions, ready {self._ready_time:%H:%M} New York on the next day"
        return when if self._enabled else "backfills only"

    def serialize(self) -> dict[str, Any]:
        """The constructor's arguments as JSON."""
        return {
            "ready_time": self._ready_time.isoformat("minutes"),
            "closures": list(self._closures),
            "enabled": self._enabled,
            "end_date": None if self._end_date == dt.date.max else self._end_date.isoformat(),
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> SessionTimetable:
        """From what ``serialize`` gave."""
        return cls(**data)

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """The UTC day of the date that is meant by the logical date, or of the trigger."""
        from marketlake.sessions import date_meant

        return _interval(date_meant(run_after))

    def generate_run_id(
        self, *, run_type: DagRunType, run_after: pendulum.DateTime, data_interval: DataInterval | None, **extra: Any
    ) -> str:
        """Named by its session, if Airflow makes the run; one by hand as in any DAG, by when it was triggered.

        A run by hand may hold any dates, there may be several of a session, and the interval that Airflow's own
        command hands over with a logical date is that of the moment of triggering.
        """
        if run_type in _NAMED_BY_SESSION and data_interval is not None:
            run_after = _beginning(data_interval.start.in_timezone("UTC").date())
        return super().generate_run_id(run_type=run_type, run_after=run_after, data_interval=data_interval, **extra)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next run. Without catch-up that is the last due session or a later one: older gaps are data."""
        if not self._enabled and not restriction.catchup:
            return None
        earliest = self._earliest(last_automated_data_interval, restriction)
        if earliest is None:
            return None
        session = self._calendar().next_session(earliest)
        if session is None or session > self._end_date:
            return None
        if self._is_beyond(session, restriction):
            return None
        run_after = self._backfill_from(session) if restriction.catchup else self._due(session)
        return DagRunInfo(run_after=run_after, data_interval=_interval(session))

    def _is_beyond(self, session: dt.date, restriction: TimeRestriction) -> bool:
        """Whether the end of a backfill is an earlier date: a zone's midnight is not cut off as a moment would be."""
        from marketlake.sessions import date_meant

        return restriction.latest is not None and session > date_meant(restriction.latest)

    def _earliest(self, last: DataInterval | None, restriction: TimeRestriction) -> dt.date | None:
        """The first date that the next run may be of; None if nothing bounds it."""
        from marketlake.sessions import date_meant

        candidates = []
        if last is not None:
            candidates.append(last.start.in_timezone("UTC").date() + dt.timedelta(days=1))
        elif restriction.earliest is not None:
            candidates.append(date_meant(restriction.earliest))
        if not restriction.catchup:
            candidates.append(self._last_due(pendulum.now("UTC")))
        return max(candidates, default=None)

    def _last_due(self, now: pendulum.DateTime) -> dt.date:
        recent = self._calendar().last_sessions(now.date(), 15)
        return next(session for session in reversed(recent) if self._due(session) <= now)

    def _due(self, session: dt.date) -> pendulum.DateTime:
        return _new_york(session + dt.timedelta(days=1), self._ready_time)

    def _backfill_from(self, session: dt.date) -> pendulum.DateTime:
        """From when a backfill's run may start: if the bars are final, any past moment; else when it is due.

        The moment is the session's, since Airflow 3.3 makes the id of a backfill's run of it, and asks no timetable.
        """
        from marketlake.sessions import final_from

        return _beginning(session) if final_from(session) <= pendulum.now("UTC") else self._due(session)

    def _calendar(self) -> Any:
        from marketlake.sessions import SessionCalendar  # the calendar library costs half a second

        today = pendulum.now("UTC").date()
        return SessionCalendar(today, map(dt.date.fromisoformat, self._closures))


def _interval(day: dt.date) -> DataInterval:
    start = pendulum.datetime(day.year, day.month, day.day)
    return DataInterval(start, start.add(days=1))


def _beginning(session: dt.date) -> pendulum.DateTime:
    return _new_york(session, dt.time(0))


def _new_york(day: dt.date, time: dt.time) -> pendulum.DateTime:
    from marketlake.sessions import NEW_YORK

    return pendulum.instance(dt.datetime.combine(day, time, NEW_YORK)).in_timezone("UTC")
