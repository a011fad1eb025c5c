"""What is said of a run, to whom, and what of it must never be said."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time import task_runner

from conftest import NOW
from marketlake import settings
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS
from marketlake.errors import SettingsError, StorageError
from marketlake.ingest.run_summary import RunSummary
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake_airflow import deadline, notify, report
from receivers import PATH, Mailbox, Webhook, mailbox, webhook
from seconds import spy

DAYS = ["2013-10-09", "2013-10-08", "2013-10-07"]


def summary(planned: list[str] | None, states: dict[str, str], **more: Any) -> RunSummary:
    return RunSummary("SPY", planned, states, next_step="Next: look.", **more)


@pytest.mark.parametrize(
    ("told", "failed", "trouble", "text"),
    [
        (summary(DAYS[:1], {DAYS[0]: "complete"}), False, False, "SPY: 1 session fetched, none failed"),
        (
            summary(DAYS[:2], dict.fromkeys(DAYS[:2], "provisional")),
            False,
            False,
            "SPY: 2 sessions fetched, none failed",
        ),
        (summary([], {}), False, False, "SPY: nothing was to be fetched"),
        (summary(None, {}), True, True, "SPY: the plan failed, so nothing was fetched\nNext: look."),
        (
            summary(DAYS, {DAYS[1]: "complete"}),
            True,
            True,
            "SPY: 2 of 3 sessions failed: 2013-10-07, 2013-10-09\nNext: look.",
        ),
        (
            summary(DAYS[:1], {DAYS[0]: "suspect"}),
            False,
            True,
            "SPY: 1 session fetched, none failed\nsuspect: 2013-10-09\nNext: look.",
        ),
        (
            summary(DAYS[:1], {DAYS[0]: "suspect"}, known=frozenset(DAYS[:1])),
            False,
            False,
            "SPY: 1 session fetched, none failed",
        ),
        (
            summary(DAYS[:1], {DAYS[0]: "complete"}, missing=["2013-10-04"], window_sessions=61),
            False,
            True,
            "SPY: 1 session fetched, none failed\nmissing or unfinished among the last 61: 2013-10-04\nNext: look.",
        ),
        (
            summary([], {}, not_looked="StorageError: gone"),
            False,
            True,
            "SPY: nothing was to be fetched\nwhat the lake still misses is not known: StorageError: gone\nNext: look.",
        ),
        (
            summary([f"2013-10-{day:02}" for day in range(1, 24)], {}),
            True,
            True,
            "SPY: 23 of 23 sessions failed: "
            + ", ".join(f"2013-10-{day:02}" for day in range(1, 21))
            + " and 3 more\nNext: look.",
        ),
    ],
)
def test_a_run_is_told_in_these_words(told: RunSummary, failed: bool, trouble: bool, text: str) -> None:
    assert (told.has_failed, told.is_trouble, told.text) == (failed, trouble, text)


class Run:
    run_id = "a-run"

    def __init__(self, run_type: str, dag_id: str) -> None:
        self.run_type = run_type
        self.dag_id = dag_id
        self.logical_date = dt.datetime(2013, 10, 9, tzinfo=dt.UTC)


class Instance:
    """As much of a task instance as a report asks: states and results of the others."""

    def __init__(self, dag_id: str, states: dict[str, str], planned: Any, results: list[Any]) -> None:
        self._dag_id = dag_id
        self._states, self._planned, self._results = states, planned, results
        self.pushed: dict[str, Any] = {}

    def get_task_states(self, *, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, dict[str, str]]:
        assert (dag_id, task_ids, run_ids) == (self._dag_id, ["plan_sessions", "ingest_session"], ["a-run"])
        return {"a-run": self._states} if self._states else {}

    def xcom_pull(self, *, task_ids: str | list[str]) -> Any:
        return self._planned if task_ids == "plan_sessions" else self._results

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def result(day: str, state: str = "complete") -> dict[str, Any]:
    because = ["2 minutes are missing"] if state == "suspect" else []
    return {"session": day, "state": state, "rows": 1, "suspect_because": because}


def context(
    run_type: str, states: dict[str, str], planned: Any, results: list[Any], dag_id: str = "spy_second_bars"
) -> dict[str, Any]:
    return {"dag_run": Run(run_type, dag_id), "ti": Instance(dag_id, states, planned, results)}


PLANNED = {"plan_sessions": "success"}
ALL_GOOD = PLANNED | {"ingest_session_0": "success", "ingest_session_1": "success"}
BOTH = [result(DAYS[0]), result(DAYS[1], "suspect")]


@pytest.mark.parametrize(
    ("states", "planned", "results", "failed", "suspect"),
    [
        (ALL_GOOD, DAYS[:2], BOTH, [], [DAYS[1]]),
        (ALL_GOOD | {"ingest_session_0": "failed"}, DAYS[:2], BOTH[1:], [DAYS[0]], [DAYS[1]]),
        (ALL_GOOD | {"ingest_session_0": "failed"}, DAYS[:2], BOTH, [DAYS[0]], [DAYS[1]]),  # of an earlier try
        (ALL_GOOD | {"ingest_session_1": "upstream_failed"}, DAYS[:2], BOTH[:1], [DAYS[1]], []),
        (ALL_GOOD, DAYS[:2], BOTH[:1], [DAYS[1]], []),  # marked a success by hand, without a result
        (PLANNED | {"ingest_session_0": "removed"}, DAYS[:1], [None], [DAYS[0]], []),
        (PLANNED, DAYS[:1], [None], [DAYS[0]], []),
        (PLANNED | {"ingest_session": "skipped"}, [], [None], [], []),
    ],
)
def test_what_has_no_success_and_result_has_failed(
    states: dict[str, str], planned: list[str], results: list[Any], failed: list[str], suspect: list[str]
) -> None:
    told = report.summary("SPY", context("manual", states, planned, results), "plan_sessions", "ingest_session")
    assert (told.planned, told.failed, told.suspect) == (planned, failed, suspect)


@pytest.mark.parametrize("states", [{"plan_sessions": "failed", "ingest_session": "upstream_failed"}, {}])
def test_a_plan_of_an_earlier_try_is_no_plan(states: dict[str, str]) -> None:
    told = report.summary("SPY", context("manual", states, DAYS, []), "plan_sessions", "ingest_session")
    assert told.planned is None


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    monkeypatch.setattr(notify.WebhookHook, "_connection", lambda _self: None)
    monkeypatch.setattr(notify, "_LONGEST_WAIT_S", 0)
    with webhook() as running:
        monkeypatch.setenv("MARKETLAKE_WEBHOOK_URL", running.url)
        monkeypatch.setenv("MARKETLAKE__REPORT__TO", '["webhook"]')
        yield running


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mailbox() as running:
        smtp_default(monkeypatch, running.port)
        yield running


def smtp_default(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    extra = {"from_email": "lake@example.com", "disable_ssl": True, "disable_tls": True, "retry_limit": 1}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))


@pytest.fixture
def three_days(monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient) -> Lake:
    """A lake with two of the window's three sessions."""
    monkeypatch.setattr("marketlake_airflow.lake.system_clock", lambda: NOW)
    monkeypatch.setenv("MARKETLAKE__SCHEDULE__CATCH_UP_SESSIONS", "2")
    for day in DAYS[:2]:
        ingest(lake, SECOND_BARS, spy(dt.date.fromisoformat(day)), client)
    return lake


