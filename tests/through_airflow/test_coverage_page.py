"""The coverage page in a real Airflow, over a lake of two years with sessions in every state; and as a file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
import requests

import two_years
from browser import browser, new_page, page, troubles
from local_airflow.server.api import AirflowApi
from research_lake import a_ground
from rig import Rig, airflow_of, ended, home_of, trigger
from two_years import CORRUPT, MISSING, PROVISIONAL, REVISED, SUSPECT, TO_FAIL
from visitor import Visitor

if TYPE_CHECKING:
    pass

__all__ = ["browser", "new_page", "page", "troubles"]  # fixtures
pytestmark = pytest.mark.airflow

VARIABLES = {
    "MARKETLAKE__HISTORY__START_DATE": "2024-11-25",
    "MARKETLAKE__HISTORY__END_DATE": "2026-11-19",
    "MARKETLAKE__TICKERS": '["SPY", "QQQ"]',  # of the second one nothing is held, but by the test that fetches it
    "MARKETLAKE__SCHEDULE__ENABLED": "false",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,vera:viewer",
}
HERE = "coverage/?dataset=second_bars&ticker=SPY"
STATES = {"complete": 489, "suspect": 2, "provisional": 1, "missing": 3, "failed": 3}
DAYS, CLOSED = 725, 227
PLAIN = "2025-04-01"
EVERY_ROUTE = ["subjects", "coverage", "day", "bars", "certificate", "revisions", "difference"]
OF_A_DAY = EVERY_ROUTE[2:]
MARKUP = '<img src="x" onerror="alert(1)">'


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("coverage page")
    with a_ground(folder / "lake") as ground:
        two_years.fill(ground)
        yield Rig(folder, ground.simulator, VARIABLES).with_database(migrated)


@pytest.fixture(scope="module")
def api(rig: Rig) -> Iterator[AirflowApi]:
    """Up, and the sessions that are to have failed have."""
    for day in TO_FAIL:
        fail(rig, str(day))
    with airflow_of(rig) as up:
        assert ended(up, trigger(up, sessions=[str(day) for day in TO_FAIL])) == "failed"
        rig.simulator.faults.clear()
        yield up


@pytest.fixture(scope="module")
def admin(rig: Rig, api: AirflowApi) -> Visitor:
    return a_visitor(rig, api, "admin")


@pytest.fixture(scope="module")
def vera(rig: Rig, api: AirflowApi) -> Visitor:
    """A viewer."""
    return a_visitor(rig, api, "vera")


@pytest.fixture(scope="module")
def nobody(api: AirflowApi) -> Visitor:
    return Visitor(api.base_url)


def a_visitor(rig: Rig, api: AirflowApi, name: str) -> Visitor:
    return Visitor.logged_in(api.base_url, name, password(rig, name))


def password(rig: Rig, name: str) -> str:
    with home_of(rig) as home:
        return str(json.loads(home.passwords_file.read_text())[name])


def fail(rig: Rig, day: str) -> None:
    rig.simulator.faults.set(day, [{"fault": "low_above_open", "times": 0}])


def put(path: Path, data: bytes) -> None:
    """In one act, as everything arrives in a lake."""
    arriving = path.with_name("arriving")
    arriving.write_bytes(data)
    arriving.replace(path)


@contextmanager
def restored(path: Path) -> Iterator[bytes]:
    """The bytes of a file, which are there again after the block."""
    data = path.read_bytes()
    try:
        yield data
    finally:
        put(path, data)


# Who may look


@pytest.mark.parametrize("path", ["", "static/page.js", "api/openapi.json", *(f"api/{name}" for name in EVERY_ROUTE)])
def test_whoever_is_not_logged_in_is_told_nothing(nobody: Visitor, path: str) -> None:
    answer = nobody.ask(path, date=PLAIN, old=1, new=2)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})


def test_a_browser_is_told_where_to_log_in_by_a_page_that_repeats_no_markup(nobody: Visitor) -> None:
    answer = nobody.ask("", accept="text/html,*/*", date=MARKUP)
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "text/html; charset=utf-8")
    assert "<img" not in answer.text
    (there,) = re.findall(r'<a href="([^"]*)">', answer.text)
    assert there.startswith("/api/v2/auth/login?next=%2Fcoverage%2F%3Fdate%3D%253Cimg")


def test_a_token_that_is_none_is_refused(nobody: Visitor) -> None:
    assert Visitor(nobody.root, "nonsense").refused("coverage") == (403, "Invalid JWT token")


def test_a_viewer_reads_everything_and_may_not_fetch(admin: Visitor, vera: Visitor) -> None:
    for route in EVERY_ROUTE:
        assert vera.get(route, date=str(REVISED[1]), old=1, new=2)
    assert vera.get("coverage")["action"]["may_trigger"] is False
    assert admin.get("coverage")["action"]["may_trigger"] is True
    url, key = f"{vera.root}/api/v2/dags/spy_second_bars/dagRuns", {"Authorization": f"Bearer {vera.token}"}
    run = {"logical_date": None, "conf": {"sessions": [str(MISSING[0])]}}
    assert requests.post(url, json=run, headers=key, timeout=30).status_code == 403


# What is not there


NOT_THERE = [
    ({"dataset": "trades"}, "dataset='trades' is none of second_bars, minute_bars."),
    ({"ticker": "IBM"}, "ticker='IBM' is none of SPY, QQQ."),
    ({"date": "2025-05-10"}, "Saturday, 10 May 2025 is no session of the New York Stock Exchange: a weekend."),
    (
        {"date": "2025-12-25"},
        "Thursday, 25 December 2025 is no session of the New York Stock Exchange: Christmas Day.",
    ),
    ({"date": "1999-01-04"}, "1999-01-04: the calendar of sessions is from 2003-09-10 to 2027-12-31."),
    ({"date": "20250506"}, "date='20250506' is no date: write it as YYYY-MM-DD."),
    ({"date": "2025-W01-1"}, "date='2025-W01-1' is no date: write it as YYYY-MM-DD."),
    ({"date": "2025-02-30"}, "date='2025-02-30' is no date: write it as YYYY-MM-DD."),
]


@pytest.mark.parametrize(
    ("asked", "says"), NOT_THERE, ids=lambda value: next(iter(value.values()), "") if isinstance(value, dict) else ""
)
def test_what_is_not_there_is_refused_with_a_line(vera: Visitor, asked: dict[str, str], says: str) -> None:
    for route in OF_A_DAY:
        assert vera.refused(route, **{"date": PLAIN, "old": 1, "new": 2} | asked) == (404, says)


@pytest.mark.parametrize("hostile", ["../../../../etc/passwd", "/etc/passwd", "..%2f..%2fairflow.cfg", "a\0b", MARKUP])
def test_a_path_in_any_parameter_is_refused_in_one_line(vera: Visitor, hostile: str) -> None:
    sound = {"dataset": "second_bars", "ticker": "SPY", "date": str(REVISED[1]), "old": 1, "new": 2}
    for route, names in {
        "coverage": ["dataset", "ticker"],
        "day": ["dataset", "ticker", "date"],
        "bars": ["dataset", "ticker", "date", "start_ms", "end_ms", "most", "revision"],
        "difference": ["dataset", "ticker", "date", "old", "new"],
    }.items():
        for name in names:
            status, says = vera.refused(route, **sound | {name: hostile})
            assert status == (404 if name in {"dataset", "ticker", "date"} else 422)
            assert says.isprintable()
    assert vera.ask(f"static/{quote(hostile, safe='')}").status_code == 404


def test_nothing_is_changed_through_the_api(admin: Visitor) -> None:
    for path in ("", "static/page.js", *(f"api/{name}" for name in EVERY_ROUTE)):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert admin.ask(path, method=method, date=PLAIN).status_code == 405


def test_the_api_is_described_with_the_schema_of_every_answer(vera: Visitor) -> None:
    described = vera.get("openapi.json")
    assert described["servers"] == [{"url": "/coverage"}]
    assert sorted(described["paths"]) == sorted(f"/api/{name}" for name in EVERY_ROUTE)
    for of_path in described["paths"].values():
        schema = of_path["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        assert described["components"]["schemas"][schema.rpartition("/")[2]]["properties"]
        assert {"401", "403", "404", "422"} < of_path["get"]["responses"].keys()


# What is held


def test_the_states_are_those_of_the_partitions_and_of_the_tasks_that_failed(rig: Rig, vera: Visitor) -> None:
    held = Counter[str]()
    for path in (rig.lake / "processed" / "spy").rglob("*.parquet"):
        if path != rig.partition(str(CORRUPT)):
            held[json.loads(pq.read_metadata(path).metadata[b"marketlake.certificate"])["state"]] += 1
    assert held == {"complete": 489, "suspect": 2, "provisional": 1}
    states = vera.states()
    assert Counter(states.values()) == STATES
    for state, days in {"missing": MISSING, "suspect": SUSPECT, "provisional": PROVISIONAL}.items():
        assert [day for day, one in states.items() if one == state] == [str(day) for day in days]
    answer = vera.get("coverage")
    assert answer["summary"] | {"bytes": 0} == {
        "expected": 498, "complete": 489, "bars": 190960, "bytes": 0,
        "first_held": "2024-11-25", "last_held": "2026-11-19",
    }  # fmt: skip
    assert (answer["first"], answer["last"], answer["running"], answer["what_first"]) == (
        "2024-11-25", "2026-11-19", 0, None,
    )  # fmt: skip
    assert len(answer["holidays"]) == 21


def test_a_failed_session_has_its_reason_and_its_task(vera: Visitor) -> None:
    for number, day in enumerate(TO_FAIL):
        (reason,) = vera.reasons(str(day))
        assert reason.startswith(f"InvalidBars: SPY {day}: refused: low_above_open in 1 bar, first ")
        task = vera.get("day", date=str(day))["task"]
        assert (task["state"], task["try_number"]) == ("failed", 1)
        assert task["path"].endswith(f"/tasks/ingest_session/mapped/{number}")


def test_of_a_damaged_file_the_reason_is_said_and_nothing_else(vera: Visitor) -> None:
    day = str(CORRUPT)
    reasons = ["no certificate of this session can be read from its file, which is damaged or not of this lake"]
    assert (vera.states()[day], vera.reasons(day)) == ("failed", reasons)
    shown = vera.get("day", date=day)
    assert (shown["readable"], shown["state"], shown["reasons"], shown["words"]) == (False, "failed", reasons, [])
    for route in ("bars", "certificate"):
        assert vera.refused(route, date=day) == (
            409,
            "SPY 2026-01-05: what lies in its file is not what was certified: bytes have changed since it was written."
            " Fetch it again, or take the file from a backup.",
        )


def test_damage_within_the_rows_is_seen_by_looking_at_the_day_and_stays_red_until_it_is_mended(
    rig: Rig, vera: Visitor
) -> None:
    path = rig.partition(PLAIN)
    with restored(path) as data:
        put(path, data[:1000] + bytes([data[1000] ^ 255]) + data[1001:])
        assert vera.states()[PLAIN] == "complete"  # a footer does not know of its rows
        assert vera.get("day", date=PLAIN)["readable"] is False
        assert Counter(vera.states().values()) == STATES | {"complete": 488, "failed": 4}
        assert vera.reasons(PLAIN)[0].startswith("what lies in its file is not what was certified")
    assert Counter(vera.states().values()) == STATES
    assert vera.get("day", date=PLAIN)["readable"] is True


def test_a_file_that_goes_comes_or_is_replaced_is_seen_in_the_next_answer(rig: Rig, vera: Visitor) -> None:
    path = rig.partition(PLAIN)
    with restored(path):
        path.unlink()
        assert vera.states()[PLAIN] == "missing"
        put(path, rig.partition("2025-04-02").read_bytes())  # which is certified for another session
        assert vera.states()[PLAIN] == "failed"
    assert vera.states()[PLAIN] == "complete"


def test_an_answer_that_is_known_is_not_sent_again_before_something_changes(rig: Rig, vera: Visitor) -> None:
    tag = vera.ask("api/coverage").headers["ETag"]
    again = vera.ask("api/coverage", tag=tag)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    with restored(rig.partition(PLAIN)):
        rig.partition(PLAIN).unlink()
        assert vera.ask("api/coverage", tag=tag).status_code == 200
    assert vera.ask("api/coverage", tag=tag).status_code == 304


def test_the_difference_of_two_revisions_is_the_rows_that_the_vendor_changed(vera: Visitor) -> None:
    found = vera.get("difference", date=str(REVISED[1]), old=1, new=2)
    assert (found["added"], found["removed"], found["changed"], found["more"]) == (0, 0, 17, 0)
    assert [row["new"]["volume"] - row["old"]["volume"] for row in found["rows"]] == [1] * 17
    assert {row["change"] for row in found["rows"]} == {"changed"}
    revisions = vera.get("revisions", date=str(REVISED[1]))["revisions"]
    assert [(one["revision"], one["newest"], one["rows"]) for one in revisions] == [(1, False, 390), (2, True, 390)]
