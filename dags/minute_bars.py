"""
### Per-minute bars, one partition a session

As per-second bars, of bars of a minute, which every plan of the vendor includes: `plan_sessions` decides which sessions
this run fetches, `ingest_session` is mapped over them, one task instance a date, and `report` tells what failed, is
suspect or is missing. A run is red if a date or its report failed.

| run | sessions |
|---|---|
| scheduled | its own, and what is missing among the last `schedule.catch_up_sessions` |
| backfill | exactly its own |
| manual | `start_date` to `end_date`, or the logical date; only what is missing, unless `refetch` |

There is a DAG for each ticker of `datasets.minute_bars.tickers`. Settings: `include/settings.yaml`.
"""

from __future__ import annotations

from airflow.sdk import DAG  # noqa: F401 (Airflow reads only files that name it)

from marketlake import settings
from marketlake.dataset_names import MINUTE_BARS
from marketlake_airflow.bars_dag import bars_dags

globals().update(bars_dags(MINUTE_BARS, settings.load(), __doc__))
