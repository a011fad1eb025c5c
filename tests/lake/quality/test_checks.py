"""What is refused, what a person may accept, and what is odd but documented."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from conftest import NOW, a_client
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import (
    InvalidBars,
)
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.request import Timespan
from marketlake.quality.checks import Check, require_acceptable, run_checks
from polygon_simulator.server import Simulator
from seconds import DAY, a_request, fault, kept_by, spy


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


def test_what_is_not_waivable_is_refused_whatever_is_accepted(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    fault(simulator, "duplicate")
    request = a_request(lake, DAY)
    (page,) = client.fetch(request).pages
    with pytest.raises(InvalidBars, match="duplicate_second"):
        require_acceptable(run_checks(page.rows, request.hours, Timespan.SECOND, 1_800), spy(DAY), ["duplicate_second"])


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


def test_an_early_close_is_judged_by_its_own_hours(lake: Lake, client: PolygonClient) -> None:
    ingest(lake, SECOND_BARS, spy(dt.date(2024, 11, 29)), client)
    certificate = kept_by(lake).partitions.certificate(spy(dt.date(2024, 11, 29)))
    assert certificate is not None
    assert certificate.hours.early_close
    quiet = next(check for check in certificate.checks if check.name == "quiet_regular_seconds")
    assert (quiet.count, quiet.detail) == (12_600 - 210, "of 12600 in regular hours")


def test_a_waived_session_that_is_not_final_stays_provisional(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, waits: list[float]
) -> None:
    simulator.faults.set("2026-11-20", [{"fault": "low_above_open"}])
    monkeypatch.setenv("MARKETLAKE__QUALITY__ACCEPT", '{"SPY": {"2026-11-20": ["low_above_open"]}}')
    lenient = Lake(settings.load(), now=lambda: NOW)
    report = ingest(lenient, SECOND_BARS, spy(dt.date(2026, 11, 20)), a_client(lenient, waits), allow_provisional=True)
    assert report.state == "provisional"
