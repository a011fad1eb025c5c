"""Every fault of a chain and of a contract's bars: the old partition or the new one, whole, and why."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
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
from option_ground import empty_lake
from option_lake import BARS, CHAIN, FEW, SELECTION, SETTINGS, TUESDAY, WEDNESDAY, bars_of, chain_of, held, is_held
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


HELD = ("tuesday", "chain", "bars")
"""What there was before: the chain of the day before, this one's as well, and bars besides."""


@dataclass(frozen=True)
class Ground:
    """Lakes that are made once and copied, by what they hold; ``undisturbed``: the content hashes."""

    simulator: Simulator
    lakes: dict[str, Lake]
    undisturbed: dict[str, str]

    def lake(self, root: Path, holds: str) -> Lake:
        prepared = self.lakes[holds]
        shutil.copytree(prepared.storage.root, root)
        return empty_lake(prepared, root)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("options")
    with (
        Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as simulator,
        pytest.MonkeyPatch.context() as patched,
    ):
        for name, value in {**SETTINGS, **FEW, "POLYGON_BASE_URL": simulator.url, "MARKETLAKE_ENV_FILE": ""}.items():
            patched.setenv(name, value)
        lake = Lake(settings.load(), now=lambda: NOW)
        lakes = {holds: empty_lake(lake, folder / holds) for holds in HELD}
        for holds, lake in lakes.items():
            chain_of(lake, TUESDAY)
            if holds != "tuesday":
                chain_of(lake)
        bars_of(lakes["bars"])
        yield Ground(simulator, lakes, hashes(lakes["bars"]))


def hashes(lake: Lake) -> dict[str, str]:
    return {name: held(lake, name)[0].content_hash for name in (CHAIN, SELECTION, BARS)}


@pytest.fixture
def on(ground: Ground) -> Iterator[Ground]:
    yield ground
    ground.simulator.faults.clear()


def fetch(lake: Lake, place: Place) -> Report:
    """Of the chain in pages of 50, so that a fault is met in one of three."""
    if place is Place.BARS:
        return bars_of(lake)
    paged = lake.settings.api.model_copy(update={"page_limit": 50})
    return chain_of(Lake(lake.settings.model_copy(update={"api": paged}), now=lake.now))


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
def test_a_fault_that_stays(on: Ground, fault: OptionFault, old: bool, tmp_path: Path) -> None:
    lake = on.lake(tmp_path / "lake", "bars" if old else "tuesday" if fault.place is Place.CHAIN else "chain")
    before = contents(lake)
    serve(on.simulator, fault, times=0)
    if fault.then in {Then.KEPT, Then.SUSPECT}:
        publishes(lake, fault)
    else:
        with pytest.raises(fault.error, match=fault.words) as caught:
            fetch(lake, fault.place)
        assert "2024-11-27" in str(caught.value)
        assert KEY not in str(caught.value)
        assert contents(lake) == before
    require_whole(lake, of_one_chain=fault.place is Place.BARS or fault.then not in {Then.KEPT, Then.SUSPECT})
    on.simulator.faults.clear()
    chain_of(lake)
    assert bars_of(lake).state == "complete"
    assert held(lake, SELECTION)[0].content_hash == held(lake, BARS)[0].inputs["option_selection"]
    require_whole(lake)


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
    on: Ground, fault: OptionFault, tmp_path: Path
) -> None:
    lake = on.lake(tmp_path / "lake", "tuesday" if fault.place is Place.CHAIN else "chain")
    serve(on.simulator, fault, times=1)
    assert fetch(lake, fault.place).state == "complete"
    on.simulator.faults.clear()
    if fault.place is Place.CHAIN:
        bars_of(lake)
    assert hashes(lake) == on.undisturbed
