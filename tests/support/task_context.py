"""A context of a task as Airflow gives it, as far as the bodies of the tasks look at it."""

from __future__ import annotations

import datetime as dt
from typing import Any

PARAMS = {
    "start_date": None, "end_date": None, "sessions": None, "refetch": False, "source": "api",
    "allow_provisional": False,
}  # fmt: skip


class Run:
    """As much of a DAG run as a plan reads."""

    def __init__(self, run_type: str, logical_date: str | None) -> None:
        self.run_type = run_type
        self.logical_date = dt.datetime.fromisoformat(logical_date) if logical_date else None


class Kept(dict[str, Any]):
    """The task state store: survives a clear. ``for_good``: what does not expire."""

    def __init__(self) -> None:
        self.for_good: set[str] = set()

    def set(self, key: str, value: Any, *, retention: dt.timedelta | None = None) -> None:
        assert retention in {None, dt.timedelta.max}
        self.for_good |= {key} if retention else set()
        self[key] = value


class Event:
    def __init__(self) -> None:
        self.partitions: list[str] = []
        self.extra: dict[str, Any] = {}

    def add_partitions(self, key: str) -> None:
        self.partitions.append(key)


def context(run_type: str, logical_date: str | None = None, **params: Any) -> dict[str, Any]:
    return {"dag_run": Run(run_type, logical_date), "params": PARAMS | params, "task_state_store": Kept()}
