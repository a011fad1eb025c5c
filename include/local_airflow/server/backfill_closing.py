"""Airflow's scheduler looks every 30 s whether a backfill has ended, and until then no other one of that DAG can be
created: here it looks every second.

The 30 s are fixed, and the look is one query of a small table. A backfill's runs are created in one transaction, so
that none is taken for ended while it is being created.
"""

import functools
from typing import Any

CLOSED_WITHIN_S = 1.0
_LOOK = "_mark_backfills_complete"


def close_soon() -> None:
    """From now on, a scheduler of this process looks for ended backfills often. One without such a look stays as is."""
    from airflow.utils.event_scheduler import EventScheduler

    at_its_interval = EventScheduler.call_regular_interval
    if hasattr(at_its_interval, "__wrapped__"):
        return

    @functools.wraps(at_its_interval)
    def call_regular_interval(self: Any, delay: float, action: Any, *rest: Any, **named: Any) -> None:
        is_look = getattr(action, "__name__", "") == _LOOK
        at_its_interval(self, min(delay, CLOSED_WITHIN_S) if is_look else delay, action, *rest, **named)

    EventScheduler.call_regular_interval = call_regular_interval  # type: ignore[method-assign]
