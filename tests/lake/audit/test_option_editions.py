"""Looking again at options that came from a flat file: a byte is asked for, and the file only if it was replaced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import KEY, NOW, a_client
from flat_file_lake import a_bucket, bars_of_file
from marketlake.audit.options import audit_options, is_held
from marketlake.ingest.options.flat_file import FlatFileSource
from marketlake.lake import Lake
from option_lake import BARS, SETTINGS, WEDNESDAY, bars_of, chain_of, held
from polygon_simulator.s3 import PROBE, WHOLE
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.faults.clear()


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SETTINGS, "MARKETLAKE__OPTIONS__PANEL__ENABLED": "false"}.items():
        monkeypatch.setenv(name, value)


def looked_again(lake: Lake, simulator: Simulator) -> tuple[str, list[int]]:
    """What came of an audit, and what of the file was asked for."""
    simulator.requests.clear()
    visit = audit_options(lake, "SPY", WEDNESDAY, a_client(lake, []), FlatFileSource(a_bucket(simulator.url)))
    return visit.outcome, [one["page"] for one in simulator.requests_for(WEDNESDAY, "flat_file")]


def test_the_file_is_fetched_again_only_if_it_was_replaced(lake: Lake, simulator: Simulator) -> None:
    chain_of(lake)
    bars_of_file(lake)
    assert looked_again(lake, simulator) == ("unchanged", [PROBE])
    simulator.faults.set(str(WEDNESDAY), [{"fault": "republished", "times": 0}])
    assert looked_again(lake, simulator) == ("revised", [PROBE, PROBE, WHOLE])
    assert held(lake, BARS)[0].revision == 2
    assert looked_again(lake, simulator) == ("unchanged", [PROBE])


def test_what_came_by_rest_is_no_edition_of_a_file(lake: Lake, simulator: Simulator) -> None:
    source = FlatFileSource(a_bucket(simulator.url))
    assert not is_held(lake, "SPY", WEDNESDAY, source.edition(WEDNESDAY))
    chain_of(lake)
    bars_of(lake)
    assert not is_held(lake, "SPY", WEDNESDAY, source.edition(WEDNESDAY))
