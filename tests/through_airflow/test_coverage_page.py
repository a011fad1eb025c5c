"""The coverage page in a real Airflow, over a lake of two years with sessions in every state."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
import requests

from browser import Troubles, axe, browser, new_page, page, screenshot, troubles
from calendar_page import FELL, HERE, ROSE, calendar, cell, cells, counted, dates, day, drawn, focused, watched
from coverage_rig import admin, api, fail, nobody, password, rig, vera
from local_airflow.server.api import AirflowApi
from rig import PROJECT, Rig, ended, instances
from touched import MARKUP, hostile, made, put, restored
from two_years import CORRUPT, FIRST, MISSING, PROVISIONAL, REVISED, SUSPECT, TO_FAIL
from visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

__all__ = ["admin", "api", "browser", "new_page", "nobody", "page", "rig", "troubles", "vera"]  # fixtures
pytestmark = pytest.mark.airflow

STATES = {"complete": 489, "suspect": 2, "provisional": 1, "missing": 3, "failed": 3}
DAYS = 725
CELLS = STATES | {"closed": 227}
PLAIN = "2025-04-01"
OF_A_DAY = ["day", "bars", "certificate", "revisions", "difference"]
FOR_OPTIONS = ["chain", "contract"]
EVERY_ROUTE = ["subjects", "coverage", *OF_A_DAY, *FOR_OPTIONS]
A_DAY = {"date": str(REVISED[1]), "old": 1, "new": 2, "contract": "O:IWM250703C00310000"}
"""Of which every route has an answer."""


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


def test_a_token_that_is_none_is_no_log_in(nobody: Visitor) -> None:
    stale = Visitor(nobody.root, "nonsense")
    assert stale.refused("coverage") == (401, "Invalid JWT token")
    assert "Log in to Airflow" in stale.ask("", accept="text/html,*/*").text


def test_a_viewer_reads_everything_and_may_not_fetch(admin: Visitor, vera: Visitor) -> None:
    for route in EVERY_ROUTE:
        assert vera.get(route, **A_DAY)
    assert vera.get("coverage")["action"]["may_trigger"] is False
    assert admin.get("coverage")["action"]["may_trigger"] is True
    url, key = f"{vera.root}/api/v2/dags/spy_second_bars/dagRuns", {"Authorization": f"Bearer {vera.token}"}
    run = {"logical_date": None, "conf": {"sessions": [str(MISSING[0])]}}
    assert requests.post(url, json=run, headers=key, timeout=30).status_code == 403


# What is not there


NOT_THERE = [
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


@pytest.mark.parametrize(("asked", "says"), NOT_THERE)
def test_what_is_not_there_is_refused_with_a_line(vera: Visitor, asked: dict[str, str], says: str) -> None:
    for route in OF_A_DAY:
        assert vera.refused(route, **{"date": PLAIN, "old": 1, "new": 2} | asked) == (404, says)


def test_a_dataset_that_there_is_none_of_is_refused_with_those_that_there_are(vera: Visitor) -> None:
    bars = "dataset='trades' is none of second_bars, minute_bars,"
    for route in ("coverage", "day"):
        assert vera.refused(route, dataset="trades", date=PLAIN) == (404, f"{bars} options.")
    of_options = "option_chain, option_selection, option_bars, option_panel"
    for route in OF_A_DAY[1:]:
        says = f"{bars} {of_options}."
        assert vera.refused(route, dataset="trades", date=PLAIN, old=1, new=2) == (404, says)


def test_of_options_what_is_not_there_is_refused_with_a_line(vera: Visitor) -> None:
    asked = {"date": str(REVISED[1]), "contract": MARKUP}
    line = f"contract={MARKUP!r} is none of the chain of IWM 2025-07-01: write it as O:SPY241220C00600000, one of"
    status, says = vera.refused("contract", **asked)
    assert (status, says.startswith(line)) == (404, True)
    assert vera.refused("contract", date=str(REVISED[1])) == (422, "contract: Field required")
    for route in FOR_OPTIONS:
        assert vera.refused(route, **asked | {"ticker": "SPY"}) == (404, "ticker='SPY' is none of IWM.")
        says = "IWM 2025-04-01 option chain: the lake holds nothing of it. Fetch it first."
        assert vera.refused(route, **asked | {"date": PLAIN}) == (404, says)
    status, says = vera.refused("bars", dataset="option_chain", ticker="IWM", date=str(REVISED[1]))
    assert (status, says.startswith("these rows are no bars")) == (404, True)


@pytest.mark.parametrize("hostile", ["../../../../etc/passwd", "/etc/passwd", "..%2f..%2fairflow.cfg", "a\0b", MARKUP])
def test_a_path_in_any_parameter_is_refused_in_one_line(vera: Visitor, hostile: str) -> None:
    sound = {"dataset": "second_bars", "ticker": "SPY", "date": str(REVISED[1]), "old": 1, "new": 2}
    for route, names in {
        "coverage": ["dataset", "ticker"],
        "day": ["dataset", "ticker", "date"],
        "bars": ["dataset", "ticker", "date", "start_ms", "end_ms", "most", "revision"],
        "difference": ["dataset", "ticker", "date", "old", "new"],
        "chain": ["ticker", "date"],
        "contract": ["ticker", "date", "contract", "start_ms", "end_ms", "most"],
    }.items():
        for name in names:
            of = sound if "dataset" in names else A_DAY
            status, says = vera.refused(route, **of | {name: hostile})
            assert status == (404 if name in {"dataset", "ticker", "date", "contract"} else 422)
            assert says.isprintable()
    assert vera.ask(f"static/{quote(hostile, safe='')}").status_code == 404


def test_nothing_is_changed_through_the_api(admin: Visitor) -> None:
    for path in ("", "static/page.js", *(f"api/{name}" for name in EVERY_ROUTE)):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert admin.ask(path, method=method, date=PLAIN).status_code == 405


def test_the_api_is_described_with_the_schema_of_every_answer(vera: Visitor) -> None:
    described = vera.get("openapi.json")
    schemas = described["components"]["schemas"]
    assert described["servers"] == [{"url": "/coverage"}]
    assert sorted(described["paths"]) == sorted(f"/api/{name}" for name in EVERY_ROUTE)
    for name in EVERY_ROUTE:
        answers = described["paths"][f"/api/{name}"]["get"]["responses"]
        assert answers.keys() >= {"200", "401", "403", "404", "422"}
        (shown,) = answers["200"]["content"]["application/json"]["schema"].values()
        said = vera.get(name, **A_DAY)
        assert schemas[shown.removeprefix("#/components/schemas/")]["properties"].keys() == said.keys()
    pointed = set(re.findall('"#/components/schemas/([^"]*)"', json.dumps(described)))
    assert pointed <= schemas.keys()


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
    for number, session in enumerate(map(str, TO_FAIL)):
        (reason,) = vera.reasons(session)
        assert reason.startswith(f"InvalidBars: SPY {session}: refused: low_above_open in 1 bar, first ")
        task = vera.get("day", date=session)["task"]
        assert (task["state"], task["try_number"]) == ("failed", 1)
        assert task["path"].endswith(f"/tasks/ingest_session/mapped/{number}")


def test_of_a_damaged_file_the_reason_is_said_and_nothing_else(vera: Visitor) -> None:
    session = str(CORRUPT)
    reasons = ["no certificate of this session can be read from its file, which is damaged or not of this lake"]
    assert (vera.states()[session], vera.reasons(session)) == ("failed", reasons)
    shown = vera.get("day", date=session)
    assert (shown["readable"], shown["state"], shown["reasons"], shown["words"]) == (False, "failed", reasons, [])
    for route in ("bars", "certificate"):
        assert vera.refused(route, date=session) == (
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


def test_options_are_one_subject_of_four_datasets(vera: Visitor) -> None:
    (entry,) = (one for one in vera.get("subjects")["subjects"] if one["dataset"] == "options")
    assert (entry["ticker"], entry["dag_id"], entry["held"], entry["configured"]) == ("IWM", "iwm_options", True, True)
    states = vera.states(dataset="options")
    assert Counter(states.values()) == {"missing": 497, "complete": 1}
    day = vera.get("day", dataset="options", date=str(REVISED[1]))
    assert (day["state"], [part["dataset"] for part in day["parts"]]) == (
        "complete", ["option_chain", "option_selection", "option_bars"],
    )  # fmt: skip
    chain = vera.get("chain", date=str(REVISED[1]))
    asked = [kind for kind in chain["kinds"] if kind["reason"] == "selected"]
    assert chain["because"] == ""
    for name in ("option_chain", "option_selection", "option_bars"):
        certificate = vera.get("certificate", dataset=name, ticker="IWM", date=str(REVISED[1]))
        assert certificate["dataset"] == name
        assert vera.get("revisions", dataset=name, ticker="IWM", date=str(REVISED[1]))["revisions"][0]["revision"] == 1
    assert certificate["basis"]["source"] == "rest"
    action = vera.get("coverage", dataset="options")["action"]
    with_bars = sum(kind["contracts"] for kind in asked if kind["state"] == "bars")
    empty = sum(kind["contracts"] for kind in asked) - with_bars
    assert (action["requests_a_session"], action["most_a_session"], action["most_requests"]) == (
        28 + with_bars + 3 * empty, 28 + 3 * (with_bars + empty), 20_000,
    )  # fmt: skip


def test_answers_are_compressed_and_small(vera: Visitor) -> None:
    for route, limit in {"chain": 150_000, "contract": 150_000, "day": 50_000}.items():
        query = A_DAY | ({"dataset": "options"} if route == "day" else {})
        answer = requests.get(
            f"{vera.root}/coverage/api/{route}", params=query, stream=True, timeout=60,
            headers={"Authorization": f"Bearer {vera.token}", "Accept-Encoding": "gzip"},
        )  # fmt: skip
        assert answer.headers["Content-Encoding"] == "gzip"
        assert 0 < len(answer.raw.read(decode_content=False)) < limit


def test_the_lines_for_a_notebook_run_as_they_stand(rig: Rig, api: AirflowApi) -> None:
    text = (PROJECT / "docs/coverage.md").read_text()
    (block,) = re.findall(r"^```py\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    found: dict[str, list[str]] = {}
    exec(block.replace("http://127.0.0.1:8080", api.base_url).replace('"..."', repr(password(rig, "admin"))), found)
    assert found["missing"] == [str(day) for day in MISSING]


def test_many_who_look_at_once_hold_up_nobody(vera: Visitor) -> None:
    # More than Airflow has threads, which is more than it has connections to its database.
    asked = [("day", {"date": PLAIN}), ("coverage", {})] * 30
    with ThreadPoolExecutor(len(asked)) as threads:
        answers = list(threads.map(lambda one: vera.get(one[0], **one[1]), asked))
    assert {answer["date"] for answer in answers[::2]} == {PLAIN}
    assert [answer["summary"]["complete"] for answer in answers[1::2]] == [STATES["complete"]] * 30


# In the browser


def test_logging_in_leads_back_to_the_address(rig: Rig, nobody: Visitor, page: Page, troubles: Troubles) -> None:
    page.goto(f"{nobody.root}/{HERE}&by=volume")
    page.get_by_role("link", name="Log in to Airflow").click()
    page.get_by_label("Username").fill("vera")
    page.locator("input[type=password]").fill(password(rig, "vera"))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**/{HERE}&by=volume")
    cells(page).first.wait_for()
    (only,) = troubles.expected("status of 401")
    assert only.endswith(f"{nobody.root}/{HERE}&by=volume")


def test_every_day_is_a_cell_and_nothing_else_is(vera: Visitor, page: Page) -> None:
    vera.opens(page, "coverage/")
    assert counted(page) == CELLS
    page.wait_for_url(f"**/{HERE}")  # the first ticker's second bars, without being asked
    assert dates(cells(page)) == [str(FIRST + dt.timedelta(days=number)) for number in range(DAYS)]
    assert page.locator("[data-date]:not([role=gridcell])").count() == 0
    assert page.locator("#summary").inner_text().split("\n")[:2] == ["Sessions complete", "489 of 498"]
    assert dates(page.locator("[data-date].early")) == [
        "2024-11-29", "2024-12-24", "2025-07-03", "2025-11-28", "2025-12-24",
    ]  # fmt: skip


def test_hovering_says_what_a_day_is_and_beside_it_stand_those_that_need_attention(vera: Visitor, page: Page) -> None:
    calendar(vera, page)
    for session, says in {
        "2025-11-27": "Thursday, 27 November 2025\nclosed, Thanksgiving Day",
        "2025-11-28": "Friday, 28 November 2025\ncomplete\nearly close\n210 bars",
    }.items():
        cell(page, session).hover()
        assert page.get_by_role("tooltip").inner_text() == says
        assert cell(page, session).get_attribute("aria-label") == says.replace("\n", ": ", 1).replace("\n", ", ")
    listed = {
        state: page.locator(f"[data-group={state}] a").all_inner_texts()
        for state in ("failed", "missing", "suspect", "provisional")
    }
    assert listed == {
        "failed": [str(CORRUPT), *(str(day) for day in reversed(TO_FAIL))],
        "missing": [str(day) for day in reversed(MISSING)],
        "suspect": [str(day) for day in reversed(SUSPECT)],
        "provisional": [str(day) for day in PROVISIONAL],
    }


def test_inside_airflow_it_is_found_from_the_nav_and_from_a_dag_and_follows_the_theme(
    vera: Visitor, page: Page
) -> None:
    framed = page.frame_locator("iframe")
    vera.opens(page, "dags/spy_second_bars")
    page.get_by_role("link", name="Coverage").click()
    page.wait_for_url("**/dags/spy_second_bars/plugin/coverage_of_dag")
    assert counted(framed) == CELLS
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Coverage").click()
    page.wait_for_url("**/plugin/coverage/coverage/")
    cells(framed).first.wait_for()
    for theme, surface in {"Dark Mode": "rgb(21, 23, 27)", "Light Mode": "rgb(255, 255, 255)"}.items():
        page.get_by_role("button", name="User").click()
        page.get_by_role("menuitem", name="Appearance").click()
        page.get_by_role("menuitemradio", name=theme).click()
        framed.locator(f"html[data-theme={theme.partition(' ')[0].lower()}]").wait_for()
        assert framed.locator("body").evaluate("body => getComputedStyle(body).backgroundColor") == surface


def test_a_click_opens_the_day_a_drag_zooms_keys_step_and_the_address_brings_it_back(vera: Visitor, page: Page) -> None:
    calendar(vera, page)
    with page.expect_response("**/api/bars?*") as answered:
        cell(page, "2025-06-02").click()
    page.wait_for_url(f"**/{HERE}&date=2025-06-02")
    whole = answered.value.json()
    page.locator("#chart-width", has_text="5 min candles").wait_for()
    assert drawn(page) == [ROSE, FELL]
    assert (whole["width_s"], len(whole["times_ms"]), sum(whole["volume"])) == (300, 78, 16960014)

    box = page.locator("#chart .u-over").bounding_box()
    assert box
    with page.expect_response("**/api/bars?*") as answered:
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 100, steps=4)
        page.mouse.up()
    part = answered.value.json()
    assert whole["start_ms"] < part["start_ms"] < part["end_ms"] < whole["end_ms"]
    assert part["end_ms"] - part["start_ms"] == pytest.approx(96 * 60_000, rel=0.02)  # a tenth of sixteen hours
    page.locator("#chart-width", has_text="30 s candles").wait_for()

    for key, session in {"ArrowRight": "Tuesday, 3 June 2025", "ArrowLeft": "Monday, 2 June 2025"}.items():
        page.keyboard.press(key)
        page.get_by_role("heading", name=session).wait_for()
    page.reload()
    page.get_by_role("heading", name="Monday, 2 June 2025").wait_for()
    page.locator("#chart-width", has_text="5 min candles").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_url(f"**/{HERE}")
    assert cells(page).count() == DAYS


def test_of_two_revisions_that_are_chosen_the_rows_that_changed_are_shown(vera: Visitor, page: Page) -> None:
    day(vera, page, REVISED[1])
    page.get_by_label("Revision 1 as the new one").check()
    page.get_by_label("Revision 2 as the old one").check()
    page.get_by_role("button", name="Show the rows that changed").click()
    changed = page.get_by_role("table", name="Rows that differ, revisions 2 and 1")
    changed.wait_for()
    rows = changed.locator("tbody tr").all_inner_texts()
    assert len(rows) == 17
    assert rows[0].split("\t")[:2] == ["09:30:00", "changed"]
    assert rows[0].split("\t")[10:12] == ["33,776", "33,775"]


def test_a_suspect_day_says_why_and_marks_the_minutes_that_are_missing(vera: Visitor, page: Page) -> None:
    day(vera, page, SUSPECT[0])
    assert page.locator("#day-state").inner_text() == "suspect"
    assert page.locator("#day-reasons").inner_text().startswith("minutes that traded without one second: 10, at 10:30")
    assert "missing minutes: 10" in page.get_by_role("list", name="Marks of the chart").inner_text().split("\n")
    assert "1 gap" in str(page.locator("#chart .plot").get_attribute("aria-label"))
    assert "10 minutes have a minute bar" in page.locator("#day-compared").inner_text()


def test_of_a_damaged_day_the_reason_stands_in_the_place_of_the_chart_and_the_rest_works(
    vera: Visitor, page: Page
) -> None:
    day(vera, page, CORRUPT)
    assert page.locator("#day-state").inner_text() == "failed"
    assert "damaged or not of this lake" in page.locator("#day-reasons").inner_text()
    assert page.locator(".chart-message").inner_text() == page.locator("#day-reasons").inner_text()
    page.keyboard.press("ArrowRight")
    page.get_by_role("heading", name="Tuesday, 6 January 2026").wait_for()
    page.locator("#chart canvas").wait_for()
    page.keyboard.press("Escape")
    assert counted(page) == CELLS


def test_an_address_of_nothing_is_answered_in_words(vera: Visitor, page: Page, troubles: Troubles) -> None:
    for asked, says in {
        "&date=2025-12-25": "2025 is no session of the New York Stock Exchange: Christmas Day.",
        f"&date={MARKUP}": f"date={MARKUP!r} is no date: write it as YYYY-MM-DD.",
        "&ticker=../../etc": "ticker='../../ETC' is none of SPY, QQQ.",
    }.items():
        vera.opens(page, f"coverage/?dataset=second_bars{asked}")
        page.get_by_text(says).wait_for()
        assert page.locator("img").count() == 0
        troubles.expected("status of 404")


def test_while_a_day_is_waited_for_it_says_so_and_leads_back(vera: Visitor, page: Page) -> None:
    calendar(vera, page)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/day?*", hold)
    cell(page, PLAIN).click()
    page.get_by_text("Its file is being read.").wait_for()
    page.get_by_role("link", name="Calendar").click()
    assert counted(page) == CELLS
    assert page.locator("#overview").is_visible()
    cell(page, PLAIN).click()
    page.get_by_text("Its file is being read.").wait_for()
    for one in held:
        one.continue_()
    page.get_by_role("heading", name="Tuesday, 1 April 2025").wait_for()
    page.locator("#chart canvas").wait_for()


def test_a_day_that_could_not_be_had_is_shown_once_it_can(vera: Visitor, page: Page, troubles: Troubles) -> None:
    page.clock.install()
    calendar(vera, page)
    kept = page.context.cookies()
    page.context.clear_cookies()
    cell(page, PLAIN).click()
    page.locator("#day-message", has_text="Not authenticated").wait_for()
    page.clock.run_for(15_000)
    page.get_by_role("link", name="Log in again").wait_for()
    page.context.add_cookies([{"name": one["name"], "value": one["value"], "url": vera.root} for one in kept])
    page.clock.run_for(15_000)
    page.get_by_role("heading", name="Tuesday, 1 April 2025").wait_for()
    troubles.expected("status of 401")


@pytest.mark.parametrize("address", ["dataset=second_bars&ticker=SPY&date=", "dataset=&ticker="])
def test_what_an_address_leaves_empty_is_as_if_it_were_left_out(vera: Visitor, page: Page, address: str) -> None:
    vera.opens(page, f"coverage/?{address}")
    page.wait_for_url(f"**/{HERE}")
    cells(page).first.wait_for()


def test_nothing_of_the_lake_reaches_the_page_as_markup(rig: Rig, vera: Visitor, page: Page) -> None:
    with hostile(rig.partition(PLAIN)), made(rig.lake / "processed" / MARKUP):
        day(vera, page, PLAIN)
        assert page.locator("#day-reasons").inner_text() == f"accepted by quality.accept: {MARKUP}"
        page.get_by_role("link", name="Calendar").click()
        page.locator(f"[data-group=suspect] :text-is('{PLAIN}')").wait_for()
        cell(page, PLAIN).hover()
        assert MARKUP in page.get_by_role("tooltip").inner_text()
        page.get_by_role("combobox", name="Ticker").select_option(MARKUP.upper())
        page.locator("#what-first:not([hidden])").wait_for()
        assert page.locator("img, style, script:not([src])").count() == 0


def test_of_a_lake_without_a_session_the_page_says_what_to_do_first(vera: Visitor, page: Page) -> None:
    calendar(vera, page, "coverage/?dataset=second_bars&ticker=QQQ")
    assert counted(page) == {"missing": 498, "closed": 227}
    assert page.locator("#what-first").inner_text() == (
        "Nothing is held yet. Put a key into .env, then fetch the first sessions: "
        "make backfill TICKER=QQQ FROM=2026-11-13 TO=2026-11-19"
    )


def test_the_cells_follow_a_lake_that_is_being_filled(rig: Rig, vera: Visitor, page: Page) -> None:
    path = rig.partition(PLAIN)
    page.clock.install()
    with restored(path) as data:
        path.unlink()
        calendar(vera, page)
        assert cell(page, PLAIN).get_attribute("data-state") == "missing"
        put(path, data)
        page.clock.run_for(15_000)
        cell(page, PLAIN, "complete").wait_for()
        assert page.locator("#summary").inner_text().split("\n")[1] == "489 of 498"


def test_by_the_keyboard_alone_a_day_is_found_opened_left_and_selected(vera: Visitor, page: Page) -> None:
    calendar(vera, page)
    assert cells(page).and_(page.locator("[tabindex='0']")).count() == 1
    for _ in range(5):
        page.keyboard.press("Tab")
        if focused(page):
            break
    assert focused(page) == "2026-11-19"
    for key, session in {
        "Control+Home": "2024-11-25", "ArrowDown": "2024-11-26", "ArrowRight": "2024-12-03",
        "PageDown": "2025-01-03", "ArrowUp": "2025-01-02",
    }.items():  # fmt: skip
        page.keyboard.press(key)
        assert focused(page) == session
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Thursday, 2 January 2025").wait_for()
    page.keyboard.press("Escape")
    assert focused(page) == "2025-01-02"
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    assert page.locator("#selection b").inner_text() == "2 sessions selected"
    page.keyboard.press("Escape")
    assert page.locator("#selection").is_hidden()


def test_a_viewer_is_offered_nothing_to_fetch(vera: Visitor, page: Page) -> None:
    calendar(vera, page)
    cell(page, MISSING[0]).click(modifiers=["Control"])
    page.locator("#selection", has_text="1 session selected").wait_for()
    assert page.get_by_role("button", name="Fetch").count() == 0
    with page.expect_response("**/api/coverage?*"):  # which says whether there is anything to offer
        day(vera, page, MISSING[0])
    assert page.get_by_role("button", name="Fetch").count() == 0


def test_nobody_is_kept_out_by_how_they_see(admin: Visitor, new_page: Callable[..., Page]) -> None:
    for theme in ("light", "dark"):
        page = new_page(color_scheme=theme)
        calendar(admin, page)
        assert axe(page) == []
        screenshot(page, f"coverage-calendar-{theme}")
    page.get_by_role("button", name="Fetch all: 3 sessions, missing").click()
    assert axe(page) == []
    screenshot(page, "coverage-dialog")
    day(admin, page, REVISED[1])
    assert axe(page) == []
    screenshot(page, "coverage-day", full_page=True)
    page.get_by_role("button", name="Fetch this session").wait_for()


# The action

QQQ = "coverage/?dataset=second_bars&ticker=QQQ"
CHOSEN = ["2025-09-09", "2025-09-10", "2025-09-11"]


@pytest.fixture
def nothing_of_qqq(rig: Rig) -> Iterator[None]:
    yield
    rig.simulator.faults.clear()
    for folder in rig.lake.rglob("qqq"):
        shutil.rmtree(folder)


def fetched(api: AirflowApi, page: Page, *, says: dict[str, str]) -> dict[tuple[str, int], tuple[str, str | None]]:
    """Fetch what is selected, after the dialog has said what it takes; the run's task instances, once it has ended."""
    page.get_by_role("button", name="Fetch them").click()
    dialog = page.get_by_role("dialog")
    terms = zip(dialog.locator("dt").all_inner_texts(), dialog.locator("dd b").all_inner_texts(), strict=True)
    assert {name: value for name, value in terms if name in says} == says
    dialog.get_by_role("button", name="Fetch 3 sessions").click()
    run_id = dialog.get_by_role("link").inner_text()
    dialog.get_by_role("button", name="Close").click()
    ended(api, run_id, dag="qqq_second_bars")
    page.locator("#progress", has_text="3 of 3 sessions").wait_for()
    return instances(api, run_id, dag="qqq_second_bars")


