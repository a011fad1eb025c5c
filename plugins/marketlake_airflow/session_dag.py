"""What every DAG over sessions has in common: when it runs, how its tasks are tried again, whose asset it tells of."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, Param

from marketlake.dataset_names import dag_id
from marketlake.settings import Settings
from marketlake_airflow.retry import SessionRetryPolicy
from marketlake_airflow.timetable import SessionTimetable

_AIRFLOWS_OWN = 16

PARAMS = {
    "start_date": Param(None, type=["null", "string"], format="date", description="First date, New York"),
    "end_date": Param(None, type=["null", "string"], format="date", description="Last date, included"),
    "sessions": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "format": "date"},
        description="Exactly these dates, in the place of the two above",
    ),
    "refetch": Param(False, type="boolean", description="Fetch what is there already, too"),
    "source": Param("api", enum=["api", "raw"], description="raw: rebuild from the stored pages, no API call"),
    "allow_provisional": Param(False, type="boolean", description="Also a session that is not final yet"),
}
"""Of a run that fetches sessions, whatever they are of."""


def session_dag(
    name: str,
    ticker: str,
    configured: Settings,
    *,
    ready_time: dt.time,
    end_date: dt.date | None = None,
    **more: Any,
) -> DAG:
    """A DAG with a run a session, due at ``ready_time`` New York on the following day, up to ``end_date``."""
    tasks = configured.tasks
    return DAG(
        name,
        schedule=SessionTimetable(
            ready_time.isoformat("minutes"),
            [str(day) for day in configured.calendar.closures],
            configured.schedule.enabled,
            end_date.isoformat() if end_date else None,
        ),
        start_date=pendulum.datetime(2003, 9, 10),
        catchup=False,
        max_active_runs=1,
        **_room_for(configured.sessions_in_flight),
        tags=["market-data", ticker],
        default_args={
            "owner": "marketlake",
            "retries": tasks.retries,
            "retry_delay": dt.timedelta(seconds=tasks.retry_delay_s),
            "retry_policy": SessionRetryPolicy(tasks.retries, tasks.retry_delay_s, tasks.retry_delay_cap_s),
            "execution_timeout": dt.timedelta(seconds=tasks.timeout_s),
        },
        **more,
    )


def _room_for(sessions: int) -> dict[str, int]:
    """Airflow's limit for one run, raised where it would hold many workers to the pace of two."""
    return {"max_active_tasks": sessions} if sessions > _AIRFLOWS_OWN else {}


def asset_of(dataset: str, ticker: str) -> Asset:
    """What other DAGs wait for: a ticker's rows of one dataset, with a partition a session.

    Whichever DAG raises its events: Airflow takes assets of one name for the same one.
    """
    return Asset(dag_id(dataset, ticker), group="marketlake")
