"""The alert of a scheduled run that has not ended in time, which its own report cannot give."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseDeadlineReference, DeadlineAlert, SyncCallback

from marketlake.dataset_names import SECOND_BARS, run_title

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_log = logging.getLogger(__name__)


class ScheduledRunQueuedAt(BaseDeadlineReference):
    """When a scheduled run was queued; None for any other run, which so has no deadline at all.

    Airflow's own reference gives every run one: the sessions of a long backfill, queued for hours, would each
    start a process to say nothing.
    """

    required_kwargs = frozenset({"dag_id", "run_id"})

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str) -> dt.datetime | None:
        from airflow.models import DagRun
        from sqlalchemy import select

        query = select(DagRun.queued_at).where(
            DagRun.dag_id == dag_id, DagRun.run_id == run_id, DagRun.run_type == "scheduled"
        )
        return session.scalar(query)


def overdue_alert(dataset: str, ticker: str, deadline_s: float) -> DeadlineAlert:
    """The deadline of a DAG's scheduled runs, counted from when they are queued."""
    return DeadlineAlert(
        reference=ScheduledRunQueuedAt(),
        interval=dt.timedelta(seconds=deadline_s),
        callback=SyncCallback(tell_overdue, kwargs={"ticker": ticker, "dataset": dataset}),
    )


def tell_overdue(ticker: str, context: Mapping[str, Any], dataset: str = SECOND_BARS) -> None:
    """Send one message of a scheduled run that is late. Raises NotSent.

    Airflow keeps the arguments: those of a time when there were second bars alone name no dataset.
    """
    late = overdue(run_title(dataset, ticker), context["dag_run"], context["deadline"]["deadline_time"])
    if late is None:
        return
    from marketlake import settings
    from marketlake_airflow import notify

    _log.warning("%s", late)
    notify.send(settings.load().report, late, late)


def overdue(subject: str, run: Mapping[str, Any], deadline_time: str | dt.datetime) -> str | None:
    """What to say of a run at its deadline; None for one that is not scheduled, or that had ended by then.

    Airflow keeps the deadline of a run that failed in time, and of one that a backfill has taken over.
    """
    due = _time(deadline_time)
    ended = _time(run["end_date"]) if run.get("end_date") else None
    if run["run_type"] != "scheduled" or (ended is not None and ended <= due):
        return None
    return (
        f"{subject}, run {run['dag_run_id']}: not finished by {due:%Y-%m-%d %H:%M} UTC"
        " (schedule.deadline_s). Its report follows when it ends. Next: see what it waits for, in Airflow."
    )


def _time(value: str | dt.datetime) -> dt.datetime:
    given = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
    return given.astimezone(dt.UTC)
