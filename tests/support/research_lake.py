"""A lake to do research on: recorded seconds and minutes of 2013, and made-up sessions around a Thanksgiving."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY, NOW, REAL, RecordedElseSparse, a_client
from marketlake import open_lake, settings
from marketlake.datasets.dataset import Dataset
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.research.lake import ResearchLake
from polygon_simulator.days import Days, RecordedDays
from polygon_simulator.server import Simulator
from server_tracing import untraced

RECORDED = [dt.date(2013, 10, day) for day in (7, 8, 9)]
MADE_UP = [dt.date(2024, 11, 25), dt.date(2024, 11, 26), dt.date(2024, 11, 27), dt.date(2024, 11, 29),
           dt.date(2024, 12, 2), dt.date(2024, 12, 3)]  # fmt: skip
"""390 bars each, one a minute of regular hours; the 29th closes at 13:00 and has 210."""
EARLY = dt.date(2024, 11, 29)


class Ground:
    """A vendor, and a lake that is written through its settings and read through ``open_lake``."""

    def __init__(self, simulator: Simulator, root: Path) -> None:
        self.simulator = simulator
        self.root = root
        configured = settings.load()
        storage = configured.storage.model_copy(update={"root": root})
        self.written = Lake(configured.model_copy(update={"storage": storage}), now=lambda: NOW)

    def fetch(self, *sessions: dt.date, dataset: Dataset = SECOND_BARS, at: dt.datetime = NOW) -> None:
        lake = Lake(self.written.settings, now=lambda: at)
        for session in sessions:
            ingest(lake, dataset, dataset.spec.key("SPY", session), a_client(lake, []))

    def revise(self, session: dt.date, at: dt.datetime = NOW) -> None:
        """The vendor changes one bar, and the session is fetched again."""
        self.simulator.faults.set(str(session), [{"fault": "changed:17", "times": 0}])
        self.fetch(session, at=at)
        self.simulator.faults.clear()

    def partition(self, session: dt.date) -> Path:
        return self.root / "processed" / "spy" / f"date={session}" / "bars.parquet"

    @property
    def lake(self) -> ResearchLake:
        return open_lake(self.root)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The made-up sessions of two datasets, and the recorded ones if they are there; not to be changed."""
    with a_ground(tmp_path_factory.mktemp("research") / "lake") as ground:
        with untraced():
            ground.fetch(*MADE_UP, *(RECORDED if REAL.is_dir() else ()))
            ground.fetch(*MADE_UP[:2], *(RECORDED if REAL.is_dir() else ()), dataset=MINUTE_BARS)
        yield ground


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The made-up sessions alone, as the examples of the reference have them."""
    with a_ground(tmp_path_factory.mktemp("made up") / "lake") as ground:
        with untraced():
            ground.fetch(*MADE_UP)
        yield ground


@pytest.fixture
def ground(prepared: Ground, tmp_path: Path) -> Iterator[Ground]:
    """A copy of its made-up sessions, to be changed."""
    with a_ground(tmp_path / "copy") as copied:
        for session in MADE_UP:
            target = copied.partition(session)
            target.parent.mkdir(parents=True)
            shutil.copy(prepared.partition(session), target)
        shutil.copy(prepared.root / "lake.json", copied.root)
        yield copied


class a_ground:  # noqa: N801
    """A ground at a folder, with a vendor of its own, who may have other days, and options."""

    def __init__(self, root: Path, days: Days | None = None, contracts: str = "full") -> None:
        self._root = root
        self._patched = pytest.MonkeyPatch()
        served = days or RecordedElseSparse()
        self._simulator = Simulator(served, KEY, minutes=RecordedDays(REAL), contracts=contracts)

    def __enter__(self) -> Ground:
        self._simulator.__enter__()
        self._patched.setenv("POLYGON_BASE_URL", self._simulator.url)
        self._patched.setenv("MARKETLAKE_ENV_FILE", "")
        return Ground(self._simulator, self._root)

    def __exit__(self, *_: object) -> None:
        self._patched.undo()
        self._simulator.__exit__()


def recorded(session: dt.date, kind: str = ".") -> list[dict[str, Any]]:
    """The bars of a recorded session, as somebody wrote them down; ``kind``: ``minutes``, of which there are some."""
    bars: list[dict[str, Any]] = json.loads(gzip.decompress((REAL / kind / f"SPY-{session}.json.gz").read_bytes()))
    return bars
