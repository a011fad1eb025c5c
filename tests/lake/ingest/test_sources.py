"""Where bars came from: what the simulator serves never passes for the vendor's, and replays come back equal."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from conftest import KEY, NOW, a_client
from local_airflow.backfill.range import backfill_range
from local_airflow.backfill.verdict import verdict
from marketlake import settings
from marketlake.console import COMPLETE, INCOMPLETE
from marketlake.coverage.coverage import Coverage
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS
from marketlake.errors import InvalidBars, SettingsError, StorageError
from marketlake.ingest import preflight
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.hosts import is_vendor
from marketlake.polygon.transport import Transport
from marketlake.rows.bars import SECONDS
from marketlake.settings.sections import Storage
from polygon_simulator.days import RecordedDays
from polygon_simulator.market import MadeUpDays
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

MONDAY, TUESDAY, FRACTIONAL = dt.date(2024, 11, 25), dt.date(2024, 11, 26), dt.date(2026, 3, 2)


class AnsweredBy(HTTPAdapter):
    """Sends what is meant for the vendor to a simulator: the wire is real, the name is the vendor's."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__()
        self._simulator = simulator

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = re.sub(r"https://api\.(massive\.com|polygon\.io)", self._simulator.url, str(request.url))
        return super().send(request, *args, **kwargs)


@pytest.fixture
def of_vendor(lake: Lake, simulator: Simulator) -> PolygonClient:
    http = requests.Session()
    http.mount("https://api.massive.com", AnsweredBy(simulator))
    return PolygonClient(Transport(http, ApiKey(KEY, "a test"), lake.settings.api, base_url="https://api.massive.com"))


@pytest.mark.parametrize(
    ("host", "vendors"),
    [
        ("api.massive.com", True),
        ("api.polygon.io:443", True),
        ("127.0.0.1:8000", False),
        ("simulator:8000", False),
        ("api.massive.com.example.org", False),
        ("files.massive.com", True),
        ("files.polygon.io", True),
        ("files.massive.com.example.org", False),
        ("www.massive.com", False),
    ],
)
def test_only_the_hosts_of_api_and_flat_files_are_the_vendors(host: str, vendors: bool) -> None:
    assert is_vendor(host) is vendors


def test_simulated_bars_do_not_enter_a_lake_of_real_ones(
    lake: Lake, client: PolygonClient, of_vendor: PolygonClient
) -> None:
    assert ingest(lake, SECOND_BARS, spy(MONDAY), of_vendor).source_host == "api.massive.com"
    words = (
        rf"{client.host} is not the vendor's, but {lake.storage.where} holds rows from the vendor. One lake holds one"
        " kind: choose another storage.root or api.base_url; if nothing of it is left, remove lake.json there."
    )
    with pytest.raises(SettingsError, match=words):
        ingest(lake, SECOND_BARS, spy(TUESDAY), client)
    with pytest.raises(SettingsError, match=words):
        preflight.sessions_without_rows(lake, SECOND_BARS, client, [spy(TUESDAY)])
    assert kept_by(lake).partitions.sessions("SPY") == {MONDAY}


def test_real_bars_do_not_enter_a_lake_of_simulated_ones(
    lake: Lake, client: PolygonClient, of_vendor: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(MONDAY), client)
    with pytest.raises(SettingsError, match="is the vendor's, but .* holds rows from 127.0.0.1"):
        ingest(lake, SECOND_BARS, spy(MONDAY), of_vendor)
    assert ingest(lake, SECOND_BARS, spy(TUESDAY), client).outcome == "created"


def test_raw_pages_of_another_kind_are_not_rebuilt_into_the_lake(
    lake: Lake, client: PolygonClient, of_vendor: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(MONDAY), client)
    (lake.storage.root / "processed/spy/date=2024-11-25/bars.parquet").unlink()
    (lake.storage.root / "lake.json").unlink()
    ingest(lake, SECOND_BARS, spy(TUESDAY), of_vendor)
    with pytest.raises(SettingsError, match="but .* holds rows from the vendor"):
        rebuild(lake, SECOND_BARS, spy(MONDAY))


def copied_from_another_lake(lake: Lake, client: PolygonClient, day: dt.date, tmp_path: Path) -> None:
    """Put another source's partition of one day into a lake, as a careless copy would."""
    other = Lake(lake.settings.model_copy(update={"storage": Storage(root=tmp_path / "other")}), now=lambda: NOW)
    ingest(other, SECOND_BARS, spy(day), client)
    path = lake.storage.path(kept_by(lake).partitions.path(spy(day)))
    path.parent.mkdir(parents=True)
    path.write_bytes(other.storage.path(kept_by(other).partitions.path(spy(day))).read_bytes())


