"""Every fault of a flat file: the old partition or the new one, whole, and why."""

from __future__ import annotations

import datetime as dt
import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY, NOW
from file_faults import FILE_FAULTS, FileCase, Then, file_cases
from flat_file_lake import SECRET, bars_of_file
from marketlake import settings
from marketlake.lake import Lake
from option_lake import BARS, SETTINGS, WEDNESDAY, chain_of, held, is_held
from polygon_simulator.s3 import REST, WHOLE
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

HASTY = {"READ_TIMEOUT_S": "0.5", "ANSWER_TIMEOUT_S": "1", "ATTEMPTS": "2"}
FILE = "s3://flatfiles/us_options_opra/minute_aggs_v1/2024/11/2024-11-27.csv.gz"


@dataclass
class Ground:
    """Lakes that are made once and copied: with a chain, and with bars of an earlier edition besides."""

    simulator: Simulator
    folder: Path
    undisturbed: str

    def lake(self, root: Path, *, old: bool) -> Lake:
        shutil.copytree(self.folder / ("old" if old else "chain"), root)
        return a_lake(root)


def a_lake(root: Path) -> Lake:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MARKETLAKE__STORAGE__ROOT", str(root))
        return Lake(settings.load(), now=lambda: NOW)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("ground")
    with (
        Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as simulator,
        pytest.MonkeyPatch.context() as patched,
    ):
        for name, value in {**SETTINGS, "POLYGON_BASE_URL": simulator.url, "MARKETLAKE_ENV_FILE": ""}.items():
            patched.setenv(name, value)
        for name in ("chain", "old", "undisturbed"):
            chain_of(a_lake(folder / name))
        simulator.faults.set(str(WEDNESDAY), [{"fault": "republished", "times": 0}])
        bars_of_file(a_lake(folder / "old"))
        simulator.faults.clear()
        undisturbed = a_lake(folder / "undisturbed")
        bars_of_file(undisturbed)
        yield Ground(simulator, folder, held(undisturbed, BARS)[0].content_hash)


@pytest.fixture
def on(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    for name, value in {**SETTINGS, "POLYGON_BASE_URL": ground.simulator.url}.items():
        monkeypatch.setenv(name, value)
    ground.simulator.requests.clear()
    yield ground
    ground.simulator.faults.clear()


def faults_of(case: FileCase, times: int) -> list[dict[str, Any]]:
    """What the simulator is told. Of a whole that broke off, the rest is asked for next."""
    fault: dict[str, Any] = {"fault": case.fault.served, "endpoint": "flat_file"}
    if case.fault.then is Then.REFUSED:
        return [fault | {"times": times}]
    if case.part == REST:
        return [{"fault": "reset", "page": WHOLE, "endpoint": "flat_file"}, fault | {"page": REST, "times": times}]
    if not case.fault.in_part:
        return [fault | {"page": case.part, "times": times}]
    more = [fault | {"page": REST, "times": times and times - 1}] if times != 1 else []
    return [fault | {"page": WHOLE}, *more]


@pytest.mark.parametrize("case", list(file_cases()), ids=str)
def test_a_fault_of_a_flat_file(
    case: FileCase, on: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name, value in HASTY.items() if case.fault.hasty else ():
        monkeypatch.setenv(f"MARKETLAKE__API__{name}", value)
    lake = on.lake(tmp_path / "lake", old=case.old)
    times = 0 if case.stays else 1 if case.fault.hasty else 2
    on.simulator.faults.set(str(WEDNESDAY), faults_of(case, times))
    if case.stays:
        stays(case, lake)
        on.simulator.faults.clear()
    else:
        waits: list[float] = []
        assert bars_of_file(lake, waits=waits).state == "complete"
        assert len(waits) == times + (case.part == REST)
    assert bars_of_file(lake).state == "complete"
    assert held(lake, BARS)[0].content_hash == on.undisturbed
    for secret in (SECRET, KEY):
        assert secret not in caplog.text
    assert {one["method"] for one in on.simulator.requests_for(WEDNESDAY, "flat_file")} == {"GET"}


def stays(case: FileCase, lake: Lake) -> None:
    before = contents(lake)
    waits: list[float] = []
    with pytest.raises(case.fault.error, match=re.escape(case.fault.words)) as caught:
        bars_of_file(lake, waits=waits)
    assert type(caught.value) is case.fault.error
    told = str(caught.value)
    assert told.startswith("SPY 2024-11-27 flat file")
    assert FILE in told
    assert "\n" not in told
    assert len(waits) == (lake.settings.api.attempts - 1 if case.fault.then is Then.AGAIN else 0)
    after = contents(lake)
    kept = after.pop("option_bars/raw-rejected/spy/date=2024-11-27/pages.tar", None)
    assert (kept is not None) is (case.fault.then is Then.REFUSED)
    assert after == before
    assert is_held(lake, BARS) is case.old


def contents(lake: Lake) -> dict[str, bytes]:
    """Every file of the lake but the journal, which is no part of what is published."""
    paths = [path for path in lake.storage.root.rglob("*") if path.is_file() and path.suffix not in {".lock", ".log"}]
    return {str(path.relative_to(lake.storage.root)): path.read_bytes() for path in paths}


def test_each_fault_has_a_name_of_its_own() -> None:
    names = [fault.what for fault in FILE_FAULTS]
    assert len(set(names)) == len(names)


def test_a_refusal_is_no_end_the_next_edition_is_fetched(on: Ground, tmp_path: Path) -> None:
    """By a clock that goes on: what was refused is not in the journal."""
    lake = on.lake(tmp_path / "lake", old=False)
    lake = Lake(lake.settings, now=lambda: NOW + dt.timedelta(hours=1))
    on.simulator.faults.set(str(WEDNESDAY), [{"fault": "negative_volume", "times": 0}])
    with pytest.raises(Exception, match="negative_number in 1 bar"):
        bars_of_file(lake)
    on.simulator.faults.clear()
    assert bars_of_file(lake).state == "complete"
    assert held(lake, BARS)[0].content_hash == on.undisturbed
