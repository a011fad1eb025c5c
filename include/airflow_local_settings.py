"""Airflow imports this module in every process. Those that fork tasks load the heavy imports once here,
and what tasks print is masked in every log it goes to.

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


def configure_logging() -> None:
    """In place of Airflow's own in ``airflow.settings``: the same, and then secrets are masked.

    Airflow masks the logs of tasks. Its local executor prints a copy of them, and that would not be masked.
    """
    import structlog
    from airflow import logging_config
    from airflow.sdk.log import mask_logs

    logging_config.configure_logging()  # type: ignore[no-untyped-call]
    *processors, renderer = structlog.get_config()["processors"]
    structlog.configure(processors=[*processors, mask_logs, renderer])


__all__ = ["configure_logging"]
