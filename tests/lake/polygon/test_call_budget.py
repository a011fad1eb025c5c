"""The call budget: no more calls than the plan allows, over all processes, each wait told and bounded."""

from __future__ import annotations

import datetime as dt
import logging
import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from clocks import Clock
from conftest import KEY, NOW
from local_airflow import client_of_tasks
from local_airflow.backfill.range import backfill_range, estimate_line
from local_airflow.server.home import Home
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import BudgetSpent, MarketLakeError, StorageError
from marketlake.lake import Lake
from marketlake.polygon import call_budget
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.call_budget import CallBudget
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.polygon.transport import Transport
from polygon_simulator.plan import Budget, Plan
from polygon_simulator.server import Simulator
from seconds import a_request

DAY = dt.date(2024, 11, 26)
together: Barrier


@pytest.fixture
def clock() -> Clock:
    return Clock()


def a_budget(
    folder: Path,
    clock: Clock,
    calls: int = 5,
    *,
    longest_wait_s: float = 450,
    sleep: Callable[[float], None] | None = None,
) -> CallBudget:
    return CallBudget(
        folder / "calls" / "host.sqlite",
        calls,
        longest_wait_s=longest_wait_s,
        now_s=clock.read,
        sleep=sleep or clock.pass_by,
    )


def at_once(_: float) -> None:
    """Another process asks meanwhile: the clock stands still for it."""


def limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, calls: int = 5) -> settings.Settings:
    monkeypatch.setenv("MARKETLAKE__API__REQUESTS_PER_MINUTE", str(calls))
    monkeypatch.setenv("MARKETLAKE__LOGGING__FOLDER", str(tmp_path / "logs"))
    return settings.load()


def test_the_sixth_call_of_five_a_minute_waits_for_the_minute_and_its_margin(tmp_path: Path, clock: Clock) -> None:
    budget = a_budget(tmp_path, clock)
    assert [budget.take_turn("a page") for _ in range(12)] == [0, 0, 0, 0, 0, 62.001, 0, 0, 0, 0, 62.001, 0]


def test_a_call_waits_only_for_what_is_left_of_the_minute(tmp_path: Path, clock: Clock) -> None:
    budget = a_budget(tmp_path, clock, calls=1)
    assert budget.take_turn("a page") == 0
    clock.pass_by(60)
    assert budget.take_turn("a page") == pytest.approx(2.001)
    clock.pass_by(62.002)
    assert budget.take_turn("a page") == 0


def test_processes_that_ask_together_go_in_the_order_of_asking(tmp_path: Path, clock: Clock) -> None:
    waits = [a_budget(tmp_path, clock, calls=2, sleep=at_once).take_turn("a page") for _ in range(7)]
    assert waits == [0, 0, 62.001, 62.001, 124.002, 124.002, 186.003]


@bounds(max_examples=25, deadline=None)
@given(calls=st.integers(1, 4), gaps_s=st.lists(st.floats(0, 40), min_size=1, max_size=14))
def test_no_window_ever_holds_one_call_too_many_and_no_call_waits_in_vain(calls: int, gaps_s: list[float]) -> None:
    clock, moments_ms = Clock(), list[int]()
    with tempfile.TemporaryDirectory() as folder:
        for gap_s in gaps_s:
            clock.pass_by(gap_s)
            now_ms = round(clock.now_s * 1000)
            budget = a_budget(Path(folder), clock, calls, longest_wait_s=10_000, sleep=at_once)
            moments_ms.append(now_ms + round(budget.take_turn("a page") * 1000))
            earlier = moments_ms[:-1]
            soonest_ms = earlier[-calls] + 62_001 if len(earlier) >= calls else now_ms
            assert moments_ms[-1] == max(now_ms, soonest_ms)


def test_a_turn_that_would_come_too_late_is_refused_and_takes_no_place(tmp_path: Path, clock: Clock) -> None:
    budget = a_budget(tmp_path, clock, calls=1, longest_wait_s=100, sleep=at_once)
    assert [budget.take_turn("a page") for _ in range(2)] == [0, 62.001]
    for _ in range(3):
        with pytest.raises(BudgetSpent) as caught:
            budget.take_turn("SPY 2024-11-26: page 1")
    assert str(caught.value) == (
        "SPY 2024-11-26: page 1: its turn would come in 124 s (api.requests_per_minute = 1), and a call waits 100 s at"
        " most, a quarter of tasks.timeout_s. Clear the task later; if it stays, lower api.sessions_in_flight or raise"
        " tasks.timeout_s."
    )
    assert caught.value.retry_after_s == pytest.approx(124.002)
    clock.pass_by(30)
    assert budget.take_turn("a page") == pytest.approx(94.002)


