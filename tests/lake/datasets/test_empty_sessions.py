"""Sessions without a row: empty with evidence if the dataset's rule allows it, else refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import tarfile

import msgspec
import pytest

from conftest import NOW, a_client
from every_dataset import (
    bytes_of,
    certificate_of,
    fault_everywhere,
    judged_by_a_backfill,
    kept_beside_pages,
    partition_of,
    place_of,
)
from marketlake import settings
from marketlake.audit.due import sessions_due
from marketlake.console import COMPLETE
from marketlake.coverage.coverage import Coverage
from marketlake.datasets import DATASETS
from marketlake.datasets.dataset import Dataset, EmptyRule
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS, StockBars
from marketlake.errors import ComparisonLost, InvalidBars
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.planning import Source, manual_plan
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import State
from marketlake.polygon.client import PolygonClient
from marketlake.rows.spec import PartitionKey
from marketlake.verify.findings import Kind
from marketlake.verify.verify import verify
from polygon_simulator.server import Simulator

DAY = dt.date(2024, 11, 26)
YOUNG, OLD = dt.date(2026, 11, 5), dt.date(2026, 7, 8)
"""Ten sessions before the last one that is final at NOW, so that the visits at its age have been; and ninety-five."""


@pytest.fixture(params=[SECOND_BARS, MINUTE_BARS], ids=lambda one: one.spec.name)
def shipped(request: pytest.FixtureRequest) -> StockBars:
    """A dataset as it is, which allows no empty session."""
    found: StockBars = request.param
    assert found.empty is EmptyRule.REFUSED
    return found


@pytest.fixture
def dataset(monkeypatch: pytest.MonkeyPatch, shipped: StockBars) -> Dataset:
    """The same, if its sessions might be empty."""
    allowing = dataclasses.replace(shipped, empty=EmptyRule.ALLOWED)
    monkeypatch.setitem(DATASETS, shipped.spec.name, allowing)  # type: ignore[arg-type]
    return allowing


@pytest.fixture
def key(shipped: StockBars) -> PartitionKey:
    return shipped.spec.key("SPY", DAY)


def own_calls(simulator: Simulator, dataset: Dataset) -> int:
    """How often the dataset's own bars were asked for."""
    assert isinstance(dataset, StockBars)
    return sum(request["timespan"] == dataset.size.value for request in simulator.requests)


@pytest.fixture
def empty(lake: Lake, client: PolygonClient, simulator: Simulator, dataset: Dataset, key: PartitionKey) -> Lake:
    """A lake in which that session is empty, by a vendor that stays so."""
    fault_everywhere(simulator, DAY, "empty")
    ingest(lake, dataset, key, client)
    return lake


# --- the rule as it is shipped ----------------------------------------------------------------------------------------


def test_no_shipped_dataset_takes_a_traded_session_for_empty_however_often_it_is_answered_so(
    lake: Lake, client: PolygonClient, simulator: Simulator, shipped: StockBars, key: PartitionKey
) -> None:
    fault_everywhere(simulator, DAY, "empty")
    with pytest.raises(InvalidBars) as refused:
        ingest(lake, shipped, key, client)
    (last,) = {request["timespan"] for request in simulator.requests}
    assert (last, len(simulator.requests)) == (shipped.size.value, 3)
    assert str(refused.value).startswith(f"{key}: the API answered 3 times without a single bar (request id ")
    assert "but the exchange traded on that date. Nothing is stored as 'no data'" in str(refused.value)
    assert kept_beside_pages(lake) == set()
    assert len(refused_pages(lake, shipped)) == 3 + 1  # and their manifest


def refused_pages(lake: Lake, dataset: Dataset) -> list[str]:
    (archive,) = [file for file in place_of(lake, dataset).glob("raw-rejected/spy/*/*") if file.is_file()]
    with tarfile.open(archive) as opened:
        return opened.getnames()


# --- empty twice ------------------------------------------------------------------------------------------------------


