"""One session through the real client, server and store: every row of the table of behaviour."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from conftest import KEY, NOW, a_client, files_under, times_of
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import (
    BadRequest,
    InvalidBars,
    KeyRefused,
    LakeBusy,
    MalformedPage,
    NotASession,
    NotEntitled,
    NotFinal,
    RateLimited,
    ServerTrouble,
    SettingsError,
    StorageError,
)
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import State
from marketlake.polygon import aggregates
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.listing import next_page_url
from marketlake.polygon.refusals import Answer, error_for
from marketlake.polygon.request import Timespan
from marketlake.quality.checks import Check, require_acceptable, run_checks
from polygon_simulator.plan import Plan
from polygon_simulator.server import Simulator
from seconds import a_request, archive_of, kept_by, spy

DAY = dt.date(2024, 11, 26)
PARTITION = "processed/spy/date=2024-11-26/bars.parquet"
RAW = "raw/spy/date=2024-11-26/rev=1/pages-*.tar"


def fault(simulator: Simulator, *names: str, times: int = 1, page: int | None = None) -> None:
    simulator.faults.set(str(DAY), [{"fault": name, "times": times, "page": page} for name in names])


def test_a_session_becomes_one_partition_with_its_certificate(lake: Lake, client: PolygonClient) -> None:
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.state, report.rows, report.revision) == ("created", "complete", 390, 1)
    assert files_under(lake.storage.root) == {PARTITION, RAW}
    certificate = kept_by(lake).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert (certificate.ticker, certificate.session, certificate.state) == ("SPY", DAY, State.COMPLETE)
    assert certificate.source_host.startswith("127.0.0.1:")
    assert certificate.first_timestamp == 1732631400000  # 09:30 New York
    assert certificate.last_timestamp == 1732654740000  # 15:59
    assert certificate.content_hash == report.content_hash
    assert certificate.fetched_at_ms == int(NOW.timestamp() * 1000)


def test_rows_handed_out_carry_no_certificate(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    rows = kept_by(lake).partitions.read(spy(DAY))
    assert rows is not None
    assert rows.schema.metadata is None
    assert rows.num_rows == 390


def test_the_vendors_own_wait_is_kept_up_to_the_cap(lake: Lake, simulator: Simulator, waits: list[float]) -> None:
    fault(simulator, "429:7", "429:9999", "429:Fri, 20 Nov 2026 17:00:11 GMT")
    ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    assert waits == [7, 60, 11]


def test_a_wrong_key_fails_at_once_with_the_vendors_words(lake: Lake, simulator: Simulator, waits: list[float]) -> None:
    wrong = a_client(lake, waits, key="another-key-0000-wxyz")
    with pytest.raises(
        KeyRefused, match=r"HTTP 401 .*Unknown API Key. The key \*\*\*\*wxyz from a test is not accepted"
    ):
        ingest(lake, SECOND_BARS, spy(DAY), wrong)
    assert len(simulator.requests) == 1


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(seconds=False), "You are not entitled to this data"),
        (Plan(first_date=dt.date(2024, 11, 27)), "Your plan doesn't include this data timeframe"),
    ],
)
def test_a_plan_without_the_data_fails_at_once(
    lake: Lake, simulator: Simulator, client: PolygonClient, plan: Plan, words: str
) -> None:
    simulator.plan = plan
    with pytest.raises(NotEntitled, match=f"{words}.*Stocks Starter"):
        ingest(lake, SECOND_BARS, spy(DAY), client)
    assert len(simulator.requests) == 1


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("not_entitled_in_200", NotEntitled, "Your plan doesn't include"),
        ("bad_request", BadRequest, "Could not parse the time parameter"),
        ("unknown_status", MalformedPage, "MAYBE"),
    ],
)
def test_an_answer_that_cannot_get_better_is_asked_for_once(
    lake: Lake, simulator: Simulator, client: PolygonClient, name: str, error: type[Exception], words: str
) -> None:
    fault(simulator, name, times=0)
    with pytest.raises(error, match=words):
        ingest(lake, SECOND_BARS, spy(DAY), client)
    assert len(simulator.requests) == 1


def test_the_waiver_line_of_the_error_publishes_as_suspect(
    monkeypatch: pytest.MonkeyPatch,
    lake: Lake,
    simulator: Simulator,
    client: PolygonClient,
    waits: list[float],
    tmp_path: Path,
) -> None:
    fault(simulator, "low_above_open", times=0)
    with pytest.raises(InvalidBars) as refused:
        ingest(lake, SECOND_BARS, spy(DAY), client)
    line = str(refused.value).rpartition("settings.yaml with  ")[2]
    assert line == "quality.accept: {SPY: {2024-11-26: [low_above_open]}}"
    own = tmp_path / "settings.yaml"
    own.write_text(f"{settings.settings_file().read_text()}\n{line}\n")
    monkeypatch.setenv("MARKETLAKE_SETTINGS_FILE", str(own))
    lenient = Lake(settings.load(), now=lambda: NOW)
    assert ingest(lenient, SECOND_BARS, spy(DAY), a_client(lenient, waits)).state == "suspect"
    certificate = kept_by(lenient).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert certificate.waivers == ("low_above_open",)


def test_the_waiver_line_keeps_what_was_accepted_before(lake: Lake) -> None:
    failed = [
        Check(name, ok=False, blocking=True, count=1, detail="{}") for name in ("low_above_open", "high_below_close")
    ]
    with pytest.raises(InvalidBars) as refused:
        require_acceptable(failed, spy(DAY), ["low_above_open"])
    assert "refused: high_below_close in 1 bar, first {}. If" in str(refused.value)
    assert str(refused.value).endswith("quality.accept: {SPY: {2024-11-26: [low_above_open, high_below_close]}}")


def test_a_listing_that_goes_on_and_on_is_given_up(
    monkeypatch: pytest.MonkeyPatch, simulator: Simulator, lake: Lake, waits: list[float]
) -> None:
    monkeypatch.setattr("marketlake.polygon.listing._MOST_PAGES", 3)
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "100")
    own = Lake(settings.load(), now=lambda: NOW)
    with pytest.raises(MalformedPage, match=r"goes on after 3 pages.* a higher api.page_limit than 100"):
        ingest(own, SECOND_BARS, spy(DAY), a_client(own, waits))
    assert len(simulator.requests) == 3


def test_a_page_nested_without_end_is_refused() -> None:
    with pytest.raises(MalformedPage, match="nested too deeply"):
        aggregates.decode(b'{"unknown": ' + b"[" * 200_000)


def test_what_is_not_waivable_is_refused_whatever_is_accepted(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    fault(simulator, "duplicate")
    request = a_request(lake, DAY)
    (page,) = client.fetch(request).pages
    with pytest.raises(InvalidBars, match="duplicate_second"):
        require_acceptable(run_checks(page.bars, request.hours, Timespan.SECOND, 1_800), spy(DAY), ["duplicate_second"])


def test_a_waiver_that_is_not_needed_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, waits: list[float]
) -> None:
    monkeypatch.setenv("MARKETLAKE__QUALITY__ACCEPT", '{"SPY": {"2024-11-26": ["low_above_open"]}}')
    lenient = Lake(settings.load(), now=lambda: NOW)
    assert ingest(lenient, SECOND_BARS, spy(DAY), a_client(lenient, waits)).state == "complete"


@pytest.mark.parametrize("name", ["delayed", "exponents", "fractional_volume", "no_vwap_no_transactions"])
def test_odd_but_documented_answers_are_taken(
    lake: Lake, simulator: Simulator, client: PolygonClient, name: str
) -> None:
    fault(simulator, name)
    assert ingest(lake, SECOND_BARS, spy(DAY), client).rows == 390


def test_a_fractional_volume_is_rounded_half_to_even_and_kept_exact(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    fault(simulator, "fractional_volume")
    ingest(lake, SECOND_BARS, spy(DAY), client)
    rows = kept_by(lake).partitions.read(spy(DAY))
    assert rows is not None
    assert rows.slice(1, 1).select(["volume", "volume_exact"]).to_pylist() == [{"volume": 100, "volume_exact": 100.5}]


def test_missing_vwap_and_transactions_are_null(lake: Lake, simulator: Simulator, client: PolygonClient) -> None:
    fault(simulator, "no_vwap_no_transactions")
    ingest(lake, SECOND_BARS, spy(DAY), client)
    rows = kept_by(lake).partitions.read(spy(DAY))
    assert rows is not None
    assert rows.slice(1, 1).select(["vwap", "transactions"]).to_pylist() == [{"vwap": None, "transactions": None}]


@pytest.mark.parametrize("limit", [7, 100, 390, 391])
def test_the_content_hash_does_not_depend_on_the_page_limit(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient, waits: list[float], limit: int
) -> None:
    whole = ingest(lake, SECOND_BARS, spy(DAY), client)
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", str(limit))
    paged = Lake(settings.load(), now=lambda: NOW)
    again = ingest(paged, SECOND_BARS, spy(DAY), a_client(paged, waits))
    assert (again.outcome, again.content_hash) == ("unchanged", whole.content_hash)


@pytest.mark.parametrize("day", [dt.date(2024, 11, 28), dt.date(2024, 11, 30)])
def test_a_holiday_or_weekend_is_asked_of_nobody(
    lake: Lake, simulator: Simulator, client: PolygonClient, day: dt.date
) -> None:
    with pytest.raises(NotASession, match=str(day)):
        ingest(lake, SECOND_BARS, spy(day), client)
    assert not simulator.requests


def test_an_early_close_is_judged_by_its_own_hours(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(dt.date(2024, 11, 29)), client)
    certificate = kept_by(lake).partitions.certificate(spy(dt.date(2024, 11, 29)))
    assert certificate is not None
    assert certificate.hours.early_close
    quiet = next(check for check in certificate.checks if check.name == "quiet_regular_seconds")
    assert (quiet.count, quiet.detail) == (12_600 - 210, "of 12600 in regular hours")


def test_a_session_of_today_is_only_provisional_and_only_on_request(lake: Lake, client: PolygonClient) -> None:
    with pytest.raises(NotFinal):
        ingest(lake, SECOND_BARS, spy(dt.date(2026, 11, 20)), client)
    assert ingest(lake, SECOND_BARS, spy(dt.date(2026, 11, 20)), client, allow_provisional=True).state == "provisional"


FINAL_FROM = dt.datetime(2024, 11, 27, 16, 0, tzinfo=dt.UTC)
"""11:00 in New York on the day after DAY."""


def seen_at(lake: Lake, simulator: Simulator, here: dt.datetime, there: dt.datetime) -> tuple[Lake, PolygonClient]:
    """A lake and a client of a machine whose clock shows ``here`` while the API's shows ``there``."""
    simulator.now_s = there.timestamp
    of_machine = Lake(lake.settings, now=lambda: here)
    client = a_client(of_machine, [])
    client.transport.now_s = here.timestamp
    return of_machine, client


