"""Airflow imports this module in every process. Those that fork tasks load the heavy imports once here.

A task forked from them finds pandas, pyarrow and the calendar ready, instead of spending half a second
on its own. Only imports: no thread, connection or file may be open when a process forks.
"""

import importlib
import sys

_FORKS_TASKS = {"scheduler", "worker", "standalone"}

_HEAVY = ("exchange_calendars", "pyarrow.parquet", "marketlake.audit", "marketlake.planning", "marketlake.preflight")

if _FORKS_TASKS.intersection(sys.argv[1:4]):
    for _module in _HEAVY:
        importlib.import_module(_module)

__all__: list[str] = []
