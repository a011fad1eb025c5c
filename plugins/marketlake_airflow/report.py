"""The last task of a run: one message of what failed, is suspect or is missing, and a red task if a date failed."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any
from urllib.parse import quote

import msgspec
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.comms import SkipDownstreamTasks

from marketlake import settings
from marketlake.audit.audit import summarise
from marketlake.audit.visits import Visit
from marketlake.dataset_names import OPTION_NAMES, OPTIONS, audit_title, run_title
from marketlake.errors import MarketLakeError
from marketlake.ingest import planning
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.report import Outcome
from marketlake.ingest.run_summary import RunSummary
from marketlake_airflow import notify
from marketlake_airflow.lake import lake_of

_log = logging.getLogger(__name__)
AFTER_THE_DATES: list[str | tuple[str, int]] = ["dates_ended", "report"]
OPTION_STEPS = ("session.fetch_chain", "session.fetch_bars", "session.build_panel")


def report(dataset: str, ticker: str, context: Mapping[str, Any]) -> None:
    """Report what became of a run of a dataset; of a scheduled one, also what the catch-up window still lacks.

    Raises AirflowFailException if a date failed, or if the message could not be sent.
    """
    run = context["dag_run"]
    looked: dict[str, Any] = {}
    if run.run_type == "scheduled" and run.logical_date:
        looked = _look_at_window(dataset, ticker, run.logical_date.date())
    steps = steps_of(dataset, with_panel=settings.load().options.panel.enabled)
    deliver(summary(run_title(dataset, ticker), context, "plan_sessions", *steps, **looked), context)


def summarise_audit(dataset: str, ticker: str, context: Mapping[str, Any]) -> None:
    """Write and report what came of an audit. A suspect session is news in the message once, not every day.

    Raises AirflowFailException if a date failed, or if the message could not be sent, and, once all is
    reported, what kept the summary from being written.
    """
    run_summary = summary(audit_title(dataset, ticker), context, "plan_audit", "audit_session")
    results = context["ti"].xcom_pull(task_ids=["audit_session"]) if run_summary.planned else []
    visits = [
        msgspec.convert(result, Visit) for result in results if result and result["session"] in run_summary.states
    ]
    trouble: MarketLakeError | None = None
    if run_summary.planned is not None:
        try:
            lake = lake_of(settings.load())
            summarise(lake, dataset, ticker, run_summary.planned, visits)
        except MarketLakeError as exc:
            trouble = exc
    known = frozenset(str(visit.session) for visit in visits if visit.outcome == Outcome.UNCHANGED)
    deliver(replace(run_summary, known=known, not_summarised=str(trouble or "")), context)
    if trouble:
        raise trouble


def summary(what: str, context: Mapping[str, Any], plan_task: str, *steps: str, **looked: Any) -> RunSummary:
    """What a plan and the tasks that are mapped over it, one step after the other, left behind in this run.

    A session counts as fetched only if the instance of its last step succeeded and its own result names it: the result
    of an earlier try may outlive it.
    """
    run, ti = context["dag_run"], context["ti"]
    states = ti.get_task_states(dag_id=run.dag_id, task_ids=[plan_task, steps[-1]], run_ids=[run.run_id])
    of_run = states.get(run.run_id, {})
    planned = ti.xcom_pull(task_ids=plan_task) if of_run.get(plan_task) == "success" else None
    # In one request a step, however many.
    results = [[result for result in ti.xcom_pull(task_ids=[step]) if result] if planned else [] for step in steps]
    state_of = {result["session"]: result["state"] for result in results[-1]}
    succeeded = {
        session: state_of[session]
        for index, session in enumerate(planned or ())
        if session in state_of and of_run.get(f"{steps[-1]}_{index}") == "success"
    }
    return RunSummary(
        f"{what}, run {run.run_id}",
        planned,
        succeeded,
        next_step=_next_step(run.dag_id, run.run_id),
        reasons=_reasons(chain.from_iterable(results)),
        **looked,
    )


def steps_of(name: str, *, with_panel: bool) -> tuple[str, ...]:
    """The tasks that are mapped over a plan's dates, one after the other."""
    if name != OPTIONS:
        return ("ingest_session",)
    return OPTION_STEPS if with_panel else OPTION_STEPS[:-1]


def _reasons(results: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Why each session is suspect, once: not that one step is since another one is."""
    found: dict[str, list[str]] = {}
    for result in results:
        found.setdefault(result["session"], []).extend(result["suspect_because"])
    derived = {f"{name} is suspect" for name in OPTION_NAMES}
    own = {session: [line for line in dict.fromkeys(lines) if line not in derived] for session, lines in found.items()}
    return {session: "; ".join(lines) for session, lines in own.items() if lines}


def deliver(run_summary: RunSummary, context: Mapping[str, Any]) -> None:
    """Log a summary, send it if the run was scheduled and the settings ask for it, and fail if a date failed.

    The log comes first: no trouble with sending hides the verdict. Raises AirflowFailException.
    """
    _log.log(logging.WARNING if run_summary.is_trouble else logging.INFO, "%s", run_summary.text)
    configured = settings.load().report
    wanted = context["dag_run"].run_type == "scheduled" and (run_summary.is_trouble or configured.when == "always")
    not_sent = ""
    if wanted:
        try:
            notify.send(configured, run_summary.headline, run_summary.text)
        except notify.NotSent as exc:
            not_sent = str(exc)
            _log.error("the message was not sent: %s", not_sent)
    if run_summary.has_failed:
        raise AirflowFailException(
            run_summary.headline + (f" (and the message was not sent: {not_sent})" if not_sent else "")
        )
    if not_sent:
        raise AirflowFailException(f"no date failed, but the message was not sent: {not_sent}")


def skip_report_in_backfill(context: Mapping[str, Any], *, again: bool = False) -> None:
    """In a backfill, let Airflow skip the report: each run has one session, whose own state already says everything,
    and the report would be a third process for it. The plan asks for it, so that the scheduler need not look again and
    again whether the report may run yet; a session, with ``again``, if it has been cleared with what is behind it.

    Skipped or not, it cannot make a run green whose date fails. Does nothing in other runs: there, other dates count.
    Asked of the task's supervisor, as Airflow does for DownstreamTasksSkipped: to raise that would lose the plan, of
    which Airflow has to know how long it is.
    """
    if context["dag_run"].run_type != "backfill" or (again and context["ti"].try_number == 1):
        return
    from airflow.sdk.execution_time import task_runner

    task_runner.SUPERVISOR_COMMS.send(SkipDownstreamTasks(tasks=AFTER_THE_DATES))


def _look_at_window(dataset: str, ticker: str, own: dt.date) -> dict[str, Any]:
    """What the lake still lacks among the last sessions, also if it cannot be read."""
    try:
        lake = lake_of(settings.load())
        window = planning.catch_up_window(lake, own)
        missing = coverage_of(lake, dataset, ticker).unfinished(window)
    except (MarketLakeError, OSError) as exc:
        return {"not_looked": f"{type(exc).__name__}: {exc}"}
    return {"missing": [str(day) for day in missing], "window_sessions": len(window)}


def _next_step(dag_id: str, run_id: str) -> str:
    base = conf.get("api", "base_url", fallback="") or ""
    where = f"{base.rstrip('/')}/dags/{dag_id}/runs/{quote(run_id, safe='')}" if base else f"{dag_id} in Airflow"
    return f"Next: open {where}, mend what the log of a red date says, and clear that date."
