"""Where Airflow and the lake meet: hook, timetable, retry policy and the bodies of the tasks."""