def test_a_session_that_is_empty_twice_is_published_as_empty_with_both_answers(
    lake: Lake, client: PolygonClient, simulator: Simulator, waits: list[float], dataset: Dataset, key: PartitionKey
) -> None:
    fault_everywhere(simulator, DAY, "empty")
    report = ingest(lake, dataset, key, client)
    assert (report.outcome, report.state, report.rows, report.revision) == ("created", "empty", 0, 1)
    assert own_calls(simulator, dataset) == 2
    assert waits[0] == 1.0  # between the two
    certificate = certificate_of(lake, dataset, key)
    assert (certificate.state, certificate.empty_answers, certificate.pages) == (State.EMPTY, 2, 2)
    assert (certificate.rows, certificate.volume, certificate.transactions) == (0, 0.0, 0)
    assert (certificate.first_timestamp, certificate.last_timestamp) == (0, 0)
    assert len(set(certificate.request_ids)) == 2
    assert "" not in certificate.request_ids
    assert certificate.reconciliation is not None
    assert certificate.reconciliation.not_compared["day"] == "the API has none of this session"
    kept = dataset.own_pages(lake.store(dataset.spec).raw_pages.pages_of(key, 1)[-1].fetch)
    assert kept.attempts == 2
    assert [msgspec.json.decode(body)["request_id"] for body in kept.bodies] == list(certificate.request_ids)
    assert [msgspec.json.decode(body)["resultsCount"] for body in kept.bodies] == [0, 0]
    rows = lake.store(dataset.spec).partitions.read(key)
    assert rows is not None
    assert (rows.num_rows, rows.schema) == (0, dataset.spec.rows.schema)


def test_an_empty_session_that_is_fetched_again_is_unchanged(
    empty: Lake, client: PolygonClient, dataset: Dataset, key: PartitionKey
) -> None:
    before = bytes_of(empty)
    again = ingest(empty, dataset, key, client)
    assert (again.outcome, again.state, again.revision) == ("unchanged", "empty", 1)
    assert bytes_of(empty) == before


def test_one_empty_answer_before_the_bars_leaves_the_bars(
    lake: Lake, client: PolygonClient, simulator: Simulator, dataset: Dataset, key: PartitionKey
) -> None:
    fault_everywhere(simulator, DAY, "empty", times=1)
    report = ingest(lake, dataset, key, client)
    assert (report.state, report.rows) == ("complete", 390)
    certificate = certificate_of(lake, dataset, key)
    assert (certificate.empty_answers, certificate.pages, len(certificate.request_ids)) == (0, 1, 1)
    assert own_calls(simulator, dataset) == 2


@pytest.mark.parametrize("short_share", ["0.10", "1"])
def test_an_empty_answer_is_refused_if_the_day_bar_holds_shares(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, dataset: Dataset, key: PartitionKey,
    short_share: str,
) -> None:  # fmt: skip
    """Whatever share of it a person allows to be missing."""
    monkeypatch.setenv("MARKETLAKE__RECONCILE__DAY_SHORT_SHARE", short_share)
    monkeypatch.setenv("MARKETLAKE__RECONCILE__SHORT_SHARE", short_share)
    monkeypatch.setenv("MARKETLAKE__RECONCILE__MISSING_MINUTES", "1440")
    lenient = Lake(settings.load(), now=lambda: NOW)
    assert isinstance(dataset, StockBars)
    simulator.faults.set(str(DAY), [{"fault": "empty", "times": 0, "timespan": dataset.size.value}])
    with pytest.raises(
        InvalidBars, match=r"the API has no bar of it, but (minute and )?day bars in which shares were traded"
    ):
        ingest(lenient, dataset, key, a_client(lenient, []))
    assert not partition_of(lake, dataset, key).exists()
    assert len([file for file in place_of(lake, dataset).glob("raw-rejected/spy/*/*") if file.is_file()]) == 1


