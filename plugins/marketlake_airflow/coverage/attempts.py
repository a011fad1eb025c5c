"""What Airflow's database says of a DAG's sessions: which are under way, which failed last and why, and how long one
takes. For the API server, which alone may look into the database.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from marketlake.coverage_page.attempts import FAILED, RUNNING, Attempt, Run, TaskLine
from marketlake.dataset_names import OPTION_BARS, OPTION_CHAIN, OPTION_PANEL, OPTION_SELECTION
from marketlake.sessions import date_meant
from marketlake_airflow.failure_reason import REASON_KEY

PLAN, INGEST = "plan_sessions", "ingest_session"
CHAIN, BARS, PANEL = "session.fetch_chain", "session.fetch_bars", "session.build_panel"
_OF_SESSIONS = (INGEST, CHAIN, BARS, PANEL)
"""The tasks that are of one session each, in the order in which a DAG that has several of them runs them."""
_ORDER = {task: number for number, task in enumerate((PLAN, *_OF_SESSIONS))}
_MAKES = {OPTION_CHAIN: CHAIN, OPTION_SELECTION: BARS, OPTION_BARS: BARS, OPTION_PANEL: PANEL}
"""Which task makes which dataset of options; every other one is made by INGEST."""
_FAILED = (TaskInstanceState.FAILED, TaskInstanceState.UPSTREAM_FAILED)
_OVER = (TaskInstanceState.SUCCESS, TaskInstanceState.SKIPPED, TaskInstanceState.REMOVED)
_UNDER_WAY = (DagRunState.QUEUED, DagRunState.RUNNING)
_MEASURED = 50


@dataclass(frozen=True)
class _Found:
    """An instance of a task that did not succeed, and the dates that it is of."""

    task_id: str
    sessions: Sequence[dt.date]
    attempt: Attempt
    queued_ms: int


def attempts_of(database: Session, dag_id: str) -> dict[dt.date, Attempt]:
    """Of each session that is under way, or whose last attempt failed: that attempt.

    Of the tasks of a session in one run it is the first that did not succeed: the others wait for it, or for nothing.
    """
    last: dict[dt.date, _Found] = {}
    for found in sorted(_unsuccessful(database, dag_id), key=lambda task: (task.queued_ms, -_ORDER[task.task_id])):
        last.update(dict.fromkeys(found.sessions, found))
    if not any(found.attempt.run.state == FAILED for found in last.values()):
        return {session: found.attempt for session, found in last.items()}
    succeeded = _last_successes(database, dag_id)
    return {
        session: found.attempt
        for session, found in last.items()
        if found.attempt.run.state == RUNNING or found.attempt.ended_ms > succeeded.get((found.task_id, session), 0)
    }


def last_tasks(database: Session, dag_id: str, session: dt.date, datasets: Iterable[str]) -> dict[str, TaskLine]:
    """By dataset, the task that last made its session, whatever came of it; none of those that none ever made."""
    made_by = {name: _MAKES.get(name, INGEST) for name in datasets}
    lines = {task: _last_task(database, dag_id, session, task) for task in dict.fromkeys(made_by.values())}
    return {name: line for name, task in made_by.items() if (line := lines[task]) is not None}


def _last_task(database: Session, dag_id: str, session: dt.date, task_id: str) -> TaskLine | None:
    query = (
        select(TaskInstance.run_id, TaskInstance.map_index, TaskInstance.state, TaskInstance.try_number,
               TaskInstance.end_date)
        .where(TaskInstance.dag_id == dag_id, TaskInstance.task_id == task_id)
        .where(TaskInstance._rendered_map_index == str(session))  # the label as it is stored, without its fallback
        .order_by(TaskInstance.start_date.desc())
        .limit(1)
    )  # fmt: skip
    row = database.execute(query).first()
    if row is None:
        return None
    path = _path(dag_id, row.run_id, task_id, row.map_index)
    return TaskLine(str(row.state or "none"), row.try_number, path, _ms(row.end_date) or None)


def seconds_a_session(database: Session, dag_id: str) -> float | None:
    """How long the tasks of one session took lately, each in the middle of fifty; None if none has succeeded."""
    query = (
        select(TaskInstance.task_id, TaskInstance.duration)
        .where(TaskInstance.dag_id == dag_id, TaskInstance.task_id.in_(_OF_SESSIONS))
        .where(TaskInstance.state == TaskInstanceState.SUCCESS, TaskInstance.duration.is_not(None))
        .order_by(TaskInstance.end_date.desc())
        .limit(_MEASURED * len(_OF_SESSIONS))
    )
    durations: dict[str, list[float]] = {}
    for task_id, duration in database.execute(query):
        durations.setdefault(task_id, []).append(float(duration))
    return sum(statistics.median(of_task[:_MEASURED]) for of_task in durations.values()) if durations else None


def _unsuccessful(database: Session, dag_id: str) -> Iterator[_Found]:
    rows = database.execute(_instances(dag_id)).all()
    plans = _plans(database, dag_id, {row.run_id for row in rows if row.task_id != PLAN and not row.label})
    reasons = _reasons(database, dag_id, {row.run_id for row in rows if row.state in _FAILED})
    for row in rows:
        state = _state(row)
        sessions = _sessions(row, plans) if state else []
        if state and sessions:
            run = Run(state, row.run_id, _path(dag_id, row.run_id, row.task_id, row.map_index))
            attempt = Attempt(run, _ms(row.end_date), _reason(row, reasons))
            yield _Found(row.task_id, sessions, attempt, _ms(row.queued_at))


def _instances(dag_id: str) -> Select[Any]:
    """Every instance of the plan and of the sessions that neither succeeded nor was left out."""
    return (
        select(
            TaskInstance.task_id, TaskInstance.run_id, TaskInstance.map_index, TaskInstance.state,
            TaskInstance.end_date, TaskInstance._rendered_map_index.label("label"),
            DagRun.state.label("run_state"), DagRun.run_type, DagRun.conf, DagRun.logical_date, DagRun.queued_at,
        )
        .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
        .where(TaskInstance.dag_id == dag_id, TaskInstance.task_id.in_(tuple(_ORDER)))
        .where(TaskInstance.state.is_(None) | TaskInstance.state.not_in(_OVER))
    )  # fmt: skip


def _state(row: Row[Any]) -> str | None:
    """Whether an instance failed or is under way; None if it will not run any more, or is one of very many that wait.

    A backfill may have thousands of runs that are queued: those are not under way yet.
    """
    if row.state in _FAILED:
        return FAILED
    is_waiting = row.run_type == "backfill" and row.run_state == DagRunState.QUEUED
    return RUNNING if row.run_state in _UNDER_WAY and not is_waiting else None


def _sessions(row: Row[Any], plans: Mapping[str, Sequence[str]]) -> list[dt.date]:
    """The dates of an instance: of one session its label or its place in the plan; of a plan what the run is of."""
    if row.task_id != PLAN:
        plan = plans.get(row.run_id, ())
        # Between the end of its plan and the scheduler's next look a run has one instance, which is of all its dates.
        own = plan if row.map_index < 0 else plan[row.map_index : row.map_index + 1]
        return [dt.date.fromisoformat(day) for day in ([row.label] if row.label else own)]
    dates = (row.conf or {}).get("sessions")
    if dates:
        return [dt.date.fromisoformat(day) for day in dates]
    return [date_meant(row.logical_date)] if row.run_type == "backfill" and row.logical_date else []


def _plans(database: Session, dag_id: str, run_ids: Iterable[str]) -> dict[str, Sequence[str]]:
    """The dates of each run's plan, in the order in which tasks are mapped over them."""
    return {run_id: value or () for run_id, _, _, value in _xcoms(database, dag_id, PLAN, "return_value", run_ids)}


