"""Second bars of SPY, which most tests are about, in few words."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.lake import Lake
from marketlake.partitions.dataset_store import DatasetStore
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.rows.spec import PartitionKey
from polygon_simulator.server import Simulator

DAY = dt.date(2024, 11, 26)
"""A whole day of the simulator's sparse ones, long final."""


def fault(simulator: Simulator, *names: str, times: int = 1, page: int | None = None) -> None:
    """Let the simulator answer that day's seconds with these faults, one after the other, each so often."""
    simulator.faults.set(str(DAY), [{"fault": name, "times": times, "page": page} for name in names])


def spy(session: dt.date) -> PartitionKey:
    """One session of SPY's second bars."""
    return SECOND_BARS.spec.key("SPY", session)


def kept_by(lake: Lake) -> DatasetStore:
    """What a lake keeps of second bars."""
    return lake.store(SECOND_BARS.spec)


def a_request(lake: Lake, session: dt.date) -> BarRequest:
    """The request for one session of SPY's second bars."""
    return BarRequest("SPY", lake.calendar.hours(session), lake.settings.bars.adjusted, Timespan.SECOND)


def archive_of(lake: Lake, session: dt.date, revision: int = 1) -> Path:
    """The one archive of a revision's raw pages."""
    (found,) = (lake.storage.root / f"raw/spy/date={session}/rev={revision}").glob("pages-*.tar")
    return found
