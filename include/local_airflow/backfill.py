"""``make backfill``: history through Airflow's own backfill, with a verdict over the partitions."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_airflow.api import AirflowApi
from local_airflow.home import AirflowTrouble
from local_airflow.processes import Processes
from marketlake import preflight
from marketlake.client import PolygonClient
from marketlake.errors import SettingsError
from marketlake.lake import Lake
from marketlake.model import State, is_vendor
from marketlake.sessions import final_from

COMPLETE, INCOMPLETE, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
_POLL_S = 1.0
_MOST_REASONS = 50
_MAX_ACTIVE_RUNS = 16
_CLOSING_S = 90
_LOOK_S = 30
_SESSIONS_A_MINUTE = 100  # measured: what Airflow dispatches on a 2-core machine, two tasks a session
_GOOD = frozenset({State.COMPLETE, State.SUSPECT, State.EMPTY})


@dataclass(frozen=True)
class Range:
    """What was asked for, clipped to what can be had. Both ends included."""

    first: dt.date
    last: dt.date
    sessions: list[dt.date]

    def __str__(self) -> str:
        return f"FROM={self.first} TO={self.last}"


def asked_range(lake: Lake, first: str, last: str, say: Callable[[str], None]) -> Range:
    """The final sessions of a range. Raises SettingsError in one line where there are none to be had."""
    start, end = _date("FROM", first), _date("TO", last)
    if end < start:
        raise SettingsError(f"TO={end} is before FROM={start}: swap them.")
    history, last_final = lake.settings.history, lake.calendar.last_final(lake.now()) or start
    bounds = (max(start, history.start_date), min(end, last_final, history.end_date or end))
    sessions = lake.calendar.sessions(*bounds)
    if not sessions:
        raise SettingsError(
            f"no final session of the New York Stock Exchange from {start} to {end} (the last final one is"
            f" {last_final}; history: {history.start_date} to {history.end_date or 'today'}). Choose other dates."
        )
    for line in _clippings(lake, start, end, bounds):
        say(line)
    return Range(*bounds, sessions)


def _clippings(lake: Lake, start: dt.date, end: dt.date, bounds: tuple[dt.date, dt.date]) -> list[str]:
    """What of the asked range is left out, and why."""
    lines = []
    if bounds[0] > start:
        lines.append(f"FROM={start} is clipped to {bounds[0]}, where the lake's history starts")
    if bounds[1] == lake.settings.history.end_date != end:
        lines.append(f"TO={end} is clipped to {bounds[1]}, where the lake's history ends")
    elif bounds[1] < end and (later := lake.calendar.next_session(bounds[1] + dt.timedelta(days=1))) and later <= end:
        when = f"{final_from(later):%Y-%m-%d %H:%M} New York"
        lines.append(f"TO={end} is clipped to {bounds[1]}, the last final session: {later} is final from {when}")
    return lines


def _date(name: str, value: str) -> dt.date:
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise SettingsError(f"{name}={value!r} is no date: write it as YYYY-MM-DD.") from None


def require_lake(lake: Lake, ticker: str, wanted: Range, *, refetch: bool) -> None:
    """Raise StorageError where the lake cannot take what is to be fetched."""
    preflight.require_lake(lake, ticker, len(_to_fetch(lake, ticker, wanted, refetch=refetch)))


def ask_first(lake: Lake, client: PolygonClient, ticker: str, wanted: Range, say: Callable[[str], None]) -> None:
    """Ask the API for the first and the last session, and say where it has none. Creates nothing."""
    for session in preflight.require_served(lake, client, ticker, wanted.sessions[0], wanted.sessions[-1]):
        say(f"{ticker} {session}: the API has no bar of this session now; unless that changes, it will fail")


def estimate_line(lake: Lake, ticker: str, wanted: Range, *, refetch: bool) -> str:
    """Sessions, requests, size and time of what is to be fetched."""
    fetched = len(_to_fetch(lake, ticker, wanted, refetch=refetch))
    cost = preflight.estimate(lake, fetched)
    return (
        f"{ticker}: {len(wanted.sessions)} sessions from {wanted.sessions[0]} to {wanted.sessions[-1]},"
        f" {fetched} {'to fetch' if refetch else 'not here yet'}: about {cost.requests} requests,"
        f" {cost.bytes / 1e6:,.0f} MB, {max(1, round(fetched / _SESSIONS_A_MINUTE))} min"
    )


def _to_fetch(lake: Lake, ticker: str, wanted: Range, *, refetch: bool) -> list[dt.date]:
    return wanted.sessions if refetch else lake.partitions.unfinished(ticker, wanted.sessions)


class BackfillRun:
    """One backfill of one DAG, from creation or re-attachment to its end."""

    def __init__(self, api: AirflowApi, dag_id: str, wanted: Range, say: Callable[[str], None]) -> None:
        self._api = api
        self._dag_id = dag_id
        self._wanted = wanted
        self._say = say
        self.backfill_id: int | None = None

    def create_or_attach(self, *, refetch: bool) -> bool:
        """Whether there is anything to watch. Raises AirflowTrouble where another range is active."""
        active = self._api.active_backfill(self._dag_id)
        if active is not None and self._runs_left(*_dates(active)) == 0:
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
            "dag_run_conf": {},  # or a run that was triggered by hand before would keep its own dates
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
        self._say(f"backfill {self.backfill_id}: {attempted - cleared} created, {cleared} cleared, {skipped} skipped")
        return True

    def _attach(self, active: dict[str, Any], *, refetch: bool) -> bool:
        first, last = _dates(active)
        if (first, last) != (self._wanted.first, self._wanted.last):
            raise AirflowTrouble(
                f"backfill {active['id']} of FROM={first} TO={last} is {'paused' if active['is_paused'] else 'active'}"
                f" on {self._dag_id}, and there can be only one. Resume it with  make backfill FROM={first} TO={last}"
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

    def watch(self, processes: Processes | None) -> None:
        """Block until every run of the range has ended, saying how far it is.

        Bounded by the tasks' own bounds, by the processes being alive where they are ours, and by the
        backfill being unpaused and the scheduler alive where they are not. Raises AirflowTrouble.
        """
        told, looked = "", time.monotonic()
        while True:
            if processes is not None:
                processes.require_alive()
            elif time.monotonic() - looked > _LOOK_S:
                self._require_moving()
                looked = time.monotonic()
            left = self._runs_left(self._wanted.first, self._wanted.last)  # first: what has ended stays ended
            counts = {state: self._count(state) for state in ("success", "failed", "running", "queued")}
            line = ", ".join(f"{count} {state}" for state, count in counts.items())
            if line != told:
                self._say(f"{dt.datetime.now(dt.UTC):%H:%M:%S}Z  {line}")
                told = line
            if left == 0:
                return
            time.sleep(_POLL_S)

    def _require_moving(self) -> None:
        """Raise AirflowTrouble where an Airflow that is not ours will start none of the runs."""
        active, dag = self._api.active_backfill(self._dag_id), self._api.dag(self._dag_id)
        health = self._api.healthy()
        if (active and active["is_paused"]) or (dag and dag["is_paused"]):
            raise AirflowTrouble(f"the backfill, or {self._dag_id}, was paused: unpause it in the UI, then call again.")
        if health is not None and health["scheduler"]["status"] != "healthy":
            raise AirflowTrouble("the scheduler of the Airflow that is up gives no sign of life: restart it.")

    def pause(self) -> None:
        """Start no further run of this backfill, also where it was created but not yet answered for."""
        active = self._api.active_backfill(self._dag_id)
        if active is not None and _dates(active) == (self._wanted.first, self._wanted.last):
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
        failed = [one for one in self._api.task_instances(self._dag_id, run_id) if one["state"] == "failed"]
        for instance in failed:
            for event in reversed(self._api.log_events(instance)):
                for detail in event.get("error_detail") or []:
                    return f"{detail['exc_type']}: {detail['exc_value']}"
        return f"see the log of {failed[0]['task_id'] if failed else 'the run'} in the UI (make up)"

    def _await_completion(self, backfill_id: int) -> None:
        """Wait until Airflow marks a backfill without runs left as complete: it looks every 30 s.

        Not cancelled instead: that would leave it paused for good, and its runs could never be cleared.
        """
        self._say(f"backfill {backfill_id} has ended; waiting up to half a minute for Airflow to close it")
        self._api.steer_backfill(backfill_id, "unpause")
        deadline = time.monotonic() + _CLOSING_S
        while self._api.active_backfill(self._dag_id) is not None:
            if time.monotonic() > deadline:
                raise AirflowTrouble(
                    f"backfill {backfill_id} has ended, but is not closed after {_CLOSING_S} s. Try again."
                )
            time.sleep(_POLL_S)

    def _count(self, state: str) -> int:
        return self._api.count_runs(self._dag_id, self._wanted.first, self._wanted.last, state)

    def _runs_left(self, first: dt.date, last: dt.date) -> int:
        # In one request: between two, a run could pass from queued to running and be in neither answer.
        return self._api.count_runs(self._dag_id, first, last, "queued", "running")


def verdict(lake: Lake, ticker: str, wanted: Range, reasons: dict[dt.date, str], say: Callable[[str], None]) -> int:
    """Judge the partitions of the range, whatever the runs say: each is read whole and held against its
    certificate. COMPLETE or INCOMPLETE."""
    bad: dict[dt.date, str] = {}
    foreign: set[str] = set()
    for session in wanted.sessions:
        held = lake.partitions.held(ticker, session)
        certificate = held.certificate if held else None
        if certificate is not None and not is_vendor(certificate.source_host):
            foreign.add(certificate.source_host)
        if certificate is None:
            what = "there is no partition" if held is None else "its partition does not match its certificate"
            bad[session] = reasons.get(session) or (
                f"its run did not fail, but {what}: make backfill FROM={session} TO={session} REFETCH=1"
            )
        elif certificate.state not in _GOOD:
            bad[session] = (
                f"the partition is {certificate.state.value}: make backfill FROM={session} TO={session} REFETCH=1"
            )
        elif session in reasons:
            say(f"{ticker} {session}  kept its old partition; the new fetch failed: {reasons[session]}")
    for session, reason in bad.items():
        say(f"{ticker} {session}  FAILED  {reason}")
    good = len(wanted.sessions) - len(bad)
    say(f"{ticker}: {good} of {len(wanted.sessions)} sessions have their partition under {lake.storage.root}")
    if foreign:
        say(f"{ticker}: NOT THE VENDOR'S: bars of this range were served by {', '.join(sorted(foreign))}")
    if bad:
        say(f"once the cause is gone:  make backfill {wanted}  tries the failed ones again")
    return INCOMPLETE if bad else COMPLETE


def _dates(backfill: dict[str, Any]) -> tuple[dt.date, dt.date]:
    return (
        dt.datetime.fromisoformat(backfill["from_date"]).date(),
        dt.datetime.fromisoformat(backfill["to_date"]).date(),
    )