def test_calls_of_before_a_restart_of_the_machine_count_no_more(tmp_path: Path, clock: Clock) -> None:
    clock.now_s = 86_400
    for _ in range(5):
        a_budget(tmp_path, clock).take_turn("a page")
    clock.now_s = 30
    assert a_budget(tmp_path, clock).take_turn("a page") == 0
    assert [a_budget(tmp_path, clock, sleep=at_once).take_turn("a page") for _ in range(5)] == [0, 0, 0, 0, 62.001]


def test_the_file_forgets_what_no_window_holds(tmp_path: Path, clock: Clock) -> None:
    budget = a_budget(tmp_path, clock)
    for _ in range(40):
        budget.take_turn("a page")
    with closing(sqlite3.connect(tmp_path / "calls" / "host.sqlite")) as kept:
        assert kept.execute("select count(*) from rate_bucket").fetchone() == (5,)


def test_a_noticeable_wait_is_told_when_it_begins(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    told_before: list[list[str]] = []
    budget = a_budget(tmp_path, clock, calls=1, sleep=lambda _: told_before.append(list(caplog.messages)))
    budget.take_turn("SPY 2024-11-26: page 1")
    clock.pass_by(20)
    budget.take_turn("SPY 2024-11-26: page 2")
    clock.pass_by(42.001 + 62.001 - 0.9)
    budget.take_turn("SPY 2024-11-26: page 3")
    line = "SPY 2024-11-26: page 2: waiting 42 s for its turn (api.requests_per_minute = 1)"
    assert told_before == [[line], [line]]


def test_without_the_setting_there_is_no_budget(tmp_path: Path) -> None:
    assert settings.load().api.requests_per_minute is None
    assert call_budget.budget_for(settings.load(), "api.massive.com") is None


@pytest.mark.parametrize("value", ["0", "-1", "2.5", "many"])
def test_a_limit_that_is_no_number_of_calls_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
) -> None:
    with pytest.raises(MarketLakeError, match="api.requests_per_minute"):
        limited(monkeypatch, tmp_path, calls=value)  # type: ignore[arg-type]


def test_the_vendors_two_names_share_a_budget_and_every_other_host_has_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configured = limited(monkeypatch, tmp_path)
    for host in ("api.massive.com", "api.polygon.io", "127.0.0.1:8000", "127.0.0.1:8001", "proxy.example.com"):
        budget = call_budget.budget_for(configured, host)
        assert budget is not None
        assert budget.take_turn("a page") == 0
    assert sorted(path.name for path in (tmp_path / "logs" / "calls").glob("*.sqlite")) == [
        "127.0.0.1-8000.sqlite",
        "127.0.0.1-8001.sqlite",
        "proxy.example.com.sqlite",
        "the-vendor.sqlite",
    ]


def a_client(lake: Lake, take_turn: Callable[[str], float], waits: list[float]) -> PolygonClient:
    return PolygonClient(
        Transport(
            requests.Session(),
            ApiKey(KEY, "a test"),
            lake.settings.api,
            take_turn=take_turn,
            sleep=waits.append,
            now_s=NOW.timestamp,
        )
    )


def test_every_attempt_of_every_page_and_a_probe_take_a_turn(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "150")
    lake = Lake(settings.load(), now=lambda: NOW)
    simulator.faults.set(str(DAY), [{"fault": "429"}, {"fault": "reset", "page": 2}, {"fault": "500", "page": 3}])
    asked: list[str] = []
    client = a_client(lake, lambda what: asked.append(what) or 0.0, waits)  # type: ignore[func-returns-value]
    client.fetch(a_request(lake, DAY))
    client.probe(a_request(lake, DAY))
    client.fetch(a_request(lake, DAY).of(Timespan.DAY))
    assert asked == [
        *(f"SPY 2024-11-26: page {number}" for number in (1, 1, 2, 2, 3, 3, 1)),
        "SPY 2024-11-26 day bars: page 1",
    ]
    assert len(simulator.requests) == 8