def test_without_a_comparison_two_empty_answers_are_enough(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, dataset: Dataset, key: PartitionKey
) -> None:
    monkeypatch.setenv("MARKETLAKE__RECONCILE__ENABLED", "false")
    fault_everywhere(simulator, DAY, "empty")
    alone = Lake(settings.load(), now=lambda: NOW)
    assert ingest(alone, dataset, key, a_client(alone, [])).state == "empty"
    assert len(simulator.requests) == 2


def test_a_session_that_is_not_final_is_provisional_and_not_empty(
    lake: Lake, client: PolygonClient, simulator: Simulator, dataset: Dataset
) -> None:
    today = dataset.spec.key("SPY", dt.date(2026, 11, 20))
    fault_everywhere(simulator, today.session, "empty")
    report = ingest(lake, dataset, today, client, allow_provisional=True)
    assert (report.state, report.rows) == ("provisional", 0)
    assert verify(lake, dataset).findings == ()
    later = Lake(lake.settings, now=lambda: NOW + dt.timedelta(days=1))
    client.transport.now_s = later.now().timestamp
    assert Coverage(later, dataset.spec, "SPY").unfinished([today.session]) == [today.session]
    renewed = ingest(later, dataset, today, client)
    assert (renewed.outcome, renewed.state, renewed.revision) == ("renewed", "empty", 1)


def test_bars_that_come_later_are_a_revision_of_the_empty_session(
    empty: Lake, client: PolygonClient, simulator: Simulator, dataset: Dataset, key: PartitionKey
) -> None:
    simulator.faults.clear()
    report = ingest(empty, dataset, key, client)
    assert (report.outcome, report.state, report.rows, report.revision) == ("revised", "complete", 390, 2)
    assert report.changes.startswith("bars added 390, removed 0, changed 0 since revision 1;")
    first = empty.store(dataset.spec).revisions.read_revision("SPY", DAY, 1)
    assert first.num_rows == 0
    assert verify(empty, dataset).findings == ()


def test_bars_that_were_compared_do_not_become_an_empty_session(
    lake: Lake, client: PolygonClient, simulator: Simulator, dataset: Dataset, key: PartitionKey
) -> None:
    ingest(lake, dataset, key, client)
    before = partition_of(lake, dataset, key).read_bytes()
    fault_everywhere(simulator, DAY, "empty")
    with pytest.raises(ComparisonLost, match="Nothing is replaced"):
        ingest(lake, dataset, key, client)
    assert partition_of(lake, dataset, key).read_bytes() == before


# --- rebuilt ----------------------------------------------------------------------------------------------------------


def test_an_empty_session_is_rebuilt_from_its_answers_without_a_call(
    empty: Lake, simulator: Simulator, dataset: Dataset, key: PartitionKey
) -> None:
    before, asked = certificate_of(empty, dataset, key), len(simulator.requests)
    assert rebuild(empty, dataset, key).outcome == "unchanged"
    partition_of(empty, dataset, key).unlink()
    report = rebuild(empty, dataset, key)
    assert (report.outcome, report.state, report.content_hash) == ("created", "empty", before.content_hash)
    after = certificate_of(empty, dataset, key)
    assert (after.empty_answers, after.request_ids, after.raw_digest) == (2, before.request_ids, before.raw_digest)
    assert len(simulator.requests) == asked


def test_an_empty_session_is_not_rebuilt_by_a_dataset_that_forbids_it(
    empty: Lake, shipped: StockBars, dataset: Dataset, key: PartitionKey
) -> None:
    with pytest.raises(InvalidBars, match="the API answered 2 times without a single bar"):
        rebuild(empty, shipped, key)
    assert certificate_of(empty, dataset, key).state is State.EMPTY


# --- who goes by it ---------------------------------------------------------------------------------------------------


