"""What every dataset keeps to, whichever it is: a next one is held to it by being in ``DATASETS``."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
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
from marketlake.audit.audit import audit_session
from marketlake.audit.due import sessions_due
from marketlake.console import COMPLETE, INCOMPLETE
from marketlake.coverage.coverage import Coverage
from marketlake.dataset_names import NAMES, UNNAMED, audit_dag_id, dag_id
from marketlake.datasets import DATASETS, dataset_named
from marketlake.datasets.dataset import Dataset
from marketlake.errors import LakeBusy, RefusedData, SettingsError
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.planning import Source, manual_plan, scheduled_plan
from marketlake.ingest.preflight import sessions_without_rows
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import State
from marketlake.polygon.client import PolygonClient
from marketlake.rows.spec import PartitionKey
from marketlake.settings.sections import Datasets
from marketlake.verify.verify import verify
from polygon_simulator.server import Simulator

PROJECT = Path(__file__).resolve().parents[3]
DAY, NEXT_DAY = dt.date(2024, 11, 26), dt.date(2024, 11, 27)


@pytest.fixture(params=list(DATASETS))
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return DATASETS[request.param]


@pytest.fixture
def key(dataset: Dataset) -> PartitionKey:
    return dataset.spec.key("SPY", DAY)


# --- its name, its place and its rows ---------------------------------------------------------------------------------


def test_datasets_names_and_settings_are_the_same_in_the_same_order() -> None:
    assert tuple(DATASETS) == NAMES == tuple(Datasets.model_fields)
    assert tuple(one.spec.name for one in DATASETS.values()) == NAMES
    assert tuple(one.spec.key("SPY", DAY).dataset for one in DATASETS.values()) == NAMES


def test_each_has_a_place_a_dag_and_an_audit_of_its_own() -> None:
    assert len({one.spec.prefix for one in DATASETS.values()}) == len(DATASETS)
    ids = [*(dag_id(name, "SPY") for name in NAMES), *(audit_dag_id(name, "SPY") for name in NAMES)]
    assert len(set(ids)) == 2 * len(NAMES)


def test_its_place_has_its_name_and_only_the_first_lies_at_the_root(dataset: Dataset) -> None:
    assert dataset.spec.prefix == ("" if dataset.spec.name == UNNAMED else dataset.spec.name)
    assert (PROJECT / "dags" / f"{dataset.spec.name}.py").is_file()


def test_its_format_speaks_of_columns_that_it_has_and_its_key_is_never_null(dataset: Dataset) -> None:
    rows = dataset.spec.rows
    assert {*rows.encodings, *rows.dictionary} <= set(rows.schema.names)
    assert rows.key
    assert not any(rows.schema.field(name).nullable for name in rows.key)


def test_it_is_found_by_its_name_and_a_name_that_is_none_is_told_with_those_that_are(dataset: Dataset) -> None:
    assert dataset_named(dataset.spec.name) is dataset
    with pytest.raises(SettingsError, match=f"there is no dataset 'hours': those are {', '.join(NAMES)}"):
        dataset_named("hours")


def test_a_tickers_line_of_the_settings_switches_it_on(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    name = dataset.spec.name
    monkeypatch.setenv(f"MARKETLAKE__DATASETS__{name.upper()}__TICKERS", '["QQQ", "DIA"]')
    found = settings.load().datasets
    assert found.tickers_of(name) == ("QQQ", "DIA")
    assert [ticker for of, ticker in found.each if of == name] == ["QQQ", "DIA"]


def test_a_session_costs_what_is_asked_of_the_api(
    lake: Lake, client: PolygonClient, simulator: Simulator, dataset: Dataset, key: PartitionKey
) -> None:
    cost = dataset.cost(lake.settings)
    ingest(lake, dataset, key, client)
    assert cost.requests == len(simulator.requests) > 0
    assert cost.bytes > 0


def test_without_comparison_a_session_costs_less_and_still_something(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, dataset: Dataset, key: PartitionKey
) -> None:
    monkeypatch.setenv("MARKETLAKE__RECONCILE__ENABLED", "false")
    alone = Lake(settings.load(), now=lambda: NOW)
    ingest(alone, dataset, key, a_client(alone, []))
    assert len(simulator.requests) == dataset.cost(alone.settings).requests > 0
    assert dataset.cost(alone.settings).requests <= dataset.cost(lake.settings).requests


# --- a session of it --------------------------------------------------------------------------------------------------


def test_a_fetched_session_is_one_file_below_its_place_whose_rows_ascend_by_the_key(
    lake: Lake, client: PolygonClient, dataset: Dataset, key: PartitionKey
) -> None:
    report = ingest(lake, dataset, key, client)
    assert (report.outcome, report.state, report.revision, report.dataset) == (
        "created",
        "complete",
        1,
        dataset.spec.name,
    )
    path = partition_of(lake, dataset, key)
    assert kept_beside_pages(lake) == {str(path.relative_to(lake.storage.root))}
    pages = [file for file in lake.storage.root.rglob("raw/**/*") if file.is_file()]
    assert {file.parent for file in pages} == {place_of(lake, dataset) / "raw/spy/date=2024-11-26/rev=1"}
    rows = pq.read_table(path, partitioning=None)
    assert rows.schema.equals(dataset.spec.rows.schema, check_metadata=False)
    assert rows.num_rows == report.rows > 0
    keys = list(zip(*(rows[name].to_pylist() for name in dataset.spec.rows.key), strict=True))
    assert keys == sorted(set(keys))


def test_its_certificate_says_what_it_is_of(
    lake: Lake, client: PolygonClient, dataset: Dataset, key: PartitionKey
) -> None:
    report = ingest(lake, dataset, key, client)
    certificate = certificate_of(lake, dataset, key)
    assert certificate.key == key
    assert (certificate.state, certificate.rows, certificate.empty_answers) == (State.COMPLETE, report.rows, 0)
    assert certificate.content_hash == report.content_hash
    assert certificate.schema_version == dataset.spec.rows.version


def test_fetched_again_nothing_changes_on_the_disk(
    lake: Lake, client: PolygonClient, dataset: Dataset, key: PartitionKey
) -> None:
    first = ingest(lake, dataset, key, client)
    before = bytes_of(lake)
    again = ingest(lake, dataset, key, client)
    assert (again.outcome, again.revision, again.content_hash) == ("unchanged", 1, first.content_hash)
    assert bytes_of(lake) == before


def test_other_rows_are_a_revision_and_the_old_ones_stay_readable(
    lake: Lake, client: PolygonClient, simulator: Simulator, dataset: Dataset, key: PartitionKey
) -> None:
    store = lake.store(dataset.spec)
    first, old = ingest(lake, dataset, key, client), store.partitions.read(key)
    fault_everywhere(simulator, DAY, "changed:17")
    later = Lake(lake.settings, now=lambda: NOW + dt.timedelta(hours=1))
    second = ingest(later, dataset, key, client)
    assert (second.outcome, second.revision) == ("revised", 2)
    assert second.content_hash != first.content_hash
    assert second.changes.startswith("bars added 0, removed 0, changed 17 since revision 1")
    assert (place_of(lake, dataset) / "revisions/spy/date=2024-11-26/rev=1.parquet").is_file()
    assert [(one.number, one.newest) for one in store.revisions.list_revisions("SPY", DAY)] == [(1, False), (2, True)]
    assert store.revisions.read_revision("SPY", DAY, 1) == old
    assert store.revisions.read_as_of("SPY", DAY, NOW) == old
    assert store.revisions.read_revision("SPY", DAY, 2) == store.partitions.read(key) != old
    assert verify(lake, dataset).findings == ()


def test_it_is_rebuilt_from_its_pages_without_a_call(
    lake: Lake, client: PolygonClient, simulator: Simulator, dataset: Dataset, key: PartitionKey
) -> None:
    first = ingest(lake, dataset, key, client)
    before, asked = certificate_of(lake, dataset, key), len(simulator.requests)
    assert rebuild(lake, dataset, key).outcome == "unchanged"
    partition_of(lake, dataset, key).unlink()
    rebuilt = rebuild(lake, dataset, key)
    assert (rebuilt.outcome, rebuilt.state, rebuilt.revision) == ("created", "complete", 1)
    assert rebuilt.content_hash == first.content_hash
    after = certificate_of(lake, dataset, key)
    assert (after.raw_digest, after.checks, after.reconciliation) == (
        before.raw_digest,
        before.checks,
        before.reconciliation,
    )
    assert len(simulator.requests) == asked


def test_a_refused_fetch_keeps_its_pages_and_leaves_the_partition(
    lake: Lake, client: PolygonClient, simulator: Simulator, dataset: Dataset, key: PartitionKey
) -> None:
    for partition in (set(), {str(partition_of(lake, dataset, key).relative_to(lake.storage.root))}):
        fault_everywhere(simulator, DAY, "wrong_ticker")
        before = certificate_of(lake, dataset, key) if partition else None
        with pytest.raises(RefusedData, match="is of ticker 'QQQ'"):
            ingest(lake, dataset, key, client)
        refused = [file for file in lake.storage.root.rglob("raw-rejected/**/*") if file.is_file()]
        assert [file.parent for file in refused] == [place_of(lake, dataset) / "raw-rejected/spy/date=2024-11-26"]
        assert kept_beside_pages(lake) == partition
        assert (certificate_of(lake, dataset, key) if partition else None) == before
        simulator.faults.clear()
        ingest(lake, dataset, key, client)
    assert verify(lake, dataset).findings == ()


def test_its_content_hash_does_not_depend_on_pages_or_chunks(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient, dataset: Dataset, key: PartitionKey
) -> None:
    first = ingest(lake, dataset, key, client)
    rows, content_hash = lake.store(dataset.spec).partitions.read(key), dataset.spec.rows.content_hash
    assert rows is not None
    chunked = pa.concat_tables([rows.slice(0, 1), rows.slice(1, 6), rows.slice(7)])
    assert chunked.column(0).num_chunks == 3
    assert content_hash(chunked) == content_hash(rows) == first.content_hash
    assert content_hash(rows.slice(1)) != first.content_hash
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "7")
    paged = Lake(settings.load(), now=lambda: NOW)
    assert ingest(paged, dataset, key, a_client(paged, [])).outcome == "unchanged"


# --- who goes by it ---------------------------------------------------------------------------------------------------


def test_planner_coverage_and_backfill_know_what_is_held_of_it(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient, dataset: Dataset, key: PartitionKey
) -> None:
    monkeypatch.setenv("MARKETLAKE__SCHEDULE__CATCH_UP_SESSIONS", "1")
    monkeypatch.setenv("MARKETLAKE__HISTORY__START_DATE", str(DAY))
    short = Lake(settings.load(), now=lambda: NOW)

    def planned() -> tuple[list[dt.date], list[dt.date]]:
        by_hand = manual_plan(
            short, coverage_of(short, dataset.spec.name, "SPY"),
            start=DAY, end=DAY, sessions=(), logical_date=None,
            refetch=False, source=Source.API, allow_provisional=False,
        )  # fmt: skip
        return by_hand, scheduled_plan(short, coverage_of(short, dataset.spec.name, "SPY"), NEXT_DAY)

    assert planned() == ([DAY], [NEXT_DAY, DAY])
    assert Coverage(lake, dataset.spec, "SPY").unfinished([DAY]) == [DAY]
    assert judged_by_a_backfill(lake, dataset, key)[0] == INCOMPLETE
    ingest(lake, dataset, key, client)
    assert planned() == ([], [NEXT_DAY])
    coverage = Coverage(lake, dataset.spec, "SPY")
    assert (coverage.present, coverage.unfinished([DAY, NEXT_DAY])) == ({DAY}, [NEXT_DAY])
    assert coverage.certificates() == {DAY: certificate_of(lake, dataset, key)}
    code, told = judged_by_a_backfill(lake, dataset, key)
    where = place_of(lake, dataset)
    assert (code, told[0]) == (
        COMPLETE,
        f"{dataset.spec.title('SPY')}: 1 of 1 sessions have their partition under {where}",
    )


def test_nothing_of_one_dataset_counts_for_another(
    lake: Lake, client: PolygonClient, dataset: Dataset, key: PartitionKey
) -> None:
    ingest(lake, dataset, key, client)
    for other in DATASETS.values():
        if other is not dataset:
            coverage = Coverage(lake, other.spec, "SPY")
            assert (coverage.present, coverage.unfinished([DAY])) == (frozenset(), [DAY])
            assert judged_by_a_backfill(lake, other, other.spec.key("SPY", DAY))[0] == INCOMPLETE
            assert sessions_due(lake, other.spec.name, "SPY") == []
            with pytest.raises(SettingsError, match="nothing to verify under"):
                verify(lake, other)


def test_an_audit_looks_again_at_its_revisit_age_and_notes_it_below_its_place(
    lake: Lake, client: PolygonClient, dataset: Dataset, key: PartitionKey
) -> None:
    then = dt.datetime(2024, 11, 27, 17, tzinfo=dt.UTC)
    client.transport.now_s = then.timestamp
    ingest(Lake(lake.settings, now=lambda: then), dataset, key, client)
    assert [(one.session, one.reason.value) for one in sessions_due(lake, dataset.spec.name, "SPY")] == [
        (DAY, "revisit")
    ]
    client.transport.now_s = NOW.timestamp
    visit = audit_session(lake, dataset, key, client)
    assert (visit.because, visit.outcome, visit.state) == ("revisit", "unchanged", "complete")
    assert sessions_due(lake, dataset.spec.name, "SPY") == []
    assert (place_of(lake, dataset) / "audit/spy/date=2024-11-26.json").is_file()


def test_a_preflight_names_the_sessions_that_the_api_has_nothing_of(
    lake: Lake, client: PolygonClient, simulator: Simulator, dataset: Dataset, key: PartitionKey
) -> None:
    later = dataset.spec.key("SPY", NEXT_DAY)
    fault_everywhere(simulator, NEXT_DAY, "empty")
    assert sessions_without_rows(lake, dataset, client, [later, key]) == [later]
    assert [request["day"] for request in simulator.requests] == ["2024-11-26", "2024-11-27"]


# --- its proof --------------------------------------------------------------------------------------------------------

Damage = Callable[[Lake, Dataset, PartitionKey], None]


def cut_off(lake: Lake, dataset: Dataset, key: PartitionKey) -> None:
    path = partition_of(lake, dataset, key)
    path.write_bytes(path.read_bytes()[:-1])


def removed(lake: Lake, dataset: Dataset, key: PartitionKey) -> None:
    shutil.rmtree(partition_of(lake, dataset, key).parent)


def a_note_beside(lake: Lake, dataset: Dataset, key: PartitionKey) -> None:
    partition_of(lake, dataset, key).with_name("note.txt").write_text("a note")


def a_second_file(lake: Lake, dataset: Dataset, key: PartitionKey) -> None:
    path = partition_of(lake, dataset, key)
    shutil.copy(path, path.with_name("copy.parquet"))


def another_sessions_file(lake: Lake, dataset: Dataset, key: PartitionKey) -> None:
    shutil.copy(partition_of(lake, dataset, dataset.spec.key("SPY", NEXT_DAY)), partition_of(lake, dataset, key))


def certificate_of_another_dataset(lake: Lake, dataset: Dataset, key: PartitionKey) -> None:
    written(lake, dataset, key, {"dataset": next(name for name in NAMES if name != dataset.spec.name)})


def a_row_less(lake: Lake, dataset: Dataset, key: PartitionKey) -> None:
    written(lake, dataset, key, {}, first_row=1)


def claimed_rows(lake: Lake, dataset: Dataset, key: PartitionKey) -> None:
    written(lake, dataset, key, {"rows": certificate_of(lake, dataset, key).rows + 1})


def suspect_without_a_reason(lake: Lake, dataset: Dataset, key: PartitionKey) -> None:
    written(lake, dataset, key, {"state": State.SUSPECT})


def a_check_left_out(lake: Lake, dataset: Dataset, key: PartitionKey) -> None:
    written(lake, dataset, key, {"checks": certificate_of(lake, dataset, key).checks[1:]})


def written(lake: Lake, dataset: Dataset, key: PartitionKey, altered: dict[str, object], *, first_row: int = 0) -> None:
    """As the lake writes, with a seal that holds: the certificate altered, or rows left out under it."""
    store, certificate = lake.store(dataset.spec), certificate_of(lake, dataset, key)
    rows = store.partitions.read(key)
    assert rows is not None
    with store.exclusive(key) as writer:
        claims = msgspec.structs.replace(certificate, **altered)
        store.partitions.publish(writer, rows.slice(first_row), claims, store.partitions.inspect(key))


DAMAGES: list[tuple[Damage, str, str]] = [
    (cut_off, "damaged", "cut off or overwritten"),
    (removed, "missing", "it has no partition"),
    (a_note_beside, "stray", "note.txt' is no partition"),
    (a_second_file, "duplicate", "is or has a second file of SPY 2024-11-26"),
    (another_sessions_file, "misplaced", "2024-11-27"),
    (certificate_of_another_dataset, "misplaced", "it holds SPY 2024-11-26"),
    (a_row_less, "rows differ", "(certificate: "),
    (claimed_rows, "claim differs", "rows "),
    (suspect_without_a_reason, "state differs", "suspect without a reason to be"),
    (a_check_left_out, "checks differ", "is not that of its rows"),
]


@pytest.fixture
def three_sessions(lake: Lake, client: PolygonClient, dataset: Dataset) -> Lake:
    for day in (dt.date(2024, 11, 25), DAY, NEXT_DAY):
        ingest(lake, dataset, dataset.spec.key("SPY", day), client)
    return lake


def test_a_lake_as_it_was_published_has_no_finding(three_sessions: Lake, dataset: Dataset) -> None:
    done = verify(three_sessions, dataset)
    assert (done.dataset, done.tickers, done.partitions, done.states, done.findings) == (
        dataset.spec.name,
        ("SPY",),
        3,
        {"complete": 3},
        (),
    )


@pytest.mark.parametrize(("damage", "kind", "detail"), DAMAGES, ids=[one[0].__name__ for one in DAMAGES])
def test_damage_is_named_with_its_dataset_and_session(
    three_sessions: Lake, dataset: Dataset, key: PartitionKey, damage: Damage, kind: str, detail: str
) -> None:
    damage(three_sessions, dataset, key)
    found = verify(three_sessions, dataset).findings
    assert [(one.dataset, one.ticker, one.session, one.kind.value) for one in found] == [
        (dataset.spec.name, "SPY", DAY, kind)
    ]
    assert detail in found[0].detail


@pytest.mark.parametrize("of", ["another session", "another dataset"])
def test_a_certificate_counts_only_in_its_own_place(
    three_sessions: Lake, client: PolygonClient, dataset: Dataset, key: PartitionKey, of: str
) -> None:
    if of == "another session":
        another_sessions_file(three_sessions, dataset, key)
    else:
        other = next(one for one in DATASETS.values() if one is not dataset)
        ingest(three_sessions, other, other.spec.key("SPY", DAY), client)
        source = partition_of(three_sessions, other, other.spec.key("SPY", DAY))
        shutil.copy(source, partition_of(three_sessions, dataset, key))
    store = three_sessions.store(dataset.spec)
    held = store.partitions.inspect(key)
    assert held is not None
    assert (held.certificate, held.footer_certificate, store.partitions.certificate(key)) == (None, None, None)
    assert Coverage(three_sessions, dataset.spec, "SPY").unfinished([DAY, NEXT_DAY]) == [DAY]
    assert judged_by_a_backfill(three_sessions, dataset, key)[0] == INCOMPLETE
    assert verify(three_sessions, dataset).findings != ()


# --- beside the others ------------------------------------------------------------------------------------------------


def test_the_same_session_of_every_dataset_stands_in_one_lake_and_none_sees_another(
    lake: Lake, client: PolygonClient, dataset: Dataset, key: PartitionKey
) -> None:
    for one in DATASETS.values():
        assert ingest(lake, one, one.spec.key("SPY", DAY), client).outcome == "created"
    partitions = {one.spec.name: partition_of(lake, one, one.spec.key("SPY", DAY)) for one in DATASETS.values()}
    assert kept_beside_pages(lake) == {str(path.relative_to(lake.storage.root)) for path in partitions.values()}
    store = lake.store(dataset.spec)
    assert (store.partitions.tickers(), store.partitions.sessions("SPY")) == (["SPY"], {DAY})
    assert (verify(lake, dataset).partitions, verify(lake, dataset).findings) == (1, ())
    partition_of(lake, dataset, key).unlink()
    assert rebuild(lake, dataset, key).outcome == "created"
    assert [verify(lake, one).findings for one in DATASETS.values()] == [()] * len(DATASETS)


def test_a_session_that_is_written_keeps_out_its_own_kind_alone(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, dataset: Dataset, key: PartitionKey
) -> None:
    monkeypatch.setenv("MARKETLAKE__STORAGE__LOCK_TIMEOUT_S", "0.1")
    hurried = Lake(settings.load(), now=lambda: NOW)
    with hurried.store(dataset.spec).exclusive(key):
        with pytest.raises(LakeBusy):
            ingest(hurried, dataset, key, a_client(hurried, []))
        for other in DATASETS.values():
            if other is not dataset:
                report = ingest(hurried, other, other.spec.key("SPY", DAY), a_client(hurried, []))
                assert report.outcome == "created"
