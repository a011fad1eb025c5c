"""Recorded seconds and minutes: where they are found, and what is served of them."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests

from conftest import KEY, REAL, needs_real_days
from polygon_simulator import folds
from polygon_simulator.days import Bar, RecordedDays
from polygon_simulator.server import Simulator

DAY = dt.date(2024, 11, 27)
NINE_THIRTY_MS = 1_732_717_800_000
MINUTE_MS = 60_000


def a_second(second: int, price: float, shares: int) -> Bar:
    """So many seconds after 09:30."""
    return {
        "v": shares, "vw": price, "o": price, "c": price, "h": price, "l": price,
        "t": NINE_THIRTY_MS + second * 1_000, "n": 1,
    }  # fmt: skip


def a_minute(minute: int, price: float, shares: int) -> Bar:
    """So many minutes after 09:30, without the keys that a bar may lack."""
    return {
        "t": NINE_THIRTY_MS + minute * MINUTE_MS, "o": price, "h": price + 0.5, "l": price - 0.5, "c": price + 0.25,
        "v": shares,
    }  # fmt: skip


SECONDS = [a_second(0, 600.0, 100), a_second(30, 601.0, 200), a_second(60, 602.0, 300)]
MINUTES = [a_minute(-30, 590.0, 40), a_minute(0, 600.0, 1_000), a_minute(1, 610.0, 2_000), a_minute(390, 580.0, 70)]
"""A minute before regular hours, two within, one after."""


def record(path: Path, bars: list[Bar]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(bars).encode()))


def archive(path: Path, pages: Mapping[str, list[Bar]], fetched_at_ms: int = 1) -> None:
    """Raw pages as a lake keeps them: a manifest, and pages by their names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bodies = {"manifest.json": json.dumps({"fetched_at_ms": fetched_at_ms}).encode()}
    for name, bars in pages.items():
        bodies[name] = pa.compress(json.dumps({"results": bars}).encode(), codec="zstd", asbytes=True)
    with tarfile.open(path, "w") as tar:
        for name, body in bodies.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))


def served(simulator: Simulator, timespan: str, day: dt.date = DAY) -> list[Bar]:
    url = f"{simulator.url}/v2/aggs/ticker/SPY/range/1/{timespan}/{day}/{day}"
    answer = requests.get(url, params={"apiKey": KEY, "limit": 50_000}, timeout=10)
    assert answer.status_code == 200
    bars: list[Bar] = answer.json().get("results", [])
    return bars


def replaying(folder: Path, **options: Any) -> Simulator:
    """A simulator of a folder's seconds and minutes."""
    recorded = RecordedDays(folder)
    return Simulator(recorded, KEY, differences=folds.EXACT, minutes=recorded, **options)


# --- minutes ----------------------------------------------------------------------------------------------------


def test_recorded_minutes_are_served_as_they_are_and_other_days_folded(tmp_path: Path) -> None:
    record(tmp_path / f"SPY-{DAY}.json.gz", SECONDS)
    record(tmp_path / "minutes" / f"SPY-{DAY}.json.gz", MINUTES)
    before = dt.date(2024, 11, 26)
    record(tmp_path / f"SPY-{before}.json.gz", [bar | {"t": bar["t"] - 86_400_000} for bar in SECONDS])
    with replaying(tmp_path) as simulator:
        assert served(simulator, "minute") == MINUTES
        assert served(simulator, "second") == SECONDS
        assert [(bar["v"], bar["h"]) for bar in served(simulator, "minute", before)] == [(300, 601.0), (300, 602.0)]


def test_minutes_are_folded_for_a_simulator_that_was_not_given_recorded_ones(tmp_path: Path) -> None:
    record(tmp_path / f"SPY-{DAY}.json.gz", SECONDS)
    record(tmp_path / "minutes" / f"SPY-{DAY}.json.gz", MINUTES)
    with Simulator(RecordedDays(tmp_path), KEY, differences=folds.EXACT) as simulator:
        assert [bar["v"] for bar in served(simulator, "minute")] == [300, 300]


def test_a_recorded_minute_that_is_not_over_is_not_served(tmp_path: Path) -> None:
    record(tmp_path / f"SPY-{DAY}.json.gz", SECONDS)
    record(tmp_path / "minutes" / f"SPY-{DAY}.json.gz", MINUTES)
    clock_s = [NINE_THIRTY_MS / 1_000 + 119.9]
    with replaying(tmp_path, now_s=lambda: clock_s[0]) as simulator:
        assert served(simulator, "minute") == MINUTES[:2]
        clock_s[0] += 0.1
        assert served(simulator, "minute") == MINUTES[:3]
        clock_s[0] -= 1_900  # before the first one is over: nothing is folded in its place
        assert served(simulator, "minute") == []


