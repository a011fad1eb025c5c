"""One backfill of one DAG through Airflow's API: created or found again, watched, paused, and asked for reasons."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

from local_airflow.backfill.range import Range
from local_airflow.server.api import AirflowApi, dates_of
from local_airflow.server.home import AirflowTrouble
from local_airflow.server.scheduler_log import SchedulerLog

_POLL_S = 1.0
_MOST_REASONS = 50
_MAX_ACTIVE_RUNS = 16
_CLOSING_S = 90
_LOOK_S = 30
_MOST_SILENT_LOOKS = 3
_REPORT = "report"  # it fails because another task has


class BackfillRun:
    """One backfill of one DAG, from creation or re-attachment to its end."""

    def __init__(
        self,
        api: AirflowApi,
        dag_id: str,
        wanted: Range,
        say: Callable[[str], None],
        scheduler_log: SchedulerLog | None = None,
    ) -> None:
        self._api = api
        self._dag_id = dag_id
        self._wanted = wanted
        self._say = say
        self._scheduler_log = scheduler_log
        self.backfill_id: int | None = None
        self._silent_looks = 0

    def create_or_attach(self, *, refetch: bool) -> bool:
        """Whether there is anything to watch. Raises AirflowTrouble if another range is active."""
        active = self._api.active_backfill(self._dag_id)
        if active is not None and self._runs_left(*dates_of(active)) == 0:
            self._await_completion(active["id"])
            active = None
        if active is not None:
            return self._attach(active, refetch=refetch)
        body: dict[str, Any] = {
            "dag_id": self._dag_id,
            "from_date": f"{self._wanted.first}T00:00:00Z",
            "to_date": f"{self._wanted.last}T00:00:00Z",
            "reprocess_behavior": "completed" if refetch else "failed",
            "max_active_runs": _MAX_ACTIVE_RUNS,
            # Never none, or a run that was triggered by hand before would keep its own dates.
            "dag_run_conf": {"refetch": True} if refetch else {},
        }
        existing = len(self._runs_of_sessions())
        attempted = self._api.dry_run(body)
        skipped = len(self._wanted.sessions) - attempted
        cleared = max(0, existing - skipped)
        if attempted == 0:
            self._say(
                f"nothing to do: all {skipped} sessions have a run that succeeded or is under way."
                " REFETCH=1 fetches them again."
            )
            return False
        self.backfill_id = self._api.create_backfill(body)
        self._say(
            f"backfill {self.backfill_id}, runs: {attempted - cleared} created, {cleared} cleared, {skipped} skipped"
        )
        return True

    def _attach(self, active: dict[str, Any], *, refetch: bool) -> bool:
        first, last = dates_of(active)
        if (first, last) != (self._wanted.first, self._wanted.last):
            others = self._wanted.of(first, last)
            raise AirflowTrouble(
                f"backfill {active['id']} of FROM={first} TO={last} is {'paused' if active['is_paused'] else 'active'}"
                f" on {self._dag_id}, and there can be only one. Resume it with  make backfill {others}"
            )
        if refetch and active["reprocess_behavior"] != "completed":
            raise AirflowTrouble(
                f"backfill {active['id']} of this range is {'paused' if active['is_paused'] else 'active'} and fetches"
                f" only what is missing: let it end with  make backfill {self._wanted}  and then ask with REFETCH=1"
            )
        self.backfill_id = int(active["id"])
        self._api.steer_backfill(self.backfill_id, "unpause")
        self._say(f"re-attached to backfill {self.backfill_id}: {self._runs_left(first, last)} runs are left")
        return True

    def watch(self, keep_alive: Callable[[], None] | None, *, ours: bool) -> None:
        """Block until every run of the range has ended, saying how far it is.

        Bounded by the tasks' own bounds, by ``keep_alive``, which raises if processes end too often, and,
        if Airflow is not ours, by the backfill being unpaused and the scheduler alive. Raises AirflowTrouble.
        """
        shown, looked = (-1, -1), time.monotonic()
        while True:
            if keep_alive is not None:
                keep_alive()
            if not ours and time.monotonic() - looked > _LOOK_S:
                self._require_moving()
                looked = time.monotonic()
            left = self._runs_left(self._wanted.first, self._wanted.last)  # first: what has ended stays ended
            queued = self._count("queued")
            if (left, queued) != shown:
                self._say_counts(left, queued)
                shown = (left, queued)
            if left == 0:
                return
            time.sleep(_POLL_S)

    def _require_moving(self) -> None:
        """Raise AirflowTrouble if an Airflow that is not ours will start none of the runs."""
        active, dag = self._api.active_backfill(self._dag_id), self._api.dag(self._dag_id)
        health = self._api.healthy()
        if (active and active["is_paused"]) or (dag and dag["is_paused"]):
            raise AirflowTrouble(f"the backfill, or {self._dag_id}, was paused: unpause it in the UI, then call again.")
        silent = health is not None and health["scheduler"]["status"] != "healthy"
        self._silent_looks = self._silent_looks + 1 if silent else 0  # one that is started again needs a while
        if self._silent_looks > _MOST_SILENT_LOOKS:
            raise AirflowTrouble(
                "the scheduler of the Airflow that is up gives no sign of life: restart it, then call again."
            )

    def pause(self) -> None:
        """Start no further run of this backfill, also if it was created but not yet answered for."""
        active = self._api.active_backfill(self._dag_id)
        if active is not None and dates_of(active) == (self._wanted.first, self._wanted.last):
            self._api.steer_backfill(active["id"], "pause")

    def reasons(self) -> dict[dt.date, str]:
        """Why the failed runs of the range failed, by session; of the first ones, if there are many."""
        failed = {day: run for day, run in self._runs_of_sessions().items() if run["state"] == "failed"}
        return {
            day: self._reason(run["dag_run_id"]) if number < _MOST_REASONS else "see its task's log"
            for number, (day, run) in enumerate(sorted(failed.items()))
        }

    def _runs_of_sessions(self) -> dict[dt.date, dict[str, Any]]:
        """The runs whose logical date is a wanted session; one triggered in the middle of a day is none."""
        wanted = {f"{day}T00:00:00Z": day for day in self._wanted.sessions}
        runs = self._api.runs(self._dag_id, self._wanted.first, self._wanted.last)
        return {wanted[run["logical_date"]]: run for run in runs if run["logical_date"] in wanted}

    def _reason(self, run_id: str) -> str:
        instances = self._api.task_instances(self._dag_id, run_id)
        failed = [
            instance for instance in instances if instance["state"] == "failed" and instance["task_id"] != _REPORT
        ]
        for instance in failed:
            events = self._api.log_events(instance)
            for event in reversed(events):
                for detail in event.get("error_detail") or []:
                    return f"{detail['exc_type']}: {detail['exc_value']}"
            if not any(event.get("timestamp") for event in events):  # Airflow's words on why there is no log have none
                return self._reason_without_log(instance)
        return f"see the log of {failed[0]['task_id'] if failed else 'the run'} in the UI (make up)"

    def _reason_without_log(self, instance: dict[str, Any]) -> str:
        """What is known of a task that ended before its own process began."""
        began = f"{instance['task_id']} ended before its own process began"
        log = self._scheduler_log
        if log is None:
            return f"{began}: what the scheduler of the Airflow at {self._api.base_url} printed says why"
        cause = log.cause_of(instance["id"])
        return f"{began}: {cause} ({log.path})" if cause else f"{began}: see {log.path}"

    def _await_completion(self, backfill_id: int) -> None:
        """Wait until Airflow marks a backfill without runs left as complete: ours looks every second, that of
        somebody else every 30 s.

        Not cancelled instead: that would leave it paused for good, and its runs could never be cleared.
        """
        self._say(f"backfill {backfill_id} has ended; waiting for Airflow to close it")
        self._api.steer_backfill(backfill_id, "unpause")
        deadline = time.monotonic() + _CLOSING_S
        while self._api.active_backfill(self._dag_id) is not None:
            if time.monotonic() > deadline:
                raise AirflowTrouble(
                    f"backfill {backfill_id} has ended, but is not closed after {_CLOSING_S} s: that is the scheduler's"
                    " work, and its log may say why. Then call again."
                )
            time.sleep(_POLL_S)

    def _say_counts(self, left: int, queued: int) -> None:
        """How far it is. Of those that are left, who is not queued runs: a further question would cost as much."""
        success, failed, running = self._count("success"), self._count("failed"), max(0, left - queued)
        line = f"{success} success, {failed} failed, {running} running, {queued} queued"
        self._say(f"{dt.datetime.now(dt.UTC):%H:%M:%S}Z  of {len(self._wanted.sessions)} sessions: {line}")

    def _count(self, state: str) -> int:
        return self._api.count_runs(self._dag_id, self._wanted.first, self._wanted.last, state)

    def _runs_left(self, first: dt.date, last: dt.date) -> int:
        # In one request: between two, a run could pass from queued to running and be in neither answer.
        return self._api.count_runs(self._dag_id, first, last, "queued", "running")
