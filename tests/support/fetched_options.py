"""A lake with options that the real code fetched from a simulated market of few contracts, and SPY's seconds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import KEY, NOW, a_client
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.options.panel import build_panel
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from option_lake import SETTINGS, bars_of, chain_of
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays


@contextmanager
def a_market() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as running:
        yield running


def fetch_options(lake: Lake, session: dt.date) -> None:
    """The chain of a session, the bars of its selected contracts, and the panel of these."""
    chain_of(lake, session)
    bars_of(lake, session)
    build_panel(lake, "SPY", session)


def fill_with_options(simulator: Simulator, root: Path, seconds: Sequence[dt.date], options: Sequence[dt.date]) -> Lake:
    """Second bars and options of some sessions each, fetched into a lake."""
    variables = SETTINGS | {
        "MARKETLAKE_ENV_FILE": "",
        "MARKETLAKE__STORAGE__ROOT": str(root),
        "POLYGON_BASE_URL": simulator.url,
    }
    with pytest.MonkeyPatch.context() as patched:
        for name, value in variables.items():
            patched.setenv(name, value)
        lake = Lake(settings.load(), now=lambda: NOW)
        for session in seconds:
            ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", session), a_client(lake, []))
        for session in options:
            fetch_options(lake, session)
    return lake