def _reasons(database: Session, dag_id: str, run_ids: set[str]) -> dict[tuple[str, str, int], str]:
    """What failed instances left behind, by run, task and map index."""
    return {
        (run_id, task_id, map_index): str(value)
        for task in _ORDER
        for run_id, task_id, map_index, value in _xcoms(database, dag_id, task, REASON_KEY, run_ids)
    }


def _reason(row: Row[Any], reasons: Mapping[tuple[str, str, int], str]) -> str:
    reason = reasons.get((row.run_id, row.task_id, row.map_index), "")
    return f"the plan of its run failed: {reason}" if reason and row.task_id == PLAN else reason


def _xcoms(database: Session, dag_id: str, task_id: str, key: str, run_ids: Iterable[str]) -> Sequence[Row[Any]]:
    wanted = sorted(run_ids)
    if not wanted:
        return []
    query = select(XComModel.run_id, XComModel.task_id, XComModel.map_index, XComModel.value)
    of_runs = XComModel.run_id.in_(wanted)
    return database.execute(
        query.where(XComModel.dag_id == dag_id, XComModel.task_id == task_id, XComModel.key == key, of_runs)
    ).all()


def _last_successes(database: Session, dag_id: str) -> dict[tuple[str, dt.date], int]:
    """When each task last succeeded for each session, Unix ms UTC."""
    label = TaskInstance._rendered_map_index
    query = (
        select(TaskInstance.task_id, label.label("label"), func.max(TaskInstance.end_date).label("ended"))
        .where(TaskInstance.dag_id == dag_id, TaskInstance.task_id.in_(_OF_SESSIONS))
        .where(TaskInstance.state == TaskInstanceState.SUCCESS)
        .group_by(TaskInstance.task_id, label)
    )
    return {(row.task_id, dt.date.fromisoformat(row.label)): _ms(row.ended)
            for row in database.execute(query) if row.label}  # fmt: skip


def _path(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """Where Airflow's UI shows a task instance, below its root."""
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    return f"dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/{task_id}{mapped}"


def _ms(moment: dt.datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0