@pytest.mark.parametrize("ahead", [dt.timedelta(minutes=2), dt.timedelta(hours=3), dt.timedelta(days=2)])
def test_a_clock_that_is_ahead_makes_no_session_final(lake: Lake, simulator: Simulator, ahead: dt.timedelta) -> None:
    there = FINAL_FROM - dt.timedelta(minutes=1)
    of_machine, client = seen_at(lake, simulator, there + ahead, there)
    with pytest.raises(NotFinal) as caught:
        ingest(of_machine, SECOND_BARS, spy(DAY), client)
    assert f"clock is {ahead.total_seconds() / 3600:.1f} h ahead of {client.host}, by whose clock 2024-11-26 is" in str(
        caught.value
    )
    assert str(caught.value).endswith("Set the clock, and clear the task.")
    assert files_under(lake.storage.root) == set()
    report = ingest(of_machine, SECOND_BARS, spy(DAY), client, allow_provisional=True)
    certificate = kept_by(lake).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert (report.state, certificate.fetched_at_ms) == ("provisional", there.timestamp() * 1000)


@pytest.mark.parametrize(
    ("ahead", "fetched_ahead"),
    [
        (dt.timedelta(seconds=59), dt.timedelta(seconds=59)),
        (dt.timedelta(0), dt.timedelta(0)),
        (-dt.timedelta(minutes=5), -dt.timedelta(minutes=5)),
        (dt.timedelta(hours=3), dt.timedelta(0)),
    ],
)
def test_a_session_that_is_final_by_both_clocks_is_complete_with_the_earlier_time(
    lake: Lake, simulator: Simulator, ahead: dt.timedelta, fetched_ahead: dt.timedelta
) -> None:
    there = FINAL_FROM + dt.timedelta(hours=1)
    of_machine, client = seen_at(lake, simulator, there + ahead, there)
    assert ingest(of_machine, SECOND_BARS, spy(DAY), client).state == "complete"
    certificate = kept_by(lake).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert certificate.fetched_at_ms == (there + fetched_ahead).timestamp() * 1000


