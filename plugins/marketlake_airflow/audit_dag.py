"""The DAG that looks again at a ticker's sessions of one dataset."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, get_current_context, task, teardown

from marketlake.dataset_names import OPTIONS, audit_dag_id
from marketlake.settings import Settings
from marketlake_airflow.session_dag import BOUNDS, asset_of, needed, session_dag


def audit_dags(configured: Settings, doc_md: str | None) -> dict[str, DAG]:
    """A DAG for each ticker of each dataset, by its id; none if the audit is switched off."""
    subjects = {audit_dag_id(*subject): subject for subject in configured.each if configured.audit.enabled}
    dags = [audit_dag(dataset, ticker, configured, doc_md) for dataset, ticker in needed(subjects)]
    return {dag.dag_id: dag for dag in dags}


def audit_dag(dataset: str, ticker: str, configured: Settings, doc_md: str | None) -> DAG:
    """The audit DAG of one ticker of one dataset."""
    bars = asset_of(dataset, ticker)
    at_a_time = configured.option_sessions_in_flight if dataset == OPTIONS else configured.sessions_in_flight
    with session_dag(
        audit_dag_id(dataset, ticker),
        ticker,
        configured,
        ready_time=configured.audit.ready_time,
        params=BOUNDS,
        doc_md=doc_md,
    ) as dag:

        @task
        def plan_audit() -> list[str]:
            from marketlake_airflow import tasks

            return tasks.plan_audit(dataset, ticker, get_current_context())

        @task(
            multiple_outputs=False,  # a dict is otherwise pushed key by key as well
            map_index_template="{{ task.op_kwargs['session'] }}",
            outlets=[bars],
            max_active_tis_per_dag=at_a_time,
        )
        def audit_session(session: str) -> dict[str, Any]:
            from marketlake_airflow import tasks

            return tasks.audit_session(dataset, ticker, session, bars, get_current_context())

        @teardown(on_failure_fail_dagrun=True)
        @task(retries=0, retry_policy=None)
        def summarise_audit() -> None:
            from marketlake_airflow import report

            report.summarise_audit(dataset, ticker, get_current_context())

        # As in bars_dag.py: behind this teardown, the dates and the summary both decide the run's state.
        dates_ended = EmptyOperator(task_id="dates_ended").as_teardown()
        audit_session.expand(session=plan_audit()) >> dates_ended >> summarise_audit()
    return dag
