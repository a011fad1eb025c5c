"""The snapshot of a session: when it is collected, what is held then, and what is refused.

| asked for at (New York) | held of that session | what happens |
|---|---|---|
| a weekend or holiday; before 09:30 | whatever | refused without a call: the market day cannot be told |
| 09:30 to 16:30 (13:30) | nothing | held, provisional: trading goes on |
| 16:30 (13:30) to midnight | nothing | held, complete; suspect if it seems to lack something |
| at any of these times | provisional or suspect | the new one, as a revision; the old one is kept |
| at any of these times | complete | it stays, without a call |
| on a later session | of the earlier one | another partition: the earlier one is not touched |
| while the newest figure is of another day | whatever | refused, its pages kept; what is held stays |
"""

from __future__ import annotations

import datetime as dt
import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pyarrow.parquet as pq
import pytest

from at_the_moment import Moment
from clocks import new_york
from commanded import commanded
from conftest import KEY, files_under
from marketlake.datasets import OF_OPTIONS, dataset_named, datasets_named
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.datasets.option_snapshot import OPTION_SNAPSHOT
from marketlake.errors import (
    BadRequest,
    InvalidBars,
    MalformedPage,
    NotASession,
    NotEntitled,
    NotFinal,
    ServerTrouble,
    SettingsError,
    UndecodableBody,
)
from marketlake.ingest.options.snapshots import collect_snapshot, session_shown
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.sessions import SessionCalendar
from marketlake.verify.findings import Kind
from marketlake.verify.verify import verify
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

