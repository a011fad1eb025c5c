"""Which sessions are under way, and which failed last and why, by what Airflow's database says."""

from __future__ import annotations

import datetime as dt
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session

from marketlake.coverage_page.attempts import Attempt
from marketlake.dataset_names import OPTION_NAMES
from marketlake.errors import InvalidBars, KeyRefused
from marketlake_airflow.coverage.attempts import attempts_of, last_tasks, seconds_a_session
from marketlake_airflow.failure_reason import REASON_KEY, reason_kept

pytestmark = pytest.mark.airflow

DAG = "spy_second_bars"
MONDAY, TUESDAY, WEDNESDAY = (dt.date(2024, 11, day) for day in (25, 26, 27))
BEGAN = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


@dataclass
class Recorded:
    """An Airflow database to which runs are added as a scheduler would have left them. Minutes are from BEGAN on."""

    session: Session
    runs: list[int] = field(default_factory=list)
    dag: str = DAG

    def run(self, minute: int = 0, kind: str = "manual", state: str = "running", **more: Any) -> int:
        from airflow.models.dagrun import DagRun

        number = len(self.runs) + 1
        at = BEGAN + dt.timedelta(minutes=minute)
        values = {
            "id": number, "dag_id": self.dag, "run_id": f"{kind}__{number}", "run_type": kind, "state": state,
            "queued_at": at, "run_after": at, "log_template_id": 1, "clear_number": 0,
            "created_dag_version_id": None, "span_status": "not_started", "conf": {}, **more,
        }  # fmt: skip
        self._add(DagRun, values)
        self.runs.append(number)
        return number

    def task(
        self, run: int, task: str, state: str | None, *, index: int = -1, label: str | None = None, ended: int = 1
    ) -> None:
        """``ended``: minutes after BEGAN."""
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance

        run_id = self.session.get(DagRun, run).run_id
        ended_at = BEGAN + dt.timedelta(minutes=ended) if state in {"success", "failed"} else None
        values = {
            "id": uuid.uuid4(), "dag_id": self.dag, "run_id": run_id, "task_id": task, "map_index": index,
            "state": state, "rendered_map_index": label, "try_number": 1, "max_tries": 1, "pool": "default_pool",
            "pool_slots": 1, "executor_config": None, "span_status": "not_started", "start_date": BEGAN,
            "end_date": ended_at, "duration": 30.0 if ended_at else None,
        }  # fmt: skip
        self._add(TaskInstance, values)

    def xcom(self, run: int, task: str, key: str, value: Any, index: int = -1) -> None:
        from airflow.models.dagrun import DagRun
        from airflow.models.xcom import XComModel

        values = {
            "dag_run_id": run, "task_id": task, "map_index": index, "key": key, "dag_id": self.dag,
            "run_id": self.session.get(DagRun, run).run_id, "value": value, "timestamp": BEGAN,
        }  # fmt: skip
        self._add(XComModel, values)

    def _add(self, model: Any, values: dict[str, Any]) -> None:
        known = {column.name for column in model.__table__.columns}
        self.session.execute(insert(model.__table__).values({k: v for k, v in values.items() if k in known}))
        self.session.flush()

    @property
    def found(self) -> dict[dt.date, tuple[str, str]]:
        """State and reason by session."""
        return {day: (one.run.state, one.reason) for day, one in attempts_of(self.session, self.dag).items()}


@pytest.fixture
def recorded(migrated: Path, tmp_path: Path) -> Iterator[Recorded]:
    shutil.copy(migrated / "airflow.db", tmp_path)
    engine = create_engine(f"sqlite:///{tmp_path / 'airflow.db'}")
    with Session(engine) as session:
        yield Recorded(session)
    engine.dispose()


def test_a_failed_session_has_its_reason_and_its_place_in_airflow(recorded: Recorded) -> None:
    run = recorded.run(state="failed")
    recorded.task(run, "plan_sessions", "success")
    recorded.task(run, "ingest_session", "failed", index=1, label=str(TUESDAY), ended=5)
    recorded.xcom(run, "ingest_session", REASON_KEY, "InvalidBars: refused", index=1)
    (attempt,) = attempts_of(recorded.session, DAG).values()
    assert attempt == Attempt(attempt.run, int(BEGAN.timestamp() * 1000) + 300_000, "InvalidBars: refused")
    assert (attempt.run.state, attempt.run.path) == (
        "failed", "dags/spy_second_bars/runs/manual__1/tasks/ingest_session/mapped/1",
    )  # fmt: skip


