"""Why a task ended before its own process began: that stands only in what the scheduler printed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from local_airflow.server.cause import cause_in
from local_airflow.server.processes import Processes

_MOST_BYTES = 20_000_000
_FAILED = "Workload execution failed."
_NEXT_RECORD = re.compile(r"^\d{4}-\d\d-\d\dT\S+ \[", re.MULTILINE)


@dataclass(frozen=True)
class SchedulerLog:
    """What the scheduler printed, and before it one that ended and was started again."""

    path: Path
    before: Path

    @classmethod
    def of(cls, processes: Processes) -> SchedulerLog | None:
        """The log of the scheduler that the commands started; None if the Airflow that is up is somebody else's."""
        if processes.running() is None:
            return None
        return cls(processes.log_of("scheduler"), processes.log_of("scheduler-before"))

    def cause_of(self, task_instance_id: str) -> str:
        """Why that try of a task ended before its process began, on one line; empty if nothing says so.

        The executor names no task beside its traceback: it stands between two mentions of the task instance, of
        which the first says that it was queued, and the second that it has ended.
        """
        between = (_tail(self.before) + _tail(self.path)).split(task_instance_id)[1:-1]
        for printed in reversed(between):
            _, found, traceback = printed.rpartition(_FAILED)
            if found:
                after = _NEXT_RECORD.search(traceback)
                return cause_in(traceback[: after.start()] if after else traceback)
        return ""


def _tail(path: Path) -> str:
    """The end of a log, which can grow for weeks; empty without one."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _MOST_BYTES))
            return log.read(_MOST_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return ""
