"""
### Per-second bars, one partition a session

`plan_sessions` decides which sessions this run fetches; `ingest_session` is mapped over them, one task
instance a date, so that a failed date alone is red and can be cleared alone. `report` tells what failed, is
suspect or is missing. A run is red if a date or its report failed.

| run | sessions |
|---|---|
| scheduled | its own, and what is missing among the last `schedule.catch_up_sessions` |
| backfill | exactly its own |
| manual | `start_date` to `end_date`, or the logical date; only what is missing, unless `refetch` |

A session is published whole with its certificate, or it fails with the reason in its log. Clear a failed
task instance to try it again. Settings: `include/settings.yaml`.
"""

from __future__ import annotations

from airflow.sdk import DAG  # noqa: F401 (Airflow reads only files that name it)

from marketlake import settings
from marketlake.dataset_names import SECOND_BARS
from marketlake_airflow.bars_dag import bars_dags

globals().update(bars_dags(SECOND_BARS, settings.load(), __doc__))