def test_a_scheduled_run_sends_one_message_and_fails_with_its_first_line(
    three_days: Lake, hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    given = context("scheduled", ALL_GOOD | {"ingest_session_2": "failed"}, DAYS, BOTH)
    line = "SPY second bars, run a-run: 1 of 3 sessions failed: 2013-10-07"
    with pytest.raises(AirflowFailException) as failed:
        report.report("second_bars", "SPY", given)
    assert str(failed.value) == line
    assert [got["text"].splitlines()[:3] for got in hook.got] == [
        [line, "suspect: 2013-10-08 (2 minutes are missing)", "missing or unfinished among the last 3: 2013-10-07"]
    ]
    assert "/spy_second_bars" in hook.got[0]["text"] or "spy_second_bars in Airflow" in hook.got[0]["text"]
    assert line in caplog.text


def test_a_report_is_of_its_own_dataset_and_of_what_the_lake_lacks_of_that_one(
    three_days: Lake, client: PolygonClient, hook: Webhook
) -> None:
    ingest(three_days, MINUTE_BARS, MINUTE_BARS.spec.key("SPY", dt.date(2013, 10, 7)), client)
    report.report("minute_bars", "SPY", context("scheduled", ALL_GOOD, DAYS[:2], BOTH, "spy_minute_bars"))
    text = hook.got[0]["text"].splitlines()
    assert text[0] == "SPY minute bars, run a-run: 2 sessions fetched, none failed"
    assert text[2] == "missing or unfinished among the last 3: 2013-10-08, 2013-10-09"
    assert "spy_minute_bars" in text[3]


@pytest.mark.parametrize("run_type", ["manual", "backfill"])
def test_another_run_is_told_by_its_log_alone_and_fails_too(
    lake: Lake, hook: Webhook, caplog: pytest.LogCaptureFixture, run_type: str
) -> None:
    with pytest.raises(AirflowFailException, match="1 of 1 session failed: 2013-10-09"):
        report.report(
            "second_bars", "SPY", context(run_type, PLANNED | {"ingest_session_0": "failed"}, DAYS[:1], [None])
        )
    assert "1 of 1 session failed: 2013-10-09" in caplog.text
    assert hook.got == []


@pytest.mark.parametrize(("when", "messages"), [("trouble", 0), ("always", 1)])
def test_a_run_without_trouble_is_told_only_if_asked_for(
    three_days: Lake, client: PolygonClient, hook: Webhook, monkeypatch: pytest.MonkeyPatch, when: str, messages: int
) -> None:
    monkeypatch.setenv("MARKETLAKE__REPORT__WHEN", when)
    ingest(three_days, SECOND_BARS, spy(dt.date(2013, 10, 7)), client)
    report.report("second_bars", "SPY", context("scheduled", ALL_GOOD, DAYS[:1], BOTH[:1]))
    assert [got["text"] for got in hook.got] == [
        "SPY second bars, run a-run: 1 session fetched, none failed"
    ] * messages


def test_a_lake_that_cannot_be_read_is_told(lake: Lake, hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("marketlake.coverage.joint.JointCoverage.unfinished", gone)
    report.report("second_bars", "SPY", context("scheduled", ALL_GOOD, DAYS[:1], BOTH[:1]))
    assert "what the lake still misses is not known: OSError: [Errno 5] Input/output error" in hook.got[0]["text"]


def test_an_audit_whose_summary_cannot_be_written_is_told_all_the_same(
    lake: Lake, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("cannot write audit.json: No space left on device")

    told = RunSummary("SPY audit, run a-run", DAYS[:2], {DAYS[0]: "complete"})
    monkeypatch.setattr(report, "summary", lambda *_: told)
    monkeypatch.setattr(report, "summarise", full)
    with pytest.raises(AirflowFailException, match=f"1 of 2 sessions failed: {DAYS[1]}"):
        report.summarise_audit("second_bars", "SPY", context("scheduled", {}, DAYS[:2], []))
    line = "the lake's summary could not be written: cannot write audit.json: No space left on device"
    assert line in hook.got[0]["text"]
    monkeypatch.setattr(report, "summary", lambda *_: replace(told, planned=DAYS[:1]))
    with pytest.raises(StorageError, match="No space left on device"):
        report.summarise_audit("second_bars", "SPY", context("scheduled", {}, DAYS[:1], []))
    assert line in hook.got[1]["text"]


def test_trouble_with_sending_hides_no_verdict_and_is_seen(
    three_days: Lake, hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.answers = [(404, {})] * 2
    with pytest.raises(AirflowFailException) as failed:
        report.report(
            "second_bars", "SPY", context("scheduled", ALL_GOOD | {"ingest_session_0": "failed"}, DAYS[:2], BOTH[1:])
        )
    assert str(failed.value) == (
        "SPY second bars, run a-run: 1 of 2 sessions failed: 2013-10-09"
        " (and the message was not sent: webhook: 127.0.0.1: HTTP 404: is the URL in use still valid?)"
    )
    with pytest.raises(AirflowFailException, match="no date failed, but the message was not sent: webhook: "):
        report.report("second_bars", "SPY", context("scheduled", ALL_GOOD, DAYS[:2], BOTH))
    levels = [record.levelno for record in caplog.records if "the message was not sent" in record.message]
    assert levels == [logging.ERROR] * 2


@pytest.mark.parametrize(
    ("answers", "asked", "words"),
    [
        ([(500, {}), (429, {})], 3, None),
        ([(503, {})] * 3, 3, "webhook: 127.0.0.1: HTTP 503, 3 times"),
        ([(410, {})], 1, "webhook: 127.0.0.1: HTTP 410: is the URL in use still valid?"),
        ([(302, {"Location": "https://example.com/"})], 1, "webhook: 127.0.0.1: HTTP 302"),
    ],
)
def test_only_what_may_pass_is_tried_again(
    hook: Webhook, answers: list[tuple[int, dict[str, str]]], asked: int, words: str | None
) -> None:
    hook.answers = list(answers)
    if words is None:
        notify.send(settings.load().report, "a line", "a < b & c")
    else:
        with pytest.raises(notify.NotSent, match=words):
            notify.send(settings.load().report, "a line", "a < b & c")
    assert hook.got == [{"text": "a &lt; b &amp; c"}] * asked
    assert set(hook.paths) == {f"/{PATH}"}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/services/a-secret-of-the-webhook-efgh",  # nobody answers
        "https://127.0.0.1:9/services/a-secret-of-the-webhook-efgh",
        "http://hooks.example.com/services/a-secret-of-the-webhook-efgh",  # not encrypted
        "https://user:a-secret-of-the-webhook-efgh@hooks.example.com/",
        "https://127.0.0.1:port/a-secret-of-the-webhook-efgh",
        "https://[a-secret-of-the-webhook-efgh/",
        "a-secret-of-the-webhook-efgh",
    ],
)
def test_no_error_of_the_webhook_holds_its_url(
    hook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MARKETLAKE_WEBHOOK_URL", url)
    with pytest.raises(notify.NotSent) as raised:
        notify.send(settings.load().report, "a line", "a text")
    error: BaseException | None = raised.value
    assert str(error).startswith("webhook: ")
    while error is not None:
        assert "a-secret" not in repr(error)
        assert error.__suppress_context__ or error.__context__ is None
        error = error.__cause__
    assert "a-secret" not in caplog.text


def test_the_url_and_its_path_are_masked_before_they_are_used_and_not_logged(
    hook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    masked: list[tuple[str, int]] = []
    monkeypatch.setattr(notify, "mask_secret", lambda secret: masked.append((secret, len(hook.got))))
    notify.send(settings.load().report, "a line", "a text")
    assert masked == [(hook.url, 0), (PATH, 0)]
    assert "a-secret" not in caplog.text
    assert logging.getLogger("urllib3.connectionpool").level == logging.NOTSET


def test_without_a_url_it_is_said_where_to_put_it(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MARKETLAKE_WEBHOOK_URL")
    with pytest.raises(notify.NotSent, match=r"webhook: no URL: put MARKETLAKE_WEBHOOK_URL=https://... into .env"):
        notify.send(settings.load().report, "a line", "a text")


def test_the_password_of_the_connection_is_the_url(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("MARKETLAKE_WEBHOOK_URL", "https://127.0.0.1:9/other")
    monkeypatch.setenv("MARKETLAKE__REPORT__TO", '["webhook"]')
    connection = {"conn_type": "http", "password": hook.url}
    monkeypatch.setenv("AIRFLOW_CONN_MARKETLAKE_WEBHOOK", json.dumps(connection))
    notify.send(settings.load().report, "a line", "a text")
    assert hook.got == [{"text": "a text"}]


def test_a_mail_has_the_first_line_as_its_subject_and_every_address(
    hook: Webhook, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETLAKE__REPORT__TO", '["email", "webhook"]')
    monkeypatch.setenv("MARKETLAKE__REPORT__EMAIL_TO", '["one@example.com", "two@example.com"]')
    notify.send(settings.load().report, "SPY: 1 failed", "SPY: 1 failed\na < b")
    ((to, message),) = box.got
    assert to == ["one@example.com", "two@example.com"]
    assert (message["Subject"], message["From"]) == ("SPY: 1 failed", "lake@example.com")
    (body,) = [part.get_payload(decode=True) for part in message.walk() if part.get_content_type() == "text/html"]
    assert body == b"<pre>SPY: 1 failed\na &lt; b</pre>"
    assert hook.got == [{"text": "SPY: 1 failed\na &lt; b"}]


def test_one_channel_in_trouble_stops_no_other(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    smtp_default(monkeypatch, 9)
    monkeypatch.setenv("MARKETLAKE__REPORT__TO", '["email", "webhook"]')
    monkeypatch.setenv("MARKETLAKE__REPORT__EMAIL_TO", '["one@example.com"]')
    with pytest.raises(
        notify.NotSent, match="^e-mail: ConnectionRefusedError: .*: check the Airflow connection smtp_default$"
    ):
        notify.send(settings.load().report, "a line", "a text")
    assert len(hook.got) == 1


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TO", '["email"]', "to has email, but email_to is empty: name an address"),
        ("TO", '["slack"]', r"report.to.0 \(MARKETLAKE__REPORT__TO\) = 'slack'"),
        ("EMAIL_TO", '["nobody"]', "report.email_to.0"),
        ("WHEN", "never", "report.when"),
        ("WEBHOOK_URL", "https://x", "report.webhook_url .* is no setting"),
    ],
)
def test_what_is_wrong_with_the_settings_is_said(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"MARKETLAKE__REPORT__{variable}", value)
    with pytest.raises(SettingsError, match=words):
        settings.load()


@pytest.mark.parametrize(
    ("run_type", "again", "try_number", "spared"),
    [
        ("backfill", False, 1, True),
        ("backfill", False, 2, True),
        ("backfill", True, 1, False),  # its plan has asked for it
        ("backfill", True, 2, True),
        ("manual", False, 1, False),
        ("manual", True, 2, False),
        ("scheduled", False, 1, False),
    ],
)
def test_only_a_backfill_is_spared_its_report_by_its_plan_and_by_a_session_that_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, run_type: str, again: bool, try_number: int, spared: bool
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", SimpleNamespace(send=sent.append), raising=False)
    given = context(run_type, {}, None, [])
    given["ti"].try_number = try_number
    report.skip_report_in_backfill(given, again=again)
    assert [one.tasks for one in sent] == ([["dates_ended", "report"]] if spared else [])


DUE = dt.datetime(2013, 10, 10, 18, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("run_type", "end_date", "told"),
    [
        ("scheduled", None, True),
        ("scheduled", "2013-10-10T18:30:01Z", True),
        ("scheduled", "2013-10-10T14:30:00-04:00", False),
        ("backfill", None, False),
        ("manual", None, False),
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_only_a_scheduled_run_that_is_late_is_told(
    hook: Webhook, run_type: str, end_date: str | None, told: bool, as_text: bool
) -> None:
    run = {"dag_run_id": "a-run", "run_type": run_type, "end_date": end_date}
    deadline_time = DUE.isoformat() if as_text else DUE
    deadline.tell_overdue("SPY", {"dag_run": run, "deadline": {"id": "1", "deadline_time": deadline_time}})
    assert [got["text"].partition(" (")[0] for got in hook.got] == (
        ["SPY second bars, run a-run: not finished by 2013-10-10 18:30 UTC"] if told else []
    )