def test_an_empty_session_is_finished_for_coverage_planner_and_backfill(
    empty: Lake, dataset: Dataset, key: PartitionKey
) -> None:
    coverage = Coverage(empty, dataset.spec, "SPY")
    assert (coverage.present, coverage.unfinished([DAY])) == ({DAY}, [])
    assert (
        manual_plan(
            empty, coverage_of(empty, dataset.spec.name, "SPY"),
            start=DAY, end=DAY, sessions=(), logical_date=None,
            refetch=False, source=Source.API, allow_provisional=False,
        )
        == []
    )  # fmt: skip
    code, told = judged_by_a_backfill(empty, dataset, key)
    title, where = dataset.spec.title("SPY"), place_of(empty, dataset)
    assert code == COMPLETE
    assert told[:2] == [
        f"{title}: 1 of 1 sessions have their partition under {where}",
        f"{title}: 1 of them are empty: the API had nothing of them, each time that it was asked",
    ]


@pytest.mark.parametrize(
    ("session", "fetched", "because"),
    [
        (YOUNG, dt.datetime(2026, 11, 20, 16, 1, tzinfo=dt.UTC), []),
        (YOUNG, dt.datetime(2026, 11, 20, 15, 59, tzinfo=dt.UTC), ["not compared"]),  # before the last one was final
        (OLD, dt.datetime(2026, 10, 20, tzinfo=dt.UTC), []),
        (OLD, dt.datetime(2026, 9, 20, tzinfo=dt.UTC), ["not compared"]),
    ],
)
def test_an_empty_session_is_looked_at_again_daily_while_it_is_young_and_then_now_and_then(
    lake: Lake, client: PolygonClient, simulator: Simulator, dataset: Dataset,
    session: dt.date, fetched: dt.datetime, because: list[str],
) -> None:  # fmt: skip
    """The longer bars, which would show that it traded, are not there either, and that may change."""
    key, store = dataset.spec.key("SPY", session), lake.store(dataset.spec)
    fault_everywhere(simulator, session, "empty")
    ingest(lake, dataset, key, client)
    certificate, rows = certificate_of(lake, dataset, key), store.partitions.read(key)
    assert rows is not None
    with store.exclusive(key) as writer:
        aged = msgspec.structs.replace(certificate, fetched_at_ms=int(fetched.timestamp() * 1000))
        store.partitions.publish(writer, rows, aged, store.partitions.inspect(aged.key))
    assert [one.reason.value for one in sessions_due(lake, dataset.spec.name, "SPY")] == because


# --- its proof --------------------------------------------------------------------------------------------------------


def test_an_empty_session_verifies_and_is_counted_as_such(empty: Lake, dataset: Dataset) -> None:
    done = verify(empty, dataset)
    assert (done.findings, done.partitions, done.rows, done.states) == ((), 1, 0, {"empty": 1})


@pytest.mark.parametrize(
    ("claimed", "detail"),
    [
        ({"empty_answers": 1}, "empty after 1 answers, of which 2 are needed"),
        ({"empty_answers": 0}, "empty after 0 answers, of which 2 are needed"),
        ({"state": State.COMPLETE}, "complete, but it holds 0 rows"),
        ({"state": State.SUSPECT}, "suspect, but it holds 0 rows"),
        ({"fetched_at_ms": 1732719600000 - 1}, "empty, but it was fetched before the session's bars were final"),
    ],
)
def test_an_empty_session_that_is_not_shown_to_be_one_is_a_finding(
    empty: Lake, dataset: Dataset, key: PartitionKey, claimed: dict[str, object], detail: str
) -> None:
    store = empty.store(dataset.spec)
    certificate, rows = certificate_of(empty, dataset, key), store.partitions.read(key)
    assert rows is not None
    with store.exclusive(key) as writer:
        claims = msgspec.structs.replace(certificate, **claimed)
        store.partitions.publish(writer, rows, claims, store.partitions.inspect(claims.key))
    found = verify(empty, dataset).findings
    assert {(one.session, one.kind) for one in found} == {(DAY, Kind.STATE_DIFFERS)}
    assert detail in [one.detail for one in found]


def test_an_empty_session_of_a_dataset_that_forbids_it_is_a_finding(
    empty: Lake, shipped: StockBars, dataset: Dataset
) -> None:
    assert [(one.kind, one.detail) for one in verify(empty, shipped).findings] == [
        (Kind.STATE_DIFFERS, "empty, which no session of this dataset may be")
    ]
