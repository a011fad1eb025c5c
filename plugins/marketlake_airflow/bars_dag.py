"""The DAG that fetches a ticker's rows of one dataset: plan, one mapped task a session, report."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, get_current_context, task, teardown

from marketlake.dataset_names import dag_id
from marketlake.settings import Settings
from marketlake_airflow.deadline import overdue_alert
from marketlake_airflow.session_dag import PARAMS, asset_of, needed, session_dag


def bars_dags(dataset: str, configured: Settings, doc_md: str | None) -> dict[str, DAG]:
    """A DAG for each of the dataset's tickers, by its id."""
    tickers = {dag_id(dataset, ticker): ticker for ticker in configured.datasets.tickers_of(dataset)}
    dags = [bars_dag(dataset, ticker, configured, doc_md) for ticker in needed(tickers)]
    return {dag.dag_id: dag for dag in dags}


def bars_dag(dataset: str, ticker: str, configured: Settings, doc_md: str | None) -> DAG:
    """The DAG of one ticker."""
    bars = asset_of(dataset, ticker)
    with session_dag(
        dag_id(dataset, ticker),
        ticker,
        configured,
        ready_time=configured.schedule.ready_time,
        end_date=configured.history.end_date,
        deadline=overdue_alert(dataset, ticker, configured.schedule.deadline_s),
        params=PARAMS,
        doc_md=doc_md,
    ) as dag:

        @task
        def plan_sessions() -> list[str]:
            from marketlake_airflow import report, tasks

            plan = tasks.plan_sessions(dataset, ticker, context := get_current_context())
            report.skip_report_in_backfill(context)
            return plan

        @task(
            multiple_outputs=False,  # a dict is otherwise pushed key by key as well: ten more requests a session
            map_index_template="{{ task.op_kwargs['session'] }}",
            outlets=[bars],
            max_active_tis_per_dag=configured.sessions_in_flight,
        )
        def ingest_session(session: str) -> dict[str, Any]:
            from marketlake_airflow import report, tasks

            result = tasks.ingest_session(dataset, ticker, session, bars, context := get_current_context())
            report.skip_report_in_backfill(context, again=True)
            return result

        @teardown(on_failure_fail_dagrun=True)
        @task(task_id="report", retries=0, retry_policy=None, execution_timeout=timedelta(minutes=15))
        def report_run() -> None:
            from marketlake_airflow import report

            report.report(dataset, ticker, get_current_context())

        # Airflow derives a run's state from its leaf tasks and ignores teardowns. This one is empty, so that no process
        # is started for it, and behind it the dates and the report both count: no report makes a failed date green.
        dates_ended = EmptyOperator(task_id="dates_ended").as_teardown()
        ingest_session.expand(session=plan_sessions()) >> dates_ended >> report_run()
    return dag
