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
NOTHING = (200, {"backfills": []})
BEGUN = (200, {"backfills": [{"id": 7, "completed_at": None}]})


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


def test_a_backfill_is_created_again_when_nothing_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    api, asked = answering(monkeypatch, LOCKED, NOTHING, LOCKED, NOTHING, (200, {"id": 7}))
    assert api.create_backfill({"dag_id": "spy_second_bars"}) == 7
    assert asked == ["POST", "GET", "POST", "GET", "POST"]


@pytest.mark.parametrize(
    "answers", [(LOCKED, BEGUN), (LOCKED, NOTHING, LOCKED, NOTHING, LOCKED), ((422, {"detail": "no such dates"}),)]
)
def test_a_backfill_that_was_begun_or_refused_is_not_created_again(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[Any, ...]
) -> None:
    api, asked = answering(monkeypatch, *answers)
    with pytest.raises(AirflowTrouble, match="Airflow refused POST backfills: HTTP"):
        api.create_backfill({"dag_id": "spy_second_bars"})
    assert len(asked) == len(answers)
