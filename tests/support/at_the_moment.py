"""A lake, a client and a simulator whose clocks say the same, which a test sets."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from clocks import new_york
from conftest import KEY, direct
from marketlake import settings
from marketlake.ingest.options.snapshots import collect_snapshot
from marketlake.ingest.report import Report
from marketlake.lake import Lake
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from polygon_simulator.server import Simulator


@dataclass
class Moment:
    """``wrong_by``: how far the clock of this machine is ahead of the vendor's."""

    simulator: Simulator

    def set(self, text: str, wrong_by: dt.timedelta = dt.timedelta()) -> tuple[Lake, PolygonClient]:
        """The lake of the settings, and a client, at a New York time."""
        there = new_york(text)
        here = there + wrong_by
        self.simulator.now_s = there.timestamp
        lake = Lake(settings.load(), now=lambda: here)
        transport = Transport(
            direct(), ApiKey(KEY, "a test"), lake.settings.api,
            sleep=lambda _: None, now_s=here.timestamp,
        )  # fmt: skip
        return lake, PolygonClient(transport)

    def collect(self, text: str, wrong_by: dt.timedelta = dt.timedelta(), ticker: str = "SPY") -> Report:
        """The snapshot that is collected at a New York time."""
        lake, client = self.set(text, wrong_by)
        return collect_snapshot(lake, ticker, client)
