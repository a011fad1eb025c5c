"""Every fault of a chain and of a contract's bars: the old partition or the new one, whole, and why."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import KEY, NOW, files_under
from marketlake import settings
from marketlake.datasets import OF_OPTIONS
from marketlake.ingest.report import Report
from marketlake.lake import Lake
from marketlake.verify.findings import Kind
from marketlake.verify.verify import verify
from option_fault_table import OPTION_FAULTS, OptionFault, Place, Then
from option_lake import BARS, CHAIN, SELECTION, SETTINGS, TUESDAY, WEDNESDAY, bars_of, chain_of, held, is_held
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

TRADED = "O:SPY241129C00600000"
KNOWN = re.compile(
    r"(option_chain|option_bars|option_selection)/(processed/spy/date=D/\w+\.parquet|revisions/spy/date=D/rev=\d+\.parquet"
    r"|raw/spy/date=D/rev=\d+/pages-\*\.tar|raw-rejected/spy/date=D/pages\.tar|journal/spy/date=D\.log)".replace(
        "D", r"\d{4}-\d\d-\d\d"
    )
)
"""Every place of a file in a lake of options at rest."""


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.faults.clear()


@pytest.fixture
def few(lake: Lake, monkeypatch: pytest.MonkeyPatch, fault: OptionFault) -> Lake:
    """A lake that asks for some twenty contracts; a fault of the chain is met in one of four pages."""
    narrow = {"MARKETLAKE__OPTIONS__SELECTION__DTE_MAX": "2", "MARKETLAKE__OPTIONS__SELECTION__MONEYNESS_ABOVE": "0.02"}
    paged = {"MARKETLAKE__API__PAGE_LIMIT": "50"} if fault.place is Place.CHAIN else {}
    for name, value in {**SETTINGS, **narrow, **paged}.items():
        monkeypatch.setenv(name, value)
    return Lake(settings.load(), now=lake.now)


def fetch(lake: Lake, place: Place) -> Report:
    return chain_of(lake) if place is Place.CHAIN else bars_of(lake)


def serve(simulator: Simulator, fault: OptionFault, times: int) -> None:
    served = {"fault": fault.served, "times": times}
    if fault.page:
        served["page"] = fault.page
    if fault.place is Place.CHAIN:
        served["endpoint"] = "contracts"
    else:
        served |= {"contract": TRADED, "timespan": "minute"}
    simulator.faults.set(str(WEDNESDAY), [served])


def contents(lake: Lake) -> dict[str, bytes]:
    paths = [path for path in lake.storage.root.glob("option_*/processed/**/*") if path.is_file()]
    return {str(path.relative_to(lake.storage.root)): path.read_bytes() for path in paths}


def require_whole(lake: Lake, *, of_one_chain: bool = True) -> None:
    """Nothing lies where it does not belong, and what lies there is sound. ``of_one_chain``: the bars that are held
    were selected from the chain that is.
    """
    assert [name for name in files_under(lake.storage.root) if not KNOWN.fullmatch(name)] == []
    for name, dataset in OF_OPTIONS.items():
        if is_held(lake, name, TUESDAY) or is_held(lake, name):
            found = {finding.kind for finding in verify(lake, dataset).findings}
            assert found <= (set() if of_one_chain else {Kind.INPUT_DIFFERS})


@pytest.mark.parametrize(("fault", "old"), itertools.product(OPTION_FAULTS, [False, True]), ids=str)
def test_a_fault_that_stays(few: Lake, simulator: Simulator, fault: OptionFault, old: bool) -> None:
    chain_of(few, TUESDAY)
    if old or fault.place is Place.BARS:
        chain_of(few)
    if old:
        bars_of(few)
    before = contents(few)
    serve(simulator, fault, times=0)
    if fault.then in {Then.KEPT, Then.SUSPECT}:
        publishes(few, fault)
    else:
        with pytest.raises(fault.error, match=fault.words) as caught:
            fetch(few, fault.place)
        assert "2024-11-27" in str(caught.value)
        assert KEY not in str(caught.value)
        assert contents(few) == before
    require_whole(few, of_one_chain=fault.place is Place.BARS or fault.then not in {Then.KEPT, Then.SUSPECT})
    simulator.faults.clear()
    chain_of(few)
    assert bars_of(few).state == "complete"
    assert held(few, SELECTION)[0].content_hash == held(few, BARS)[0].inputs["option_selection"]
    require_whole(few)


def publishes(lake: Lake, fault: OptionFault) -> None:
    report = fetch(lake, fault.place)
    certificate, _ = held(lake, CHAIN if fault.place is Place.CHAIN else BARS)
    if fault.then is Then.SUSPECT:
        assert (report.state, report.suspect_because) == ("suspect", (fault.words,))
    else:
        assert report.state == "complete"
        assert {check.name: check.count for check in certificate.checks}[fault.words] > 0


@pytest.mark.parametrize("fault", [fault for fault in OPTION_FAULTS if fault.then in {Then.AGAIN, Then.TWICE}], ids=str)
def test_a_fault_that_passes_leaves_what_there_would_be_without_it(
    few: Lake, simulator: Simulator, fault: OptionFault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain_of(few, TUESDAY)
    serve(simulator, fault, times=1)
    chain_of(few)
    assert bars_of(few).state == "complete"
    simulator.faults.clear()
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(tmp_path / "undisturbed"))
    undisturbed = Lake(settings.load(), now=few.now)
    chain_of(undisturbed)
    bars_of(undisturbed)
    for name in (CHAIN, SELECTION, BARS):
        assert held(few, name)[0].content_hash == held(undisturbed, name)[0].content_hash
