"""Airflow's REST API, as far as the commands need it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests

from local_airflow.server.cause import cause_in
from local_airflow.server.home import AirflowTrouble
from marketlake.sessions import date_meant

_PAGE = 100
_BEYOND_ANY = 1_000_000
_TIMEOUT_S = 600
_LOCKED_TRIES = 10
_SILENCE_S = 120
_POLL_S = 1.0


class ApiSilent(AirflowTrouble):
    """The API server does not answer."""


class AirflowApi:
    """One logged-in user of one API server."""

    def __init__(self, base_url: str, user: str, password: str) -> None:
        self.base_url = base_url
        self._user = user
        self._password = password
        self._http = requests.Session()
        self._http.trust_env = False
        self._meanwhile: Callable[[], None] | None = None

    def be_patient(self, meanwhile: Callable[[], None]) -> None:
        """From now on, wait for a server that does not answer: it is started again, for which ``meanwhile`` is called,
        which raises if that is in vain.
        """
        self._meanwhile = meanwhile

    def healthy(self) -> dict[str, Any] | None:
        """The state of the components; None while nobody answers."""
        try:
            response = self._http.get(f"{self.base_url}/api/v2/monitor/health", timeout=5)
        except requests.RequestException:
            return None
        return dict(response.json()) if response.ok else None

    def log_in(self) -> bool:
        """Get a token. False if the server does not know this user with this password."""
        try:
            response = self._http.post(
                f"{self.base_url}/auth/token",
                json={"username": self._user, "password": self._password},
                timeout=30,
            )
        except requests.RequestException:
            return False
        if response.status_code != requests.codes.created:
            return False
        self._http.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        return True

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """The DAG; None if Airflow does not know it (yet)."""
        response = self._send("GET", f"dags/{dag_id}", missing_ok=True)
        return response

    def dags(self) -> dict[str, dict[str, Any]]:
        """Every DAG that Airflow has read, by its id."""
        return {dag["dag_id"]: dag for dag in self._paged("dags", "dags", {})}

    def import_errors(self) -> list[str]:
        """What went wrong when DAG files were read."""
        answer = self._send("GET", "importErrors") or {}
        return [cause_in(str(error["stack_trace"])) for error in answer.get("import_errors", [])]

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self._send("PATCH", f"dags/{dag_id}", json={"is_paused": paused})

    def active_backfill(self, dag_id: str) -> dict[str, Any] | None:
        """The backfill of the DAG that has not completed, if any."""
        answer = self._send("GET", "backfills", params={"dag_id": dag_id, "limit": _PAGE, "order_by": "-id"}) or {}
        return next((dict(backfill) for backfill in answer["backfills"] if backfill["completed_at"] is None), None)

    def dry_run(self, body: dict[str, Any]) -> int:
        """How many runs a backfill would create or clear."""
        return int((self._send("POST", "backfills/dry_run", json=body) or {})["total_entries"])

    def create_backfill(self, body: dict[str, Any]) -> int:
        """Create a backfill; its id."""
        return int((self._send("POST", "backfills", json=body) or {})["id"])

    def steer_backfill(self, backfill_id: int, action: str) -> None:
        """``pause``, ``unpause`` or ``cancel``. Of one that completed meanwhile, nothing is changed."""
        self._send("PUT", f"backfills/{backfill_id}/{action}", conflict_ok=True)

    def count_runs(self, dag_id: str, first: dt.date, last: dt.date, *states: str) -> int:
        """How many runs of backfills over the dates are in any of the states, at one moment."""
        # Not one of the runs themselves: each would be answered with the versions of all its tasks.
        params = {**_range(first, last), "limit": 1, "offset": _BEYOND_ANY, "state": states, "run_type": "backfill"}
        return int((self._send("GET", f"dags/{dag_id}/dagRuns", params=params) or {})["total_entries"])

    def unfinished_runs(self, dag_id: str) -> list[str]:
        """The ids of scheduled and manual runs that have not ended."""
        params = {"state": ("queued", "running"), "run_type": ("scheduled", "manual")}
        return [run["dag_run_id"] for run in self._paged(f"dags/{dag_id}/dagRuns", "dag_runs", params)]

    def runs(self, dag_id: str, first: dt.date, last: dt.date) -> Iterator[dict[str, Any]]:
        """The runs of the dates."""
        yield from self._paged(f"dags/{dag_id}/dagRuns", "dag_runs", _range(first, last))

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of one run."""
        return list(self._paged(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances", {}))

    def clear(self, instance: dict[str, Any]) -> None:
        """Let one task instance run again, and the report after it, as its button in the UI does."""
        body = {
            "dag_run_id": instance["dag_run_id"],
            "task_ids": [[instance["task_id"], instance["map_index"]]],
            "dry_run": False,
            "only_failed": False,
            "include_downstream": True,
            "reset_dag_runs": True,
        }
        self._send("POST", f"dags/{instance['dag_id']}/clearTaskInstances", json=body)

    def log_events(self, instance: dict[str, Any]) -> list[dict[str, Any]]:
        """The log of a task instance's last try, an event a line."""
        path = (
            f"dags/{instance['dag_id']}/dagRuns/{instance['dag_run_id']}/taskInstances/{instance['task_id']}"
            f"/logs/{max(1, instance['try_number'])}"
        )
        answer = self._send(
            "GET", path, params={"map_index": instance["map_index"], "full_content": True}, missing_ok=True
        )
        return [event for event in (answer or {}).get("content", []) if isinstance(event, dict)]

    def _paged(self, path: str, key: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            answer = self._send("GET", path, params={**params, "limit": _PAGE, "offset": offset}) or {}
            yield from answer[key]
            offset += _PAGE
            if offset >= answer["total_entries"]:
                return

    def _send(
        self,
        method: str,
        path: str,
        *,
        missing_ok: bool = False,
        conflict_ok: bool = False,
        **given: Any,
    ) -> dict[str, Any] | None:
        for attempt in range(1, _LOCKED_TRIES + 1):
            response = self._answer(method, path, given)
            if response.status_code == requests.codes.unauthorized and attempt == 1 and self.log_in():
                continue
            if not _is_locked(method, response.status_code):
                break
            time.sleep(min(0.2 * 2**attempt, 5))
        allowed = (missing_ok and response.status_code == requests.codes.not_found) or (
            conflict_ok and response.status_code == requests.codes.conflict
        )
        if allowed:
            return None
        if not response.ok:
            raise AirflowTrouble(f"Airflow refused {method} {path}: HTTP {response.status_code} {response.text[:300]}")
        return dict(response.json()) if response.content else None

    def _answer(self, method: str, path: str, given: Mapping[str, Any]) -> requests.Response:
        """What the server answers. Raises ApiSilent if it does not, for as long as it is waited for."""
        deadline = time.monotonic() + _SILENCE_S
        while True:
            try:
                return self._http.request(method, f"{self.base_url}/api/v2/{path}", timeout=_TIMEOUT_S, **given)
            except requests.RequestException as exc:
                silent = ApiSilent(
                    f"Airflow's API does not answer ({method} {path}: {type(exc).__name__}): its log is"
                    " process-logs/api-server.log in AIRFLOW_HOME. Then call again."
                )
                if self._meanwhile is None or time.monotonic() > deadline or not _was_not_sent(method, exc):
                    raise silent from exc
            self._meanwhile()
            time.sleep(_POLL_S)


def dates_of(backfill: Mapping[str, Any]) -> tuple[dt.date, dt.date]:
    """The first and the last date of a backfill, or of the request for one."""
    first, last = (date_meant(dt.datetime.fromisoformat(backfill[name])) for name in ("from_date", "to_date"))
    return first, last


def _is_locked(method: str, code: int) -> bool:
    """Whether the database may have been locked for a moment, and the request does no harm when sent twice."""
    return method != "POST" and code in (requests.codes.service_unavailable, requests.codes.internal_server_error)


def _was_not_sent(method: str, exc: requests.RequestException) -> bool:
    """Whether a request does no harm when it is sent again: it creates nothing, or nobody was there to take it."""
    refused = isinstance(exc, requests.ConnectionError) and "NewConnectionError" in repr(exc)
    return method != "POST" or refused


def _range(first: dt.date, last: dt.date) -> dict[str, str]:
    return {"logical_date_gte": f"{first}T00:00:00Z", "logical_date_lte": f"{last}T00:00:00Z"}