def test_the_last_line_of_a_fetch_counts_the_turns_waited_for(
    lake: Lake, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client = a_client(lake, lambda _: 62.0, waits)
    client.fetch(a_request(lake, DAY))
    client.fetch(a_request(lake, DAY).of(Timespan.DAY))
    assert caplog.messages == [
        "SPY 2024-11-26: fetched after waiting 1 times, 62.0 s in all",
        "SPY 2024-11-26 day bars: fetched after waiting 1 times, 62.0 s in all",
    ]


def test_a_refused_turn_ends_the_fetch_without_a_call_or_another_try(
    lake: Lake, simulator: Simulator, waits: list[float], tmp_path: Path, clock: Clock
) -> None:
    budget = a_budget(tmp_path, clock, calls=1, longest_wait_s=10)
    budget.take_turn("another task's page")
    with pytest.raises(BudgetSpent, match="SPY 2024-11-26: page 1: its turn would come in 62 s"):
        a_client(lake, budget.take_turn, waits).fetch(a_request(lake, DAY))
    assert (len(simulator.requests), waits) == (0, [])


def no_folder(logs: Path) -> None:
    logs.write_text("a file where the folder should be")


def damaged(logs: Path) -> None:
    (logs / "calls").mkdir(parents=True)
    (logs / "calls" / "host.sqlite").write_bytes(b"no database" * 100)


@pytest.mark.parametrize(("spoil", "words"), [(no_folder, "File exists|Not a directory"), (damaged, "not a database")])
def test_calls_that_cannot_be_counted_are_not_made(
    lake: Lake, simulator: Simulator, waits: list[float], tmp_path: Path, clock: Clock,
    spoil: Callable[[Path], None], words: str,
) -> None:  # fmt: skip
    spoil(tmp_path / "logs")
    client = a_client(lake, a_budget(tmp_path / "logs", clock).take_turn, waits)
    with pytest.raises(StorageError, match=f"cannot count API calls in .*host.sqlite: .*({words}).*logging.folder"):
        client.fetch(a_request(lake, DAY))
    assert (len(simulator.requests), waits) == (0, [])


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process, which has the lock."""
    (tmp_path / "calls").mkdir()
    code = (
        "import filelock, sys, time; lock = filelock.FileLock(sys.argv[1]); lock.acquire();"
        " print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "calls" / "host.sqlite.lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path, clock: Clock, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    assert a_budget(tmp_path, clock).take_turn("a page") == 0


def test_a_lock_that_is_never_released_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: Clock, holder: subprocess.Popen[str]
) -> None:
    monkeypatch.setattr(call_budget, "_LOCK_S", 0.1)
    with pytest.raises(StorageError, match=r"host.sqlite.lock, under which API calls are counted, has been held"):
        a_budget(tmp_path, clock).take_turn("a page")
    holder.kill()
    holder.wait(10)


def test_the_hooks_client_keeps_to_the_budget(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, tmp_path: Path
) -> None:
    from marketlake_airflow.hook import PolygonHook

    monkeypatch.setattr(PolygonHook, "_connection", lambda _self: None)
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    monkeypatch.setenv("MARKETLAKE__TASKS__TIMEOUT_S", "40")
    client = PolygonHook().client(limited(monkeypatch, tmp_path, calls=2))
    request = a_request(lake, DAY)
    assert [client.probe(request) for _ in range(2)] == [1, 1]
    with pytest.raises(BudgetSpent, match="and a call waits 10 s at most"):
        client.probe(request)
    assert len(simulator.requests) == 2
    assert KEY.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "logs").rglob("*.sqlite"))


def test_a_command_that_waits_for_its_turn_says_so(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from marketlake_airflow.hook import PolygonHook

    monkeypatch.setattr(PolygonHook, "_connection", lambda _self: None)
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setattr(os, "environ", os.environ.copy())  # which the command changes
    monkeypatch.setitem(CallBudget.__init__.__kwdefaults__, "sleep", at_once)
    monkeypatch.setattr(logging.getLogger(call_budget.__name__), "handlers", [])
    configured = limited(monkeypatch, tmp_path, calls=1)
    client = client_of_tasks.client(Home.of(configured), configured)
    for _ in range(2):
        client.probe(a_request(lake, DAY))
    line = r"^SPY 2024-11-26: page 1: waiting \d\d s for its turn \(api.requests_per_minute = 1\)$"
    assert re.search(line, capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("calls", "last", "told"),
    [
        (5, "2024-11-29", "20 sessions from 2024-11-01 to 2024-11-29, 20 not here yet: about 60 requests, 30 MB,"
                          " 12 min at api.requests_per_minute = 5"),
        (1, "2025-10-31", "250 sessions from 2024-11-01 to 2025-10-31, 250 not here yet: about 750 requests, 375 MB,"
                          " 13 h at api.requests_per_minute = 1"),
        (1_000, "2025-10-31", "about 750 requests, 375 MB, 2 min"),
    ],
)  # fmt: skip
def test_the_estimate_of_a_backfill_knows_the_budget(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, tmp_path: Path, calls: int, last: str, told: str
) -> None:
    narrow = Lake(limited(monkeypatch, tmp_path, calls), now=lambda: NOW)
    wanted = backfill_range(narrow, "2024-11-01", last, print)
    assert estimate_line(narrow, SECOND_BARS, "SPY", wanted, refetch=False).endswith(told)


class StrictBudget(Budget):
    """The vendor's count on a clock that is 60 times as fast: five calls a second.

    The processes keep to five in two seconds and the margin, so that a busy machine's pause breaks no test.
    """

    def __init__(self) -> None:
        super().__init__(now_s=lambda: time.monotonic() * 60)
        self.refused = 0

    def spend(self, calls_a_minute: int | None) -> bool:
        allowed = super().spend(calls_a_minute)
        self.refused += not allowed
        return allowed


def meet_at(barrier: Barrier) -> None:
    """What each process is given when it starts: where it waits for the other ones."""
    global together  # noqa: PLW0603 - an initializer has no other place to put it
    together = barrier


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Eight real ones, forked as Airflow forks its tasks. A task begins when all eight have one."""
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(8, context, initializer=meet_at, initargs=(context.Barrier(8, timeout=240),)) as pool:
        yield pool


def fetch_with_others(configured: settings.Settings, request: BarRequest) -> tuple[int, list[int]]:
    """Which process it was, and how many bars each page has."""
    budget = call_budget.budget_for(configured, urlsplit(configured.api.base_url).netloc, window_s=2)
    assert budget is not None
    client = PolygonClient(
        Transport(requests.Session(), ApiKey(KEY, "a test"), configured.api, take_turn=budget.take_turn)
    )
    together.wait()
    pages = client.fetch(request).pages
    return os.getpid(), [page.rows.num_rows for page in pages]


def test_eight_processes_at_five_calls_a_minute_never_provoke_a_429(
    monkeypatch: pytest.MonkeyPatch,
    lake: Lake,
    simulator: Simulator,
    tmp_path: Path,
    processes: ProcessPoolExecutor,
) -> None:
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "200")
    monkeypatch.setenv("MARKETLAKE__API__ATTEMPTS", "1")
    simulator.plan, simulator.budget = Plan(calls_a_minute=5), (vendors := StrictBudget())
    sessions = lake.calendar.sessions(dt.date(2024, 11, 18), dt.date(2024, 11, 27))
    asked = [a_request(lake, day) for day in sessions]
    fetched = list(processes.map(fetch_with_others, [limited(monkeypatch, tmp_path)] * 8, asked))
    assert len({pid for pid, _ in fetched}) == 8
    assert [rows for _, rows in fetched] == [[200, 190]] * 8
    assert (len(simulator.requests), vendors.refused) == (16, 0)
    assert [len(simulator.requests_for(day)) for day in sessions] == [2] * 8


def all_turns(folder: Path) -> list[float]:
    """The waits of 25 calls, in a race with the other processes at a moment that does not pass."""
    budget = a_budget(folder, Clock(), longest_wait_s=10_000, sleep=at_once)
    together.wait()
    return [budget.take_turn("a page") for _ in range(25)]


def test_processes_in_a_race_never_take_the_same_turn(tmp_path: Path, processes: ProcessPoolExecutor) -> None:
    waits = sorted(wait for turns in processes.map(all_turns, [tmp_path] * 8) for wait in turns)
    assert waits == pytest.approx([62.001 * minute for minute in range(40) for _ in range(5)])
