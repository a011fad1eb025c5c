"""What whoever fetches says of a session: it is under way, or it was tried and failed. The lake alone does not know."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

FAILED, RUNNING = "failed", "running"


class Run(msgspec.Struct, frozen=True):
    """Where an attempt can be looked at. ``state``: FAILED or RUNNING; ``path``: below Airflow's root."""

    state: str
    run_id: str
    path: str


class TaskLine(msgspec.Struct, frozen=True):
    """The task that last had to do with a session: its state, and where it can be looked at, below Airflow's root."""

    state: str
    try_number: int
    path: str
    ended_at_ms: int | None = None


@dataclass(frozen=True)
class Attempt:
    """The last attempt at one session that did not succeed. ``reason``: in one line, if it is known."""

    run: Run
    ended_ms: int = 0
    reason: str = ""


Attempts = Mapping[dt.date, Attempt]