@pytest.mark.parametrize("date", [None, "yesterday", ""])
def test_an_answer_without_a_date_leaves_the_time_to_this_machine(
    lake: Lake, client: PolygonClient, monkeypatch: pytest.MonkeyPatch, date: str | None
) -> None:
    send = requests.Session.send

    def without_date(self: requests.Session, *given: Any, **more: Any) -> requests.Response:
        response = send(self, *given, **more)
        del response.headers["Date"]
        if date is not None:
            response.headers["Date"] = date
        return response

    monkeypatch.setattr(requests.Session, "send", without_date)
    assert ingest(lake, SECOND_BARS, spy(DAY), client).state == "complete"
    certificate = kept_by(lake).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert certificate.fetched_at_ms == NOW.timestamp() * 1000


@pytest.mark.parametrize(
    ("request_id", "kept"), [("null", ""), ("17", "17"), ("1.5", "1.5"), ('["a"]', '["a"]'), ('"abc"', "abc")]
)
def test_a_request_id_of_any_kind_refuses_no_page(request_id: str, kept: str) -> None:
    page = aggregates.decode(f'{{"status": "OK", "request_id": {request_id}, "message": 5, "results": []}}'.encode())
    assert (page.request_id, page.message) == (kept, "5")


def test_a_provisional_partition_becomes_complete_under_the_same_revision(
    lake: Lake, client: PolygonClient, waits: list[float]
) -> None:
    today = dt.date(2026, 11, 20)
    first = ingest(lake, SECOND_BARS, spy(today), client, allow_provisional=True)
    later = Lake(lake.settings, now=lambda: NOW + dt.timedelta(days=1))
    second = ingest(later, SECOND_BARS, spy(today), a_client(later, waits))
    assert (second.outcome, second.state, second.revision) == ("renewed", "complete", 1)
    assert second.content_hash == first.content_hash
    assert not (lake.storage.root / "revisions").exists()


