"""The bodies of the tasks of options, and of their audit, with a context as Airflow gives it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from conftest import KEY, NOW, a_client
from local_airflow.server.stack import scheduled_dag_ids
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import InputMissing, MalformedPage, SettingsError, UnderlyingMissing
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake_airflow import option_tasks, tasks
from marketlake_airflow.failure_reason import REASON_KEY
from marketlake_airflow.hook import PolygonHook
from marketlake_airflow.snapshots_dag import snapshots_dags
from option_lake import BARS, CHAIN, PANEL, SELECTION, SETTINGS, TUESDAY, WEDNESDAY, asked_for, held, is_held
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays
from task_context import Event, context

DAY, FRIDAY = str(WEDNESDAY), "2024-11-29"
DATE = f"{DAY}T00:00:00+00:00"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as running:
        yield running


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch: pytest.MonkeyPatch, lake: Lake) -> None:
    monkeypatch.setattr("marketlake_airflow.lake.system_clock", lambda: NOW)
    monkeypatch.setattr(PolygonHook, "_connection", lambda _self: None)
    given = {
        "POLYGON_API_KEY": KEY, "MARKETLAKE__STORAGE__MIN_FREE_BYTES": "0",
        "MARKETLAKE__SCHEDULE__CATCH_UP_SESSIONS": "2", "MARKETLAKE__OPTIONS__EMPTY_RECHECK_S": "0",
    }  # fmt: skip
    for name, value in (SETTINGS | given).items():
        monkeypatch.setenv(name, value)


class Instance:
    """As much of a task instance as a step needs: it takes what is pushed."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def given(run_type: str = "manual", logical_date: str | None = None, **params: Any) -> dict[str, Any]:
    made = context(run_type, logical_date, **params)
    return made | {
        "ti": Instance(),
        "outlet_events": {"options": Event()},
        "task": SimpleNamespace(outlets=["options"]),
    }


def fetched(run: dict[str, Any] | None = None, day: str = DAY) -> tuple[list[dict[str, Any]], Event]:
    """What the three steps of a session hand on, and what readers are told."""
    run = run or given()
    results = [
        option_tasks.fetch_chain("SPY", day, run),
        option_tasks.fetch_bars("SPY", day, run, asset=None),
        option_tasks.build_panel("SPY", day, run, asset="options"),  # type: ignore[arg-type]
    ]
    event: Event = run["outlet_events"]["options"]
    return results, event


def hold_seconds(lake: Lake, day: dt.date = WEDNESDAY) -> None:
    ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", day), a_client(lake, []))


def dataset_states(lake: Lake) -> dict[str, str]:
    return {name: held(lake, name)[0].state.value for name in (CHAIN, SELECTION, BARS, PANEL)}


def test_the_three_steps_make_a_session_and_the_last_one_tells_of_it(lake: Lake) -> None:
    hold_seconds(lake)
    results, event = fetched()
    assert [(one["dataset"], one["outcome"], one["state"]) for one in results] == [
        ("option_chain", "created", "complete"),
        ("option_bars", "created", "complete"),
        ("option_panel", "created", "complete"),
    ]
    assert dataset_states(lake) == dict.fromkeys((CHAIN, SELECTION, BARS, PANEL), "complete")
    assert event.partitions == [DAY]
    assert (event.extra["rows"], event.extra["content_hash"]) == (results[2]["rows"], results[2]["content_hash"])
    assert all(len(str(one)) < 500 for one in results)  # what goes through XCom


def test_what_is_finished_asks_for_nothing_unless_it_is_wanted_anew(lake: Lake, simulator: Simulator) -> None:
    hold_seconds(lake)
    fetched()
    since = len(simulator.requests)
    results, event = fetched()
    assert [one["outcome"] for one in results] == ["unchanged"] * 3
    assert (len(simulator.requests), event.partitions) == (since, [DAY])
    results, _ = fetched(given(refetch=True))
    assert [one["outcome"] for one in results] == ["unchanged"] * 3
    assert len(asked_for(simulator, since)) > 50
    since = len(simulator.requests)
    lake.storage.path(f"option_panel/processed/spy/date={DAY}/panel.parquet").unlink()
    assert [one["outcome"] for one in fetched()[0]] == ["unchanged", "unchanged", "created"]
    assert len(simulator.requests) == since


def test_raw_pages_rebuild_a_session_without_a_call(lake: Lake, simulator: Simulator) -> None:
    hold_seconds(lake)
    before = [one["content_hash"] for one in fetched()[0]]
    for name, file in ((CHAIN, "chain"), (BARS, "bars"), (SELECTION, "selection"), (PANEL, "panel")):
        lake.storage.path(f"{name}/processed/spy/date={DAY}/{file}.parquet").unlink()
    since = len(simulator.requests)
    results, _ = fetched(given(source="raw"))
    assert [one["content_hash"] for one in results] == before
    assert (len(simulator.requests), is_held(lake, SELECTION)) == (since, True)


