"""What ``make backfill DATASET=options`` and ``make up`` find out before anything is created, and the verdict."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from conftest import KEY, NOW, a_client
from local_airflow import client_of_tasks, up
from local_airflow.backfill.options import options_ahead
from local_airflow.backfill.range import backfill_range
from local_airflow.backfill.verdict import verdict
from local_airflow.server.home import Home
from marketlake import settings
from marketlake.console import COMPLETE, INCOMPLETE
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import KeyMissing, NotEntitled, SettingsError, StorageError
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.options.panel import build_panel
from marketlake.ingest.options.sources import rest_source
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from option_lake import SETTINGS, TUESDAY, WEDNESDAY, bars_of, chain_of
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

WHOLE = "all of their partitions (option chain, option selection, option bars, option panel)"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as running:
        yield running


@pytest.fixture
def options(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    for name, value in (SETTINGS | {"MARKETLAKE__STORAGE__MIN_FREE_BYTES": "0"}).items():
        monkeypatch.setenv(name, value)
    return Lake(settings.load(), now=lake.now)


def ahead(lake: Lake, first: str = "2024-11-26", last: str = "2024-11-27", *, refetch: bool = False) -> list[str]:
    """What is said before a backfill; also before it is refused."""
    client, said = a_client(lake, []), list[str]()
    wanted = backfill_range(lake, first, last, said.append, "options")
    for line in options_ahead(lake, client, rest_source(lake.settings, client), "SPY", wanted, refetch=refetch):
        said.append(line)
    return said


def another(lake: Lake, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Lake:
    for name, value in variables.items():
        monkeypatch.setenv(f"MARKETLAKE__{name}", value)
    return Lake(settings.load(), now=lake.now)


def hold(lake: Lake, session: dt.date = WEDNESDAY) -> None:
    ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", session), a_client(lake, []))
    chain_of(lake, session)
    bars_of(lake, session)
    build_panel(lake, "SPY", session)


def test_it_says_what_it_takes_and_which_panels_will_have_to_wait(options: Lake, simulator: Simulator) -> None:
    assert ahead(options) == [
        "SPY options: the lake has no second bars of 2 of 2 sessions, and no panel is made without them. First:  make"
        " backfill FROM=2024-11-26 TO=2024-11-27  or set options.panel.enabled: false",
        "SPY options: 2 sessions from 2024-11-26 to 2024-11-27, 2 not here yet: 198 contracts, 203 to 600 requests,"
        " 4 MB, 1 min to 5 min",
    ]
    assert not list(options.storage.root.rglob("*.parquet"))


def test_what_is_held_is_counted_only_if_it_is_fetched_again(options: Lake, simulator: Simulator) -> None:
    hold(options)
    since = len(simulator.requests)
    assert ahead(options, "2024-11-27") == [
        "SPY options: 1 sessions from 2024-11-27 to 2024-11-27, 0 not here yet: no request"
    ]
    assert len(simulator.requests) == since
    (line,) = ahead(options, "2024-11-27", refetch=True)
    assert line.startswith("SPY options: 1 sessions from 2024-11-27 to 2024-11-27, 1 to fetch: 104 contracts, ")
    options.storage.path("option_panel/processed/spy/date=2024-11-27/panel.parquet").unlink()
    assert ahead(options, "2024-11-27")[-1].endswith("1 not here yet: no request")


@pytest.mark.parametrize(
    ("plan", "bar_size", "words"),
    [
        (Plan(options=False), "1 minute", "those of options need a plan of options beside that of stocks"),
        (Plan(options_from=dt.date(2025, 1, 1)), "1 minute", "Subscribe to one, or ask for later dates."),
        (
            Plan(option_seconds=False), "1 second",
            "the vendor does not say which of its plans have per-second bars of options, .* Set options.bar_size: 1"
            " minute",
        ),
        (Plan(option_chain=False), "1 minute", "this list, which every plan of the vendor has: ask the vendor"),
        (Plan(stocks=False), "1 minute", "price by which contracts are selected: fetch the second bars of 2024-11-25"),
    ],
)  # fmt: skip
def test_a_plan_that_lacks_something_is_told_by_name_with_what_helps(
    options: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, plan: Plan, bar_size: str, words: str
) -> None:
    lake = another(options, monkeypatch, OPTIONS__BAR_SIZE=bar_size)
    simulator.plan = plan
    with pytest.raises(NotEntitled, match=f"(?s){words}"):
        ahead(lake)
    assert not list(options.storage.root.rglob("*.parquet"))


def test_what_is_too_much_is_refused_when_that_is_known_and_so_is_a_full_disk(
    options: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="198 contracts of 2 sessions could take 600 requests"):
        ahead(another(options, monkeypatch, OPTIONS__MAX_REQUESTS_PER_RUN="599"))
    monkeypatch.setattr("marketlake.storage.local.LocalStorage.free_bytes", lambda _self: 2_000_000)
    with pytest.raises(StorageError, match="has 0.0 GB free; .* and 2 sessions"):
        ahead(another(options, monkeypatch, OPTIONS__MAX_REQUESTS_PER_RUN="600"))


def test_what_one_session_lacks_just_now_is_said_and_stops_no_other(options: Lake, simulator: Simulator) -> None:
    fault = {"fault": "500", "times": 0, "contract": "*", "timespan": "minute"}
    simulator.faults.set("2024-11-27", [fault])
    said = ahead(options)
    assert said[1].startswith("SPY 2024-11-27 options: O:SPY2411")
    assert said[1].endswith("it is tried again. Unless that changes, it will fail.")
    assert "2 not here yet: 198 contracts" in said[2]


# --- make up ----------------------------------------------------------------------------------------------------------


def test_up_asks_for_a_contract_and_a_bar_of_it(
    options: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = another(options, monkeypatch, TICKERS="[]")
    monkeypatch.setattr(client_of_tasks, "client", lambda *_: a_client(lake, []))
    assert up._key_works(Home.of(lake.settings), lake)
    assert [one["timespan"] for one in simulator.requests] == ["contracts", "minute"]
    simulator.plan = Plan(options=False)
    assert not up._key_works(Home.of(lake.settings), lake)
    warning, consequence = capsys.readouterr().out.splitlines()
    assert warning.startswith("WARNING: O:SPY2611")
    assert "those of options need a plan of options beside that of stocks" in warning
    assert consequence.startswith("so nothing is scheduled")


def test_without_s3_keys_flat_files_are_told_where_they_go(options: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = another(options, monkeypatch, OPTIONS__SOURCE="flat_file")
    monkeypatch.setattr(client_of_tasks, "is_surely_absent", lambda *_: True)
    with pytest.raises(KeyMissing, match="POLYGON_S3_ACCESS_KEY_ID"):
        client_of_tasks.source(Home.of(lake.settings), lake.settings, a_client(lake, []))


# --- the verdict ------------------------------------------------------------------------------------------------------


def judged(lake: Lake, reasons: dict[dt.date, str]) -> tuple[int, list[str]]:
    said: list[str] = []
    wanted = backfill_range(lake, "2024-11-26", "2024-11-27", said.append, "options")
    return verdict(coverage_of(lake, "options", "SPY"), wanted, reasons, said.append), said


def test_the_verdict_names_the_part_that_is_missing_or_unfit_and_why(options: Lake) -> None:
    hold(options)
    again = "make backfill DATASET=options FROM={0} TO={0} REFETCH=1"
    code, said = judged(options, {TUESDAY: "InvalidBars: a reason."})
    assert (code, said[0]) == (
        INCOMPLETE,
        "SPY 2024-11-26 options  FAILED  InvalidBars: a reason (option chain: there is no partition; option selection:"
        " there is no partition; option bars: there is no partition; option panel: there is no partition)",
    )
    assert said[1] == f"SPY options: 1 of 2 sessions have {WHOLE} under {options.storage.root}"
    assert said[-1] == (
        "once the cause is gone:  make backfill DATASET=options FROM=2024-11-26 TO=2024-11-27  tries the failed ones"
        " again"
    )
    hold(options, TUESDAY)
    assert judged(options, {})[0] == COMPLETE
    assert judged(options, {TUESDAY: "why"})[1][0] == (
        "SPY 2024-11-26 options  kept its old partition; the new fetch failed: why"
    )
    path = options.storage.path("option_selection/processed/spy/date=2024-11-26/selection.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    options.storage.path("option_panel/processed/spy/date=2024-11-27/panel.parquet").unlink()
    code, said = judged(options, {})
    assert code == INCOMPLETE
    assert said[:2] == [
        "SPY 2024-11-26 options  FAILED  its run did not fail, but option selection: its partition does not match its"
        f" certificate: {again.format('2024-11-26')}",
        "SPY 2024-11-27 options  FAILED  its run did not fail, but option panel: there is no partition:"
        f" {again.format('2024-11-27')}",
    ]