def test_the_same_rows_again_touch_no_file(lake: Lake, simulator: Simulator, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    before = times_of(lake.storage.root)
    assert ingest(lake, SECOND_BARS, spy(DAY), client).outcome == "unchanged"
    assert len(simulator.requests_for(DAY)) == 2
    assert times_of(lake.storage.root) == before


def test_other_rows_become_a_revision_and_the_old_file_is_kept(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    old = (lake.storage.root / PARTITION).read_bytes()
    fault(simulator, "fractional_volume")
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.revision) == ("revised", 2)
    assert (lake.storage.root / "revisions/spy/date=2024-11-26/rev=1.parquet").read_bytes() == old
    assert files_under(lake.storage.root) == {
        PARTITION,
        RAW,
        "raw/spy/date=2024-11-26/rev=2/pages-*.tar",
        "revisions/spy/date=2024-11-26/rev=1.parquet",
    }


def test_reading_a_partition_starts_no_thread_that_could_abort_the_process_at_its_end(
    lake: Lake, client: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    code = """if True:
        import datetime as dt, pathlib, sys, psutil
        from marketlake.partitions.store import PartitionStore
        from marketlake.rows.bars import SECONDS
        from marketlake.storage.local import LocalStorage
        store = PartitionStore(LocalStorage(pathlib.Path(sys.argv[1])), SECONDS, "zstd", 6)
        before = psutil.Process().num_threads()
        assert store.inspect(SECONDS.key("SPY", dt.date(2024, 11, 26))).certificate
        print(psutil.Process().num_threads() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, str(lake.storage.root)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"


def test_no_revision_is_numbered_twice_though_an_old_one_was_put_back(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    for name in ("delayed", "fractional_volume", "exponents"):
        fault(simulator, name)
        ingest(lake, SECOND_BARS, spy(DAY), client)
    kept = lake.storage.root / "revisions/spy/date=2024-11-26"
    second = (kept / "rev=2.parquet").read_bytes()
    (lake.storage.root / PARTITION).write_bytes((kept / "rev=1.parquet").read_bytes())
    fault(simulator, "no_vwap_no_transactions")
    assert ingest(lake, SECOND_BARS, spy(DAY), client).revision == 4
    assert (kept / "rev=2.parquet").read_bytes() == second


@pytest.mark.parametrize(
    ("code", "status", "said", "error"),
    [
        (408, "", "", ServerTrouble),
        (499, "", "", ServerTrouble),
        (403, "", "", BadRequest),
        (403, "NOT_AUTHORIZED", "no", NotEntitled),
        (401, "", "", BadRequest),
        (401, "ERROR", "Unknown API Key", KeyRefused),
        (404, "", "", BadRequest),
        (404, "NOT_FOUND", "Data not found.", BadRequest),
        (200, "ERROR", "You've exceeded the maximum requests per minute", RateLimited),
    ],
)
def test_an_unsuccessful_answer_has_its_meaning(code: int, status: str, said: str, error: type[Exception]) -> None:
    assert type(error_for(Answer(code, status, said), "about", ApiKey(KEY, "a test"), 0)) is error


def test_a_next_url_that_is_no_address_is_refused(lake: Lake, client: PolygonClient) -> None:
    with pytest.raises(MalformedPage, match="no address"):
        next_page_url(client.transport, "https://[bad/v2", a_request(lake, DAY))


def test_a_waived_session_that_is_not_final_stays_provisional(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    simulator.faults.set("2026-11-20", [{"fault": "low_above_open"}])
    monkeypatch.setenv("MARKETLAKE__QUALITY__ACCEPT", '{"SPY": {"2026-11-20": ["low_above_open"]}}')
    lenient = Lake(settings.load(), now=lambda: NOW)
    report = ingest(lenient, SECOND_BARS, spy(dt.date(2026, 11, 20)), a_client(lenient, waits), allow_provisional=True)
    assert report.state == "provisional"


def test_without_raw_pages_only_the_partition_is_written(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, waits: list[float]
) -> None:
    monkeypatch.setenv("MARKETLAKE__STORAGE__KEEP_RAW_PAGES", "false")
    bare = Lake(settings.load(), now=lambda: NOW)
    ingest(bare, SECOND_BARS, spy(DAY), a_client(bare, waits))
    assert files_under(bare.storage.root) == {PARTITION}


def test_another_adjustment_than_the_lakes_is_refused(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient, waits: list[float]
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    monkeypatch.setenv("MARKETLAKE__BARS__ADJUSTED", "true")
    other = Lake(settings.load(), now=lambda: NOW)
    with pytest.raises(SettingsError, match=r"bars.adjusted = true, but .*/lake holds rows with adjusted = false"):
        ingest(other, SECOND_BARS, spy(dt.date(2024, 11, 27)), a_client(other, waits))


def test_a_damaged_partition_is_replaced_and_kept_as_evidence(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    path = lake.storage.root / PARTITION
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 0xFF
    path.write_bytes(bytes(damaged))
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.revision) == ("revised", 2)
    assert (lake.storage.root / "revisions/spy/date=2024-11-26/rev=1.parquet").read_bytes() == bytes(damaged)


def test_a_file_without_a_certificate_does_not_count(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    path = lake.storage.root / PARTITION
    pq.write_table(pq.read_table(path, partitioning=None).replace_schema_metadata(None), path)
    assert kept_by(lake).partitions.certificate(spy(DAY)) is None
    assert ingest(lake, SECOND_BARS, spy(DAY), client).outcome == "revised"


def test_what_a_dead_process_left_in_staging_is_removed(lake: Lake, client: PolygonClient) -> None:
    left = lake.storage.root / ".staging/spy-2024-11-26/half-written"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    other = lake.storage.root / ".staging/spy-2003-09-10/half-written"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"half")
    ingest(lake, SECOND_BARS, spy(DAY), client)
    assert not left.exists()
    assert lake.storage.sweep() == ["spy-2003-09-10"]
    assert not other.exists()


def test_a_locked_session_fails_after_its_bound(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, waits: list[float]
) -> None:
    monkeypatch.setenv("MARKETLAKE__STORAGE__LOCK_TIMEOUT_S", "0.2")
    hasty = Lake(settings.load(), now=lambda: NOW)
    with lake.storage.exclusive("spy-2024-11-26", 1), pytest.raises(LakeBusy, match="storage.lock_timeout_s = 0.2"):
        ingest(hasty, SECOND_BARS, spy(DAY), a_client(hasty, waits))


def test_an_unwritable_root_is_told_with_its_path(monkeypatch: pytest.MonkeyPatch, lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(tmp_path / "file" / "lake"))
    with pytest.raises(StorageError, match="storage.root"):
        Lake(settings.load(), now=lambda: NOW).storage.require_writable()


def test_a_folder_that_cannot_be_looked_into_is_told_with_its_path(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)

    def forbidden(path: str, **_: bool) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "stat", forbidden)
    with pytest.raises(StorageError, match=r"cannot read .*date=2024-11-26/bars.parquet: Permission denied"):
        kept_by(lake).partitions.present("SPY")


def test_the_key_is_nowhere_but_in_the_header(
    lake: Lake, simulator: Simulator, client: PolygonClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fault(simulator, "500", "echoed_key")
    ingest(lake, SECOND_BARS, spy(DAY), client)
    with tarfile.open(archive_of(lake, DAY)) as archive:
        packed = archive.extractfile("second-0001.json.zst")
        assert packed is not None
        stream = pa.CompressedInputStream(pa.BufferReader(packed.read()), "zstd")
        page = stream.read()
    assert b'"asked_with":"****abcd"' in page
    assert KEY.encode() not in page
    assert {request["authorization"] for request in simulator.requests} == {f"Bearer {KEY}"}
    assert all(KEY not in request["path"] for request in simulator.requests)
    assert KEY not in caplog.text
    assert KEY not in repr(client.transport.__dict__)
    for name in times_of(lake.storage.root):
        assert KEY.encode() not in (lake.storage.root / name).read_bytes()


def test_a_netrc_does_not_replace_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password mallory\n")
    monkeypatch.setenv("NETRC", str(netrc))
    ingest(lake, SECOND_BARS, spy(DAY), client)
    assert simulator.requests[0]["authorization"] == f"Bearer {KEY}"


def test_a_vendors_next_url_is_followed_on_the_configured_host(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    path = "/v2/aggs/ticker/SPY/range/1/second/1/2?cursor=abc"
    found = next_page_url(client.transport, f"https://api.polygon.io{path}&apiKey=leak", a_request(lake, DAY))
    assert found == f"{simulator.url}{path}"


def test_the_footer_is_json_that_anybody_can_read(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    footer = pq.read_metadata(lake.storage.root / PARTITION).metadata[b"marketlake.certificate"]
    certificate = json.loads(footer)
    assert certificate["state"] == "complete"
    assert certificate["hours"]["regular_start_ms"] == 1732631400000
    assert os.linesep not in footer.decode()
