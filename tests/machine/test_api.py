"""Airflow's API in trouble, as the commands meet it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from local_airflow.server import api as module
from local_airflow.server.api import AirflowApi, ApiSilent
from local_airflow.server.home import AirflowTrouble

LOCKED = (500, {"detail": {"reason": "Database error"}})
BUSY = (503, {"detail": "the database is locked"})
NOTHING = (200, {"backfills": []})
BODY = {"dag_id": "spy_second_bars", "from_date": "2013-10-05T00:00:00Z", "to_date": "2013-10-09T00:00:00Z"}


def answering(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, dict[str, Any]]) -> tuple[AirflowApi, list[str]]:
    """An API that gives these answers, and the methods of what it was asked."""
    left, asked = list(answers), []

    def request(method: str, url: str, **_: Any) -> requests.Response:
        asked.append(method)
        response = requests.Response()
        response.status_code, body = left.pop(0)
        response._content = json.dumps(body).encode()
        return response

    api = AirflowApi("http://127.0.0.1:9", "admin", "a password")
    monkeypatch.setattr(api._http, "request", request)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    return api, asked


def test_what_meets_a_locked_database_and_creates_nothing_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = answering(monkeypatch, BUSY, LOCKED, NOTHING, LOCKED, (200, {}))
    assert api.active_backfill("spy_second_bars") is None
    api.steer_backfill(7, "pause")
    assert asked == ["GET", "GET", "GET", "PUT", "PUT"]


def test_a_database_that_stays_locked_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = answering(monkeypatch, *[LOCKED] * 10)
    with pytest.raises(AirflowTrouble, match="Airflow refused GET dags/spy_second_bars: HTTP 500"):
        api.dag("spy_second_bars")
    assert asked == ["GET"] * 10


@pytest.mark.parametrize("refusal", [LOCKED, BUSY, (422, {"detail": "no such dates"})])
def test_a_backfill_is_asked_for_once(monkeypatch: pytest.MonkeyPatch, refusal: tuple[int, dict[str, Any]]) -> None:
    api, asked = answering(monkeypatch, refusal)
    with pytest.raises(AirflowTrouble, match=f"Airflow refused POST backfills: HTTP {refusal[0]}"):
        api.create_backfill(BODY)
    assert asked == ["POST"]


def test_every_dag_is_found_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = ([{"dag_id": f"t{n}_second_bars"} for n in range(first, last)] for first, last in ((0, 100), (100, 130)))
    api, asked = answering(monkeypatch, *((200, {"dags": page, "total_entries": 130}) for page in pages))
    assert sorted(api.dags()) == sorted(f"t{n}_second_bars" for n in range(130))
    assert asked == ["GET", "GET"]


REFUSED = requests.ConnectionError("NewConnectionError: Connection refused")
CUT_OFF = requests.ConnectionError("Connection aborted.")


def silent(monkeypatch: pytest.MonkeyPatch, *silence: requests.RequestException) -> tuple[AirflowApi, list[str]]:
    """An API that does not answer so many times, and then does."""
    api, asked = answering(monkeypatch, (200, {"id": 7, "backfills": []}))
    left, answer = list(silence), api._http.request

    def request(method: str, url: str, **given: Any) -> requests.Response:
        if left:
            asked.append(f"{method} in vain")
            raise left.pop(0)
        return answer(method, url, **given)

    monkeypatch.setattr(api._http, "request", request)
    return api, asked


def test_a_server_that_is_started_again_is_waited_for_and_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = silent(monkeypatch, CUT_OFF, REFUSED)
    looked: list[int] = []
    api.be_patient(lambda: looked.append(len(asked)))
    assert api.active_backfill("spy_second_bars") is None
    assert asked == ["GET in vain", "GET in vain", "GET"]
    assert looked == [1, 2]


def test_a_server_that_stays_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = silent(monkeypatch, *[REFUSED] * 9)
    monkeypatch.setattr(module, "_SILENCE_S", 0)
    api.be_patient(lambda: None)
    with pytest.raises(ApiSilent, match=r"does not answer \(GET backfills: ConnectionError\): its log is"):
        api.active_backfill("spy_second_bars")
    assert asked == ["GET in vain"]


def test_nobody_waits_for_a_server_that_nobody_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = silent(monkeypatch, REFUSED)
    with pytest.raises(ApiSilent):
        api.active_backfill("spy_second_bars")
    assert asked == ["GET in vain"]


def test_what_may_have_been_created_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = silent(monkeypatch, REFUSED, CUT_OFF)
    api.be_patient(lambda: None)
    with pytest.raises(ApiSilent, match="POST backfills"):
        api.create_backfill(BODY)
    assert asked == ["POST in vain", "POST in vain"]
    assert api.create_backfill(BODY) == 7


def test_an_import_error_is_told_with_its_message_and_not_with_the_last_line_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traces = [
        'Traceback (most recent call last):\n  File "a.py", line 1\nValidationError: 1 error for Settings\n'
        "    For further information visit https://errors.pydantic.dev/2.12/v/x\n",
        'Traceback (most recent call last):\n  File "b.py", line 2\nOperationalError: no such table: dag\n'
        "(Background on this error at: https://sqlalche.me/e/21/e3q8)\n",
    ]
    answer = (200, {"import_errors": [{"stack_trace": trace} for trace in traces]})
    api, _ = answering(monkeypatch, answer)
    assert api.import_errors() == ["ValidationError: 1 error for Settings", "OperationalError: no such table: dag"]