def test_a_day_of_minutes_alone_has_no_seconds_and_a_day_bar_of_its_minutes(tmp_path: Path) -> None:
    record(tmp_path / "minutes" / f"SPY-{DAY}.json.gz", MINUTES)
    with replaying(tmp_path) as simulator:
        assert served(simulator, "second") == []
        assert served(simulator, "day") == [
            {"v": 3_110, "o": 600.0, "c": 610.25, "h": 610.5, "l": 599.5, "t": 1_732_683_600_000}
        ]
        body = requests.get(f"{simulator.url}/v1/open-close/SPY/{DAY}", params={"apiKey": KEY}, timeout=10).json()
    assert body == {
        "status": "OK", "from": "2024-11-27", "symbol": "SPY", "open": 600.0, "high": 610.5, "low": 599.5,
        "close": 610.25, "volume": 3_110, "afterHours": 580.25, "preMarket": 590.0,
    }  # fmt: skip


def test_the_day_bar_of_a_day_with_both_is_that_of_its_seconds(tmp_path: Path) -> None:
    record(tmp_path / f"SPY-{DAY}.json.gz", SECONDS)
    record(tmp_path / "minutes" / f"SPY-{DAY}.json.gz", MINUTES)
    with replaying(tmp_path) as simulator:
        (bar,) = served(simulator, "day")
    assert (bar["v"], bar["n"], bar["vw"], bar["h"]) == (600, 3, 601.3333, 602.0)


def test_of_a_days_minutes_only_the_auction_makes_its_bar_more(tmp_path: Path) -> None:
    many = [a_minute(minute, 600.0, 1_000) for minute in range(390)]
    record(tmp_path / "minutes" / f"SPY-{DAY}.json.gz", many)
    recorded = RecordedDays(tmp_path)
    with Simulator(recorded, KEY, differences=folds.Differences(closing_cross=False), minutes=recorded) as simulator:
        assert served(simulator, "day")[0]["v"] == 390_000
    with Simulator(recorded, KEY, minutes=recorded) as simulator:
        (bar,) = served(simulator, "day")
    assert 1.01 * 390_000 <= bar["v"] <= 1.04 * 390_000
    assert "n" not in bar


@pytest.mark.parametrize("key", ["vw", "n"])
def test_what_one_bar_does_not_say_no_bar_folded_of_it_says(key: str) -> None:
    lacking = [SECONDS[0], {name: value for name, value in SECONDS[1].items() if name != key}, SECONDS[2]]
    first, second = folds.minutes("SPY", lacking, folds.EXACT)
    assert set(second) - set(first) == {key}
    assert second == {
        "v": 300, "vw": 602.0, "o": 602.0, "c": 602.0, "h": 602.0, "l": 602.0, "t": 1_732_717_860_000, "n": 1,
    }  # fmt: skip