def test_without_a_reason_it_has_none(recorded: Recorded) -> None:
    recorded.task(recorded.run(state="failed"), "ingest_session", "failed", index=0, label=str(TUESDAY))
    assert recorded.found == {TUESDAY: ("failed", "")}


@pytest.mark.parametrize("state", ["running", "queued", "scheduled", "up_for_retry", "deferred", "restarting", None])
def test_an_instance_without_a_label_is_of_the_date_at_its_place_in_the_plan(
    recorded: Recorded, state: str | None
) -> None:
    run = recorded.run()
    recorded.task(run, "plan_sessions", "success")
    recorded.xcom(run, "plan_sessions", "return_value", [str(MONDAY), str(TUESDAY)])
    recorded.task(run, "ingest_session", "success", index=0, label=str(MONDAY))
    recorded.task(run, "ingest_session", state, index=1)
    assert recorded.found == {TUESDAY: ("running", "")}


def test_before_there_is_a_plan_the_sessions_that_were_named_are_under_way(recorded: Recorded) -> None:
    run = recorded.run(state="queued", conf={"sessions": [str(MONDAY), str(WEDNESDAY)]})
    recorded.task(run, "plan_sessions", None)
    recorded.task(run, "ingest_session", None)
    assert recorded.found == {MONDAY: ("running", ""), WEDNESDAY: ("running", "")}


def test_between_plan_and_mapping_every_session_of_the_plan_is_under_way(recorded: Recorded) -> None:
    run = recorded.run()
    recorded.task(run, "plan_sessions", "success")
    recorded.xcom(run, "plan_sessions", "return_value", [str(MONDAY), str(TUESDAY)])
    recorded.task(run, "ingest_session", None)
    assert recorded.found == {MONDAY: ("running", ""), TUESDAY: ("running", "")}


def test_a_plan_that_failed_fails_the_sessions_that_were_named(recorded: Recorded) -> None:
    run = recorded.run(state="failed", conf={"sessions": [str(MONDAY)]})
    recorded.task(run, "plan_sessions", "failed")
    recorded.task(run, "ingest_session", "upstream_failed")
    recorded.xcom(run, "plan_sessions", REASON_KEY, "StorageError: the disk is full")
    assert recorded.found == {MONDAY: ("failed", "the plan of its run failed: StorageError: the disk is full")}


@pytest.mark.parametrize(("state", "found"), [("running", {TUESDAY: ("running", "")}), ("queued", {})])
def test_of_a_backfill_only_runs_that_have_begun_are_under_way(
    recorded: Recorded, state: str, found: dict[dt.date, Any]
) -> None:
    at = dt.datetime(2024, 11, 26, 5, tzinfo=dt.UTC)  # midnight in New York
    recorded.task(recorded.run(kind="backfill", state=state, logical_date=at), "plan_sessions", None)
    assert recorded.found == found


@pytest.mark.parametrize(
    ("failed_at", "succeeded_at", "found"),
    [(1, 2, {}), (2, 1, {TUESDAY: ("failed", "")}), (1, None, {TUESDAY: ("failed", "")})],
    ids=["then fetched", "after it was fetched", "never fetched"],
)
def test_a_failure_counts_until_the_session_was_fetched(
    recorded: Recorded, failed_at: int, succeeded_at: int | None, found: dict[dt.date, Any]
) -> None:
    recorded.task(
        recorded.run(state="failed"), "ingest_session", "failed", index=0, label=str(TUESDAY), ended=failed_at
    )
    if succeeded_at:
        run = recorded.run(state="success")
        recorded.task(run, "ingest_session", "success", index=0, label=str(TUESDAY), ended=succeeded_at)
    assert recorded.found == found


def test_of_several_attempts_the_run_that_was_queued_last_counts(recorded: Recorded) -> None:
    for minute, state in ((5, "running"), (0, "failed")):
        run = recorded.run(minute, state="failed" if state == "failed" else "running")
        recorded.task(run, "ingest_session", state, index=0, label=str(TUESDAY))
    assert recorded.found == {TUESDAY: ("running", "")}


