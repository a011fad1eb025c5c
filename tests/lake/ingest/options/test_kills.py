"""A session of option bars that is killed again and again: nothing that came is lost, or asked for twice."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from conftest import KEY, NOW
from fetch_to_kill import fetch
from marketlake.lake import Lake
from option_lake import BARS, SETTINGS, asked_for, bars_of, chain_of, held, selection_of
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

CONCURRENCY, KILLS = 4, 20
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["fetch_to_kill"])


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp, latency_ms=3) as running:
        yield running


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SETTINGS, "MARKETLAKE__OPTIONS__EMPTY_RECHECK_S": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # the server that forks loads things by it


def killed_after(simulator: Simulator, requests: int) -> None:
    """Let a process fetch until the server has been asked so often, and kill it."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(("MARKETLAKE", "POLYGON"))}
    process = _CONTEXT.Process(target=fetch, args=(variables, CONCURRENCY))
    since = len(simulator.requests)
    process.start()
    while process.is_alive() and len(simulator.requests) - since < requests:
        time.sleep(0.001)
    assert process.is_alive(), "it ended before it was to be killed"
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_twenty_kills_lose_no_answer_and_repeat_no_more_than_what_was_in_flight(
    lake: Lake, simulator: Simulator
) -> None:
    chain_of(lake)
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    for _ in range(KILLS):
        killed_after(simulator, chance.randint(1, 5))
    report = bars_of(lake, concurrency=CONCURRENCY)
    assert report.state == "complete", seed
    selection = selection_of(lake)
    needed = {(one, "minute"): 1 if row["state"] == "bars" else 2 for one, row in selection.items() if row["selected"]}
    needed |= {(one, "day"): 1 for one, row in selection.items() if row["state"] == "empty"}
    asked = asked_for(simulator)
    assert set(asked) == set(needed), seed
    repeated = sum(asked.values()) - sum(needed.values())
    assert repeated <= KILLS * CONCURRENCY, seed
    assert all(count <= needed[key] + KILLS for key, count in asked.items())
    before = held(lake, BARS)[0]
    assert bars_of(lake).outcome == "unchanged"
    assert held(lake, BARS)[0].content_hash == before.content_hash
