"""One session through the real client, server and store: every row of the table of behaviour."""

from __future__ import annotations

import datetime as dt

import pytest

from behind_the_lake import keys_of
from conftest import NOW, a_client
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import (
    NotASession,
    NotFinal,
    SettingsError,
)
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import State
from marketlake.polygon.client import PolygonClient
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

pytestmark = pytest.mark.places("folder", "bucket")
DAY = dt.date(2024, 11, 26)
PARTITION = "processed/spy/date=2024-11-26/bars.parquet"
RAW = "raw/spy/date=2024-11-26/rev=1/pages-*.tar"


def test_a_session_becomes_one_partition_with_its_certificate(lake: Lake, client: PolygonClient) -> None:
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.state, report.rows, report.revision) == ("created", "complete", 390, 1)
    assert keys_of(lake) == {PARTITION, RAW}
    certificate = kept_by(lake).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert (certificate.ticker, certificate.session, certificate.state) == ("SPY", DAY, State.COMPLETE)
    assert certificate.source_host.startswith("127.0.0.1:")
    assert certificate.first_timestamp == 1732631400000  # 09:30 New York
    assert certificate.last_timestamp == 1732654740000  # 15:59
    assert certificate.content_hash == report.content_hash
    assert certificate.fetched_at_ms == int(NOW.timestamp() * 1000)


@pytest.mark.places("folder")
@pytest.mark.parametrize("limit", [7, 100, 390, 391])
def test_the_content_hash_does_not_depend_on_the_page_limit(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient, waits: list[float], limit: int
) -> None:
    whole = ingest(lake, SECOND_BARS, spy(DAY), client)
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", str(limit))
    paged = Lake(settings.load(), now=lambda: NOW)
    again = ingest(paged, SECOND_BARS, spy(DAY), a_client(paged, waits))
    assert (again.outcome, again.content_hash) == ("unchanged", whole.content_hash)


@pytest.mark.places("folder")
@pytest.mark.parametrize("day", [dt.date(2024, 11, 28), dt.date(2024, 11, 30)])
def test_a_holiday_or_weekend_is_asked_of_nobody(
    lake: Lake, simulator: Simulator, client: PolygonClient, day: dt.date
) -> None:
    with pytest.raises(NotASession, match=str(day)):
        ingest(lake, SECOND_BARS, spy(day), client)
    assert not simulator.requests


def test_a_session_of_today_is_only_provisional_and_only_on_request(lake: Lake, client: PolygonClient) -> None:
    with pytest.raises(NotFinal):
        ingest(lake, SECOND_BARS, spy(dt.date(2026, 11, 20)), client)
    assert ingest(lake, SECOND_BARS, spy(dt.date(2026, 11, 20)), client, allow_provisional=True).state == "provisional"


def test_a_provisional_partition_becomes_complete_under_the_same_revision(
    lake: Lake, client: PolygonClient, waits: list[float]
) -> None:
    today = dt.date(2026, 11, 20)
    first = ingest(lake, SECOND_BARS, spy(today), client, allow_provisional=True)
    later = Lake(lake.settings, now=lambda: NOW + dt.timedelta(days=1))
    second = ingest(later, SECOND_BARS, spy(today), a_client(later, waits))
    assert (second.outcome, second.state, second.revision) == ("renewed", "complete", 1)
    assert second.content_hash == first.content_hash
    assert not [key for key in keys_of(lake) if key.startswith("revisions")]


def test_without_raw_pages_only_the_partition_is_written(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, waits: list[float]
) -> None:
    monkeypatch.setenv("MARKETLAKE__STORAGE__KEEP_RAW_PAGES", "false")
    bare = Lake(settings.load(), now=lambda: NOW)
    ingest(bare, SECOND_BARS, spy(DAY), a_client(bare, waits))
    assert keys_of(bare) == {PARTITION}


def test_another_adjustment_than_the_lakes_is_refused(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, client: PolygonClient, waits: list[float]
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    monkeypatch.setenv("MARKETLAKE__BARS__ADJUSTED", "true")
    other = Lake(settings.load(), now=lambda: NOW)
    with pytest.raises(SettingsError, match=r"bars.adjusted = true, but .* holds rows with adjusted = false"):
        ingest(other, SECOND_BARS, spy(dt.date(2024, 11, 27)), a_client(other, waits))