def test_the_command_replays_recorded_minutes(tmp_path: Path) -> None:
    record(tmp_path / f"SPY-{DAY}.json.gz", SECONDS)
    record(tmp_path / "minutes" / f"SPY-{DAY}.json.gz", MINUTES)
    command = [sys.executable, "-m", "polygon_simulator", "--key", KEY, "--replay", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("serving on ").strip()
        path = f"{url}/v2/aggs/ticker/SPY/range/1/minute/{DAY}/{DAY}"
        try:
            answer = requests.get(path, params={"apiKey": KEY}, timeout=10).json()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert answer["results"] == MINUTES


@needs_real_days
def test_a_real_day_of_minutes_alone_is_served() -> None:
    day = dt.date(2023, 8, 3)
    with replaying(REAL) as simulator:
        minutes = served(simulator, "minute", day)
        assert served(simulator, "second", day) == []
        assert served(simulator, "day", day) == [
            {"v": 64_993_297, "o": 448.04, "c": 448.84, "h": 450.79, "l": 447.38, "t": 1_691_035_200_000}
        ]
    assert len(minutes) == 947
    assert minutes[0] == {"t": 1_691_049_600_000, "o": 447.91, "h": 450.46, "l": 447.86, "c": 447.98, "v": 8_369}


@needs_real_days
def test_the_minutes_of_a_real_day_are_those_that_were_recorded_beside_its_seconds() -> None:
    day = dt.date(2013, 10, 7)
    with replaying(REAL) as simulator:
        minutes, seconds = served(simulator, "minute", day), served(simulator, "second", day)
    assert (len(minutes), sum(bar["v"] for bar in minutes)) == (828, 92_720_576)
    assert (len(seconds), sum(bar["v"] for bar in seconds)) == (18_012, 97_062_721)


@pytest.mark.parametrize("ticker", ["QQQ", "spy", "*", "S*", "../SPY", "../minutes/SPY"])
def test_another_ticker_a_pattern_and_a_path_find_nothing(tmp_path: Path, ticker: str) -> None:
    folder = tmp_path / "recorded"
    for place in (tmp_path, folder, folder / "minutes"):
        record(place / f"SPY-{DAY}.json.gz", MINUTES)
    for place, pages in ((folder, "second"), (folder / "minute_bars", "minute")):
        archive(place / "raw/spy" / f"date={DAY}" / "rev=1" / "pages.tar", {f"{pages}-0001.json.zst": MINUTES})
    assert RecordedDays(folder).bars("SPY", DAY) == RecordedDays(folder).minutes("SPY", DAY) == MINUTES
    assert RecordedDays(folder).bars(ticker, DAY) == RecordedDays(folder).minutes(ticker, DAY) == []


# --- a lake's raw pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pages", ["page", "second"])
@pytest.mark.parametrize("file", ["pages.tar", "pages-0123456789ab.tar"])
def test_seconds_of_old_and_of_new_archives_are_found(tmp_path: Path, file: str, pages: str) -> None:
    named = {
        "day-0001.json.zst": [a_second(0, 1.0, 1)],
        "minute-0001.json.zst": [a_second(0, 2.0, 2)],
        f"{pages}-0002.json.zst": SECONDS[2:],
        f"{pages}-0001.json.zst": SECONDS[:2],
    }
    archive(tmp_path / "raw" / "spy" / f"date={DAY}" / "rev=1" / file, named)
    assert RecordedDays(tmp_path).bars("SPY", DAY) == SECONDS
    assert RecordedDays(tmp_path).minutes("SPY", DAY) == []


def test_minutes_of_a_lakes_raw_pages_are_found(tmp_path: Path) -> None:
    named = {
        "day-0001.json.zst": [a_minute(0, 1.0, 1)],
        "minute-0002.json.zst": MINUTES[2:],
        "minute-0001.json.zst": MINUTES[:2],
    }
    archive(tmp_path / "minute_bars" / "raw" / "spy" / f"date={DAY}" / "rev=1" / "pages-0123456789ab.tar", named)
    assert RecordedDays(tmp_path).minutes("SPY", DAY) == MINUTES
    assert RecordedDays(tmp_path).bars("SPY", DAY) == []


def test_a_replayed_lake_serves_its_minutes_and_folds_the_days_that_lack_them(tmp_path: Path) -> None:
    archive(tmp_path / "raw/spy" / f"date={DAY}" / "rev=1" / "pages.tar", {"page-0001.json.zst": SECONDS})
    with replaying(tmp_path) as simulator:
        assert [bar["v"] for bar in served(simulator, "minute")] == [300, 300]
    archive(tmp_path / "minute_bars/raw/spy" / f"date={DAY}" / "rev=1" / "pages.tar", {"minute-0001.json.zst": MINUTES})
    with replaying(tmp_path) as simulator:
        assert served(simulator, "minute") == MINUTES


def test_the_highest_revision_is_read_and_of_its_archives_the_one_fetched_last(tmp_path: Path) -> None:
    of_day = tmp_path / "raw" / "spy" / f"date={DAY}"

    def stored(revision: int, file: str, fetched_at_ms: int, shares: int) -> None:
        pages = {"second-0001.json.zst": [a_second(0, 600.0, shares)]}
        archive(of_day / f"rev={revision}" / file, pages, fetched_at_ms)

    def found() -> int:
        (bar,) = RecordedDays(tmp_path).bars("SPY", DAY)
        return int(bar["v"])

    stored(9, "pages-ffffffffffff.tar", 9_000, shares=9)
    stored(10, "pages-bbbbbbbbbbbb.tar", 2_000, shares=10)
    assert found() == 10
    stored(10, "pages.tar", 3_000, shares=11)
    assert found() == 11
    stored(10, "pages-aaaaaaaaaaaa.tar", 4_000, shares=12)
    assert found() == 12
    stored(10, "pages-cccccccccccc.tar", 3_999, shares=13)
    assert found() == 12
    stored(10, "pages-nothing.tar", 5_000, shares=14)  # no name of an archive
    (of_day / "rev=11").mkdir()
    assert found() == 12
