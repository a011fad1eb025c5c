"""The option chain: every contract as it stood on a session, or nothing."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest

from conftest import KEY, NOW, a_client
from marketlake import settings
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.errors import InvalidBars, MalformedPage, NotEntitled, RefusedData
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.report import Report
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate
from marketlake.verify.verify import verify
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

TUESDAY, WEDNESDAY, FRIDAY = (dt.date(2024, 11, day) for day in (26, 27, 29))
A_CONTRACT = "O:SPY241129C00605000"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as running:
        yield running


def fetch(lake: Lake, session: dt.date = WEDNESDAY) -> Report:
    return ingest(lake, OPTION_CHAIN, OPTION_CHAIN.spec.key("SPY", session), a_client(lake, []))


def held(lake: Lake, session: dt.date = WEDNESDAY) -> Certificate:
    partition = lake.store(OPTION_CHAIN.spec).partitions.inspect(OPTION_CHAIN.spec.key("SPY", session))
    assert partition is not None
    assert partition.certificate is not None
    return partition.certificate


def fault(simulator: Simulator, *names: str, day: dt.date = WEDNESDAY) -> None:
    simulator.faults.set(str(day), [{"fault": name, "times": 0, "timespan": "contracts"} for name in names])


def test_a_chain_is_published_with_its_certificate(lake: Lake) -> None:
    report = fetch(lake)
    assert (report.outcome, report.state, report.rows) == ("created", "complete", 152)
    file = lake.storage.root / "option_chain/processed/spy/date=2024-11-27/chain.parquet"
    table = pq.read_table(file, partitioning=None)
    assert table.column("contract").to_pylist() == sorted(set(table.column("contract").to_pylist()))
    row = table.to_pylist()[table.column("contract").to_pylist().index(A_CONTRACT)]
    assert (row["expiration_date"], row["contract_type"], row["strike_price"]) == (FRIDAY, "call", 605.0)
    assert (row["standard"], row["listed_before"], row["shares_per_contract"]) == (True, True, 100)
    certificate = held(lake)
    assert (certificate.volume, certificate.first_timestamp, certificate.dataset) == (0.0, 0, "option_chain")
    assert list(certificate.inputs) == ["contracts_before"]


def test_what_was_listed_before_comes_from_the_lake_if_it_has_it(lake: Lake, simulator: Simulator) -> None:
    fetch(lake, TUESDAY)
    asked = len(simulator.requests)
    fetch(lake)
    from_the_lake, inputs = len(simulator.requests) - asked, held(lake).inputs
    (lake.storage.root / "option_chain/processed/spy/date=2024-11-26/chain.parquet").unlink()
    assert fetch(lake).outcome == "unchanged"
    assert from_the_lake * 2 == len(simulator.requests) - asked - from_the_lake
    assert held(lake).inputs == inputs


def test_a_second_fetch_changes_nothing_and_a_lost_partition_is_rebuilt_without_a_call(
    lake: Lake, simulator: Simulator
) -> None:
    fetch(lake, TUESDAY)
    fetch(lake)
    before = held(lake)
    assert fetch(lake).outcome == "unchanged"
    (lake.storage.root / "option_chain/processed/spy/date=2024-11-27/chain.parquet").unlink()
    asked = len(simulator.requests)
    report = rebuild(lake, OPTION_CHAIN, OPTION_CHAIN.spec.key("SPY", WEDNESDAY))
    assert (report.outcome, report.content_hash) == ("created", before.content_hash)
    assert held(lake).inputs == before.inputs
    assert len(simulator.requests) == asked


def test_verification_finds_nothing_in_sound_chains_and_a_flipped_byte_in_another(lake: Lake) -> None:
    for session in (TUESDAY, WEDNESDAY):
        fetch(lake, session)
    sound = verify(lake, OPTION_CHAIN)
    assert (sound.partitions, sound.states, sound.findings) == (2, {"complete": 2}, ())
    file = lake.storage.root / "option_chain/processed/spy/date=2024-11-27/chain.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    (finding,) = verify(lake, OPTION_CHAIN).findings
    assert (str(finding.session), finding.kind.value) == ("2024-11-27", "damaged")


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        (["duplicated_contract"], InvalidBars, "duplicate_contract in 1 contract"),
        (["foreign_root"], MalformedPage, r"has O:SPYG\w+, which is of SPYG"),
        (["foreign_root:SPXW"], MalformedPage, r"has O:SPXW\w+, which is of SPX"),
        (["other_fields"], InvalidBars, "ticker_disagrees in 1 contract, first O:SPY"),
        (["expired_contract"], MalformedPage, "which had expired before 2024-11-27"),
        (["without_type"], MalformedPage, "contract_type"),
        (["as_of_ignored"], RefusedData, "lacks .* among them all that expire on 2024-11-27"),
    ],
)
def test_what_may_not_enter_is_refused_and_the_old_chain_stays(
    lake: Lake, simulator: Simulator, names: list[str], error: type[Exception], words: str
) -> None:
    fetch(lake, TUESDAY)
    fetch(lake)
    before = held(lake)
    fault(simulator, *names)
    with pytest.raises(error, match=words) as caught:
        fetch(lake)
    assert "\n" not in str(caught.value)
    assert held(lake) == before
    assert (lake.storage.root / "option_chain/raw-rejected/spy/date=2024-11-27/pages.tar").is_file()


def test_a_page_that_is_lost_is_noticed(lake: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "50")
    short = Lake(settings.load(), now=lambda: NOW)
    fetch(short, TUESDAY)
    fault(simulator, "lost_page")
    with pytest.raises(
        MalformedPage, match=r"SPY option chain of 2024-11-27 lacks 26 of 126 contracts .* first O:SPY241129P00615000"
    ):
        fetch(short)


@pytest.mark.parametrize(
    ("name", "check", "count"),
    [("adjusted_contract", "contracts_not_standard", 4), ("odd_strike", "fractional_strikes", 10)],
)
def test_what_is_unusual_is_kept_and_counted(
    lake: Lake, simulator: Simulator, name: str, check: str, count: int
) -> None:
    fault(simulator, name)
    assert fetch(lake).state == "complete"
    assert {one.name: one.count for one in held(lake).checks}[check] == count


def test_a_contract_that_is_lost_makes_calls_and_puts_unequal_and_the_chain_suspect(
    lake: Lake, simulator: Simulator
) -> None:
    fault(simulator, f"lost_contract:{A_CONTRACT}")
    report = fetch(lake)
    assert (report.state, report.suspect_because) == (
        "suspect", ("as many calls as puts are listed of every expiry but 2024-11-29",),
    )  # fmt: skip
    assert verify(lake, OPTION_CHAIN).findings == ()


def test_without_the_list_before_the_rest_is_known_and_that_is_asked_for_again(
    lake: Lake, simulator: Simulator
) -> None:
    fault(simulator, "not_entitled", day=TUESDAY)
    report = fetch(lake)
    certificate = held(lake)
    assert report.state == "complete"
    assert certificate.inputs == {}
    assert certificate.reconciliation is not None
    assert certificate.reconciliation.not_compared == {"before": "the plan does not include them"}
    simulator.faults.clear()
    assert fetch(lake).outcome == "revised"
    assert held(lake).inputs != {}


def test_a_plan_without_options_is_told(lake: Lake, simulator: Simulator) -> None:
    simulator.plan = Plan(option_chain=False)
    with pytest.raises(NotEntitled):
        fetch(lake)


def test_a_chain_without_a_contract_is_refused(lake: Lake, simulator: Simulator) -> None:
    fault(simulator, "empty")
    with pytest.raises(InvalidBars, match="the API answered 3 times without a single contract") as caught:
        fetch(lake)
    assert re.search("Nothing is stored as 'no data'", str(caught.value))
