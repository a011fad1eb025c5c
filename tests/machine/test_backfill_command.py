"""The backfill command's decisions: the range, the words, and the verdict over the partitions."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from conftest import KEY, NOW, a_client
from local_airflow import client_of_tasks, up
from local_airflow.backfill import command
from local_airflow.backfill import run as backfill_run
from local_airflow.backfill.range import backfill_range, estimate_line, probe_ends, require_lake
from local_airflow.backfill.verdict import verdict
from local_airflow.server.home import AirflowTrouble, Home
from marketlake import settings
from marketlake.console import COMPLETE, INCOMPLETE
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS
from marketlake.errors import BadArgument, SettingsError
from marketlake.ingest import preflight
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.rows.bars import MINUTES, SECONDS
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

D = dt.date


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_range_of_final_sessions_is_taken_as_it_is(lake: Lake, said: list[str]) -> None:
    found = backfill_range(lake, "2013-10-05", "2013-10-09", said.append)
    assert (found.first, found.last) == (D(2013, 10, 5), D(2013, 10, 9))
    assert found.sessions == [D(2013, 10, 7), D(2013, 10, 8), D(2013, 10, 9)]
    assert str(found) == "FROM=2013-10-05 TO=2013-10-09"
    assert said == []


def test_a_range_into_the_future_ends_at_the_last_final_session(lake: Lake, said: list[str]) -> None:
    found = backfill_range(lake, "2026-11-17", "2026-12-31", said.append)
    assert found.sessions == [D(2026, 11, 17), D(2026, 11, 18), D(2026, 11, 19)]
    assert said == [
        "TO=2026-12-31 is clipped to 2026-11-19, the last final session: 2026-11-20 is final from"
        " 2026-11-21 11:00 New York"
    ]


def test_a_weekend_after_the_last_final_session_is_not_worth_a_word(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, said: list[str]
) -> None:
    sunday = Lake(lake.settings, now=lambda: dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC))
    assert backfill_range(sunday, "2026-11-20", "2026-11-22", said.append).sessions == [D(2026, 11, 20)]
    assert said == []


def test_a_range_outside_the_history_is_clipped_and_said(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, said: list[str]
) -> None:
    monkeypatch.setenv("MARKETLAKE__HISTORY__START_DATE", "2013-10-08")
    monkeypatch.setenv("MARKETLAKE__HISTORY__END_DATE", "2013-10-09")
    short = Lake(settings.load(), now=lambda: NOW)
    assert backfill_range(short, "2013-10-01", "2013-10-31", said.append).sessions == [
        D(2013, 10, 8),
        D(2013, 10, 9),
    ]
    assert said == [
        "FROM=2013-10-01 is clipped to 2013-10-08, where the lake's history starts",
        "TO=2013-10-31 is clipped to 2013-10-09, where the lake's history ends",
    ]


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2013-10-05", "2013-10-06", "no final session .* from 2013-10-05 to 2013-10-06"),
        ("2026-11-20", "2026-11-20", "the last final one is 2026-11-19"),
        ("2013-10-09", "2013-10-08", "TO=2013-10-08 is before FROM=2013-10-09"),
        ("yesterday", "2013-10-08", "FROM='yesterday' is no date"),
    ],
)
def test_a_range_without_a_final_session_is_refused(
    lake: Lake, said: list[str], first: str, last: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        backfill_range(lake, first, last, said.append)
    assert said == []


def test_the_estimate_counts_only_what_is_missing(lake: Lake, client: PolygonClient, said: list[str]) -> None:
    wanted = backfill_range(lake, "2024-11-25", "2024-11-29", said.append)
    ingest(lake, SECOND_BARS, spy(D(2024, 11, 25)), client)
    assert estimate_line(lake, SECOND_BARS, "SPY", wanted, refetch=False) == (
        "SPY: 4 sessions from 2024-11-25 to 2024-11-29, 3 not here yet: about 9 requests, 5 MB, 1 min"
    )
    assert "4 to fetch: about 12 requests, 6 MB" in estimate_line(lake, SECOND_BARS, "SPY", wanted, refetch=True)


def test_the_api_is_asked_for_the_first_and_the_last_session_only(
    lake: Lake, simulator: Simulator, client: PolygonClient, said: list[str]
) -> None:
    wanted = backfill_range(lake, "2024-11-25", "2024-11-29", said.append)
    simulator.faults.set("2024-11-29", [{"fault": "empty"}])
    said.extend(probe_ends(lake, SECOND_BARS, client, "SPY", wanted))
    assert [request["day"] for request in simulator.requests] == ["2024-11-25", "2024-11-29"]
    assert said == ["SPY 2024-11-29: the API has no bar of this session now; unless that changes, it will fail"]


def test_the_verdict_is_over_partitions_whatever_the_runs_say(
    lake: Lake, client: PolygonClient, said: list[str]
) -> None:
    wanted = backfill_range(lake, "2024-11-25", "2024-11-27", said.append)
    for day in (D(2024, 11, 25), D(2024, 11, 27)):
        ingest(lake, SECOND_BARS, spy(day), client)
    assert verdict(coverage_of(lake, SECONDS.name, "SPY"), wanted, {}, said.append) == INCOMPLETE
    assert said[0].startswith("SPY 2024-11-26  FAILED  its run did not fail, but there is no partition")
    assert "SPY: 2 of 3 sessions have their partition" in said[1]
    assert len(said) == 3  # not that a second call tries it again: its run did not fail
    said.clear()
    assert verdict(coverage_of(lake, SECONDS.name, "SPY"), wanted, {D(2024, 11, 26): "why"}, said.append) == INCOMPLETE
    assert said[0] == "SPY 2024-11-26  FAILED  why"
    assert said[-1].endswith(f"make backfill {wanted}  tries the failed ones again")
    ingest(lake, SECOND_BARS, spy(D(2024, 11, 26)), client)
    said.clear()
    assert verdict(coverage_of(lake, SECONDS.name, "SPY"), wanted, {D(2024, 11, 26): "why"}, said.append) == COMPLETE
    assert said[0] == "SPY 2024-11-26  kept its old partition; the new fetch failed: why"
    assert said[-2] == "SPY: 1 of them kept what they had, since their new fetch failed"


def test_a_suspect_session_passes_and_is_named_with_its_reason(
    lake: Lake, simulator: Simulator, client: PolygonClient, said: list[str]
) -> None:
    simulator.faults.set("2024-11-26", [{"fault": "without:1732631700000-1732631760000", "times": 0}])
    ingest(lake, SECOND_BARS, spy(D(2024, 11, 26)), client)
    wanted = backfill_range(lake, "2024-11-26", "2024-11-26", said.append)
    assert verdict(coverage_of(lake, SECONDS.name, "SPY"), wanted, {}, said.append) == COMPLETE
    assert said[:3] == [
        "SPY 2024-11-26  suspect: minutes that traded without one second: 1, at 09:35 New York"
        " (reconcile.missing_minutes = 0)",
        f"SPY: 1 of 1 sessions have their partition under {lake.storage.root}",
        "SPY: 1 of them are suspect: published, and looked at again by the audit",
    ]


def test_a_provisional_partition_does_not_pass_the_verdict(lake: Lake, client: PolygonClient, said: list[str]) -> None:
    ingest(lake, SECOND_BARS, spy(D(2026, 11, 20)), client, allow_provisional=True)
    later = Lake(lake.settings, now=lambda: NOW + dt.timedelta(days=2))
    wanted = backfill_range(later, "2026-11-20", "2026-11-20", said.append)
    assert verdict(coverage_of(later, SECONDS.name, "SPY"), wanted, {}, said.append) == INCOMPLETE
    assert "the partition is provisional: make backfill FROM=2026-11-20 TO=2026-11-20 REFETCH=1" in said[0]


def test_a_partition_of_another_session_under_a_sessions_name_does_not_pass(
    lake: Lake, client: PolygonClient, said: list[str]
) -> None:
    for day in (D(2024, 11, 25), D(2024, 11, 26)):
        ingest(lake, SECOND_BARS, spy(day), client)
    path = lake.storage.path(kept_by(lake).partitions.path(spy(D(2024, 11, 26))))
    path.write_bytes(lake.storage.path(kept_by(lake).partitions.path(spy(D(2024, 11, 25)))).read_bytes())
    wanted = backfill_range(lake, "2024-11-25", "2024-11-26", said.append)
    assert verdict(coverage_of(lake, SECONDS.name, "SPY"), wanted, {}, said.append) == INCOMPLETE


@pytest.mark.parametrize(
    ("key", "fault", "works", "told"),
    [
        (KEY, None, True, []),
        ("nobodys-key", None, False, ["KeyRefused", "so nothing is scheduled"]),
        (KEY, "not_entitled", False, ["NotEntitled", "so nothing is scheduled"]),
        (KEY, "500", True, ["ServerTrouble"]),
    ],
)
def test_only_a_key_that_works_starts_the_schedule(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, waits: list[float],
    capsys: pytest.CaptureFixture[str], key: str, fault: str | None, works: bool, told: list[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(client_of_tasks, "client", lambda *_: a_client(lake, waits, key))
    if fault:
        simulator.faults.set("2026-11-19", [{"fault": fault, "times": 0}])
    assert up._key_works(Home.of(lake.settings), lake) is works
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(told)
    if told:
        assert lines[0].startswith("WARNING: SPY 2026-11-19: page 1: HTTP ")
    assert all(line.startswith(words) for line, words in zip(lines[1:], told[1:], strict=True))


SECONDS_OFF = {"MARKETLAKE__TICKERS": "[]", "MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS": '["SPY", "QQQ"]'}
OPTIONS_ON = {"MARKETLAKE__OPTIONS__ENABLED": "true"}
OPTIONS_ALONE = OPTIONS_ON | {"MARKETLAKE__TICKERS": "[]"}
BOTH_ON = {"MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS": '["QQQ"]'}


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({}, [("SPY", "second")]),
        (BOTH_ON, [("SPY", "second"), ("QQQ", "minute")]),
        (SECONDS_OFF, [("SPY", "minute")]),
    ],
)
def test_up_asks_for_the_datasets_that_are_on_and_for_no_other(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, waits: list[float],
    variables: dict[str, str], asked: list[tuple[str, str]],
) -> None:  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(client_of_tasks, "client", lambda *_: a_client(lake, waits))
    simulator.plan = Plan(seconds=("SPY", "second") in asked)
    configured = settings.load()
    assert up._key_works(Home.of(configured), Lake(configured, now=lambda: NOW))
    assert [(one["path"].split("/")[4], one["timespan"]) for one in simulator.requests] == asked


@pytest.mark.parametrize(
    ("variables", "named", "expected"),
    [
        ({}, "", "second_bars"),
        ({}, "second_bars", "second_bars"),
        (BOTH_ON, "", "second_bars"),
        (BOTH_ON, "minute_bars", "minute_bars"),
        (SECONDS_OFF, "", "minute_bars"),
        (SECONDS_OFF, "minute_bars", "minute_bars"),
        ({}, "minutes", "there is no dataset 'minutes': those are second_bars, minute_bars, options."),
        ({}, "Minute_bars", "there is no dataset 'Minute_bars': those are second_bars, minute_bars, options."),
        (
            {}, "minute_bars",
            "DATASET=minute_bars is off: name a ticker in datasets.minute_bars.tickers, such as"
            " MARKETLAKE__DATASETS__MINUTE_BARS__TICKERS='[\"SPY\"]'. On: second_bars.",
        ),
        (
            {}, "option_bars",
            "DATASET=option_bars is a part of a session of options, which is fetched whole: DATASET=options.",
        ),
        (
            {}, "options",
            "DATASET=options is off: set options.enabled: true, such as MARKETLAKE__OPTIONS__ENABLED=true, and the"
            " underlyings in options.tickers. On: second_bars.",
        ),
        (OPTIONS_ON, "", "second_bars"),
        (OPTIONS_ON, "options", "options"),
        (OPTIONS_ALONE, "", "options"),
        (
            SECONDS_OFF, "second_bars",
            "DATASET=second_bars is off: name a ticker in datasets.second_bars.tickers, such as"
            " MARKETLAKE__DATASETS__SECOND_BARS__TICKERS='[\"SPY\"]'. On: minute_bars.",
        ),
    ],
)  # fmt: skip
def test_a_backfill_takes_the_dataset_that_is_named_or_the_first_that_is_on(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str, expected: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    try:
        found = command._chosen(settings.load(), named)
    except SettingsError as exc:
        found = str(exc)
    assert found == expected


def test_of_several_tickers_each_has_a_range_of_its_own_and_all_of_them_need_their_room(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, said: list[str]
) -> None:
    wanted = backfill_range(lake, "2024-11-25", "2024-11-29", said.append, "minute_bars")
    of_one = replace(wanted, ticker="BRK.B")
    assert str(of_one) == "DATASET=minute_bars TICKER=BRK.B FROM=2024-11-25 TO=2024-11-29"
    assert of_one.of(D(2024, 11, 26), D(2024, 11, 26)).startswith("DATASET=minute_bars TICKER=BRK.B FROM=2024-11-26")
    needed: list[int] = []
    monkeypatch.setattr(preflight, "require_lake", lambda _lake, _dataset, sessions: needed.append(sessions))
    require_lake(lake, ["SPY", "BRK.B", "QQQ"], wanted, refetch=False)
    assert needed == [12]


def test_a_backfill_of_a_ticker_that_is_not_on_is_refused_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MARKETLAKE__TICKERS", '["SPY", "BRK.B"]')
    with pytest.raises(BadArgument, match=r"TICKER='BRK-B' is none of SPY, BRK\.B\. Did you mean 'BRK\.B'\?"):
        command.run("2024-11-25", "2024-11-26", ticker="brk-b", refetch=False)


def test_what_a_backfill_of_minutes_says_names_them(
    lake: Lake, simulator: Simulator, client: PolygonClient, said: list[str]
) -> None:
    wanted = backfill_range(lake, "2024-11-25", "2024-11-29", said.append, "minute_bars")
    assert str(wanted) == "DATASET=minute_bars FROM=2024-11-25 TO=2024-11-29"
    simulator.faults.set("2024-11-29", [{"fault": "empty", "timespan": "minute"}])
    said.extend(probe_ends(lake, MINUTE_BARS, client, "SPY", wanted))
    said.append(estimate_line(lake, MINUTE_BARS, "SPY", wanted, refetch=False))
    reasons = {D(2024, 11, 26): "why"}
    assert verdict(coverage_of(lake, MINUTES.name, "SPY"), wanted, reasons, said.append) == INCOMPLETE
    assert said[:4] == [
        "SPY 2024-11-29 minute bars: the API has no bar of this session now; unless that changes, it will fail",
        "SPY minute bars: 4 sessions from 2024-11-25 to 2024-11-29, 4 not here yet: about 8 requests, 1 MB, 1 min",
        "SPY 2024-11-25 minute bars  FAILED  its run did not fail, but there is no partition: make backfill"
        " DATASET=minute_bars FROM=2024-11-25 TO=2024-11-25 REFETCH=1",
        "SPY 2024-11-26 minute bars  FAILED  why",
    ]
    assert said[-2:] == [
        f"SPY minute bars: 0 of 4 sessions have their partition under {lake.storage.root}/minute_bars",
        "once the cause is gone:  make backfill DATASET=minute_bars FROM=2024-11-25 TO=2024-11-29  tries the failed"
        " ones again",
    ]


class RunsThatMoveOn:
    """Airflow's API, as far as watching needs it, with one run that moves on with every ``pace`` requests."""

    def __init__(self, pace: int) -> None:
        self._pace = pace
        self._asked = 0

    @property
    def state(self) -> str:
        return ("queued", "running", "success")[min(self._asked // self._pace, 2)]

    def count_runs(self, dag_id: str, first: dt.date, last: dt.date, *states: str) -> int:
        count = int(self.state in states)
        self._asked += 1
        return count


@pytest.mark.parametrize("pace", range(1, 9))
def test_a_run_that_moves_on_between_two_requests_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, said: list[str], pace: int
) -> None:
    monkeypatch.setattr(backfill_run, "_POLL_S", 0)
    wanted = backfill_range(lake, "2024-11-25", "2024-11-25", said.append)
    runs = RunsThatMoveOn(pace)
    backfill = backfill_run.BackfillRun(runs, "spy_second_bars", wanted, said.append)  # type: ignore[arg-type]
    backfill.watch(None, ours=True)
    assert runs.state == "success"
    assert said[-1].endswith("of 1 sessions: 1 success, 0 failed, 0 running, 0 queued")


class SchedulerThatIsSilent(RunsThatMoveOn):
    """The same, whose scheduler gives no sign of life in the looks of these numbers, counted from 0."""

    def __init__(self, pace: int, silent: set[int]) -> None:
        super().__init__(pace)
        self._silent = silent
        self.looks = 0

    def active_backfill(self, _: str) -> dict[str, bool]:
        return {"is_paused": False}

    def dag(self, _: str) -> dict[str, bool]:
        return {"is_paused": False}

    def healthy(self) -> dict[str, dict[str, str]]:
        self.looks += 1
        return {"scheduler": {"status": "unhealthy" if self.looks - 1 in self._silent else "healthy"}}


@pytest.mark.parametrize(("silent", "given_up"), [({0, 1, 2}, False), ({0, 2, 3, 4, 6}, False), ({1, 2, 3, 4}, True)])
def test_a_scheduler_that_is_started_again_is_given_a_while(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, said: list[str], silent: set[int], given_up: bool
) -> None:
    monkeypatch.setattr(backfill_run, "_POLL_S", 0)
    monkeypatch.setattr(backfill_run, "_LOOK_S", -1)
    wanted = backfill_range(lake, "2024-11-25", "2024-11-25", said.append)
    runs = SchedulerThatIsSilent(20, silent)
    backfill = backfill_run.BackfillRun(runs, "spy_second_bars", wanted, said.append)  # type: ignore[arg-type]
    if given_up:
        with pytest.raises(AirflowTrouble, match="gives no sign of life"):
            backfill.watch(None, ours=False)
        assert runs.looks == 5
    else:
        backfill.watch(None, ours=False)
        assert runs.looks > 7