@pytest.mark.usefixtures("nothing_of_qqq")
def test_sessions_that_are_chosen_are_fetched_and_their_cells_follow(
    rig: Rig, api: AirflowApi, admin: Visitor, page: Page
) -> None:
    fail(rig, CHOSEN[1])
    calendar(admin, page, QQQ)
    cell(page, CHOSEN[0]).hover()
    page.mouse.down()
    cell(page, CHOSEN[2]).hover()
    page.mouse.up()
    seen = watched(page, CHOSEN)
    done = fetched(api, page, says={"Sessions": "3", "Held already": "0", "Requests": "about 9"})
    assert done == {
        ("plan_sessions", -1): ("success", None),
        ("ingest_session", 0): ("success", CHOSEN[0]),
        ("ingest_session", 1): ("failed", CHOSEN[1]),
        ("ingest_session", 2): ("success", CHOSEN[2]),
        ("dates_ended", -1): ("success", None),
        ("report", -1): ("failed", None),
    }
    assert seen() == {
        CHOSEN[0]: ["running", "complete"],
        CHOSEN[1]: ["running", "failed"],
        CHOSEN[2]: ["running", "complete"],
    }
    assert "2025-09-10 failed: InvalidBars: QQQ 2025-09-10: refused" in page.locator("#progress").inner_text()

    rig.simulator.faults.clear()
    again = [CHOSEN[0], CHOSEN[1], "2025-09-12"]  # held, failed, missing
    for session in again:
        cell(page, session).click(modifiers=["Control"])
    seen = watched(page, again)
    done = fetched(api, page, says={"Sessions": "3", "Held already": "1", "Requests": "about 9"})
    assert Counter(task for task, _ in done) == {
        "plan_sessions": 1, "ingest_session": 3, "dates_ended": 1, "report": 1,
    }  # fmt: skip
    assert {state for state, _ in done.values()} == {"success"}
    assert seen() == {session: ["running", "complete"] for session in again}
    assert counted(page) == {"complete": 4, "missing": 494, "closed": 227}
    held = sorted(path.parent.name for path in (rig.lake / "processed" / "qqq").rglob("*.parquet"))
    assert held == [f"date={session}" for session in [*CHOSEN, "2025-09-12"]]


