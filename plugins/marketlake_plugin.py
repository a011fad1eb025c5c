"""What Airflow must load from here: the session timetable. The hook is imported where it is used."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from marketlake_airflow.timetable import SessionTimetable


class MarketLakePlugin(AirflowPlugin):
    """Registers the timetable, without which no process could read the serialised DAGs."""

    name = "marketlake"
    timetables = [SessionTimetable]  # noqa: RUF012 (Airflow's interface)
