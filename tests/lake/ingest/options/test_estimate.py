"""What sessions of options take, before anything is fetched: by what a few chains show, and exactly by its formula."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import KEY, NOW, a_client
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import KeyRefused, NotEntitled, ServerTrouble, SettingsError
from marketlake.ingest.options import affordable, look_ahead
from marketlake.ingest.options.estimate import Requests, estimate, require_affordable
from marketlake.ingest.options.look_ahead import Look, spread
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from option_lake import BARS, CHAIN, FRIDAY, SETTINGS, TUESDAY, WEDNESDAY, bars_of, chain_of, held, selection_of
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

MONDAY = dt.date(2024, 11, 25)
WEEK = [MONDAY, TUESDAY, WEDNESDAY, FRIDAY]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as running:
        yield running


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


def another(lake: Lake, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Lake:
    """The same lake with other settings."""
    for name, value in variables.items():
        monkeypatch.setenv(f"MARKETLAKE__{name}", value)
    return Lake(settings.load(), now=lake.now)


def looks(lake: Lake, *sessions: dt.date) -> list[Look]:
    return look_ahead.look_ahead(lake, a_client(lake, []), "SPY", sessions)


# --- looking ahead ----------------------------------------------------------------------------------------------------


def test_a_look_counts_what_will_be_selected(lake: Lake, simulator: Simulator) -> None:
    (found,) = looks(lake, WEDNESDAY)
    chain_of(lake)
    bars_of(lake)
    selected = [row for row in selection_of(lake).values() if row["selected"]]
    assert (found.contracts, found.pages) == (len(selected), 1)
    assert len(selected) > 50
    assert looks(lake, WEDNESDAY) == [found]  # from the lake's own chain


def test_a_few_sessions_are_looked_at_one_by_one_and_of_many_some_evenly(
    lake: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [look.session for look in looks(lake, *WEEK)] == WEEK
    assert spread(WEEK, 8) == WEEK
    assert spread(WEEK, 2) == [MONDAY, FRIDAY]
    assert spread([MONDAY], 8) == [MONDAY]
    year = [MONDAY + dt.timedelta(days=day) for day in range(252)]
    assert [(day - MONDAY).days for day in spread(year, 8)] == [0, 36, 72, 108, 143, 179, 215, 251]
    counted = another(lake, monkeypatch, API__REQUESTS_PER_MINUTE="300")
    assert [look.session for look in looks(counted, *WEEK)] == [MONDAY, FRIDAY]


@pytest.mark.parametrize("name", ["500", "expired_contract", "empty"])
def test_a_chain_that_is_unfit_stops_no_other(lake: Lake, simulator: Simulator, name: str) -> None:
    simulator.faults.set(str(TUESDAY), [{"fault": name, "times": 0, "timespan": "contracts"}])
    found = looks(lake, *WEEK)
    assert [look.session for look in found if look.contracts] == [MONDAY, WEDNESDAY, FRIDAY]
    costs = estimate(lake, "SPY", WEEK, found, refetch=False).costs
    assert [cost.session for cost in costs] == WEEK
    if name != "empty":  # counted as the two beside it
        assert costs[1].contracts == max(costs[0].contracts, costs[2].contracts)


def test_if_every_chain_is_refused_nothing_is_known_and_nothing_is_stopped(lake: Lake, simulator: Simulator) -> None:
    for day in WEEK:
        simulator.faults.set(str(day), [{"fault": "foreign_root", "times": 0, "timespan": "contracts"}])
    assert looks(lake, *WEEK) == []
    found = estimate(lake, "SPY", WEEK, [], refetch=False)
    assert (found.contracts, found.least) == (4 * 5000, 4 * 14 + 14 + 4)


@pytest.mark.parametrize(
    ("fault", "plan", "key", "error"),
    [
        ("500", Plan(), KEY, ServerTrouble),
        (None, Plan(option_chain=False), KEY, NotEntitled),
        (None, Plan(stocks=False), KEY, NotEntitled),
        (None, Plan(), "nobodys-key", KeyRefused),
    ],
)
def test_what_keeps_every_chain_from_being_looked_at_is_told_at_once(
    lake: Lake, simulator: Simulator, fault: str | None, plan: Plan, key: str, error: type[Exception]
) -> None:
    simulator.plan = plan
    if fault:
        simulator.faults.set("*", [{"fault": fault, "times": 0, "timespan": "contracts"}])
    with pytest.raises(error):
        look_ahead.look_ahead(lake, a_client(lake, [], key), "SPY", WEEK)


def test_without_a_stocks_plan_what_the_lake_has_seconds_for_can_be_looked_at(lake: Lake, simulator: Simulator) -> None:
    ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", TUESDAY), a_client(lake, []))
    simulator.plan = Plan(stocks=False)
    assert [look.session for look in looks(lake, *WEEK)] == [WEDNESDAY]


def test_if_the_price_to_select_by_is_of_the_session_itself_the_close_before_stands_in(
    lake: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = looks(lake, WEDNESDAY)
    opening = another(lake, monkeypatch, OPTIONS__SELECTION__REFERENCE="open_0930")
    assert looks(opening, WEDNESDAY) == before
    simulator.plan = Plan(stocks=False)
    ingest_nothing = another(lake, monkeypatch, OPTIONS__SELECTION__REFERENCE="previous_close")
    with pytest.raises(NotEntitled):
        looks(ingest_nothing, WEDNESDAY)


# --- what it takes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("market", [False, True])
def test_the_requests_of_a_fetch_are_those_of_the_formula(
    lake: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, market: bool
) -> None:
    if market:
        lake = another(lake, monkeypatch, OPTIONS__RATES__SOURCE="treasury", OPTIONS__DIVIDENDS__SOURCE="vendor")
    sessions = [TUESDAY, WEDNESDAY]
    found = estimate(lake, "SPY", sessions, looks(lake, *sessions), refetch=False)
    before, counted = len(simulator.requests), 0
    for number, session in enumerate(sessions):
        chain_of(lake, session)
        bars_of(lake, session)
        states = [row["state"] for row in selection_of(lake, session).values() if row["selected"]]
        asked = Requests(chain_pages=1, pages_before=0 if number else 1, reference=1, market=2 if market else 0)
        counted += asked.with_contracts(len(states), states.count("empty"))
        assert states.count("empty") > 0
    assert len(simulator.requests) - before == counted
    assert found.least < counted < found.most
    assert found.least == found.contracts + 2 * (1 + 1) + 1 + (4 if market else 0)
    assert found.most == 3 * found.contracts + 2 * (1 + 1) + 2 + (12 if market else 0)


def test_what_is_held_is_not_asked_for_again_unless_that_is_wanted(lake: Lake) -> None:
    chain_of(lake, TUESDAY)
    bars_of(lake, TUESDAY)
    chain_of(lake)
    ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", TUESDAY), a_client(lake, []))
    assert affordable.to_ask_for(lake, "SPY", WEEK[:3], refetch=False) == [MONDAY, WEDNESDAY]
    assert affordable.to_ask_for(lake, "SPY", WEEK[:3], refetch=True) == WEEK[:3]
    (look,) = looks(lake, WEDNESDAY)
    kept = estimate(lake, "SPY", [WEDNESDAY], [look], refetch=False)
    anew = estimate(lake, "SPY", [WEDNESDAY], [look], refetch=True)
    assert (kept.least, kept.most) == (look.contracts, 3 * look.contracts)
    assert (anew.least, anew.most) == (1 + look.contracts, 1 + 3 * look.contracts)


def test_a_flat_file_is_one_file_a_session_whatever_is_in_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = another(lake, monkeypatch, OPTIONS__SOURCE="flat_file")
    found = estimate(flat, "SPY", WEEK, [Look(MONDAY, 2_280, 14)], refetch=False)
    assert (found.contracts, found.least, found.most) == (
        4 * 2_280,
        4 * (14 + 1 + 2) + 14,
        4 * (14 + 1 + 2) + 14 + 3 * 14,
    )


def test_what_was_not_looked_at_takes_what_the_two_beside_it_take(lake: Lake) -> None:
    found = estimate(lake, "SPY", WEEK, [Look(MONDAY, 100, 2), Look(FRIDAY, 70, 1)], refetch=True)
    assert [cost.contracts for cost in found.costs] == [100, 100, 100, 70]
    assert [cost.least for cost in found.costs] == [100 + 1 + 2 * 2, 70 + 1 + 2, 70 + 1 + 2, 70 + 1 + 1]


def test_the_line_says_contracts_requests_bytes_and_minutes(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    day = [Look(WEDNESDAY, 2_280, 14)]
    assert str(estimate(lake, "SPY", [WEDNESDAY], day, refetch=False)) == (
        "2,280 contracts, 2,309 to 6,869 requests, 21 MB, 1 min to 6 min"
    )
    counted = another(lake, monkeypatch, API__REQUESTS_PER_MINUTE="100")
    assert str(estimate(counted, "SPY", [WEDNESDAY], day, refetch=False)).endswith("24 min to 76 min")
    bare = another(lake, monkeypatch, STORAGE__KEEP_RAW_PAGES="false", OPTIONS__PANEL__ENABLED="false")
    assert "requests, 4 MB," in str(estimate(bare, "SPY", [WEDNESDAY], day, refetch=False))


# --- what is refused --------------------------------------------------------------------------------------------------


def test_what_could_take_more_requests_than_a_run_may_is_refused_by_the_most(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = estimate(lake, "SPY", WEEK, [Look(day, 2_280, 14) for day in WEEK], refetch=False)
    with pytest.raises(SettingsError) as refused:
        require_affordable(lake, found)
    assert str(refused.value) == (
        "SPY options: 9,120 contracts of 4 sessions could take 27,476 requests, and options.max_requests_per_run ="
        " 20000. Nothing was fetched. What helps: fewer dates (2 of these sessions would do), fewer contracts"
        " (options.selection), or options.source: flat_file, which takes one file a session; or raise it"
        " (MARKETLAKE__OPTIONS__MAX_REQUESTS_PER_RUN=27476)."
    )
    require_affordable(another(lake, monkeypatch, OPTIONS__MAX_REQUESTS_PER_RUN=str(found.most)), found)
    with pytest.raises(SettingsError, match="could take"):
        require_affordable(another(lake, monkeypatch, OPTIONS__MAX_REQUESTS_PER_RUN=str(found.most - 1)), found)


def test_what_could_not_end_within_the_plans_calls_is_refused_with_what_helps(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = another(lake, monkeypatch, API__REQUESTS_PER_MINUTE="5")
    with pytest.raises(SettingsError) as refused:
        require_affordable(free, estimate(free, "SPY", [WEDNESDAY], [Look(WEDNESDAY, 2_280, 14)], refetch=False))
    assert str(refused.value) == (
        "SPY options: the 2,280 contracts of 2024-11-27 take 8.0 h to 23.7 h at api.requests_per_minute = 5, and all"
        " tries of a task have 2.5 h (tasks.timeout_s, tasks.retries). Nothing was fetched. What helps: fewer contracts"
        " (options.selection), a plan with more calls a minute, or options.source: flat_file, which takes one file a"
        " session."
    )
    require_affordable(free, estimate(free, "SPY", [WEDNESDAY], [Look(WEDNESDAY, 200, 14)], refetch=False))
    flat = another(free, monkeypatch, OPTIONS__SOURCE="flat_file")
    require_affordable(flat, estimate(flat, "SPY", [WEDNESDAY], [Look(WEDNESDAY, 2_280, 14)], refetch=False))


def test_a_plan_that_nobody_waits_for_takes_its_own_session_and_the_oldest_that_fit(
    lake: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = estimate(lake, "SPY", WEEK, looks(lake, *WEEK), refetch=False)
    two = found.costs[0].most + found.costs[-1].most
    modest = another(lake, monkeypatch, OPTIONS__MAX_REQUESTS_PER_RUN=str(two))

    def client() -> Any:
        return a_client(modest, [])

    assert affordable.what_fits(modest, "SPY", WEEK, client, FRIDAY) == [MONDAY, FRIDAY]
    assert "SPY options: sessions left to later runs: 2 (options.max_requests_per_run" in caplog.text
    with pytest.raises(SettingsError, match="4 sessions could take"):
        affordable.require_plan(modest, "SPY", WEEK, client, refetch=False)
    tiny = another(lake, monkeypatch, OPTIONS__MAX_REQUESTS_PER_RUN="10")
    with pytest.raises(SettingsError, match=r"contracts of 1 session could take .*\(0 of these sessions would do\)"):
        affordable.what_fits(tiny, "SPY", WEEK, client, FRIDAY)
    assert not affordable.is_bounded(tiny.settings)
    assert affordable.is_bounded(lake.settings)


def test_what_is_held_is_planned_without_a_look(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    bars_of(lake)
    assert (held(lake, CHAIN)[0].state, held(lake, BARS)[0].state) == ("complete", "complete")

    def no_client() -> Any:
        raise AssertionError

    affordable.require_plan(lake, "SPY", [WEDNESDAY], no_client, refetch=False)
    assert affordable.what_fits(lake, "SPY", [WEDNESDAY], no_client, WEDNESDAY) == [WEDNESDAY]
