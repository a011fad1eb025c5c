"""An Airflow whose lake has two years of sessions in every state, and who looks at its coverage page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import two_years
from local_airflow.server.api import AirflowApi
from research_lake import a_ground
from rig import Rig, airflow_of, ended, home_of, trigger
from visitor import Visitor

VARIABLES = {
    "MARKETLAKE__HISTORY__START_DATE": "2024-11-25",
    "MARKETLAKE__HISTORY__END_DATE": "2026-11-19",
    "MARKETLAKE__TICKERS": '["SPY", "QQQ"]',  # of the second one nothing is held, but by the test that fetches it
    "MARKETLAKE__SCHEDULE__ENABLED": "false",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,vera:viewer",
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("coverage page")
    with a_ground(folder / "lake") as ground:
        two_years.fill(ground)
        yield Rig(folder, ground.simulator, VARIABLES).with_database(migrated)


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
