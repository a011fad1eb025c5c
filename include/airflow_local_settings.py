"""Airflow imports this module in every process. Those that fork tasks load the heavy imports once here.

A task forked from them finds pandas, pyarrow and the calendar ready, instead of spending half a second
on its own. Only imports: no thread, connection or file may be open when a process forks.
"""

import sys

_FORKS_TASKS = {"scheduler", "worker", "standalone"}

if _FORKS_TASKS.intersection(sys.argv[1:4]):
    import exchange_calendars
    import marketlake.ingest
    import marketlake.planning
    import pyarrow.parquet

__all__: list[str] = []