THURSDAY, FRIDAY = dt.date(2026, 11, 19), dt.date(2026, 11, 20)
AFTER_CLOSE = "2026-11-19 16:45"
FILE = "option_snapshots/processed/spy/date=2026-11-19/snapshot.parquet"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few") as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    """Nothing asked, no fault, and a plan with everything."""
    running.plan = Plan()
    running.faults.clear()
    running.requests.clear()
    return running


@pytest.fixture
def moment(lake: Lake, simulator: Simulator) -> Moment:
    return Moment(simulator)


def held(lake: Lake, session: dt.date = THURSDAY) -> Certificate:
    partition = lake.store(OPTION_SNAPSHOT.spec).partitions.inspect(OPTION_SNAPSHOT.spec.key("SPY", session))
    assert partition is not None
    assert partition.certificate is not None
    return partition.certificate


def fault(simulator: Simulator, name: str, times: int = 0, **more: object) -> None:
    simulator.faults.set("*", [{"fault": name, "times": times, "endpoint": "snapshots", **more}])


# --- which session ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "session"),
    [
        ("2026-11-19 09:30", "2026-11-19"),
        ("2026-11-19 16:00", "2026-11-19"),
        ("2026-11-19 23:59", "2026-11-19"),
        ("2026-11-27 20:00", "2026-11-27"),  # an early close
        ("2026-03-09 09:30", "2026-03-09"),  # the day after the clocks go forward
    ],
)
def test_it_is_of_the_session_that_is_under_way_or_just_over(at: str, session: str) -> None:
    assert session_shown(SessionCalendar(FRIDAY), new_york(at)) == dt.date.fromisoformat(session)


@pytest.mark.parametrize(
    ("at", "error", "words"),
    [
        (
            "2026-11-19 09:29",
            NotFinal,
            "2026-11-19 has not opened: .* open interest.* from 09:30 until midnight New York",
        ),
        ("2026-11-20 00:00", NotFinal, "2026-11-20 has not opened"),
        ("2026-11-21 12:00", NotASession, "2026-11-21 is no session .* next on 2026-11-23"),
        ("2026-11-26 12:00", NotASession, "2026-11-26 is no session .* next on 2026-11-27"),
    ],
)
def test_when_the_market_day_cannot_be_told_nothing_is_asked(
    moment: Moment, lake: Lake, at: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        moment.collect(at)
    assert "\n" not in str(caught.value)
    assert list(moment.simulator.requests) == []
    assert files_under(lake.storage.root) == set()


def test_a_closure_of_the_settings_is_no_session(moment: Moment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__CALENDAR__CLOSURES", '["2026-11-19"]')
    with pytest.raises(NotASession, match="2026-11-19 is no session"):
        moment.collect("2026-11-19 12:00")


# --- what is held -----------------------------------------------------------------------------------------------------


def test_a_snapshot_is_published_with_its_certificate_and_its_pages(moment: Moment, lake: Lake) -> None:
    report = moment.collect(AFTER_CLOSE)
    assert (report.outcome, report.state, report.rows, report.session) == ("created", "complete", 180, "2026-11-19")
    assert report.dataset == "option_snapshots"
    table = pq.read_table(lake.storage.root / FILE, partitioning=None)
    contracts = table.column("contract").to_pylist()
    assert contracts == sorted(set(contracts))
    row = table.to_pylist()[contracts.index("O:SPY261127C00725000")]
    at_ms = int(new_york(AFTER_CLOSE).timestamp() * 1000)
    assert (row["fetched_at"], row["open_interest_date"]) == (at_ms, dt.date(2026, 11, 18))
    assert (row["underlying"], row["underlying_price"], row["break_even_price"]) == ("SPY", 723.71, 730.47)
    deep = table.to_pylist()[contracts.index("O:SPY261127C00625000")]
    assert {deep[name] for name in ("implied_volatility", "delta", "gamma", "theta", "vega")} == {None}
    assert deep["open_interest"] > 0
    certificate = held(lake)
    assert (certificate.pages, certificate.fetched_at_ms, certificate.inputs) == (1, at_ms, {})
    assert files_under(lake.storage.root) == {FILE, "option_snapshots/raw/spy/date=2026-11-19/rev=1/pages-*.tar"}


def test_every_page_is_followed(moment: Moment, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "50")
    assert moment.collect(AFTER_CLOSE).rows == 180
    assert held(lake).pages == 4
    assert len(moment.simulator.requests) == 4
    (archive,) = (lake.storage.root / "option_snapshots/raw/spy/date=2026-11-19/rev=1").glob("*.tar")
    with tarfile.open(archive) as pages:
        assert pages.getnames() == ["manifest.json", *(f"snapshot-000{number}.json.zst" for number in (1, 2, 3, 4))]


def test_contracts_ascend_in_whatever_order_they_come(moment: Moment, lake: Lake) -> None:
    fault(moment.simulator, "unsorted")
    assert moment.collect(AFTER_CLOSE).state == "complete"
    contracts = [row["contract"] for row in _rows(lake, THURSDAY)]
    assert contracts == sorted(contracts)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("at", "state"),
    [
        ("2026-11-19 09:46", "provisional"),
        ("2026-11-19 16:29", "provisional"),
        ("2026-11-19 16:30", "complete"),
        ("2026-11-27 13:29", "provisional"),  # an early close
        ("2026-11-27 13:30", "complete"),
        ("2026-11-19 23:50", "complete"),
    ],
)
def test_while_there_is_trading_it_is_provisional(moment: Moment, at: str, state: str) -> None:
    assert moment.collect(at).state == state


@pytest.mark.parametrize("plan", ["starter", "developer", "advanced"])
def test_every_plan_that_has_snapshots_tells_the_day(moment: Moment, lake: Lake, plan: str) -> None:
    moment.simulator.plan = Plan().with_options(plan, THURSDAY)
    assert moment.collect(AFTER_CLOSE).state == "complete"
    absent = {check.name: check.count for check in held(lake).checks}
    assert absent["without_bid"] == (0 if plan == "advanced" else 180)
    assert absent["without_open_interest"] == 0


# --- a second one of the same session ---------------------------------------------------------------------------------


def test_a_provisional_one_is_superseded_and_kept_as_a_revision(moment: Moment, lake: Lake) -> None:
    first = moment.collect("2026-11-19 11:00")
    second = moment.collect(AFTER_CLOSE)
    assert (second.outcome, second.revision, second.state) == ("revised", 2, "complete")
    assert second.changes == "contracts added 0, removed 0, changed 180 since revision 1"
    revisions = lake.store(OPTION_SNAPSHOT.spec).revisions
    stood = revisions.read_revision("SPY", THURSDAY, 1)
    assert OPTION_SNAPSHOT.spec.rows.content_hash(stood) == first.content_hash
    assert (lake.storage.root / "option_snapshots/raw/spy/date=2026-11-19/rev=1").is_dir()


def test_a_complete_one_stays_and_nothing_is_asked(moment: Moment, lake: Lake) -> None:
    moment.collect(AFTER_CLOSE)
    before, asked = (lake.storage.root / FILE).read_bytes(), len(moment.simulator.requests)
    again = moment.collect("2026-11-19 20:00")
    assert (again.outcome, again.revision, again.state) == ("unchanged", 1, "complete")
    assert len(moment.simulator.requests) == asked
    assert (lake.storage.root / FILE).read_bytes() == before


def test_two_that_collect_at_once_take_turns_and_the_second_asks_nothing(moment: Moment, lake: Lake) -> None:
    with ThreadPoolExecutor(2) as pool:
        reports = [pool.submit(moment.collect, AFTER_CLOSE) for _ in range(2)]
    assert sorted(report.result().outcome for report in reports) == ["created", "unchanged"]
    assert len(moment.simulator.requests) == 1


def test_a_later_days_never_replaces_it(moment: Moment, lake: Lake) -> None:
    moment.collect("2026-11-19 11:00")
    before = (lake.storage.root / FILE).read_bytes()
    assert moment.collect("2026-11-20 16:45").session == "2026-11-20"
    for at in ("2026-11-20 03:00", "2026-11-21 12:00"):
        with pytest.raises((NotASession, NotFinal)):
            moment.collect(at)
    assert (lake.storage.root / FILE).read_bytes() == before
    assert held(lake).state == "provisional"
    assert {row["open_interest_date"] for row in _rows(lake, FRIDAY)} == {THURSDAY}


def _rows(lake: Lake, session: dt.date) -> list[dict[str, object]]:
    file = lake.storage.root / f"option_snapshots/processed/spy/date={session}/snapshot.parquet"
    return list(pq.read_table(file, partitioning=None).to_pylist())


def test_a_damaged_one_is_collected_anew_while_its_day_lasts(moment: Moment, lake: Lake) -> None:
    moment.collect(AFTER_CLOSE)
    file = lake.storage.root / FILE
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    assert moment.collect("2026-11-19 17:00").state == "complete"
    assert verify(moment.set("2026-11-19 17:00")[0], OPTION_SNAPSHOT).findings == ()


# --- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong_by", [dt.timedelta(days=-1), dt.timedelta(days=1), dt.timedelta(days=7)])
def test_a_clock_that_is_days_wrong_dates_nothing(moment: Moment, lake: Lake, wrong_by: dt.timedelta) -> None:
    with pytest.raises(InvalidBars) as caught:
        moment.collect("2026-11-18 16:45", wrong_by)
    words = (
        "the newest figure is of 2026-11-18"
        if wrong_by.days < 0
        else "it was 2026-11-18 16:45 New York when the answer"
    )
    assert words in str(caught.value)
    assert not (lake.storage.root / "option_snapshots/processed").exists()


def test_a_clock_that_is_hours_ahead_is_set_right_by_the_answer(moment: Moment, lake: Lake) -> None:
    assert moment.collect("2026-11-19 12:00", dt.timedelta(hours=6)).state == "provisional"
    assert held(lake).fetched_at_ms == new_york("2026-11-19 12:00").timestamp() * 1000


def test_an_answer_that_ends_after_midnight_is_refused(moment: Moment, lake: Lake) -> None:
    before, after = "2026-11-19 23:59:50", "2026-11-20 00:00:10"
    usual, client = moment.set(before)
    late = Lake(usual.settings, now=lambda: new_york(after if moment.simulator.requests else before))
    with pytest.raises(InvalidBars, match="it was 2026-11-20 00:00 New York when the answer was whole"):
        collect_snapshot(late, "SPY", client)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("doubled_snapshot", InvalidBars, "duplicate_contract in 1 contract"),
        ("foreign_snapshot", MalformedPage, r"has O:SPYG\w+, which is of SPYG"),
        ("odd_snapshot", InvalidBars, "ticker_disagrees in 1 contract, first O:SPY"),
        ("expired_snapshot", InvalidBars, "expired in 1 contract"),
        (
            "stale_snapshot",
            InvalidBars,
            "day_not_told in 180 contracts, first the newest figure is of 2026-11-18 16:15 New",
        ),
        ("timeless_snapshot", InvalidBars, "day_not_told in 180 contracts, first no figure has a time"),
        ("empty", InvalidBars, "the API answered 3 times without a single contract"),
        ("repeated_cursor", MalformedPage, "repeats a cursor"),
        ("foreign_next_url", MalformedPage, "points to the foreign host"),
    ],
)
@pytest.mark.parametrize("with_one_held", [False, True])
def test_what_may_not_enter_is_refused_its_pages_kept_and_what_is_held_stays(
    moment: Moment, lake: Lake, name: str, error: type[Exception], words: str, with_one_held: bool
) -> None:
    if with_one_held:
        moment.collect("2026-11-19 12:00")
    before = held(lake) if with_one_held else None
    fault(moment.simulator, name)
    with pytest.raises(error, match=words) as caught:
        moment.collect(AFTER_CLOSE)
    assert "\n" not in str(caught.value)
    assert (held(lake) if with_one_held else None) == before
    assert (lake.storage.root / FILE).exists() is with_one_held
    assert (lake.storage.root / "option_snapshots/raw-rejected/spy/date=2026-11-19/pages.tar").is_file()
    moment.simulator.faults.clear()
    assert moment.collect("2026-11-19 17:00").state == "complete"


@pytest.mark.parametrize(
    ("name", "error"),
    [("500", ServerTrouble), ("truncated", UndecodableBody), ("html", UndecodableBody), ("redirect", BadRequest)],
)
def test_trouble_on_the_way_is_told_and_passes(moment: Moment, lake: Lake, name: str, error: type[Exception]) -> None:
    fault(moment.simulator, name)
    with pytest.raises(error):
        moment.collect(AFTER_CLOSE)
    assert not (lake.storage.root / FILE).exists()
    if name != "redirect":
        fault(moment.simulator, name, times=1)
        assert moment.collect(AFTER_CLOSE).state == "complete"


@pytest.mark.parametrize("plan", ["none", "basic"])
def test_a_plan_without_snapshots_is_told_what_would_help(moment: Moment, lake: Lake, plan: str) -> None:
    moment.simulator.plan = Plan().with_options(plan, THURSDAY)
    with pytest.raises(
        NotEntitled,
        match="^SPY option snapshot: the plan of this key does not include it: snapshots need Options Starter or a"
        " higher one. Use a key whose plan has them, or set options.snapshots.enabled: false.$",
    ):
        moment.collect(AFTER_CLOSE)
    assert files_under(lake.storage.root) == set()


def test_a_lake_of_another_source_is_not_written_to(moment: Moment, lake: Lake) -> None:
    moment.collect(AFTER_CLOSE)
    kind = lake.storage.root / "lake.json"
    kind.write_text(json.dumps(json.loads(kind.read_text()) | {"source": "the vendor"}))
    with pytest.raises(SettingsError, match="is not the vendor's"):
        moment.collect("2026-11-20 16:45")


# --- what is only doubted ---------------------------------------------------------------------------------------------


def test_a_lost_contract_makes_it_suspect_and_a_later_one_takes_its_place(moment: Moment, lake: Lake) -> None:
    fault(moment.simulator, "lost_snapshot")
    report = moment.collect(AFTER_CLOSE)
    assert (report.state, report.rows) == ("suspect", 179)
    assert report.suspect_because == ("as many calls as puts are shown of every expiry but 2026-11-19",)
    moment.simulator.faults.clear()
    again = moment.collect("2026-11-19 17:00")
    assert (again.outcome, again.state, again.revision) == ("revised", "complete", 2)
    assert verify(moment.set("2026-11-20 12:00")[0], OPTION_SNAPSHOT).findings == ()


@pytest.mark.parametrize("from_the_chain", [False, True])
def test_a_lost_page_is_noticed_by_what_is_held_of_the_session_before(
    moment: Moment, lake: Lake, monkeypatch: pytest.MonkeyPatch, from_the_chain: bool
) -> None:
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "46")
    if from_the_chain:
        later, client = moment.set("2026-11-19 12:00")
        ingest(later, OPTION_CHAIN, OPTION_CHAIN.spec.key("SPY", dt.date(2026, 11, 18)), client)
    else:
        moment.collect("2026-11-18 16:45")
    fault(moment.simulator, "lost_page", times=1)
    report = moment.collect(AFTER_CLOSE)
    assert report.state == "suspect"
    assert any("of the session before that have not expired are not shown, first O:SPY26" in reason
               for reason in report.suspect_because)  # fmt: skip
    compared = held(lake).reconciliation
    assert compared is not None
    assert compared.not_compared == {}


def test_the_first_one_has_nothing_to_be_held_against(moment: Moment, lake: Lake) -> None:
    moment.collect(AFTER_CLOSE)
    compared = held(lake).reconciliation
    assert compared is not None
    assert compared.not_compared == {"before": "neither a snapshot nor a chain of the session before is held"}


# --- rebuilding and verification --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "state"), [("2026-11-19 12:00", "provisional"), (AFTER_CLOSE, "complete")])
def test_a_lost_partition_is_rebuilt_from_its_pages_whatever_the_day(
    moment: Moment, lake: Lake, at: str, state: str
) -> None:
    moment.collect(at)
    before = held(lake)
    (lake.storage.root / FILE).unlink()
    asked = len(moment.simulator.requests)
    later, _ = moment.set("2027-02-01 12:00")
    report = rebuild(later, OPTION_SNAPSHOT, OPTION_SNAPSHOT.spec.key("SPY", THURSDAY))
    assert (report.outcome, report.state, report.content_hash) == ("created", state, before.content_hash)
    assert held(lake).fetched_at_ms == before.fetched_at_ms
    assert len(moment.simulator.requests) == asked


def test_verification_passes_over_snapshots_and_over_days_that_nobody_can_fetch(moment: Moment) -> None:
    for at in ("2026-11-17 16:45", "2026-11-19 12:00", "2026-11-20 16:45"):  # not on the 18th
        moment.collect(at)
    lake, _ = moment.set("2026-11-23 12:00")
    found = verify(lake, OPTION_SNAPSHOT)
    assert (found.partitions, found.states, found.findings) == (3, {"complete": 2, "provisional": 1}, ())


def test_a_finding_names_a_backup_and_no_command_that_could_not_help(moment: Moment, lake: Lake) -> None:
    moment.collect("2024-11-26 16:45")
    (lake.storage.root / "option_snapshots/processed/spy/date=2024-11-26/snapshot.parquet").write_bytes(b"")
    done = commanded("verify", "--dataset", "option_snapshots")
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        1,
        "SPY option snapshots  2024-11-26  damaged  the file is empty: take SPY 2024-11-26 from a backup: what was"
        " shown then cannot be fetched again",
    )


def test_a_state_that_the_time_of_fetching_does_not_allow_is_found(moment: Moment, lake: Lake) -> None:
    moment.collect("2026-11-19 16:29")
    store, key = lake.store(OPTION_SNAPSHOT.spec), OPTION_SNAPSHOT.spec.key("SPY", THURSDAY)
    with store.exclusive(key) as writer:
        partition = store.partitions.inspect(key)
        assert partition is not None
        rows, claimed = store.partitions.rows_of(partition), msgspec.structs.replace(held(lake), state=State.COMPLETE)
        store.partitions.publish(writer, rows, claimed, partition)
    (finding,) = verify(moment.set("2026-11-20 12:00")[0], OPTION_SNAPSHOT).findings
    assert (finding.kind, finding.detail) == (
        Kind.STATE_DIFFERS, "complete, but it was fetched before the session's bars were final",
    )  # fmt: skip


# --- its name ---------------------------------------------------------------------------------------------------------


def test_it_is_no_part_of_options_and_is_not_fetched_by_itself() -> None:
    assert "option_snapshots" not in OF_OPTIONS
    assert [one.spec.name for one in datasets_named("option_snapshots")] == ["option_snapshots"]
    assert "option_snapshots" not in [one.spec.name for one in datasets_named("options")]
    with pytest.raises(SettingsError, match="collected on the session itself, and cannot be fetched later"):
        dataset_named("option_snapshots")
