"""The DAG that collects an underlying's snapshot: once on the day of each session, since nobody can do so later."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pendulum
from airflow.sdk import DAG, CronTriggerTimetable, get_current_context, task

from marketlake.dataset_names import OPTION_SNAPSHOTS, dag_id
from marketlake.settings import Settings
from marketlake_airflow.retry import SessionRetryPolicy
from marketlake_airflow.session_dag import asset_of, needed

_NEW_YORK = "America/New_York"


def snapshots_dags(configured: Settings, doc_md: str | None) -> dict[str, DAG]:
    """A DAG for each underlying, by its id; none if options or their snapshots are off."""
    underlyings = {dag_id(OPTION_SNAPSHOTS, ticker): ticker for ticker in configured.snapshot_tickers}
    dags = [snapshots_dag(ticker, configured, doc_md) for ticker in needed(underlyings)]
    return {dag.dag_id: dag for dag in dags}


def snapshots_dag(ticker: str, configured: Settings, doc_md: str | None) -> DAG:
    """The DAG of one underlying. It knows weekdays alone: whether the exchange trades is asked when it runs."""
    at, tasks = configured.options.snapshots.time, configured.tasks
    weekdays = CronTriggerTimetable(f"{at.minute} {at.hour} * * 1-5", timezone=_NEW_YORK)
    collected = asset_of(OPTION_SNAPSHOTS, ticker)
    with DAG(
        dag_id(OPTION_SNAPSHOTS, ticker),
        schedule=weekdays if configured.schedule.enabled else None,
        start_date=pendulum.datetime(2024, 1, 1, tz=_NEW_YORK),
        catchup=False,
        max_active_runs=1,
        tags=["market-data", ticker],
        doc_md=doc_md,
    ) as dag:

        @task(
            multiple_outputs=False,
            outlets=[collected],
            owner="marketlake",
            retries=tasks.retries,
            retry_delay=dt.timedelta(seconds=tasks.retry_delay_s),
            retry_policy=SessionRetryPolicy(tasks.retries, tasks.retry_delay_s, tasks.retry_delay_cap_s),
            execution_timeout=dt.timedelta(seconds=tasks.timeout_s),
        )
        def collect_snapshot() -> dict[str, Any]:
            from marketlake_airflow import option_tasks

            return option_tasks.collect_snapshot(ticker, get_current_context(), asset=collected)

        collect_snapshot()
    return dag
