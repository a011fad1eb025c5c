"""A lake of options as it is fetched from a simulated vendor, with every state that a session of them can be in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY, NOW, a_client
from marketlake import settings
from marketlake.datasets import OF_OPTIONS
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.options.panel import build_panel
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from option_lake import SETTINGS, bars_of, chain_of
from polygon_simulator.days import Days
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

TUESDAY, WEDNESDAY, EARLY = (dt.date(2024, 11, day) for day in (26, 27, 29))
"""The last one closes at 13:00."""
HISTORY = {"MARKETLAKE__HISTORY__START_DATE": "2024-11-25", "MARKETLAKE__HISTORY__END_DATE": "2024-12-03"}


@dataclass(frozen=True)
class OptionGround:
    """A vendor, and a lake that it fills."""

    simulator: Simulator
    lake: Lake

    def seconds(self, *sessions: dt.date) -> None:
        """The underlying's bars."""
        for session in sessions:
            key = SECOND_BARS.spec.key("SPY", session)
            ingest(self.lake, SECOND_BARS, key, a_client(self.lake, []))

    def fetch(self, session: dt.date, *, panel: bool = True) -> None:
        """Everything of one session, whose underlying is in the lake."""
        chain_of(self.lake, session)
        bars_of(self.lake, session)
        if panel:
            build_panel(self.lake, "SPY", session)

    def fault(self, session: dt.date, *names: str) -> None:
        """The vendor's chain of that session is wrong from now on."""
        faults = [{"fault": name, "times": 0, "timespan": "contracts"} for name in names]
        self.simulator.faults.set(str(session), faults)

    def file(self, name: str, session: dt.date) -> Path:
        """The one file of a partition."""
        spec = OF_OPTIONS[name].spec
        folder = self.lake.storage.root / spec.prefix / "processed" / "spy" / f"date={session}"
        return folder / spec.rows.file_name


@contextmanager
def an_option_ground(root: Path, contracts: str = "few", days: Days | None = None) -> Iterator[OptionGround]:
    """With nothing in its lake yet. Its settings are those of the environment, while it lasts."""
    served = Simulator(days or SmoothDays(), KEY, contracts=contracts, now_s=NOW.timestamp)
    with served as simulator, pytest.MonkeyPatch.context() as patched:
        given = {"POLYGON_BASE_URL": simulator.url, "MARKETLAKE_ENV_FILE": "", "MARKETLAKE__STORAGE__ROOT": str(root)}
        for name, value in (SETTINGS | HISTORY | given).items():
            patched.setenv(name, value)
        yield OptionGround(simulator, Lake(settings.load(), now=lambda: NOW))


def with_options(lake: Lake, **changed: Any) -> Lake:
    """The same lake, by other settings of options."""
    options = lake.settings.options.model_copy(update=changed)
    return Lake(lake.settings.model_copy(update={"options": options}), now=lake.now)


def empty_lake(lake: Lake, root: Path, **changed: Any) -> Lake:
    """Another place, by the same settings but those of options that are named."""
    storage = lake.settings.storage.model_copy(update={"root": root})
    there = Lake(lake.settings.model_copy(update={"storage": storage}), now=lake.now)
    return with_options(there, **changed)


def fill(ground: OptionGround) -> None:
    """Tuesday is complete; Wednesday has adjusted contracts; of the 29th there is no panel, nor the underlying."""
    ground.seconds(dt.date(2024, 11, 25), TUESDAY, WEDNESDAY)
    ground.fetch(TUESDAY)
    ground.fault(WEDNESDAY, "adjusted_contract")
    ground.fetch(WEDNESDAY)
    ground.fetch(EARLY, panel=False)
