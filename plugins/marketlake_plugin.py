"""What Airflow must load from here: timetable, deadline and page. The hooks are imported where they are used."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from marketlake_airflow.deadline import ScheduledRunQueuedAt
from marketlake_airflow.timetable import SessionTimetable


class MarketLakePlugin(AirflowPlugin):
    """Registers timetable and deadline, without which no process could read the serialised DAGs, and the page."""

    name = "marketlake"
    timetables = [SessionTimetable]  # noqa: RUF012 (Airflow's interface)
    deadline_references = [ScheduledRunQueuedAt]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Coverage",
            "href": "/coverage/",
            "destination": "nav",
            "category": "browse",
            "url_route": "coverage",
        },
        {
            "name": "Coverage",
            "href": "/coverage/?dag_id={DAG_ID}",
            "destination": "dag",
            "url_route": "coverage_of_dag",
        },
    ]

    @cached_property  # read by the API server alone: no other process loads the page and what it needs
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The coverage page, at ``/coverage/``."""
        from marketlake_airflow.coverage.app import app

        return [{"app": app, "url_prefix": "/coverage", "name": "coverage"}]
