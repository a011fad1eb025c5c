"""An Airflow whose lake has two years of sessions in every state, and who looks at its coverage page."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import two_years
from conftest import RecordedElseSparse, a_client
from local_airflow.server.api import AirflowApi
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.ingest.options.bars import fetch_bars
from marketlake.ingest.options.rest import RestSource
from marketlake.ingest.session import ingest
from polygon_simulator.days import Bar
from research_lake import Ground, a_ground
from rig import Rig, airflow_of, ended, home_of, trigger
from server_tracing import untraced
from smooth_days import SmoothDays
from visitor import Visitor

OF_OPTIONS = "IWM"
"""The underlying whose options are collected."""
VARIABLES = {
    "MARKETLAKE__HISTORY__START_DATE": "2024-11-25",
    "MARKETLAKE__HISTORY__END_DATE": "2026-11-19",
    "MARKETLAKE__TICKERS": '["SPY", "QQQ"]',  # of the second one nothing is held, but by the test that fetches it
    "MARKETLAKE__SCHEDULE__ENABLED": "false",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,vera:viewer",
    "MARKETLAKE__OPTIONS__ENABLED": "true",
    "MARKETLAKE__OPTIONS__TICKERS": f'["{OF_OPTIONS}"]',  # whose own bars are nowhere, so that there is no panel
    "MARKETLAKE__OPTIONS__PANEL__ENABLED": "false",
    "MARKETLAKE__OPTIONS__RATES__SOURCE": "constant",
    "MARKETLAKE__OPTIONS__DIVIDENDS__SOURCE": "none",
    "MARKETLAKE__OPTIONS__EMPTY_RECHECK_S": "0",
}


class SmoothForOptions:
    """Days that options can be priced from, of their underlying; of the others those that any test has."""

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        days = SmoothDays() if ticker == OF_OPTIONS else RecordedElseSparse()
        return days.bars(ticker, day)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("coverage page")
    with a_ground(folder / "lake", days=SmoothForOptions(), contracts="few") as ground:
        with untraced():
            two_years.fill(ground)
        options(ground, two_years.REVISED[1])
        yield Rig(folder, ground.simulator, VARIABLES).with_database(migrated)


def options(ground: Ground, session: dt.date) -> None:
    """A session of them, chain and bars."""
    lake, client = ground.written, a_client(ground.written, [])
    ingest(lake, OPTION_CHAIN, OPTION_CHAIN.spec.key(OF_OPTIONS, session), client)
    fetch_bars(lake, OF_OPTIONS, session, client, RestSource(client, concurrency=4, recheck_s=0))


@pytest.fixture(scope="module")
def api(rig: Rig) -> Iterator[AirflowApi]:
    """Up, and the sessions that are to have failed have."""
    for day in two_years.TO_FAIL:
        fail(rig, str(day))
    with airflow_of(rig) as up:
        assert ended(up, trigger(up, sessions=[str(day) for day in two_years.TO_FAIL])) == "failed"
        rig.simulator.faults.clear()
        yield up


@pytest.fixture(scope="module")
def admin(rig: Rig, api: AirflowApi) -> Visitor:
    return Visitor.logged_in(api.base_url, "admin", password(rig, "admin"))


@pytest.fixture(scope="module")
def vera(rig: Rig, api: AirflowApi) -> Visitor:
    """A viewer."""
    return Visitor.logged_in(api.base_url, "vera", password(rig, "vera"))


@pytest.fixture(scope="module")
def nobody(api: AirflowApi) -> Visitor:
    return Visitor(api.base_url)


def password(rig: Rig, name: str) -> str:
    """Of a user of the rig's Airflow."""
    with home_of(rig) as home:
        return str(json.loads(home.passwords_file.read_text())[name])


def fail(rig: Rig, day: str) -> None:
    """From now on the vendor's answer of that day is refused."""
    rig.simulator.faults.set(day, [{"fault": "low_above_open", "times": 0}])
