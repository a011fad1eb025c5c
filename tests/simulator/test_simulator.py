"""The stand-in for the vendor's API: what it serves, what it refuses and in which words."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import KEY
from marketlake.sessions import SessionCalendar
from polygon_simulator import folds
from polygon_simulator.days import Bar, RecordedDays
from polygon_simulator.market import MadeUpDays
from polygon_simulator.plan import Budget, Plan
from polygon_simulator.server import Simulator
from sparse_days import SparseDays

CALENDAR = SessionCalendar(dt.date(2026, 11, 20))
FULL, EARLY, FRACTIONAL = dt.date(2024, 11, 27), dt.date(2024, 11, 29), dt.date(2026, 3, 2)
NINE_THIRTY_MS = 1_732_717_800_000  # 2024-11-27 09:30 New York


def made_up(day: dt.date, ticker: str = "SPY") -> list[Bar]:
    return MadeUpDays().bars(ticker, day)


def between(bars: list[Bar], start_ms: int, end_ms: int) -> list[Bar]:
    return [bar for bar in bars if start_ms <= bar["t"] < end_ms]


# --- made-up days -----------------------------------------------------------------------------------------------


def test_a_made_up_day_is_the_same_in_another_process_and_another_order() -> None:
    code = (
        "import datetime as dt, hashlib, json; from polygon_simulator.market import MadeUpDays as M;"
        "print(hashlib.sha256(json.dumps(M().bars('SPY', dt.date(2024, 11, 27))).encode()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    made_up(EARLY)
    assert hashlib.sha256(json.dumps(made_up(FULL)).encode()).hexdigest() == other
    assert made_up(FULL) != made_up(dt.date(2024, 11, 26))
    assert made_up(FULL) != made_up(FULL, "QQQ")


def test_every_full_session_of_two_months_has_30_to_47_thousand_seconds() -> None:
    counts = [len(made_up(day)) for day in CALENDAR.sessions(dt.date(2024, 9, 1), dt.date(2024, 10, 31))]
    assert len(counts) == 43
    assert min(counts) >= 30_000
    assert max(counts) <= 47_000


def test_a_made_up_day_is_u_shaped_with_a_sparse_pre_market() -> None:
    bars = made_up(FULL)
    minute = 60_000
    opening, noon, closing = (
        sum(bar["v"] for bar in between(bars, start, start + 15 * minute))
        for start in (NINE_THIRTY_MS, NINE_THIRTY_MS + 180 * minute, NINE_THIRTY_MS + 375 * minute)
    )
    assert opening > 2 * noon
    assert closing > 1.5 * noon
    early = between(bars, NINE_THIRTY_MS - 330 * minute, NINE_THIRTY_MS - 300 * minute)
    assert 100 < len(early) < 900  # of 1,800 seconds
    assert len(between(bars, NINE_THIRTY_MS, NINE_THIRTY_MS + 390 * minute)) > 0.9 * 23_400
    assert bars[0]["t"] >= NINE_THIRTY_MS - 330 * minute
    assert bars[-1]["t"] < NINE_THIRTY_MS + 630 * minute


def test_an_early_close_ends_three_hours_sooner_with_its_auction_as_a_second() -> None:
    bars = made_up(EARLY)
    one_pm_ms = 1_732_903_200_000
    assert bars[-1]["t"] < one_pm_ms + 4 * 3_600_000
    (auction,) = between(bars, one_pm_ms, one_pm_ms + 1000)
    assert auction["v"] > 2_000_000


@pytest.mark.parametrize(
    ("ticker", "day"),
    [
        ("SPY", dt.date(2024, 11, 28)),  # Thanksgiving
        ("SPY", dt.date(2024, 11, 30)),  # a Saturday
        ("SPY", dt.date(2003, 9, 9)),  # the day before the vendor's history
        ("NOPE", FULL),
    ],
)
def test_a_day_without_trading_and_an_unknown_ticker_have_no_bars(ticker: str, day: dt.date) -> None:
    assert made_up(day, ticker) == []


def test_volumes_are_fractional_from_2026_02_23_on_and_never_before() -> None:
    assert all(isinstance(bar["v"], int) for bar in made_up(dt.date(2026, 2, 20)))
    for day in (dt.date(2026, 2, 23), FRACTIONAL):
        fractional = [bar for bar in made_up(day) if not isinstance(bar["v"], int)]
        assert 0.02 < len(fractional) / len(made_up(day)) < 0.06


@pytest.mark.parametrize("day", [FULL, EARLY, FRACTIONAL])
def test_made_up_bars_are_sound_and_their_vwap_is_outside_now_and_then(day: dt.date) -> None:
    bars = made_up(day)
    assert all(bar["l"] <= min(bar["o"], bar["c"]) and max(bar["o"], bar["c"]) <= bar["h"] for bar in bars)
    assert all(bar["v"] > 0 and bar["n"] > 0 and bar["t"] % 1000 == 0 for bar in bars)
    assert all(before["t"] < after["t"] for before, after in itertools.pairwise(bars))
    outside = sum(not bar["l"] <= bar["vw"] <= bar["h"] for bar in bars)
    assert 0.01 < outside / len(bars) < 0.04


# --- larger bars ------------------------------------------------------------------------------------------------


def a_bar(t: int, v: float, low: float, high: float) -> Bar:
    return {"v": v, "vw": (low + high) / 2, "o": low, "c": high, "h": high, "l": low, "t": t, "n": 2}


SECONDS = [
    a_bar(NINE_THIRTY_MS - 2_000, 10, 90.0, 91.0),
    a_bar(NINE_THIRTY_MS, 100, 10.0, 12.0),
    a_bar(NINE_THIRTY_MS + 59_000, 300, 11.0, 14.0),
    a_bar(NINE_THIRTY_MS + 60_000, 50.5, 9.0, 10.0),
    a_bar(NINE_THIRTY_MS + 23_400_000, 7, 99.0, 100.0),
]


def test_minutes_are_folded_from_their_seconds() -> None:
    folded = folds.minutes("SPY", SECONDS, folds.EXACT)
    assert [bar["t"] - NINE_THIRTY_MS for bar in folded] == [-60_000, 0, 60_000, 23_400_000]
    assert folded[1] == {
        "v": 400, "vw": 12.125, "o": 10.0, "c": 14.0, "h": 14.0, "l": 10.0, "t": NINE_THIRTY_MS, "n": 4,
    }  # fmt: skip
    assert folded[2]["v"] == 50.5


def test_a_day_has_the_prices_of_regular_hours_and_the_shares_of_all() -> None:
    hours = CALENDAR.hours(FULL)
    assert folds.day("SPY", SECONDS, hours, folds.EXACT) == {
        "v": 467.5, "vw": 14.8262, "o": 10.0, "c": 10.0, "h": 14.0, "l": 9.0, "t": 1_732_683_600_000, "n": 10,
    }  # fmt: skip
    assert folds.day("SPY", SECONDS[:1], hours, folds.EXACT) is None
    assert folds.open_close("SPY", SECONDS, hours, folds.EXACT) == {
        "from": "2024-11-27", "symbol": "SPY", "open": 10.0, "high": 14.0, "low": 9.0, "close": 10.0,
        "volume": 467.5, "afterHours": 100.0, "preMarket": 90.0,
    }  # fmt: skip


def test_larger_bars_hold_more_than_their_seconds_unless_that_is_switched_off() -> None:
    seconds, hours = made_up(FULL), CALENDAR.hours(FULL)
    total = sum(bar["v"] for bar in seconds)
    by_minute = sum(bar["v"] for bar in folds.minutes("SPY", seconds, folds.Differences()))
    whole = folds.day("SPY", seconds, hours, folds.Differences())
    exact = folds.day("SPY", seconds, hours, folds.EXACT)
    assert whole is not None
    assert exact is not None
    assert total < by_minute < total * 1.02
    assert by_minute * 1.009 < whole["v"] < by_minute * 1.041
    assert exact["v"] == total == sum(bar["v"] for bar in folds.minutes("SPY", seconds, folds.EXACT))
    assert whole["c"] != exact["c"]


def test_an_early_close_has_no_auction_beyond_its_seconds() -> None:
    only_cross = folds.Differences(volume_only=False)
    bar = folds.day("SPY", made_up(EARLY), CALENDAR.hours(EARLY), only_cross)
    assert bar is not None
    assert bar["v"] == sum(second["v"] for second in made_up(EARLY))


# --- the endpoint -----------------------------------------------------------------------------------------------


@pytest.fixture
def sparse() -> Iterator[Simulator]:
    with Simulator(SparseDays(), KEY, differences=folds.EXACT) as running:
        yield running


def get(simulator: Simulator, path: str, key: str = KEY, **query: Any) -> requests.Response:
    url = path if path.startswith("http") else simulator.url + path
    return requests.get(url, params=query, headers={"Authorization": f"Bearer {key}"}, timeout=10)


def aggregates(first: str, last: str, timespan: str = "second", ticker: str = "SPY") -> str:
    return f"/v2/aggs/ticker/{ticker}/range/1/{timespan}/{first}/{last}"


def test_a_range_of_days_comes_whole_in_either_order(sparse: Simulator) -> None:
    path = aggregates("2024-11-27", "2024-12-02")
    ascending = get(sparse, path, limit=50_000).json()
    assert ascending["resultsCount"] == 390 + 210 + 390
    times = [bar["t"] for bar in ascending["results"]]
    assert times == sorted(times)
    assert "next_url" not in ascending
    assert get(sparse, path, limit=50_000, sort="desc").json()["results"] == ascending["results"][::-1]


@settings(max_examples=25, deadline=None)
@given(limit=st.integers(40, 1_200), sort=st.sampled_from(["asc", "desc"]))
def test_any_page_size_gives_the_same_bars(limit: int, sort: str) -> None:
    with Simulator(SparseDays(), KEY) as simulator:
        path = aggregates("2024-11-27", "2024-12-02")
        whole = get(simulator, path, limit=50_000, sort=sort).json()["results"]
        answer, bars = get(simulator, path, limit=limit, sort=sort, adjusted="false").json(), []
        for _ in range(99):
            assert answer["adjusted"] is False
            assert len(answer["results"]) <= limit
            bars += answer["results"]
            if "next_url" not in answer:
                break
            answer = get(simulator, answer["next_url"]).json()
        assert bars == whole


def test_next_url_carries_no_key_and_the_address_that_was_asked(sparse: Simulator) -> None:
    url = f"http://localhost:{sparse.port}{aggregates('2024-11-27', '2024-11-27')}"
    answer = requests.get(url, params={"limit": 100, "apiKey": KEY}, timeout=10).json()
    assert answer["next_url"].startswith(f"http://localhost:{sparse.port}/v2/aggs/ticker/SPY/range/1/second/")
    assert KEY not in answer["next_url"]
    cursor = base64.urlsafe_b64decode(answer["next_url"].partition("cursor=")[2] + "==")
    assert cursor == b"limit=100&sort=asc&adjusted=true&page=2"


def test_both_bounds_in_milliseconds_are_included(sparse: Simulator) -> None:
    path = aggregates(str(NINE_THIRTY_MS), str(NINE_THIRTY_MS + 60_000))
    assert [bar["t"] for bar in get(sparse, path).json()["results"]] == [NINE_THIRTY_MS, NINE_THIRTY_MS + 60_000]
    path = aggregates(str(NINE_THIRTY_MS), str(NINE_THIRTY_MS + 59_999))
    assert [bar["t"] for bar in get(sparse, path).json()["results"]] == [NINE_THIRTY_MS]


def test_without_a_limit_a_page_has_5000_and_a_higher_one_is_50000() -> None:
    with Simulator(MadeUpDays(), KEY) as simulator:
        path = aggregates("2024-11-26", "2024-11-27")
        assert get(simulator, path).json()["resultsCount"] == 5_000
        assert get(simulator, path, limit=90_000).json()["resultsCount"] == 50_000


@pytest.mark.parametrize(("timespan", "count"), [("second", 990), ("minute", 990), ("day", 3)])
def test_seconds_minutes_and_days_are_served(sparse: Simulator, timespan: str, count: int) -> None:
    answer = get(sparse, aggregates("2024-11-27", "2024-12-02", timespan), limit=50_000).json()
    assert answer["resultsCount"] == count


@pytest.mark.parametrize(("first", "ticker"), [("2024-11-28", "SPY"), ("2024-11-30", "SPY"), ("2024-11-27", "NOPE")])
def test_an_empty_day_is_200_without_results(first: str, ticker: str) -> None:
    with Simulator(MadeUpDays(), KEY) as simulator:
        answer = get(simulator, aggregates(first, first, ticker=ticker))
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("request_id") == answer.headers["X-Request-Id"]
    assert body == {"ticker": ticker, "queryCount": 0, "resultsCount": 0, "adjusted": True, "status": "OK"}


NOON_MS = NINE_THIRTY_MS + 150 * 60_000


@pytest.fixture
def at_noon() -> Iterator[Simulator]:
    """A simulator whose clock stands at noon and a half second, New York, of 2024-11-27."""
    with Simulator(SparseDays(), KEY, differences=folds.EXACT, now_s=lambda: NOON_MS / 1000 + 0.5) as running:
        yield running


def test_a_second_that_is_not_over_is_neither_served_nor_folded(at_noon: Simulator) -> None:
    seconds = get(at_noon, aggregates("2024-11-26", "2024-12-31"), limit=50_000).json()["results"]
    assert [bar["t"] for bar in seconds[-2:]] == [NOON_MS - 120_000, NOON_MS - 60_000]
    assert len(seconds) == 390 + 150
    assert get(at_noon, aggregates("2024-11-26", "2024-12-31"), limit=1, sort="desc").json()["results"] == seconds[-1:]
    minutes = get(at_noon, aggregates(DAY, DAY, "minute"), limit=50_000).json()["results"]
    assert len(minutes) == 150
    (day,) = get(at_noon, aggregates(DAY, "2199-12-31", "day")).json()["results"]
    assert day["v"] == sum(bar["v"] for bar in seconds[390:])
    assert get(at_noon, f"/v1/open-close/SPY/{DAY}").json()["volume"] == day["v"]
    at_noon.now_s = lambda: NOON_MS / 1000 + 86_400
    (later,) = get(at_noon, aggregates(DAY, DAY, "day")).json()["results"]
    assert later["v"] > day["v"]


@pytest.mark.parametrize(
    "path", ["/v2/aggs/ticker/SPY/range/1/{}/2024-11-28/2024-11-29", "/v1/open-close/SPY/2024-11-28"]
)
@pytest.mark.parametrize("timespan", ["second", "minute", "day"])
def test_a_day_that_has_not_begun_is_refused(at_noon: Simulator, path: str, timespan: str) -> None:
    refused = get(at_noon, path.format(timespan))
    assert (refused.status_code, refused.json()["message"]) == (403, TIMEFRAME)


def test_bounds_of_minutes_and_days_are_snapped_outward(sparse: Simulator) -> None:
    inside = (str(NINE_THIRTY_MS + 30_000), str(NINE_THIRTY_MS + 70_000))
    minutes = get(sparse, aggregates(*inside, "minute")).json()["results"]
    assert [bar["t"] for bar in minutes] == [NINE_THIRTY_MS, NINE_THIRTY_MS + 60_000]
    assert get(sparse, aggregates(*inside, "day")).json()["resultsCount"] == 1
    assert get(sparse, aggregates(*inside)).json()["resultsCount"] == 1


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "x"}, {"limit": "²"}, {"sort": "up"}, {"adjusted": "maybe"}, {"cursor": "é"}, {"cursor": "cGFnZT14"},
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_read_is_answered_with_400(sparse: Simulator, query: dict[str, str]) -> None:
    assert get(sparse, aggregates(DAY, DAY), **query).status_code == 400


@pytest.mark.parametrize("day", ["20241127", "2024-W48-3", "9999-12-31", "2024-11-31"])
def test_a_date_that_cannot_be_read_is_answered_with_400(sparse: Simulator, day: str) -> None:
    assert get(sparse, aggregates(DAY, day)).status_code == 400


def test_a_python_boolean_is_read_as_one(sparse: Simulator) -> None:
    assert get(sparse, aggregates(DAY, DAY), adjusted=True).json()["adjusted"] is True
    assert get(sparse, aggregates(DAY, DAY), adjusted=False).json()["adjusted"] is False


TIMEFRAME = "Your plan doesn't include this data timeframe. Please upgrade your plan at https://polygon.io/pricing"
ENTITLED = "You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing"
UNREADABLE = "Could not parse the time parameter: 'from'. Use YYYY-MM-DD or Unix MS Timestamps"
BEFORE = "The parameter 'to' cannot be a time that occurs before 'from'"
DAY = "2024-11-27"


@pytest.mark.parametrize(
    ("path", "key", "plan", "code", "body"),
    [
        (aggregates(DAY, DAY), "wrong", Plan(), 401, {"status": "ERROR", "error": "Unknown API Key"}),
        (aggregates(DAY, DAY), "", Plan(), 401, {"status": "ERROR", "error": "API Key was not provided"}),
        (aggregates("x", DAY), "wrong", Plan(), 401, {"status": "ERROR", "error": "Unknown API Key"}),
        (aggregates(DAY, DAY), KEY, Plan(seconds=False), 403, {"status": "NOT_AUTHORIZED", "message": ENTITLED}),
        (
            aggregates(DAY, DAY), KEY, Plan(first_date=dt.date(2024, 11, 28)), 403,
            {"status": "NOT_AUTHORIZED", "message": TIMEFRAME},
        ),
        (
            "/v1/open-close/SPY/2024-11-27", KEY, Plan(first_date=dt.date(2024, 11, 28)), 403,
            {"status": "NOT_AUTHORIZED", "message": TIMEFRAME},
        ),
        (aggregates("x", DAY), KEY, Plan(), 400, {"status": "ERROR", "error": UNREADABLE}),
        (aggregates("2024-11-28", DAY), KEY, Plan(), 400, {"status": "ERROR", "error": BEFORE}),
        ("/v1/open-close/SPY/2024-11-28", KEY, Plan(), 404, {"status": "NOT_FOUND", "message": "Data not found."}),
        ("/v9/elsewhere", KEY, Plan(), 404, {"status": "NOT_FOUND", "message": "Data not found."}),
    ],
)  # fmt: skip
def test_refusals_have_the_vendors_words(
    sparse: Simulator, path: str, key: str, plan: Plan, code: int, body: dict[str, str]
) -> None:
    sparse.plan = plan
    answer = get(sparse, path, key=key)
    found = answer.json()
    assert len(found.pop("request_id")) == 32
    assert (answer.status_code, found) == (code, body)


def test_minutes_are_served_to_a_plan_without_seconds(sparse: Simulator) -> None:
    sparse.plan = Plan.named("basic", dt.date(2026, 11, 20))
    assert get(sparse, aggregates("2025-11-26", "2025-11-26", "minute")).status_code == 200


@pytest.mark.parametrize(
    ("timespan", "day", "code", "message"),
    [
        ("minute", "2024-11-20", 200, None),
        ("day", "2024-11-20", 200, None),
        ("minute", "2026-11-19", 200, None),
        ("minute", "2024-11-19", 403, TIMEFRAME),
        ("day", "2024-11-19", 403, TIMEFRAME),
        ("second", "2026-11-19", 403, ENTITLED),
        ("second", "2024-11-19", 403, ENTITLED),
    ],
)
def test_the_basic_plan_has_two_years_of_minutes_and_days_and_no_second(
    sparse: Simulator, timespan: str, day: str, code: int, message: str | None
) -> None:
    sparse.plan = Plan.named("basic", dt.date(2026, 11, 20))
    answer = get(sparse, aggregates(day, day, timespan), limit=50_000)
    body = answer.json()
    assert (answer.status_code, body["status"]) == (code, "NOT_AUTHORIZED" if message else "OK")
    assert body.get("message") == message
    assert body.get("resultsCount") == (None if message else 390 if timespan == "minute" else 1)


def test_the_sixth_call_of_a_minute_is_429_for_the_basic_plan_whatever_it_asks() -> None:
    basic = Plan.named("basic", dt.date(2026, 11, 20))
    with Simulator(SparseDays(), KEY, basic, budget=Budget(lambda: 1000.0)) as simulator:
        spans = ["minute", "minute", "second", "day", "minute", "minute", "second"]
        codes = [get(simulator, aggregates("2026-11-19", "2026-11-19", span)).status_code for span in spans]
    assert codes == [200, 200, 403, 200, 200, 429, 429]


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("basic", Plan(seconds=False, first_date=dt.date(2024, 11, 20), calls_a_minute=5)),
        ("starter", Plan(first_date=dt.date(2021, 11, 20))),
        ("developer", Plan(first_date=dt.date(2016, 11, 20))),
        ("advanced", Plan(first_date=dt.date(2003, 9, 10))),
    ],
)
def test_the_vendors_plans(name: str, plan: Plan) -> None:
    named = Plan.named(name, dt.date(2026, 11, 20))
    assert (named.seconds, named.calls_a_minute) == (plan.seconds, plan.calls_a_minute)
    assert abs((named.first_date - plan.first_date).days) <= 1


def test_calls_beyond_the_budget_are_429_until_a_minute_has_passed() -> None:
    clock = [1000.0]
    with Simulator(SparseDays(), KEY, Plan(calls_a_minute=2), budget=Budget(lambda: clock[0])) as simulator:
        path = aggregates(DAY, DAY)
        assert [get(simulator, path).status_code for _ in range(3)] == [200, 200, 429]
        body = get(simulator, path).json()
        assert body["error"].startswith("You've exceeded the maximum requests per minute")
        clock[0] += 59.9
        assert get(simulator, path).status_code == 429
        clock[0] += 0.2
        assert get(simulator, path).status_code == 200


def test_faults_are_set_over_http_and_a_name_that_is_none_is_refused(sparse: Simulator) -> None:
    url = f"{sparse.url}/simulator/faults"
    assert requests.post(url, json={DAY: [{"fault": "500"}]}, timeout=10).status_code == 200
    assert [get(sparse, aggregates(DAY, DAY)).status_code for _ in range(2)] == [500, 200]
    refused = requests.post(url, json={DAY: [{"fault": "nonsense"}]}, timeout=10)
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("no faults: no such fault: nonsense. Known are 429, 500, 502,")
    assert requests.post(url, json={DAY: 3}, timeout=10).status_code == 400
    assert requests.post(url, json={DAY: [{"fault": "500", "times": 0}]}, timeout=10).status_code == 200
    assert requests.post(url, json={DAY: [{"fault": "nonsense"}]}, timeout=10).status_code == 400
    assert requests.post(f"{sparse.url}/v2/aggs", json={}, timeout=10).status_code == 404
    assert get(sparse, aggregates(DAY, DAY)).status_code == 500  # the refused ones have changed nothing


def test_a_fault_of_a_bar_that_the_page_lacks_leaves_it_whole(sparse: Simulator) -> None:
    sparse.faults.set(DAY, [{"fault": "negative"}])
    assert get(sparse, aggregates(DAY, DAY), limit=1).json()["results"] == sparse.bars("SPY", FULL)[:1]


def test_health_needs_no_key_and_is_not_logged(sparse: Simulator) -> None:
    assert requests.get(f"{sparse.url}/simulator/health", timeout=10).status_code == 200
    assert not sparse.requests


# --- the command ------------------------------------------------------------------------------------------------


def started(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "polygon_simulator", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_the_command_prints_its_address_serves_and_ends_when_asked_to() -> None:
    with started("--key", KEY, "--plan", "developer", "--faults", '{"2024-11-26": [{"fault": "429"}]}') as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("serving on ").strip()
        try:
            answer = requests.get(f"{url}{aggregates(DAY, DAY)}", params={"apiKey": KEY}, timeout=10).json()
            refused = requests.get(f"{url}{aggregates('2024-11-26', '2024-11-26')}", params={"apiKey": KEY}, timeout=10)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert answer["resultsCount"] == 5_000
    assert refused.status_code == 429


def test_the_key_comes_from_the_environment_and_not_only_as_an_argument() -> None:
    with started(POLYGON_API_KEY=KEY) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("serving on ").strip()
        try:
            codes = [
                requests.get(f"{url}{aggregates(DAY, DAY)}", params={"apiKey": key}, timeout=10).status_code
                for key in (KEY, "another")
            ]
        finally:
            process.send_signal(signal.SIGTERM)
    assert codes == [200, 401]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "a key is needed: --key, or POLYGON_API_KEY in the environment"),
        (["--key", KEY, "--replay", "/nowhere"], "--replay /nowhere is no folder"),
        (["--key", KEY, "--calls-a-minute", "0"], "--calls-a-minute: invalid"),
        (["--key", KEY, "--port", "70000"], "cannot listen on 127.0.0.1:70000"),
        (["--key", KEY, "--faults", '{"*": [{"fault": "nonsense"}]}'], "no such fault: nonsense"),
    ],
)
def test_a_wrong_argument_is_named(arguments: list[str], words: str) -> None:
    with started(*arguments) as process:
        output = process.communicate(timeout=20)[1]
    assert process.returncode == 2
    assert words in output.splitlines()[-1]


def test_a_taken_port_is_named(sparse: Simulator) -> None:
    with started("--key", KEY, "--port", str(sparse.port)) as process:
        output = process.communicate(timeout=20)[1]
    assert f"cannot listen on 127.0.0.1:{sparse.port}" in output.splitlines()[-1]


def test_a_folder_without_the_day_has_no_bars_and_a_ticker_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "raw" / "spy" / "date=2024-11-27" / "rev=1").mkdir(parents=True)
    (tmp_path / "raw" / "spy" / "date=2024-11-27" / "rev=1" / "pages.tar").touch()
    for ticker in ("QQQ", "*", "../SPY", "S*"):
        assert RecordedDays(tmp_path).bars(ticker, FULL) == []