def test_a_panel_without_its_underlying_waits_and_says_so_in_one_line(lake: Lake) -> None:
    run = given()
    with pytest.raises(UnderlyingMissing) as caught:
        fetched(run)
    assert run["ti"].pushed == {REASON_KEY: f"UnderlyingMissing: {caught.value}"}
    assert "\n" not in str(caught.value)
    assert "make backfill FROM=2024-11-27 TO=2024-11-27" in str(caught.value)
    assert (is_held(lake, BARS), is_held(lake, PANEL)) == (True, False)
    hold_seconds(lake)
    assert fetched(run)[0][2]["outcome"] == "created"


def test_a_chain_that_is_refused_keeps_its_reason_and_bars_wait_for_a_chain(lake: Lake, simulator: Simulator) -> None:
    simulator.faults.set(DAY, [{"fault": "foreign_root", "times": 0}])
    run = given()
    with pytest.raises(MalformedPage):
        option_tasks.fetch_chain("SPY", DAY, run)
    assert run["ti"].pushed[REASON_KEY].startswith("MalformedPage: SPY option chain of 2024-11-27")
    with pytest.raises(InputMissing, match="the lake holds no chain of it that proves itself"):
        option_tasks.fetch_bars("SPY", DAY, run, asset=None)


def test_without_a_panel_the_bars_are_the_last_step(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__OPTIONS__PANEL__ENABLED", "false")
    run = given()
    option_tasks.fetch_chain("SPY", DAY, run)
    told = option_tasks.fetch_bars("SPY", DAY, run, asset="options")  # type: ignore[arg-type]
    assert run["outlet_events"]["options"].extra["content_hash"] == told["content_hash"]
    assert option_tasks.plan_sessions("SPY", given(start_date=DAY, end_date=DAY)) == []


@pytest.mark.parametrize(
    ("run", "planned"),
    [
        (given("scheduled", DATE), ["2024-11-25", "2024-11-26", DAY]),
        (given("backfill", DATE), [DAY]),
        (given("manual", DATE), [DAY]),
        (given(start_date="2024-11-26", end_date=FRIDAY), ["2024-11-26", DAY, FRIDAY]),
        (given(sessions=[FRIDAY, "2024-11-26"]), ["2024-11-26", FRIDAY]),
    ],
)
def test_each_run_type_has_its_plan_oldest_first(lake: Lake, run: dict[str, Any], planned: list[str]) -> None:
    assert option_tasks.plan_sessions("SPY", run) == planned


def test_a_plan_says_what_it_takes_and_a_backfills_run_leaves_that_to_its_command(
    lake: Lake, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    option_tasks.plan_sessions("SPY", given(start_date="2024-11-26", end_date=DAY))
    assert "SPY options: 2 sessions to ask for: 198 contracts, 203 to 600 requests, 4 MB, 1 min" in caplog.text
    looked = len(simulator.requests)
    assert looked == 4  # two chains, and the close before each
    option_tasks.plan_sessions("SPY", given("backfill", DATE))
    assert len(simulator.requests) == looked


def test_a_plan_that_could_take_too_much_is_refused_and_a_scheduled_one_takes_what_fits(
    lake: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MARKETLAKE__OPTIONS__MAX_REQUESTS_PER_RUN", "700")
    run = given(start_date="2024-11-25", end_date=DAY)
    with pytest.raises(SettingsError, match="3 sessions could take .* and options.max_requests_per_run = 700"):
        option_tasks.plan_sessions("SPY", run)
    assert run["ti"].pushed[REASON_KEY].startswith("SettingsError: SPY options: ")
    assert run["task_state_store"] == {}  # a run that is cleared plans anew
    assert option_tasks.plan_sessions("SPY", given("scheduled", DATE)) == ["2024-11-25", DAY]
    assert "sessions left to later runs: 1" in caplog.text
    monkeypatch.setenv("MARKETLAKE__OPTIONS__MAX_REQUESTS_PER_RUN", "100")
    with pytest.raises(SettingsError, match="1 session could take"):  # a backfill that no command looked ahead at
        option_tasks.plan_sessions("SPY", given("backfill", DATE))
    assert not asked_for(simulator)


# --- the audit --------------------------------------------------------------------------------------------------------


def audited(run: dict[str, Any] | None = None) -> tuple[dict[str, Any], Event]:
    run = run or given()
    visit = tasks.audit_session("options", "SPY", DAY, "options", run)  # type: ignore[arg-type]
    event: Event = run["outlet_events"]["options"]
    assert bool(run["task"].outlets) is bool(event.partitions)
    return visit, event


def test_an_audit_by_rest_asks_for_each_contract_again_and_makes_the_panel_anew(
    lake: Lake, simulator: Simulator
) -> None:
    hold_seconds(lake)
    fetched()
    since = len(simulator.requests)
    visit, event = audited()
    assert (visit["because"], visit["outcome"], visit["state"], event.partitions) == (
        "asked for", "unchanged", "complete", [],
    )  # fmt: skip
    contracts = [row["contract"] for row in held(lake, SELECTION)[1].to_pylist() if row["state"] == "bars"]
    assert {name for name, span in asked_for(simulator, since) if span == "minute"} >= set(contracts)

    changed = {"fault": "changed:3", "times": 0, "contract": contracts[0], "timespan": "minute"}
    simulator.faults.set(DAY, [changed])
    visit, event = audited()
    assert (visit["outcome"], event.partitions) == ("revised", [DAY])
    assert visit["changes"].startswith("option_bars: bars added 0, removed 0, changed 3 since revision 1")
    assert held(lake, PANEL)[0].inputs[BARS] == held(lake, BARS)[0].content_hash
    assert (lake.storage.root / f"option_bars/audit/spy/date={DAY}.json").is_file()


def test_a_panel_that_is_made_of_other_seconds_is_due_and_made_anew_without_asking_for_a_contract(
    lake: Lake, simulator: Simulator
) -> None:
    hold_seconds(lake)
    fetched()
    simulator.faults.set(DAY, [{"fault": "changed:5", "times": 0}])
    hold_seconds(lake)
    assert tasks.plan_audit("options", "SPY", given()) == [DAY]
    since = len(simulator.requests)
    visit, event = audited()
    assert (visit["because"], visit["outcome"], event.partitions) == ("outdated", "renewed", [])
    assert len(simulator.requests) == since
    assert tasks.plan_audit("options", "SPY", given()) == []


def test_an_audit_is_planned_by_what_it_may_ask_for(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, simulator: Simulator
) -> None:
    for day in (TUESDAY, WEDNESDAY):
        hold_seconds(lake, day)
        fetched(day=str(day))
    monkeypatch.setenv("MARKETLAKE__OPTIONS__MAX_REQUESTS_PER_RUN", "400")
    asked = given(start_date=str(TUESDAY), end_date=DAY)
    with pytest.raises(SettingsError, match="198 contracts of 2 sessions could take 598 requests"):
        tasks.plan_audit("options", "SPY", asked)
    assert tasks.plan_audit("options", "SPY", given(start_date=DAY, end_date=DAY)) == [DAY]


# --- snapshots --------------------------------------------------------------------------------------------------------


@pytest.fixture
def snapshots_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SETTINGS, "MARKETLAKE__OPTIONS__SNAPSHOTS__ENABLED": "true"}.items():
        monkeypatch.setenv(name, value)


def test_a_snapshot_is_of_the_day_on_which_it_is_collected_and_told(
    lake: Lake, snapshots_on: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PolygonHook, "client", lambda _self, _configured: a_client(lake, []))  # with the lake's clock
    run = given()
    result = option_tasks.collect_snapshot("SPY", run, asset="options")
    assert (result["session"], result["dataset"], result["state"]) == ("2026-11-20", "option_snapshots", "provisional")
    assert run["outlet_events"]["options"].partitions == ["2026-11-20"]
    assert (lake.storage.root / "option_snapshots/processed/spy/date=2026-11-20").is_dir()


def test_on_a_day_without_a_session_the_task_is_skipped(
    lake: Lake, snapshots_on: None, monkeypatch: pytest.MonkeyPatch, simulator: Simulator
) -> None:
    monkeypatch.setattr("marketlake_airflow.lake.system_clock", lambda: NOW + dt.timedelta(days=1))
    with pytest.raises(AirflowSkipException, match="2026-11-21 is no session of the New York Stock Exchange"):
        option_tasks.collect_snapshot("SPY", given(), asset="options")
    assert not simulator.requests


@pytest.mark.parametrize(
    ("settings_of_options", "ids"),
    [
        ({}, []),
        ({"SNAPSHOTS__ENABLED": "true"}, []),
        ({"ENABLED": "true"}, []),
        ({"ENABLED": "true", "SNAPSHOTS__ENABLED": "true"}, ["spy_option_snapshots"]),
    ],
)
def test_there_is_a_dag_of_snapshots_if_both_are_on(
    monkeypatch: pytest.MonkeyPatch, settings_of_options: dict[str, str], ids: list[str]
) -> None:
    monkeypatch.delenv("MARKETLAKE__OPTIONS__ENABLED")
    for name, value in settings_of_options.items():
        monkeypatch.setenv(f"MARKETLAKE__OPTIONS__{name}", value)
    configured = settings.load()
    dags = snapshots_dags(configured, "a text")
    assert list(dags) == ids
    for dag in dags.values():
        assert dag.task_ids == ["collect_snapshot"]
        assert (dag.timetable.expression, str(dag.timetable.timezone)) == ("45 16 * * 1-5", "America/New_York")
    assert [name for name in scheduled_dag_ids(configured) if "snapshots" in name] == ids
