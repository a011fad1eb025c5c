"""The DAG of an underlying's options: plan, a mapped group of three steps a session, report."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, get_current_context, task, task_group, teardown

from marketlake.dataset_names import OPTIONS, dag_id
from marketlake.settings import Settings
from marketlake_airflow.deadline import overdue_alert
from marketlake_airflow.session_dag import PARAMS, asset_of, needed, session_dag

_LABEL = "{{ task.op_kwargs['session'] }}"


def options_dags(configured: Settings, doc_md: str | None) -> dict[str, DAG]:
    """A DAG for each underlying, by its id; none if options are off."""
    underlyings = {dag_id(OPTIONS, ticker): ticker for ticker in configured.tickers_of(OPTIONS)}
    dags = [options_dag(ticker, configured, doc_md) for ticker in needed(underlyings)]
    return {dag.dag_id: dag for dag in dags}


def options_dag(ticker: str, configured: Settings, doc_md: str | None) -> DAG:
    """The DAG of one underlying."""
    with session_dag(
        dag_id(OPTIONS, ticker),
        ticker,
        configured,
        ready_time=configured.schedule.ready_time,
        end_date=configured.history.end_date,
        deadline=overdue_alert(OPTIONS, ticker, configured.schedule.deadline_s),
        params=PARAMS,
        doc_md=doc_md,
    ) as dag:

        @task
        def plan_sessions() -> list[str]:
            from marketlake_airflow import option_tasks, report

            plan = option_tasks.plan_sessions(ticker, context := get_current_context())
            report.skip_report_in_backfill(context)
            return plan

        @teardown(on_failure_fail_dagrun=True)
        @task(task_id="report", retries=0, retry_policy=None, execution_timeout=timedelta(minutes=15))
        def report_run() -> None:
            from marketlake_airflow import report

            report.report(OPTIONS, ticker, get_current_context())

        # As in bars_dag.py: behind this teardown, the dates and the report both decide the run's state.
        dates_ended = EmptyOperator(task_id="dates_ended").as_teardown()
        _session(ticker, configured).expand(session=plan_sessions()) >> dates_ended >> report_run()
    return dag


def _session(ticker: str, configured: Settings) -> Any:
    """The steps of one session. The last one tells the asset's readers; each can be cleared alone, with those after it.

    One chain at a time, oldest first, finds the chain before it in the lake, and need not ask for it.
    """
    options, with_panel = asset_of(OPTIONS, ticker), configured.options.panel.enabled

    @task(multiple_outputs=False, map_index_template=_LABEL, max_active_tis_per_dag=1)
    def fetch_chain(session: str) -> dict[str, Any]:
        from marketlake_airflow import option_tasks

        return option_tasks.fetch_chain(ticker, session, get_current_context())

    @task(
        multiple_outputs=False,
        map_index_template=_LABEL,
        outlets=[] if with_panel else [options],
        max_active_tis_per_dag=configured.option_sessions_in_flight,
    )
    def fetch_bars(session: str) -> dict[str, Any]:
        from marketlake_airflow import option_tasks

        return option_tasks.fetch_bars(ticker, session, get_current_context(), asset=None if with_panel else options)

    @task(
        multiple_outputs=False,
        map_index_template=_LABEL,
        outlets=[options],
        max_active_tis_per_dag=configured.sessions_in_flight,
    )
    def build_panel(session: str) -> dict[str, Any]:
        from marketlake_airflow import option_tasks

        return option_tasks.build_panel(ticker, session, get_current_context(), asset=options)

    @task_group(group_id="session")
    def steps(session: str) -> None:
        bars = fetch_chain(session=session) >> fetch_bars(session=session)  # by name: their label is that of it
        if with_panel:
            bars >> build_panel(session=session)

    return steps