@pytest.fixture
def nothing_of_later_options(rig: Rig) -> Iterator[None]:
    yield
    rig.simulator.faults.clear()
    for folder in rig.lake.glob("option_*/*/iwm/date=*"):
        if folder.name != f"date={REVISED[1]}":
            shutil.rmtree(folder)


@pytest.mark.usefixtures("nothing_of_later_options")
def test_options_are_fetched_by_their_own_dag_step_by_step(
    rig: Rig, api: AirflowApi, admin: Visitor, page: Page
) -> None:
    good, bad = "2025-07-02", "2025-07-03"
    rig.simulator.faults.set(bad, [{"fault": "duplicated_contract", "times": 0, "timespan": "contracts"}])
    calendar(admin, page, "coverage/?dataset=options&ticker=IWM")
    for session in (good, bad):
        cell(page, session).click(modifiers=["Control"])
    seen = watched(page, [good, bad])
    page.get_by_role("button", name="Fetch them").click()
    dialog = page.get_by_role("dialog")
    assert "a run that could take more than 20,000 is refused" in dialog.inner_text()
    dialog.get_by_role("button", name="Fetch 2 sessions").click()
    run_id = dialog.get_by_role("link").inner_text()
    dialog.get_by_role("button", name="Close").click()
    ended(api, run_id, dag="iwm_options")
    page.locator("#progress", has_text="2 of 2 sessions").wait_for()
    assert seen() == {good: ["running", "complete"], bad: ["running", "failed"]}
    told = page.locator("#progress").inner_text()
    assert f"{bad} failed: InvalidBars: IWM {bad} option chain: refused: duplicate_contract" in told
    done = instances(api, run_id, dag="iwm_options")
    assert done["session.fetch_bars", 0] == ("success", good)
    assert done["session.fetch_chain", 1] == ("failed", bad)
    page.locator(f"[data-group=failed] :text-is('{bad}')").click()
    page.get_by_role("heading", name="Thursday, 3 July 2025").wait_for()
    part = page.locator("[data-part=option_chain]")
    part.locator("> summary").click()
    link = part.get_by_role("link", name="Open in Airflow")
    assert str(link.get_attribute("href")).endswith("/tasks/session.fetch_chain/mapped/1")


