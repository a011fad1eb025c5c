"""Airflow's API in trouble, as the commands meet it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from local_airflow import api as module
from local_airflow.api import AirflowApi
from local_airflow.home import AirflowTrouble

LOCKED = (500, {"detail": {"reason": "Database error"}})
BUSY = (503, {"detail": "the database is locked"})
NOTHING = (200, {"backfills": []})
BEGUN = (
    200,
    {
        "backfills": [
            {"id": 7, "completed_at": None, "from_date": "2013-10-05T00:00:00Z", "to_date": "2013-10-09T00:00:00Z"}
        ]
    },
)
ELSEWHERE = (200, {"backfills": [BEGUN[1]["backfills"][0] | {"to_date": "2013-10-10T00:00:00Z"}]})
BODY = {"dag_id": "spy_second_bars", "from_date": "2013-10-05T00:00:00Z", "to_date": "2013-10-09T00:00:00Z"}
RUNS = (200, {"total_entries": 3})
NO_RUNS = (200, {"total_entries": 0})
DONE = (200, {})


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


@pytest.mark.parametrize("trouble", [LOCKED, BUSY])
def test_a_backfill_is_created_again_when_nothing_came_of_it(
    monkeypatch: pytest.MonkeyPatch, trouble: tuple[int, dict[str, Any]]
) -> None:
    api, asked = answering(monkeypatch, trouble, NOTHING, trouble, NOTHING, (200, {"id": 7}))
    assert api.create_backfill(BODY) == 7
    assert asked == ["POST", "GET", "POST", "GET", "POST"]


def test_a_backfill_that_was_left_without_runs_is_cancelled_and_created_again(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = answering(monkeypatch, BUSY, BEGUN, NO_RUNS, DONE, (200, {"id": 8}))
    assert api.create_backfill(BODY) == 8
    assert asked == ["POST", "GET", "GET", "PUT", "POST"]


@pytest.mark.parametrize(
    "answers",
    [
        (LOCKED, BEGUN, RUNS),
        (LOCKED, ELSEWHERE),
        (*[LOCKED, NOTHING] * 5, LOCKED),
        ((422, {"detail": "no such dates"}),),
    ],
)
def test_a_backfill_that_was_begun_or_refused_is_not_created_again(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[Any, ...]
) -> None:
    api, asked = answering(monkeypatch, *answers)
    with pytest.raises(AirflowTrouble, match="Airflow refused POST backfills: HTTP"):
        api.create_backfill(BODY)
    assert len(asked) == len(answers)
