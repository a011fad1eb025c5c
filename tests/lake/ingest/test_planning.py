"""Which sessions a run fetches, by what the lake holds."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY, NOW, RecordedElseSparse, a_client
from marketlake import commands, settings
from marketlake.coverage.joint import JointCoverage
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import NotASession, NotFinal, SettingsError
from marketlake.ingest import planning
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.planning import Source
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.rows.bars import SECONDS
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

D = dt.date


@pytest.fixture(scope="module")
def partitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """Finished partitions of a few days, made once, and one that is provisional."""
    with Simulator(RecordedElseSparse(), KEY) as simulator, pytest.MonkeyPatch.context() as patched:
        patched.setenv("POLYGON_BASE_URL", simulator.url)
        patched.setenv("MARKETLAKE__STORAGE__ROOT", str(tmp_path_factory.mktemp("made")))
        lake = Lake(settings.load(), now=lambda: NOW)
        days = [D(2013, 10, 4), D(2013, 10, 8), D(2013, 10, 9), D(2026, 11, 20)]
        for day in days:
            ingest(lake, SECOND_BARS, spy(day), a_client(lake, []), allow_provisional=True)
        yield {str(day): lake.storage.path(kept_by(lake).partitions.path(spy(day))).read_bytes() for day in days}


@pytest.fixture(autouse=True)
def known(partitions: dict[str, bytes]) -> None:
    KNOWN.update(partitions)


KNOWN: dict[str, bytes] = {}


def hold(lake: Lake, *days: dt.date, of: dt.date | None = None) -> None:
    for day in days:
        path = lake.storage.path(kept_by(lake).partitions.path(spy(day)))
        path.parent.mkdir(parents=True)
        path.write_bytes(KNOWN[str(of or day)])


def seconds(lake: Lake) -> JointCoverage:
    return coverage_of(lake, SECONDS.name, "SPY")


def configured(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Lake:
    for name, value in variables.items():
        monkeypatch.setenv(f"MARKETLAKE__{name}", value)
    return Lake(settings.load(), now=lambda: NOW)


def test_a_scheduled_run_takes_its_own_session_and_recent_gaps_newest_first(
    monkeypatch: pytest.MonkeyPatch, lake: Lake
) -> None:
    lake = configured(monkeypatch, SCHEDULE__CATCH_UP_SESSIONS="4")
    hold(lake, D(2013, 10, 4), D(2013, 10, 8))
    assert planning.scheduled_plan(lake, seconds(lake), D(2013, 10, 9)) == [
        D(2013, 10, 9),
        D(2013, 10, 7),
        D(2013, 10, 3),
    ]


def test_a_scheduled_run_fetches_its_own_session_though_it_is_there(
    monkeypatch: pytest.MonkeyPatch, lake: Lake
) -> None:
    lake = configured(monkeypatch, SCHEDULE__CATCH_UP_SESSIONS="0")
    hold(lake, D(2013, 10, 9))
    assert planning.scheduled_plan(lake, seconds(lake), D(2013, 10, 9)) == [D(2013, 10, 9)]


def test_a_provisional_partition_is_fetched_again_by_the_next_runs(lake: Lake) -> None:
    later = Lake(lake.settings, now=lambda: NOW + dt.timedelta(days=5))
    hold(later, D(2026, 11, 20))
    assert D(2026, 11, 20) in planning.scheduled_plan(later, seconds(later), D(2026, 11, 24))
    assert manual(later, start=D(2026, 11, 20), end=D(2026, 11, 20)) == [D(2026, 11, 20)]


def test_a_partition_of_another_session_counts_as_missing(lake: Lake) -> None:
    hold(lake, D(2013, 10, 8), of=D(2013, 10, 9))
    assert manual(lake, start=D(2013, 10, 8), end=D(2013, 10, 8)) == [D(2013, 10, 8)]


def test_a_folder_without_a_file_counts_as_missing(lake: Lake) -> None:
    lake.storage.path("processed/spy/date=2013-10-08").mkdir(parents=True)
    assert D(2013, 10, 8) not in kept_by(lake).partitions.present("SPY")


def test_older_gaps_are_counted_with_the_command_that_fills_them(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    lake = configured(monkeypatch, SCHEDULE__CATCH_UP_SESSIONS="1", HISTORY__START_DATE="2013-10-01")
    planning.scheduled_plan(lake, seconds(lake), D(2013, 10, 9))
    assert "5 sessions before the catch-up window" in caplog.text
    assert "make backfill FROM=2013-10-01 TO=2013-10-07" in caplog.text


def test_in_a_container_older_gaps_are_filled_by_airflows_own_command(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(commands, "checkout", lambda: tmp_path)
    lake = configured(monkeypatch, SCHEDULE__CATCH_UP_SESSIONS="1", HISTORY__START_DATE="2013-10-01")
    planning.scheduled_plan(lake, seconds(lake), D(2013, 10, 9))
    assert caplog.messages[-1] == (
        "SPY: 5 sessions before the catch-up window have no partition; fill them with  airflow backfill create"
        " --dag-id spy_second_bars --from-date 2013-10-01 --to-date 2013-10-07 --reprocess-behavior failed"
    )


def test_no_plan_reaches_outside_the_history(monkeypatch: pytest.MonkeyPatch, lake: Lake) -> None:
    lake = configured(monkeypatch, HISTORY__START_DATE="2013-10-08", HISTORY__END_DATE="2013-10-09")
    assert planning.scheduled_plan(lake, seconds(lake), D(2013, 10, 9)) == [D(2013, 10, 9), D(2013, 10, 8)]
    with pytest.raises(SettingsError, match=r"2013-10-07 is outside the lake's history \(.*2013-10-08 to 2013-10-09"):
        planning.backfill_plan(lake, D(2013, 10, 7))


def test_a_backfill_is_exactly_its_session_though_it_is_there(lake: Lake) -> None:
    hold(lake, D(2013, 10, 8))
    assert planning.backfill_plan(lake, D(2013, 10, 8)) == [D(2013, 10, 8)]


@pytest.mark.parametrize(
    ("day", "error"), [(D(2013, 10, 6), NotASession), (D(2026, 11, 20), NotFinal), (D(2026, 11, 23), NotFinal)]
)
def test_a_backfill_of_no_final_session_is_refused(lake: Lake, day: dt.date, error: type[Exception]) -> None:
    with pytest.raises(error):
        planning.backfill_plan(lake, day)


def manual(lake: Lake, **given: Any) -> list[dt.date]:
    asked: dict[str, Any] = {
        "start": None,
        "end": None,
        "sessions": (),
        "logical_date": None,
        "refetch": False,
        "source": Source.API,
        "allow_provisional": False,
    }
    return planning.manual_plan(lake, seconds(lake), **(asked | given))


WEEK = {"start": D(2013, 10, 5), "end": D(2013, 10, 9)}


@pytest.mark.parametrize(
    ("given", "planned"),
    [
        (WEEK, [D(2013, 10, 7), D(2013, 10, 9)]),
        ({**WEEK, "refetch": True}, [D(2013, 10, 7), D(2013, 10, 8), D(2013, 10, 9)]),
        ({**WEEK, "source": Source.RAW}, [D(2013, 10, 7), D(2013, 10, 8), D(2013, 10, 9)]),
        ({"logical_date": D(2013, 10, 9)}, [D(2013, 10, 9)]),
        ({"start": D(2013, 10, 8), "end": D(2013, 10, 8)}, []),
        ({"start": D(2026, 11, 18)}, [D(2026, 11, 18), D(2026, 11, 19)]),
        ({"start": D(2026, 11, 19), "end": D(2027, 1, 1)}, [D(2026, 11, 19)]),
        ({"start": D(2026, 11, 19), "allow_provisional": True}, [D(2026, 11, 19), D(2026, 11, 20)]),
        ({**WEEK, "logical_date": D(2020, 1, 2)}, [D(2013, 10, 7), D(2013, 10, 9)]),
        ({"sessions": [D(2013, 10, 9), D(2013, 10, 1), D(2013, 10, 9)]}, [D(2013, 10, 1), D(2013, 10, 9)]),
        ({"sessions": [D(2013, 10, 9), D(2013, 10, 8)]}, [D(2013, 10, 9)]),
        ({"sessions": [D(2013, 10, 9), D(2013, 10, 8)], "refetch": True}, [D(2013, 10, 8), D(2013, 10, 9)]),
        ({"sessions": [D(2013, 10, 8)], "source": Source.RAW}, [D(2013, 10, 8)]),
        ({"sessions": [D(2013, 10, 9)], "logical_date": D(2020, 1, 2)}, [D(2013, 10, 9)]),
        ({"sessions": [D(2026, 11, 20)], "allow_provisional": True}, [D(2026, 11, 20)]),
    ],
)
def test_a_manual_run_takes_what_was_asked_for(lake: Lake, given: dict[str, Any], planned: list[dt.date]) -> None:
    hold(lake, D(2013, 10, 8))
    assert manual(lake, **given) == planned


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({}, SettingsError, "no dates: give start_date and end_date, or sessions, or a logical date"),
        ({"end": D(2013, 10, 9)}, SettingsError, "without start_date"),
        ({"start": D(2013, 10, 9), "end": D(2013, 10, 8)}, SettingsError, "is before start_date"),
        ({"logical_date": D(2013, 10, 6)}, NotASession, "no session of the New York Stock Exchange from 2013-10-06"),
        ({"start": D(2026, 11, 20), "end": D(2026, 11, 20)}, NotFinal, "not final before"),
        ({"start": D(2026, 11, 23), "allow_provisional": True, "end": D(2026, 11, 23)}, NotFinal, "has not begun"),
        ({"sessions": [D(2013, 10, 9)], "start": D(2013, 10, 9)}, SettingsError, "sessions together with start_date"),
        ({"sessions": [D(2013, 10, 9)], "end": D(2013, 10, 9)}, SettingsError, "give one or the other"),
        ({"sessions": [D(2013, 10, 9), D(2013, 10, 6)]}, NotASession, "2013-10-06 is no session"),
        ({"sessions": [D(2013, 10, 9), D(2026, 11, 20)]}, NotFinal, "2026-11-20 is not final before"),
    ],
)
def test_a_manual_run_that_cannot_be_fails_in_one_line(
    lake: Lake, given: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        manual(lake, **given)
    assert "\n" not in str(caught.value)


def test_what_is_clipped_is_said(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    manual(lake, start=D(2026, 11, 19), end=D(2026, 11, 23))
    assert "2 sessions are not final yet and are left out" in caplog.text


def test_what_lies_outside_the_history_is_said(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setenv("MARKETLAKE__HISTORY__START_DATE", "2013-10-08")
    own = Lake(settings.load(), now=lake.now)
    assert manual(own, start=D(2013, 10, 1), end=D(2013, 10, 9)) == [D(2013, 10, 8), D(2013, 10, 9)]
    assert (
        "SPY: 5 of 7 sessions from 2013-10-01 to 2013-10-09 are left out (the lake's history: 2013-10-08 to today)"
        in caplog.text
    )


def test_a_session_by_name_outside_the_history_is_refused(monkeypatch: pytest.MonkeyPatch, lake: Lake) -> None:
    monkeypatch.setenv("MARKETLAKE__HISTORY__START_DATE", "2013-10-08")
    own = Lake(settings.load(), now=lake.now)
    with pytest.raises(SettingsError, match="2013-10-07 is outside the lake's history"):
        manual(own, sessions=[D(2013, 10, 7), D(2013, 10, 8)])


def test_a_stray_name_among_the_partitions_is_no_session(lake: Lake) -> None:
    for name in ("date=2013-10-08", "date=latest", "tmp"):
        lake.storage.path(f"processed/spy/{name}").mkdir(parents=True)
    assert kept_by(lake).partitions.sessions("SPY") == {D(2013, 10, 8)}