def test_what_a_run_would_refuse_is_left_out_of_it(rig: Rig, admin: Visitor, page: Page) -> None:
    earlier = rig.partition("2024-11-20")  # held, but before the settings' history
    earlier.parent.mkdir()
    put(earlier, rig.partition(PLAIN).read_bytes())
    try:
        calendar(admin, page)
        page.get_by_role("button", name="Fetch all: 5 sessions, missing").click()
        said = page.get_by_role("dialog").locator("dd").all_inner_texts()
        assert said[:2] == [
            f"3\n{MISSING[0]} to {MISSING[-1]}", "2\nnot final yet, or outside of the settings' history",
        ]  # fmt: skip
        page.get_by_role("button", name="Cancel").click()
        cell(page, "2024-11-20").click(modifiers=["Control"])
        page.get_by_role("button", name="Fetch them").click()
        assert "There is nothing to fetch" in page.get_by_role("dialog").inner_text()
        assert page.get_by_role("dialog").get_by_role("button").all_inner_texts() == ["Close"]
    finally:
        shutil.rmtree(earlier.parent)


def test_a_day_whose_rows_are_damaged_is_fetched_again(rig: Rig, vera: Visitor, admin: Visitor, page: Page) -> None:
    path = rig.partition(PLAIN)
    with restored(path) as data:
        put(path, data[:1000] + bytes([data[1000] ^ 255]) + data[1001:])
        vera.get("day", date=PLAIN)  # whoever opens it finds out
        calendar(admin, page)
        cell(page, PLAIN, "failed").click(modifiers=["Control"])
        page.get_by_role("button", name="Fetch them").click()
        dialog = page.get_by_role("dialog")
        assert dialog.locator("dd b").all_inner_texts()[:2] == ["1", "1"]  # sessions, and held already
        dialog.get_by_role("button", name="Fetch 1 session").click()
        page.locator("#progress", has_text="1 of 1 session, all settled").wait_for(timeout=60_000)
        cell(page, PLAIN, "complete").wait_for()


@pytest.mark.usefixtures("nothing_of_qqq")
def test_a_session_that_could_not_be_fetched_again_is_told_and_stays_as_it_is(
    rig: Rig, admin: Visitor, page: Page
) -> None:
    session = "2025-10-07"
    calendar(admin, page, QQQ)

    def told() -> str:
        cell(page, session).click(modifiers=["Control"])
        page.get_by_role("button", name="Fetch them").click()
        with page.expect_response("**/dagRuns"):
            page.get_by_role("dialog").get_by_role("button", name="Fetch 1 session").click()
        page.get_by_role("dialog").get_by_role("button", name="Close").click()
        progress = page.locator("#progress", has_text="all settled")
        progress.wait_for(timeout=60_000)
        said = progress.inner_text()
        progress.get_by_role("button", name="Dismiss").click()
        cell(page, session, "complete").wait_for()
        return said

    assert told().startswith("1 of 1 session, all settled.")
    fail(rig, session)
    said = told()
    assert said.startswith("1 of 1 session, 1 failed, all settled.")
    assert "fetching it again failed: InvalidBars: QQQ 2025-10-07: refused" in said
    rig.simulator.faults.clear()
    assert told().startswith("1 of 1 session, all settled.")
