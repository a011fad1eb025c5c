"""
### Per-second bars, one partition a session

`plan_sessions` decides which sessions this run fetches; `ingest_session` is mapped over them, one task
instance a date, so that a failed date alone is red and can be cleared alone. `report` tells what failed, is
suspect or is missing. A run is red where a date or its report failed.

| run | sessions |
|---|---|
| scheduled | its own, and what is missing among the last `schedule.catch_up_sessions` |
| backfill | exactly its own |
| manual | `start_date` to `end_date`, or the logical date; only what is missing, unless `refetch` |

A session is published whole with its certificate, or it fails with the reason in its log. Clear a failed
task instance to try it again. Settings: `include/settings.yaml`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, Param, get_current_context, task, teardown

from marketlake import settings
from marketlake.dataset_names import dag_id
from marketlake_airflow.deadline import overdue_alert
from marketlake_airflow.session_dag import session_dag

PARAMS = {
    "start_date": Param(None, type=["null", "string"], format="date", description="First date, New York"),
    "end_date": Param(None, type=["null", "string"], format="date", description="Last date, included"),
    "refetch": Param(False, type="boolean", description="Fetch what is there already, too"),
    "source": Param("api", enum=["api", "raw"], description="raw: rebuild from the stored pages, no API call"),
    "allow_provisional": Param(False, type="boolean", description="Also a session that is not final yet"),
}


def second_bars(ticker: str, configured: settings.Settings) -> DAG:
    """The DAG of one ticker."""
    name = dag_id(ticker)
    bars = Asset(name, group="marketlake")
    with session_dag(
        name,
        ticker,
        configured,
        ready_time=configured.schedule.ready_time,
        end_date=configured.history.end_date,
        deadline=overdue_alert(ticker, configured.schedule.deadline_s),
        params=PARAMS,
        doc_md=__doc__,
    ) as dag:

        @task
        def plan_sessions() -> list[str]:
            from marketlake_airflow import tasks as bodies

            return bodies.plan_sessions(ticker, get_current_context())

        @task(
            multiple_outputs=False,  # a dict is otherwise pushed key by key as well: ten more requests a session
            map_index_template="{{ task.op_kwargs['session'] }}",
            outlets=[bars],
            max_active_tis_per_dag=configured.api.sessions_in_flight,
        )
        def ingest_session(session: str) -> dict[str, Any]:
            from marketlake_airflow import report
            from marketlake_airflow import tasks as bodies

            result = bodies.ingest_session(ticker, session, bars, context := get_current_context())
            report.spare(result, context)
            return result

        @teardown(on_failure_fail_dagrun=True)
        @task(task_id="report", retries=0, retry_policy=None, execution_timeout=timedelta(minutes=15))
        def tell() -> None:
            from marketlake_airflow import report

            report.report(ticker, get_current_context())

        # Airflow judges a run by its last tasks, and what is before a teardown counts as last. Behind this one, which
        # no process is started for, the dates and the report are both last: no report makes a failed date green.
        ended = EmptyOperator(task_id="dates_ended").as_teardown()
        ingest_session.expand(session=plan_sessions()) >> ended >> tell()
    return dag


for _ticker in (_settings := settings.load()).tickers:
    globals()[dag_id(_ticker)] = second_bars(_ticker, _settings)
