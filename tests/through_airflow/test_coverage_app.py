"""The coverage page's app in this process: with Airflow's own rights and users, and without a server around it.

What only a server can show, a log-in, a browser, an Airflow that fetches, is in ``test_coverage_page.py``.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from research_lake import EARLY, MADE_UP, Ground, ground, made_up
from visitor import POLICY

__all__ = ["ground", "made_up"]  # fixtures
pytestmark = pytest.mark.airflow

SESSION = str(MADE_UP[0])
OF_A_DAY = ("day", "bars", "certificate", "revisions")


class Asker:
    """Asks the app as somebody whom Airflow knows, or as nobody."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, role: str | None) -> None:
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from airflow.api_fastapi.core_api.security import get_user
        from fastapi.testclient import TestClient

        from marketlake_airflow.coverage.app import app

        if role is not None:
            user = SimpleAuthManagerUser(username="somebody", role=role)
            monkeypatch.setitem(app.dependency_overrides, get_user, lambda: user)
        self._client = TestClient(app, root_path="/coverage", raise_server_exceptions=False)

    def ask(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Any:
        """An answer, which says each time that nothing from elsewhere is loaded or guessed."""
        answer = self._client.get(f"/{path}", params=query, headers=headers)
        assert answer.headers["Content-Security-Policy"] == POLICY
        return answer

    def get(self, route: str, **query: Any) -> dict[str, Any]:
        answer = self.ask(f"api/{route}", **query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def refused(self, route: str, **query: Any) -> tuple[int, str]:
        answer = self.ask(f"api/{route}", **query)
        (detail,) = answer.json().values()
        return answer.status_code, detail


@pytest.fixture(scope="module")
def prepared(made_up: Ground) -> Ground:
    """What ``ground`` is a copy of."""
    return made_up


@pytest.fixture
def airflow(ground: Ground, migrated: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Airflow's empty database and its rights, and the lake of ``ground``."""
    from airflow.api_fastapi import app as airflow_app
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    from marketlake_airflow.coverage import api

    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(ground.root))
    monkeypatch.setenv("MARKETLAKE__HISTORY__START_DATE", SESSION)
    monkeypatch.setattr(airflow_app._AuthManagerState, "instance", SimpleAuthManager())
    shutil.copy(migrated / "airflow.db", tmp_path)
    engine = create_engine(f"sqlite:///{tmp_path / 'airflow.db'}")
    monkeypatch.setattr(api, "create_session", lambda **_: Session(engine))
    yield
    engine.dispose()


@pytest.fixture
def vera(airflow: None, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker(monkeypatch, "VIEWER")


def test_nobody_is_told_nothing_and_a_browser_where_to_log_in(airflow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Asker(monkeypatch, None)
    for path in ("", "static/page.js", "api/openapi.json", "api/coverage"):
        answer = nobody.ask(path)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"}), path
    page = nobody.ask("", {"Accept": "text/html"}, date="<img>")
    assert (page.status_code, page.headers["Content-Type"]) == (401, "text/html; charset=utf-8")
    assert "<img" not in page.text
    assert "api/v2/auth/login?next=" in page.text


def test_somebody_without_rights_is_refused_and_only_who_may_trigger_is_offered_it(
    airflow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role, may_trigger in (("VIEWER", False), ("USER", True), ("ADMIN", True)):
        assert Asker(monkeypatch, role).get("coverage")["action"]["may_trigger"] is may_trigger
    stranger = Asker(monkeypatch, "")
    assert stranger.get("subjects")["subjects"] == []
    for route in ("coverage", *OF_A_DAY):
        assert stranger.refused(route, date=SESSION) == (
            403,
            "you may not see spy_second_bars: ask whoever gives rights in this Airflow.",
        )


def test_every_session_and_what_there_is_of_one_are_answered(vera: Asker) -> None:
    (spy,) = [one for one in vera.get("subjects")["subjects"] if one["dag_id"] == "spy_second_bars"]
    assert spy["ticker"] == "SPY"
    held = {one["date"] for one in vera.get("coverage")["sessions"] if one["state"] == "complete"}
    assert held == {str(day) for day in MADE_UP}
    assert (vera.get("day", date=SESSION)["readable"], vera.get("day", date=SESSION)["task"]) == (True, None)
    assert vera.get("certificate", date=str(EARLY))["rows"] == 210
    assert [one["revision"] for one in vera.get("revisions", date=SESSION)["revisions"]] == [1]
    bars = vera.get("bars", date=SESSION, most=100)
    whole = vera.get("bars", date=SESSION)
    assert 0 < len(bars["times_ms"]) <= 100 < len(whole["times_ms"])


def test_the_rows_that_the_vendor_changed_are_the_difference(ground: Ground, vera: Asker) -> None:
    ground.revise(MADE_UP[0])
    found = vera.get("difference", date=SESSION, old=1, new=2)
    assert (found["added"], found["removed"], found["changed"]) == (0, 0, 17)
    assert vera.refused("difference", date=SESSION, old=1, new=9)[0] == 404


def test_what_is_not_there_and_what_is_no_value_is_refused_in_words(vera: Asker) -> None:
    for route in OF_A_DAY:
        assert vera.refused(route, date="2024-11-28")[0] == 404
        assert vera.refused(route, date="20241125") == (
            404,
            "date='20241125' is no date: write it as YYYY-MM-DD.",
        )
        assert vera.refused(route) == (422, "date: Field required")
    assert vera.refused("coverage", ticker="IBM")[0] == 404
    assert vera.refused("bars", date=SESSION, most="many")[0] == 422
    assert vera.ask("static/nothing.js").status_code == 404


def test_of_a_damaged_file_only_the_reason_is_told(ground: Ground, vera: Asker) -> None:
    file = ground.partition(MADE_UP[1])
    file.write_bytes(file.read_bytes()[:-100])
    assert vera.get("day", date=str(MADE_UP[1]))["readable"] is False
    for route in ("bars", "certificate"):
        code, says = vera.refused(route, date=str(MADE_UP[1]))
        assert (code, says.startswith(f"SPY {MADE_UP[1]}: what lies in its file is not what was certified")) == (
            409,
            True,
        )


def test_settings_that_cannot_be_read_are_an_error_in_one_line(vera: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__API__ATTEMPTS", "x")
    code, says = vera.refused("coverage")
    assert code == 500
    assert "api.attempts" in says
    assert says.isprintable()


def test_an_answer_that_is_known_is_not_sent_again(ground: Ground, vera: Asker) -> None:
    first = vera.ask("api/coverage")
    known = {"If-None-Match": first.headers["ETag"]}
    again = vera.ask("api/coverage", known)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    ground.partition(MADE_UP[2]).unlink()
    assert vera.ask("api/coverage", known).status_code == 200


def test_the_page_its_files_and_the_description_of_its_api_are_served(vera: Asker) -> None:
    page = vera.ask("")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert vera.ask("static/page.js").headers["Content-Type"].startswith("text/javascript")
    described = vera.get("openapi.json")
    assert described["servers"] == [{"url": "/coverage"}]
    assert "/api/coverage" in described["paths"]


def test_of_a_ticker_without_a_dag_nothing_is_offered(
    ground: Ground, vera: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert vera.get("coverage", ticker="SPY")["action"]["first"] == SESSION
    monkeypatch.setenv("MARKETLAKE__TICKERS", '["QQQ"]')
    answer = vera.get("coverage", ticker="SPY")
    assert answer["action"] is None
    assert dt.date.fromisoformat(answer["first"]) <= MADE_UP[0]
