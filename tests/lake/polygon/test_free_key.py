"""What a key for nothing gets: minutes of two years, five calls a minute, and no seconds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from clocks import Clock
from conftest import KEY, NOW, a_client
from local_airflow.backfill.range import backfill_range, estimate_line, probe_ends
from marketlake import settings
from marketlake.coverage.coverage import Coverage
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS
from marketlake.errors import NotEntitled, RateLimited
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.call_budget import CallBudget
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from polygon_simulator.plan import Budget, Plan
from polygon_simulator.server import Simulator
from sparse_days import SparseDays

SESSIONS = [dt.date(2026, 11, day) for day in (17, 18, 19)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(clock: Clock) -> Iterator[Simulator]:
    """The vendor to a key of its Basic plan, by a clock on which nobody waits in vain."""
    basic = Plan.named("basic", NOW.date())
    assert (basic.seconds, basic.calls_a_minute, basic.first_date) == (False, 5, dt.date(2024, 11, 20))
    with Simulator(SparseDays(), KEY, basic, budget=Budget(clock.read)) as running:
        yield running


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch, lake: Lake) -> Lake:
    """A lake by the settings that a free key needs."""
    monkeypatch.setenv("MARKETLAKE__TICKERS", "[]")
    monkeypatch.setenv("MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS", '["SPY"]')
    monkeypatch.setenv("MARKETLAKE__API__REQUESTS_PER_MINUTE", "5")
    return Lake(settings.load(), now=lambda: NOW)


def client_within(budget: CallBudget | None, lake: Lake, clock: Clock) -> PolygonClient:
    turn = budget.take_turn if budget else None
    key, api = ApiKey(KEY, "a test"), lake.settings.api
    return PolygonClient(
        Transport(requests.Session(), key, api, take_turn=turn, sleep=clock.pass_by, now_s=NOW.timestamp)
    )


def test_sessions_of_minutes_arrive_within_five_calls_a_minute(
    free: Lake, simulator: Simulator, clock: Clock, tmp_path: Path
) -> None:
    assert free.settings.api.requests_per_minute == 5
    budget = CallBudget(tmp_path / "calls.sqlite", 5, longest_wait_s=450, sleep=clock.pass_by, now_s=clock.read)
    client, said = client_within(budget, free, clock), list[str]()
    wanted = backfill_range(free, str(SESSIONS[0]), str(SESSIONS[-1]), said.append, "minute_bars")
    assert probe_ends(free, MINUTE_BARS, client, "SPY", wanted) == []
    assert estimate_line(free, MINUTE_BARS, "SPY", wanted, refetch=False) == (
        "SPY minute bars: 3 sessions from 2026-11-17 to 2026-11-19, 3 not here yet: about 6 requests, 1 MB,"
        " 1 min at api.requests_per_minute = 5"
    )
    reports = [ingest(free, MINUTE_BARS, MINUTE_BARS.spec.key("SPY", session), client) for session in SESSIONS]
    assert [(one.outcome, one.state, one.rows) for one in reports] == [("created", "complete", 390)] * 3
    preflight, a_session = 2, 2
    assert len(simulator.requests) == preflight + 3 * a_session  # none was refused and made again
    assert round(clock.now_s - 1_000) == 62  # waited once, before the sixth call
    assert Coverage(free, MINUTE_BARS.spec, "SPY").unfinished(SESSIONS) == []


def test_without_that_limit_in_the_settings_the_sixth_call_is_refused(
    free: Lake, simulator: Simulator, clock: Clock
) -> None:
    client = client_within(None, free, clock)
    for session in SESSIONS[:2]:
        ingest(free, MINUTE_BARS, MINUTE_BARS.spec.key("SPY", session), client)
    client.probe(MINUTE_BARS._request(free, MINUTE_BARS.spec.key("SPY", SESSIONS[2])))
    with pytest.raises(RateLimited, match="The plan's calls are used up for now; it is tried again"):
        ingest(free, MINUTE_BARS, MINUTE_BARS.spec.key("SPY", SESSIONS[2]), client)


ADVICE = (
    "but its plan does not include these bars: per-second bars need Stocks Starter (5 years), Developer (10 years) or"
    " Advanced (all). Upgrade, or ask for later dates, or for minute bars (datasets.minute_bars.tickers), which every"
    " plan has: Basic those of 2 years, 5 calls a minute (api.requests_per_minute = 5)."
)


def test_seconds_are_refused_in_one_line_that_names_minutes_and_what_to_set(
    lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    wanted = backfill_range(lake, str(SESSIONS[0]), str(SESSIONS[-1]), [].append)
    with pytest.raises(NotEntitled) as refused:
        probe_ends(lake, SECOND_BARS, a_client(lake, waits), "SPY", wanted)
    told = str(refused.value)
    assert told.startswith("SPY 2026-11-17: page 1: HTTP 403 from http://127.0.0.1:")
    assert told.endswith(f"The key ****abcd from a test works, {ADVICE}")
    assert "\n" not in told
    assert (len(simulator.requests), waits) == (1, [])
    assert not lake.storage.root.exists()


def test_minutes_before_the_plans_two_years_are_refused_with_the_plans_that_go_farther(
    free: Lake, simulator: Simulator, waits: list[float]
) -> None:
    early = MINUTE_BARS.spec.key("SPY", dt.date(2024, 11, 19))
    with pytest.raises(NotEntitled) as refused:
        ingest(free, MINUTE_BARS, early, a_client(free, waits))
    assert "Your plan doesn't include this data timeframe" in str(refused.value)
    assert str(refused.value).endswith(ADVICE)
    first = MINUTE_BARS.spec.key("SPY", dt.date(2024, 11, 20))
    assert ingest(free, MINUTE_BARS, first, a_client(free, waits)).state == "complete"