def test_a_copied_partition_of_another_source_is_unfinished_refused_and_fails_the_verdict(
    lake: Lake, client: PolygonClient, of_vendor: PolygonClient, tmp_path: Path
) -> None:
    ingest(lake, SECOND_BARS, spy(TUESDAY), of_vendor)
    copied_from_another_lake(lake, client, MONDAY, tmp_path)
    assert Coverage(lake, SECONDS, "SPY").unfinished([MONDAY, TUESDAY]) == [MONDAY]
    with pytest.raises(SettingsError, match="remove processed/spy/date=2024-11-25/bars.parquet if it does not belong"):
        ingest(lake, SECOND_BARS, spy(MONDAY), of_vendor)
    said: list[str] = []
    wanted = backfill_range(lake, "2024-11-25", "2024-11-26", said.append)
    assert verdict(coverage_of(lake, SECONDS.name, "SPY"), wanted, {}, said.append) == INCOMPLETE
    assert said[0] == (
        f"SPY 2024-11-25  FAILED  beside bars of the vendor, its own are from {client.host}: remove that partition"
    )
    assert said[1].startswith("SPY: 1 of 2 sessions have their partition")


def test_a_copied_partition_that_is_the_newest_is_named_and_changes_nothing_for_the_others(
    lake: Lake, client: PolygonClient, of_vendor: PolygonClient, tmp_path: Path
) -> None:
    ingest(lake, SECOND_BARS, spy(MONDAY), of_vendor)
    copied_from_another_lake(lake, client, TUESDAY, tmp_path)
    assert Coverage(lake, SECONDS, "SPY").unfinished([MONDAY, TUESDAY]) == [TUESDAY]
    with pytest.raises(SettingsError, match="holds rows from the vendor"):
        ingest(lake, SECOND_BARS, spy(MONDAY), client)
    assert ingest(lake, SECOND_BARS, spy(MONDAY), of_vendor).outcome == "unchanged"
    with pytest.raises(SettingsError, match="the lake's SPY 2024-11-26 holds rows from 127.0.0.1"):
        ingest(lake, SECOND_BARS, spy(TUESDAY), of_vendor)


def test_the_source_of_every_ticker_and_dataset_counts(
    lake: Lake, client: PolygonClient, of_vendor: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(MONDAY), of_vendor)
    with pytest.raises(SettingsError, match="holds rows from the vendor"):
        ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("QQQ", MONDAY), client)
    with pytest.raises(SettingsError, match="holds rows from the vendor"):
        ingest(lake, MINUTE_BARS, MINUTE_BARS.spec.key("SPY", MONDAY), client)


def test_what_a_lake_is_is_written_down_once_and_derived_of_an_earlier_versions(
    lake: Lake, of_vendor: PolygonClient, client: PolygonClient
) -> None:
    file = lake.storage.root / "lake.json"
    ingest(lake, SECOND_BARS, spy(MONDAY), of_vendor)
    assert json.loads(file.read_text()) == {"layout": 1, "source": "the vendor", "adjusted": False}
    written = file.stat().st_mtime_ns
    ingest(lake, SECOND_BARS, spy(TUESDAY), of_vendor)
    assert file.stat().st_mtime_ns == written
    file.unlink()
    with pytest.raises(SettingsError, match="holds rows from the vendor"):
        ingest(lake, SECOND_BARS, spy(MONDAY), client)
    assert not file.exists()
    ingest(lake, SECOND_BARS, spy(MONDAY), of_vendor)
    assert json.loads(file.read_text())["source"] == "the vendor"


def test_a_refused_session_leaves_an_empty_lake_without_a_kind(
    lake: Lake, client: PolygonClient, simulator: Simulator, of_vendor: PolygonClient
) -> None:
    simulator.faults.set(str(MONDAY), [{"fault": "empty", "times": 3}])
    with pytest.raises(InvalidBars):
        ingest(lake, SECOND_BARS, spy(MONDAY), client)
    assert not (lake.storage.root / "lake.json").exists()
    assert ingest(lake, SECOND_BARS, spy(MONDAY), of_vendor).source_host == "api.massive.com"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"layout": "one", "source": "the vendor", "adjusted": false}'])
def test_a_lake_file_that_cannot_be_read_is_named_and_not_overwritten(
    lake: Lake, client: PolygonClient, text: str
) -> None:
    lake.storage.root.mkdir()
    (lake.storage.root / "lake.json").write_text(text)
    with pytest.raises(
        StorageError, match=r"lake\.json in .* says nothing that can be read .* Take it from a backup, or"
    ):
        ingest(lake, SECOND_BARS, spy(MONDAY), client)
    assert (lake.storage.root / "lake.json").read_text() == text