@pytest.mark.parametrize("state", ["skipped", "removed", "success"])
def test_what_was_left_out_or_succeeded_is_nothing(recorded: Recorded, state: str) -> None:
    recorded.task(recorded.run(), "ingest_session", state, index=0, label=str(TUESDAY))
    assert recorded.found == {}


def test_what_will_never_run_is_not_under_way(recorded: Recorded) -> None:
    recorded.task(recorded.run(state="failed"), "ingest_session", None, index=0, label=str(TUESDAY))
    assert recorded.found == {}


def test_another_dag_is_another_matter(recorded: Recorded) -> None:
    recorded.task(recorded.run(), "ingest_session", "failed", index=0, label=str(TUESDAY))
    assert attempts_of(recorded.session, "qqq_second_bars") == {}


def test_the_last_task_of_a_session_is_told_whatever_came_of_it(recorded: Recorded) -> None:
    recorded.task(recorded.run(), "ingest_session", "success", index=3, label=str(TUESDAY))
    task = last_tasks(recorded.session, DAG, TUESDAY, ["second_bars"])["second_bars"]
    assert (task.state, task.try_number, task.path) == (
        "success", 1, "dags/spy_second_bars/runs/manual__1/tasks/ingest_session/mapped/3",
    )  # fmt: skip
    assert last_tasks(recorded.session, DAG, MONDAY, ["second_bars"]) == {}


def test_a_session_takes_what_the_last_ones_took_in_the_middle(recorded: Recorded) -> None:
    assert seconds_a_session(recorded.session, DAG) is None
    recorded.task(recorded.run(), "ingest_session", "success", index=0, label=str(TUESDAY))
    assert seconds_a_session(recorded.session, DAG) == 30.0


CHAIN, BARS, PANEL = STEPS = ("session.fetch_chain", "session.fetch_bars", "session.build_panel")


@pytest.fixture
def options(recorded: Recorded) -> Recorded:
    recorded.dag = "spy_options"
    return recorded


def a_run(options: Recorded, *sessions: dt.date, minute: int = 0, state: str = "running") -> int:
    """A run whose plan is made."""
    run = options.run(minute, state=state)
    options.task(run, "plan_sessions", "success")
    options.xcom(run, "plan_sessions", "return_value", [str(day) for day in sessions])
    return run


def steps(options: Recorded, run: int, session: dt.date, *states: str | None, index: int = 0, ended: int = 1) -> None:
    """The tasks of one session, in their order, each with the label that it has once it ran."""
    for task, state in zip(STEPS, states, strict=True):
        label = str(session) if state in {"success", "failed", "running"} else None
        options.task(run, task, state, index=index, label=label, ended=ended)


@pytest.mark.parametrize(
    ("states", "found", "task"),
    [
        (("running", None, None), "running", CHAIN),
        (("success", "queued", None), "running", BARS),
        (("success", "success", "running"), "running", PANEL),
        (("failed", "upstream_failed", "upstream_failed"), "failed", CHAIN),
        (("success", "failed", "upstream_failed"), "failed", BARS),
        (("success", "success", "failed"), "failed", PANEL),
        (("up_for_retry", None, None), "running", CHAIN),
    ],
)
def test_of_the_steps_of_a_session_the_first_that_did_not_succeed_counts(
    options: Recorded, states: tuple[str | None, ...], found: str, task: str
) -> None:
    run = a_run(options, MONDAY, TUESDAY)
    steps(options, run, MONDAY, "success", "success", "success")
    steps(options, run, TUESDAY, *states, index=1)
    options.xcom(run, task, REASON_KEY, "InputMissing: no second bars of SPY", index=1)
    ((session, attempt),) = attempts_of(options.session, "spy_options").items()
    assert (session, attempt.run.state) == (TUESDAY, found)
    assert attempt.run.path == f"dags/spy_options/runs/manual__1/tasks/{task}/mapped/1"
    assert attempt.reason == ("InputMissing: no second bars of SPY" if found == "failed" else "")


