"""What Airflow must load from here: timetable and deadline. The hooks are imported where they are used."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from marketlake_airflow.deadline import ScheduledRunQueuedAt
from marketlake_airflow.timetable import SessionTimetable


class MarketLakePlugin(AirflowPlugin):
    """Registers timetable and deadline, without which no process could read the serialised DAGs."""

    name = "marketlake"
    timetables = [SessionTimetable]  # noqa: RUF012 (Airflow's interface)
    deadline_references = [ScheduledRunQueuedAt]  # noqa: RUF012
