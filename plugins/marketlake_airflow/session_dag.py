"""What every DAG over sessions has in common: when it runs, how its tasks are tried again, whose asset it tells of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import pendulum
from airflow.sdk import DAG, Asset, Param, get_parsing_context

from marketlake.dataset_names import dag_id
from marketlake.settings import Settings
from marketlake_airflow.retry import SessionRetryPolicy
from marketlake_airflow.timetable import SessionTimetable

_AIRFLOWS_OWN = 16
_T = TypeVar("_T")
_DIALECT = {"$schema": "http://json-schema.org/draft-07/schema#"}


def parameter(default: object, description: str, **schema: Any) -> Param:
    """A parameter of a run. Airflow holds every one against its schema and that against its dialect's own, for each DAG
    that it reads: of draft 7 that takes a third of the time that the newest one takes.
    """
    return Param(default, description, schema={**_DIALECT, **schema})


BOUNDS = {
    "start_date": parameter(None, "First date, New York", type=["null", "string"], format="date"),
    "end_date": parameter(None, "Last date, included", type=["null", "string"], format="date"),
}
PARAMS = BOUNDS | {
    "sessions": parameter(
        None,
        "Exactly these dates, in the place of the two above",
        type=["null", "array"],
        items={"type": "string", "format": "date"},
    ),
    "refetch": parameter(False, "Fetch what is there already, too", type="boolean"),
    "source": parameter("api", "raw: rebuild from the stored pages, no API call", enum=["api", "raw"]),
    "allow_provisional": parameter(False, "Also a session that is not final yet", type="boolean"),
}
"""Of a run that fetches sessions, whatever they are of."""


def needed(dags: Mapping[str, _T]) -> Iterable[_T]:
    """What to build the DAGs of a file from, of what there is by their ids: within a task, which reads its file anew,
    its own DAG alone, so that it takes no longer with five hundred tickers than with one.
    """
    running = get_parsing_context().dag_id
    if running is None:
        return dags.values()
    return [dags[running]] if running in dags else []


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
    """Airflow's limit for one run, raised if it would hold many workers to the pace of two."""
    return {"max_active_tasks": sessions} if sessions > _AIRFLOWS_OWN else {}


def asset_of(dataset: str, ticker: str) -> Asset:
    """What other DAGs wait for: a ticker's rows of one dataset, with a partition a session.

    Whichever DAG raises its events: Airflow takes assets of one name for the same one.
    """
    return Asset(dag_id(dataset, ticker), group="marketlake")
