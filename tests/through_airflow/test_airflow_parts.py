"""Timetable, retry policy, hook and DAG, without a running Airflow."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import RUN_ID_REGEX
from airflow.sdk.definitions.context import _AIRFLOW_PARSING_CONTEXT_DAG_ID
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.utils.event_scheduler import EventScheduler
from airflow.utils.types import DagRunType

from conftest import KEY
from connections import FakeConnection
from local_airflow.server import backfill_closing
from local_airflow.server.stack import scheduled_dag_ids
from marketlake import commands, settings
from marketlake.errors import (
    InvalidBars,
    KeyMissing,
    KeyRefused,
    NotEntitled,
    RateLimited,
    ServerTrouble,
    SettingsError,
    StorageError,
)
from marketlake_airflow.hook import PolygonHook
from marketlake_airflow.retry import SessionRetryPolicy
from marketlake_airflow.timetable import SessionTimetable

PROJECT = Path(__file__).resolve().parents[2]
AT = pendulum.datetime(2026, 11, 22, 12)  # a Sunday: Friday's session is due since Saturday


@pytest.fixture
def sunday(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pendulum, "now", lambda _zone=None: AT)


def day(year: int, month: int, date: int) -> pendulum.DateTime:
    return pendulum.datetime(year, month, date)


def backfilled(timetable: SessionTimetable, first: pendulum.DateTime, last: pendulum.DateTime) -> list[str]:
    """The logical dates that a backfill asks for, in the way Airflow asks."""
    found: list[str] = []
    interval: DataInterval | None = None
    while True:
        info = timetable.next_dagrun_info(
            last_automated_data_interval=interval, restriction=TimeRestriction(first, last, catchup=True)
        )
        if info is None:
            return found
        interval = info.data_interval
        found.append(str(info.logical_date.date()))


@pytest.mark.parametrize("enabled", [True, False])
def test_a_backfill_includes_both_ends_and_no_holiday(sunday: None, enabled: bool) -> None:
    timetable = SessionTimetable("11:30", enabled=enabled)
    assert backfilled(timetable, day(2024, 11, 25), day(2024, 12, 2)) == [
        "2024-11-25", "2024-11-26", "2024-11-27", "2024-11-29", "2024-12-02",
    ]  # fmt: skip


@pytest.mark.parametrize("zone", ["America/New_York", "America/Los_Angeles", "Europe/Berlin", "Asia/Tokyo", "UTC"])
@pytest.mark.parametrize("told_in", ["the zone", "UTC"])
def test_a_backfill_from_midnight_to_midnight_of_any_zone_includes_both_ends(
    sunday: None, zone: str, told_in: str
) -> None:
    first, last = (pendulum.datetime(2024, 11, date, tz=zone) for date in (25, 27))
    if told_in == "UTC":
        first, last = first.in_timezone("UTC"), last.in_timezone("UTC")
    assert backfilled(SessionTimetable("11:30"), first, last) == ["2024-11-25", "2024-11-26", "2024-11-27"]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC"])
def test_a_manual_run_of_a_zones_midnight_is_of_its_date(zone: str) -> None:
    given = pendulum.datetime(2024, 11, 26, tz=zone).in_timezone("UTC")
    interval = SessionTimetable("11:30").infer_manual_data_interval(run_after=given)
    assert (interval.start, interval.end) == (day(2024, 11, 26), day(2024, 11, 27))


def test_no_run_is_later_than_the_end_date(sunday: None) -> None:
    timetable = SessionTimetable("11:30", end_date="2013-10-08")
    assert backfilled(timetable, day(2013, 10, 5), day(2013, 10, 9)) == ["2013-10-07", "2013-10-08"]


def test_a_backfill_from_before_the_calendar_starts_with_it(sunday: None) -> None:
    assert backfilled(SessionTimetable("11:30"), day(2003, 1, 1), day(2003, 9, 11)) == ["2003-09-10", "2003-09-11"]


def test_a_closure_has_no_run(sunday: None) -> None:
    timetable = SessionTimetable("11:30", ["2013-10-08"])
    assert backfilled(timetable, day(2013, 10, 5), day(2013, 10, 9)) == ["2013-10-07", "2013-10-09"]


@pytest.mark.parametrize(
    ("session", "due"),
    [
        (day(2024, 11, 29), "2024-11-30T16:30:00+00:00"),  # winter: New York is five hours behind
        (day(2013, 10, 7), "2013-10-08T15:30:00+00:00"),  # summer: four
    ],
)
@pytest.mark.parametrize("backfill", [False, True])
def test_a_run_is_due_at_the_ready_time_of_the_next_day(
    monkeypatch: pytest.MonkeyPatch, session: pendulum.DateTime, due: str, backfill: bool
) -> None:
    monkeypatch.setattr(pendulum, "now", lambda _zone=None: session.add(hours=20))
    info = SessionTimetable("11:30").next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(session, session, catchup=backfill)
    )
    assert info is not None
    assert info.run_after.isoformat() == due
    assert info.logical_date == session


@pytest.mark.parametrize(
    ("now", "run_after"),
    [
        (pendulum.datetime(2024, 11, 30, 15, 59, 59), "2024-11-30T20:00:00+00:00"),
        (pendulum.datetime(2024, 11, 30, 16), "2024-11-29T05:00:00+00:00"),  # 11:00 New York
        (AT, "2024-11-29T05:00:00+00:00"),
    ],
)
def test_a_backfills_run_waits_for_final_bars_alone_and_is_then_of_its_sessions_day(
    monkeypatch: pytest.MonkeyPatch, now: pendulum.DateTime, run_after: str
) -> None:
    monkeypatch.setattr(pendulum, "now", lambda _zone=None: now)
    session = day(2024, 11, 29)
    info = SessionTimetable("15:00").next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(session, session, catchup=True)
    )
    assert info is not None
    assert info.run_after.isoformat() == run_after
    assert info.logical_date == session


TRIGGERED = pendulum.datetime(2026, 11, 22, 12, 34, 56, 789012)


@pytest.mark.parametrize(
    ("run_type", "session", "run_id"),
    [
        ("scheduled", day(2024, 11, 29), "scheduled__2024-11-29T05:00:00+00:00"),
        ("scheduled", day(2013, 10, 7), "scheduled__2013-10-07T04:00:00+00:00"),
        ("scheduled", day(2024, 11, 4), "scheduled__2024-11-04T05:00:00+00:00"),  # the first of winter time
        (
            "scheduled",
            pendulum.datetime(2024, 11, 28, 19, tz="America/New_York"),
            "scheduled__2024-11-29T05:00:00+00:00",
        ),
        ("backfill", day(2024, 11, 29), "backfill__2024-11-29T05:00:00+00:00"),
        ("manual", day(2024, 11, 29), "manual__2026-11-22T12:34:56.789012+00:00"),
        ("manual", None, "manual__2026-11-22T12:34:56.789012+00:00"),
        ("asset_materialization", None, "asset_materialization__2026-11-22T12:34:56.789012+00:00"),
    ],
)
def test_airflows_runs_are_named_by_their_session_and_others_by_their_trigger(
    run_type: str, session: pendulum.DateTime | None, run_id: str
) -> None:
    interval = DataInterval(session, session.add(days=1)) if session else None
    named = SessionTimetable("11:30").generate_run_id(
        run_type=DagRunType(run_type), run_after=TRIGGERED, data_interval=interval, partition_key=None
    )
    assert named == run_id


def test_a_scheduled_runs_id_is_accepted_whatever_pattern_is_allowed() -> None:
    assert re.match(RUN_ID_REGEX, "scheduled__2024-11-29T05:00:00+00:00")
    assert not re.match(RUN_ID_REGEX, "scheduled__2024-11-29")


@pytest.mark.parametrize("ready_time", ["11:00", "19:00", "20:00", "23:59"])  # 19:00 and 20:00: midnight in UTC
def test_no_id_is_that_of_a_run_of_an_older_version(sunday: None, ready_time: str) -> None:
    timetable, year = SessionTimetable(ready_time), []
    interval: DataInterval | None = None
    restriction = TimeRestriction(day(2024, 1, 1), day(2024, 12, 31), catchup=True)
    while info := timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=restriction):
        interval = info.data_interval
        year.append((timetable._due(info.logical_date.date()).isoformat(), info.run_after.isoformat()))
    assert len(year) == 252
    older, named = (set(moments) for moments in zip(*year, strict=True))
    assert (len(older), len(named), older & named) == (252, 252, set())


def scheduled(timetable: SessionTimetable, last: pendulum.DateTime | None) -> str | None:
    interval = DataInterval(last, last.add(days=1)) if last else None
    info = timetable.next_dagrun_info(
        last_automated_data_interval=interval, restriction=TimeRestriction(day(2003, 9, 10), None, catchup=False)
    )
    return str(info.logical_date.date()) if info else None


def test_the_first_scheduled_run_is_the_last_due_session(sunday: None) -> None:
    assert scheduled(SessionTimetable("11:30"), None) == "2026-11-20"


def test_after_the_last_due_session_comes_the_next_one(sunday: None) -> None:
    assert scheduled(SessionTimetable("11:30"), day(2026, 11, 20)) == "2026-11-23"


def test_an_old_backfill_does_not_bring_old_scheduled_runs(sunday: None) -> None:
    assert scheduled(SessionTimetable("11:30"), day(2013, 10, 9)) == "2026-11-20"


def test_a_disabled_schedule_gives_the_scheduler_nothing(sunday: None) -> None:
    timetable = SessionTimetable("11:30", enabled=False)
    assert scheduled(timetable, None) is None
    assert scheduled(timetable, day(2026, 11, 19)) is None


def test_no_run_comes_after_the_end_of_the_history(sunday: None) -> None:
    info = SessionTimetable("11:30").next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(day(2003, 9, 10), day(2020, 1, 1), catchup=False),
    )
    assert info is None


def test_the_timetable_survives_serialisation() -> None:
    data = {"ready_time": "12:15", "closures": ["2013-10-08"], "enabled": False, "end_date": "2026-01-02"}
    assert SessionTimetable.deserialize(data).serialize() == data


POLICY = SessionRetryPolicy(retries=4, delay_s=60, cap_s=300)


@pytest.mark.parametrize("error", [KeyRefused("x"), NotEntitled("x"), KeyMissing("x"), InvalidBars("x")])
def test_what_a_person_must_mend_is_not_tried_again(error: Exception) -> None:
    assert POLICY.evaluate(error, 1, 4).action.value == "fail"


@pytest.mark.parametrize(
    ("error", "try_number", "max_tries", "least_s", "most_s"),
    [
        (ServerTrouble("x"), 1, 4, 30, 60),
        (ServerTrouble("x"), 2, 4, 60, 120),
        (StorageError("x"), 4, 4, 150, 300),
        (RateLimited("x", 200), 1, 4, 200, 200),
        (RateLimited("x", 9999), 1, 4, 300, 300),
        (ServerTrouble("x"), 6, 9, 30, 60),  # the first try after a clear
    ],
)
def test_what_may_pass_is_tried_again_after_a_growing_wait(
    error: Exception, try_number: int, max_tries: int, least_s: float, most_s: float
) -> None:
    for _ in range(20):
        decision = POLICY.evaluate(error, try_number, max_tries)
        assert decision.action.value == "retry"
        assert decision.retry_delay is not None
        assert least_s <= decision.retry_delay.total_seconds() <= most_s


def test_an_unknown_failure_is_left_to_the_task() -> None:
    assert POLICY.evaluate(ZeroDivisionError(), 1, 4).action.value == "default"


ONE, TWO = {"POLYGON_API_KEY": "key-one-is-aaaa"}, {"MASSIVE_API_KEY": "key-two-is-bbbb"}


@pytest.mark.parametrize(
    ("connection", "environment", "shown"),
    [
        (None, ONE | TWO, "****aaaa from POLYGON_API_KEY"),
        (None, TWO, "****bbbb from MASSIVE_API_KEY"),
        (
            FakeConnection("https://api.polygon.io", "key-three-is-cccc"),
            ONE,
            "https://api.polygon.io with API key ****cccc from the connection polygon_default",
        ),
        (FakeConnection("", ""), ONE, "https://api.massive.com with API key ****aaaa"),
    ],
)  # fmt: skip
def test_the_key_comes_from_the_connection_else_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, connection: Any, environment: dict[str, str], shown: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(PolygonHook, "_connection", lambda _self: connection)
    monkeypatch.setattr(PolygonHook, "get_connection", lambda _self, _name: connection)
    assert shown in str(PolygonHook().client(settings.load()))


@pytest.mark.parametrize(("host", "schema"), [("http://api.polygon.io", None), ("api.polygon.io", "http")])
def test_a_connection_over_plain_http_is_refused(
    monkeypatch: pytest.MonkeyPatch, host: str, schema: str | None
) -> None:
    connection = FakeConnection(host, "key-three-is-cccc")
    connection.schema = schema
    monkeypatch.setattr(PolygonHook, "_connection", lambda _self: connection)
    monkeypatch.setattr(PolygonHook, "get_connection", lambda _self, _name: connection)
    with pytest.raises(SettingsError, match="host of the connection polygon_default must be https"):
        PolygonHook().client(settings.load())


def test_a_connection_without_a_scheme_is_asked_over_https(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = FakeConnection("api.polygon.io", "key-three-is-cccc")
    monkeypatch.setattr(PolygonHook, "_connection", lambda _self: connection)
    monkeypatch.setattr(PolygonHook, "get_connection", lambda _self, _name: connection)
    assert str(PolygonHook().client(settings.load())).startswith("https://api.polygon.io with")


def test_without_a_key_the_error_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PolygonHook, "_connection", lambda _self: None)
    with pytest.raises(KeyMissing, match=r"put POLYGON_API_KEY=... into .env .*connection polygon_default"):
        PolygonHook().client(settings.load())


def test_without_a_key_in_a_container_the_error_names_no_make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(PolygonHook, "_connection", lambda _self: None)
    monkeypatch.setattr(commands, "checkout", lambda: tmp_path)
    with pytest.raises(
        KeyMissing, match=r"give every container POLYGON_API_KEY .*connection polygon_default"
    ) as caught:
        PolygonHook().client(settings.load())
    assert "make" not in str(caught.value)


def load_dags(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    bag = DagBag(dag_folder=str(PROJECT / "dags"))
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_there_is_one_dag_a_ticker_with_its_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__TICKERS", '["SPY", "QQQ"]')
    monkeypatch.setenv("MARKETLAKE__API__SESSIONS_IN_FLIGHT", "3")
    dags = load_dags(monkeypatch)
    assert sorted(dags) == ["qqq_bars_audit", "qqq_second_bars", "spy_bars_audit", "spy_second_bars"]
    dag = dags["spy_second_bars"]
    assert dag.start_date.date() == dt.date(2003, 9, 10)
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.doc_md
    assert "SPY" in dag.tags
    assert set(dag.task_dict) == {"plan_sessions", "ingest_session", "dates_ended", "report"}
    ingest = dag.get_task("ingest_session")
    assert ingest.max_active_tis_per_dag == 3
    assert ingest.retries == 4
    assert ingest.owner == "marketlake"
    told = dag.get_task("report")
    assert (told.is_teardown, told.on_failure_fail_dagrun, told.retries) == (True, True, 0)
    assert told.upstream_task_ids == {"dates_ended"}
    between = dag.get_task("dates_ended")
    assert (between.is_teardown, between.on_failure_fail_dagrun) == (True, False)
    assert between.upstream_task_ids == {"ingest_session"}
    assert ingest.partial_kwargs["execution_timeout"] == dt.timedelta(seconds=1800)


@pytest.mark.parametrize(("workers", "at_a_time", "of_a_run"), [("1", 8, 16), ("2", 16, 16), ("3", 24, 24)])
def test_each_worker_adds_its_share_of_sessions_at_a_time(
    monkeypatch: pytest.MonkeyPatch, workers: str, at_a_time: int, of_a_run: int
) -> None:
    monkeypatch.setenv("MARKETLAKE__TASKS__WORKERS", workers)
    dags = load_dags(monkeypatch)
    for dag, step in (("spy_second_bars", "ingest_session"), ("spy_bars_audit", "audit_session")):
        assert dags[dag].get_task(step).max_active_tis_per_dag == at_a_time
        assert dags[dag].max_active_tasks == of_a_run


def test_the_audit_has_its_own_dag_an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    dag = load_dags(monkeypatch)["spy_bars_audit"]
    assert {task.task_id for task in dag.tasks} == {"plan_audit", "audit_session", "dates_ended", "summarise_audit"}
    assert dag.get_task("summarise_audit").is_teardown
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert dag.timetable.serialize()["ready_time"] == "12:30"


def test_an_audit_that_is_switched_off_has_no_dag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__AUDIT__ENABLED", "false")
    assert sorted(load_dags(monkeypatch)) == ["spy_second_bars"]


@pytest.mark.parametrize(
    ("seconds", "minutes", "ids"),
    [
        ('["SPY"]', "[]", ["spy_bars_audit", "spy_second_bars"]),
        (
            '["SPY"]', '["SPY", "QQQ"]',
            [
                "qqq_minute_bars", "qqq_minute_bars_audit", "spy_bars_audit", "spy_minute_bars",
                "spy_minute_bars_audit", "spy_second_bars",
            ],
        ),
        ("[]", '["SPY"]', ["spy_minute_bars", "spy_minute_bars_audit"]),
    ],
)  # fmt: skip
def test_a_dataset_that_is_on_has_a_dag_and_an_audit_a_ticker(
    monkeypatch: pytest.MonkeyPatch, seconds: str, minutes: str, ids: list[str]
) -> None:
    monkeypatch.setenv("MARKETLAKE__TICKERS", seconds)
    monkeypatch.setenv("MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS", minutes)
    dags = load_dags(monkeypatch)
    assert sorted(dags) == ids
    assert sorted(scheduled_dag_ids(settings.load())) == ids


def test_the_dags_of_minute_bars_are_made_as_those_of_second_bars_with_names_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS", '["SPY"]')
    dags = load_dags(monkeypatch)
    for minutes, seconds in (("spy_minute_bars", "spy_second_bars"), ("spy_minute_bars_audit", "spy_bars_audit")):
        tasks, expected = (
            {task.task_id: (task.upstream_task_ids, task.is_teardown) for task in dags[name].tasks}
            for name in (minutes, seconds)
        )
        assert tasks == expected
        assert dags[minutes].timetable.serialize() == dags[seconds].timetable.serialize()
        assert dags[minutes].tags == dags[seconds].tags
    for dag, task in (("spy_minute_bars", "ingest_session"), ("spy_minute_bars_audit", "audit_session")):
        (outlet,) = dags[dag].get_task(task).partial_kwargs["outlets"]
        assert (outlet.name, outlet.uri, outlet.group) == ("spy_minute_bars", "spy_minute_bars", "marketlake")
    (deadline,) = dags["spy_minute_bars"].deadline
    assert deadline.callback.kwargs == {"ticker": "SPY", "dataset": "minute_bars"}
    assert "datasets.minute_bars.tickers" in (dags["spy_minute_bars"].doc_md or "")


@pytest.mark.parametrize(
    "dag", ["spy_second_bars", "brk.b_minute_bars", "brk.b_bars_audit", "spy_minute_bars_audit", "brk.b_options",
            "spy_options_audit", "brk.b_option_snapshots"],
)  # fmt: skip
def test_within_a_task_the_files_build_its_own_dag_alone(monkeypatch: pytest.MonkeyPatch, dag: str) -> None:
    tickers = {"DATASETS__SECOND_BARS", "DATASETS__MINUTE_BARS", "OPTIONS"}
    for name in tickers:
        monkeypatch.setenv(f"MARKETLAKE__{name}__TICKERS", '["SPY", "BRK.B"]')
    for name in ("OPTIONS", "OPTIONS__SNAPSHOTS"):
        monkeypatch.setenv(f"MARKETLAKE__{name}__ENABLED", "true")
    every = load_dags(monkeypatch)
    assert len(every) == 2 * 7
    monkeypatch.setenv(_AIRFLOW_PARSING_CONTEXT_DAG_ID, dag)  # as Airflow does in the process of a task
    (found,) = load_dags(monkeypatch).values()
    assert found.dag_id == dag
    assert sorted(found.task_dict) == sorted(every[dag].task_dict)


OPTIONS_ON = {"MARKETLAKE__OPTIONS__ENABLED": "true", "MARKETLAKE__OPTIONS__TICKERS": '["SPY", "QQQ"]'}


def test_options_have_a_dag_and_an_audit_an_underlying_if_they_are_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OPTIONS_ON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MARKETLAKE__TICKERS", "[]")
    dags = load_dags(monkeypatch)
    assert sorted(dags) == ["qqq_options", "qqq_options_audit", "spy_options", "spy_options_audit"]
    assert sorted(scheduled_dag_ids(settings.load())) == sorted(dags)
    dag = dags["spy_options"]
    steps = ["session.fetch_chain", "session.fetch_bars", "session.build_panel"]
    assert {task.task_id: task.upstream_task_ids - {"plan_sessions"} for task in dag.tasks} == {
        "plan_sessions": set(),
        steps[0]: set(), steps[1]: {steps[0]}, steps[2]: {steps[1]},
        "dates_ended": {steps[2]}, "report": {"dates_ended"},
    }  # fmt: skip
    assert type(dag.task_group.get_child_by_label("session")).__name__ == "MappedTaskGroup"
    assert [dag.get_task(step).max_active_tis_per_dag for step in steps] == [1, 4, 8]
    assert [dag.get_task(step).retries for step in steps] == [4, 4, 4]
    assert [[outlet.name for outlet in dag.get_task(step).outlets] for step in steps] == [[], [], ["spy_options"]]
    assert {dag.get_task(step).execution_timeout for step in steps} == {dt.timedelta(seconds=1800)}
    told = dag.get_task("report")
    assert (told.is_teardown, told.on_failure_fail_dagrun, told.retries) == (True, True, 0)
    assert dag.timetable.serialize() == dags["spy_options_audit"].timetable.serialize() | {"ready_time": "11:30"}
    (outlet,) = dags["spy_options_audit"].get_task("audit_session").partial_kwargs["outlets"]
    assert (outlet.name, outlet.group) == ("spy_options", "marketlake")


def test_without_a_panel_the_bars_are_the_last_step_and_a_limited_key_fetches_one_session_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in OPTIONS_ON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MARKETLAKE__OPTIONS__PANEL__ENABLED", "false")
    monkeypatch.setenv("MARKETLAKE__API__REQUESTS_PER_MINUTE", "300")
    dag = load_dags(monkeypatch)["spy_options"]
    assert "session.build_panel" not in dag.task_dict
    bars = dag.get_task("session.fetch_bars")
    assert ([outlet.name for outlet in bars.outlets], bars.max_active_tis_per_dag) == (["spy_options"], 1)
    assert dag.get_task("dates_ended").upstream_task_ids == {"session.fetch_bars"}
    monkeypatch.setenv("MARKETLAKE__OPTIONS__SOURCE", "flat_file")
    assert load_dags(monkeypatch)["spy_options"].get_task("session.fetch_bars").max_active_tis_per_dag == 2


def test_wrong_settings_make_the_dag_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("MARKETLAKE__API__ATTEMPTS", "many")
    bag = DagBag(dag_folder=str(PROJECT / "dags"))
    assert "api.attempts (MARKETLAKE__API__ATTEMPTS) = 'many'" in next(iter(bag.import_errors.values()))


def test_a_scheduler_looks_for_ended_backfills_every_second_and_for_the_rest_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(EventScheduler, "call_regular_interval", EventScheduler.call_regular_interval)
    for _ in range(2):
        backfill_closing.close_soon()
    timers = EventScheduler(timefunc=lambda: 0.0)
    runner = SchedulerJobRunner.__new__(SchedulerJobRunner)
    timers.call_regular_interval(30, runner._mark_backfills_complete)
    timers.call_regular_interval(60.0, runner._update_dag_run_state_for_paused_dags, non_fatal=True)
    assert [event.time for event in timers.queue] == [1, 60]


_WITHOUT_THE_PAGE = """
import sys
from airflow import plugins_manager
assert plugins_manager.get_timetables_plugins()
plugins, errors = plugins_manager._get_plugins()
assert not errors, errors
assert [one for one in plugins if one.name == "marketlake"], plugins
ours = ("marketlake.coverage_page", "marketlake_airflow.coverage")
print(sorted(name for name in sys.modules if name.startswith(ours)))
"""


def test_the_page_is_loaded_by_no_process_that_only_needs_the_timetable(tmp_path: Path) -> None:
    given = {
        **os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "PYTHONPATH": str(PROJECT / "include"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_THE_PAGE], env=given, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "[]"
