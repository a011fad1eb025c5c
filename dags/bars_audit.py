"""
### Looking again at the sessions that are held

`plan_audit` names the sessions that are due: provisional, suspect, at their revisit age
(`audit.revisit_after_sessions`), or never compared with minute and day bars. `audit_session` fetches each again
and compares row by row: where rows differ, a revision is published and the old file kept. `summarise_audit`
writes `audit/{ticker}/audit.json` and a table into its log, and is red where a date failed.

Triggered by hand with `start_date` and `end_date`, it looks at every session that is held between them.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, get_current_context, task, teardown

from marketlake import settings
from marketlake.dataset_names import audit_dag_id
from marketlake_airflow.session_dag import session_dag

PARAMS = {
    "start_date": Param(None, type=["null", "string"], format="date", description="First date, New York"),
    "end_date": Param(None, type=["null", "string"], format="date", description="Last date, included"),
}


def bars_audit(ticker: str, configured: settings.Settings) -> DAG:
    """The audit DAG of one ticker."""
    with session_dag(
        audit_dag_id(ticker),
        ticker,
        configured,
        ready_time=configured.audit.ready_time,
        params=PARAMS,
        doc_md=__doc__,
    ) as dag:

        @task
        def plan_audit() -> list[str]:
            from marketlake_airflow import tasks as bodies

            return bodies.plan_audit(ticker, get_current_context())

        @task(
            multiple_outputs=False,  # a dict is otherwise pushed key by key as well
            map_index_template="{{ task.op_kwargs['session'] }}",
            max_active_tis_per_dag=configured.api.sessions_in_flight,
        )
        def audit_session(session: str) -> dict[str, Any]:
            from marketlake_airflow import tasks as bodies

            return bodies.audit_session(ticker, session)

        @teardown(on_failure_fail_dagrun=True)
        @task(retries=0, retry_policy=None)
        def summarise_audit() -> None:
            from marketlake_airflow import report

            report.summarise_audit(ticker, get_current_context())

        # As in second_bars.py: behind this teardown, the dates and the summary both decide the run's state.
        ended = EmptyOperator(task_id="dates_ended").as_teardown()
        audit_session.expand(session=plan_audit()) >> ended >> summarise_audit()
    return dag


if (_settings := settings.load()).audit.enabled:
    for _ticker in _settings.tickers:
        globals()[audit_dag_id(_ticker)] = bars_audit(_ticker, _settings)
