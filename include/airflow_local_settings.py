"""Airflow imports this module in every process. Those that fork tasks load the heavy imports once here,
what tasks print is masked in every log it goes to, on the embedded SQLite everybody waits for a turn, what
the environment says of proxies is written so that every library reads it, and a scheduler closes backfills soon.

A task forked from them finds pandas, pyarrow, the HTTP provider and the calendar ready, instead of spending
a second on its own. No thread, connection or file may be open when a process forks.
"""

import atexit
import gc
import importlib
import importlib.util
import os
import sys

from local_airflow.server import backfill_closing, sqlite_turns
from marketlake import proxies
from marketlake.errors import SettingsError

_FORKS_TASKS = {"scheduler", "worker", "standalone"}
_SERVERS = _FORKS_TASKS | {"api-server", "dag-processor", "triggerer"}

# What a task was seen to import after its process had forked, and the task's own bodies.
_HEAVY = (
    "airflow.providers.standard.decorators.python",
    "airflow.providers.standard.operators.empty",
    "airflow.sdk.definitions.decorators",
    "marketlake_airflow.bars_dag",
    "marketlake_airflow.deadline",
    "marketlake_airflow.report",
    "marketlake_airflow.tasks",
    "pyarrow.parquet",
)


_OWN_ADDRESSES = ("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "AIRFLOW__API__BASE_URL")
_VENDOR_ADDRESSES = ("POLYGON_BASE_URL", "MARKETLAKE__API__BASE_URL")


def _given(names: tuple[str, ...]) -> list[str]:
    return [os.environ[name] for name in names if name in os.environ]


def _require_usable_proxies() -> None:
    """Or every task would end before its own process began, with the cause in the log of this process alone."""
    try:
        proxies.require_usable(os.environ)
    except SettingsError as exc:
        sys.exit(f"SettingsError: {exc}")


def _prepare_to_fork() -> None:
    if importlib.util.find_spec("marketlake_airflow") is None:
        return  # the wheel in the environment of an Airflow without our plugins: its tasks are others'
    for module in _HEAVY:
        importlib.import_module(module)

    import pyarrow

    from marketlake.lake import system_clock
    from marketlake.sessions import SessionCalendar

    SessionCalendar(system_clock().date())  # building the calendar takes 0.3 s, and is done once a process
    pyarrow.array([0]).cast(pyarrow.float64())  # the first use of a kernel sets up all of them, in 8 ms


# A process of Airflow makes some million objects while it starts, which all stay: Python's looks for unused ones among
# them take a fifth of a start, and the last look, when all is gone anyway, two seconds of an API server's end.
if _SERVERS.intersection(sys.argv[1:4]):
    gc.set_threshold(50_000, 20, 50)
    atexit.register(gc.freeze)
sqlite_turns.wait_for_turns()
_forks_tasks = bool(_FORKS_TASKS.intersection(sys.argv[1:4]))
if _forks_tasks:
    _require_usable_proxies()
os.environ.update(proxies.normalised(os.environ, direct=_given(_OWN_ADDRESSES), served=_given(_VENDOR_ADDRESSES)))
if _forks_tasks:
    _prepare_to_fork()
    backfill_closing.close_soon()


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