def test_the_vendors_two_names_are_one_source_and_the_report_names_what_is_stored(
    lake: Lake, of_vendor: PolygonClient, simulator: Simulator
) -> None:
    ingest(lake, SECOND_BARS, spy(MONDAY), of_vendor)
    http = requests.Session()
    http.mount("https://api.polygon.io", AnsweredBy(simulator))
    polygon = PolygonClient(
        Transport(http, ApiKey(KEY, "a test"), lake.settings.api, base_url="https://api.polygon.io")
    )
    report = ingest(lake, SECOND_BARS, spy(MONDAY), polygon)
    assert (report.outcome, report.source_host) == ("unchanged", "api.massive.com")


def test_an_address_in_capitals_is_the_same_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYGON_BASE_URL", "https://API.Massive.com/")
    assert settings.load().api.base_url == "https://api.massive.com"


def test_the_log_and_the_verdict_name_a_host_that_is_not_the_vendors(
    lake: Lake, client: PolygonClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ingest(lake, SECOND_BARS, spy(MONDAY), client)
    assert f"from {client.host} (NOT THE VENDOR)" in caplog.text
    said: list[str] = []
    wanted = backfill_range(lake, "2024-11-25", "2024-11-25", said.append)
    assert verdict(coverage_of(lake, SECONDS.name, "SPY"), wanted, {}, said.append) == COMPLETE
    assert said[-1] == f"SPY: NOT THE VENDOR'S: bars of this range were served by {client.host}"


def test_the_verdict_says_nothing_of_the_vendors_own_bars(lake: Lake, of_vendor: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(MONDAY), of_vendor)
    said: list[str] = []
    wanted = backfill_range(lake, "2024-11-25", "2024-11-25", said.append)
    verdict(coverage_of(lake, SECONDS.name, "SPY"), wanted, {}, said.append)
    assert said == [f"SPY: 1 of 1 sessions have their partition under {lake.storage.root}"]


@pytest.mark.parametrize("day", [dt.date(2024, 11, 29), FRACTIONAL])
def test_a_made_up_day_is_complete_and_comes_back_equal_from_its_raw_pages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, day: dt.date, waits: list[float]
) -> None:
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(tmp_path / "first"))
    monkeypatch.setenv("MARKETLAKE__API__PAGE_LIMIT", "20000")
    with Simulator(MadeUpDays(), KEY) as made_up:
        monkeypatch.setenv("POLYGON_BASE_URL", made_up.url)
        first = Lake(settings.load(), now=lambda: NOW)
        report = ingest(first, SECOND_BARS, spy(day), a_client(first, waits))
    assert report.state == "complete"
    assert report.rows == len(MadeUpDays().bars("SPY", day))
    assert RecordedDays(first.storage.root).bars("SPY", day) == MadeUpDays().bars("SPY", day)

    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(tmp_path / "second"))
    with Simulator(RecordedDays(first.storage.root), KEY) as replayed:
        monkeypatch.setenv("POLYGON_BASE_URL", replayed.url)
        second = Lake(settings.load(), now=lambda: NOW)
        again = ingest(second, SECOND_BARS, spy(day), a_client(second, waits))
    assert again.content_hash == report.content_hash


def test_the_last_revision_of_raw_pages_is_replayed(lake: Lake, client: PolygonClient, simulator: Simulator) -> None:
    simulator.faults.set(str(MONDAY), [{"fault": "fractional_volume", "times": 1}])
    ingest(lake, SECOND_BARS, spy(MONDAY), client)
    assert ingest(lake, SECOND_BARS, spy(MONDAY), client).revision == 2
    assert RecordedDays(lake.storage.root).bars("SPY", MONDAY) == simulator.bars("SPY", MONDAY)


def test_a_lake_of_a_layout_that_this_version_does_not_know_is_neither_read_nor_written(
    lake: Lake, client: PolygonClient
) -> None:
    lake.storage.root.mkdir()
    text = '{"layout": 2, "source": "the vendor", "adjusted": false}'
    (lake.storage.root / "lake.json").write_text(text)
    with pytest.raises(StorageError, match=r"lake\.json in .* is of layout 2, and this version knows layout 1 alone"):
        ingest(lake, SECOND_BARS, spy(MONDAY), client)
    assert [path.name for path in lake.storage.root.rglob("*") if path.suffix != ".lock" and path.is_file()] == [
        "lake.json"
    ]