def test_while_later_steps_are_not_mapped_yet_each_session_is_where_it_is(options: Recorded) -> None:
    run = a_run(options, MONDAY, TUESDAY, WEDNESDAY)
    for index, (session, state) in enumerate({MONDAY: "success", TUESDAY: "failed", WEDNESDAY: "running"}.items()):
        options.task(run, CHAIN, state, index=index, label=str(session))
    for task in (BARS, PANEL):
        options.task(run, task, None)
    found = attempts_of(options.session, "spy_options")
    assert {day: (one.run.state, one.run.path.rpartition("/tasks/")[2]) for day, one in found.items()} == {
        MONDAY: ("running", BARS),
        TUESDAY: ("failed", f"{CHAIN}/mapped/1"),
        WEDNESDAY: ("running", f"{CHAIN}/mapped/2"),
    }


@pytest.mark.parametrize(
    ("second", "found"),
    [
        (("success", "success", "success"), {}),
        (("success", "failed", "upstream_failed"), {TUESDAY: ("failed", "")}),
        (("success", "success", "failed"), {TUESDAY: ("failed", "")}),
    ],
)
def test_a_step_that_failed_counts_until_that_step_succeeded(
    options: Recorded, second: tuple[str, ...], found: dict[dt.date, Any]
) -> None:
    steps(options, a_run(options, TUESDAY, state="failed"), TUESDAY, "success", "failed", "upstream_failed", ended=2)
    steps(options, a_run(options, TUESDAY, minute=5, state="success"), TUESDAY, *second, ended=9)
    assert options.found == found


def test_a_chain_that_came_again_does_not_take_back_that_bars_failed(options: Recorded) -> None:
    steps(options, a_run(options, TUESDAY, state="failed"), TUESDAY, "success", "failed", "upstream_failed", ended=2)
    later = a_run(options, TUESDAY, minute=5)
    options.task(later, CHAIN, "success", index=0, label=str(TUESDAY), ended=9)
    assert options.found == {TUESDAY: ("failed", "")}


def test_each_dataset_of_options_has_the_task_that_makes_it(options: Recorded) -> None:
    steps(options, a_run(options, TUESDAY), TUESDAY, "success", "failed", None)
    tasks = last_tasks(options.session, "spy_options", TUESDAY, OPTION_NAMES)
    assert {name: (line.state, line.path.rpartition("/tasks/")[2]) for name, line in tasks.items()} == {
        "option_chain": ("success", f"{CHAIN}/mapped/0"),
        "option_selection": ("failed", f"{BARS}/mapped/0"),
        "option_bars": ("failed", f"{BARS}/mapped/0"),
    }


def test_a_session_of_options_takes_what_its_steps_take_together(options: Recorded) -> None:
    run = a_run(options, MONDAY, TUESDAY)
    for index, session in enumerate((MONDAY, TUESDAY)):
        steps(options, run, session, "success", "success", "success", index=index)
    assert seconds_a_session(options.session, "spy_options") == 90.0


class Pushed:
    """A task instance that keeps what is pushed."""

    def __init__(self) -> None:
        self.pushed: dict[str, str] = {}

    def xcom_push(self, key: str, value: str) -> None:
        self.pushed[key] = value


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (InvalidBars("SPY 2024-11-26: refused"), "InvalidBars: SPY 2024-11-26: refused"),
        (KeyRefused("the key ****abcd is not known"), "KeyRefused: the key ****abcd is not known"),
        (RuntimeError("https://example.com/?apiKey=secret"), "RuntimeError"),
        (AirflowTaskTimeout("Timeout, PID: 7"), "AirflowTaskTimeout"),
    ],
)
def test_the_reason_of_a_failure_is_kept_and_the_failure_goes_on(error: BaseException, kept: str) -> None:
    instance = Pushed()
    with pytest.raises(type(error)), reason_kept({"ti": instance}):
        raise error
    assert instance.pushed == {REASON_KEY: kept}


def test_a_reason_that_cannot_be_kept_does_not_take_the_place_of_the_failure() -> None:
    class Away:
        def xcom_push(self, key: str, value: str) -> None:
            raise ConnectionError("the API server is away")

    with pytest.raises(InvalidBars), reason_kept({"ti": Away()}):
        raise InvalidBars("SPY 2024-11-26: refused")


def test_without_a_failure_nothing_is_kept() -> None:
    instance = Pushed()
    with reason_kept({"ti": instance}):
        pass
    assert instance.pushed == {}
