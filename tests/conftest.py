"""A lake of its own, a clock that stands still, and a server that answers, for every test."""

from __future__ import annotations

import datetime as dt
import gc
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import hypothesis
import pytest
import requests
from filelock import FileLock

import server_tracing
from browser import skip_or_fail
from bucket_places import variables_of
from local_airflow.server.home import Home
from marketlake import settings
from marketlake.lake import Lake
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from object_store import ObjectStore, running
from polygon_simulator.days import Bar, RecordedDays
from polygon_simulator.server import Simulator
from sparse_days import SparseDays

pytest.register_assert_rewrite("storage_conformance", "storage_model")  # so that they say what they found

# Before the first import of Airflow, which reads them once and for all.
_AIRFLOW_HOME = tempfile.mkdtemp(prefix="airflow-of-the-tests-")
os.environ |= {"AIRFLOW_HOME": _AIRFLOW_HOME, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

KEY = "test-key-of-the-simulator-abcd"
NOW = dt.datetime(2026, 11, 20, 17, 0, tzinfo=dt.UTC)
"""A Friday at noon in New York: the 19th has been final for an hour, the 20th is trading."""
_FAULTS = Path(__file__).parent / "faults"
"""Tests that go the ways of others a thousand times: to trace them would take a quarter more, and find no line."""
REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
needs_real_days = pytest.mark.skipif(
    not REAL.is_dir(), reason="the recorded SPY days (shared/real beside the project) are absent"
)


class RecordedElseSparse:
    """Recorded days where there are any, sparse ones elsewhere. Read once a process: every test has a server anew."""

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        return _recorded_else_sparse(ticker, day)


@lru_cache(maxsize=8)
def _recorded_else_sparse(ticker: str, day: dt.date) -> list[Bar]:
    return RecordedDays(REAL).bars(ticker, day) or SparseDays().bars(ticker, day)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with much of Airflow in them come first, then long ones, so that the last one to end is short."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
        if item.path.is_relative_to(_FAULTS):
            item.add_marker("no_cover")
    of_airflow = Counter(item.path for item in items if item.get_closest_marker("airflow"))
    in_all = Counter(item.path for item in items)
    items.sort(key=lambda item: (-of_airflow[item.path], -in_all[item.path]))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test for each of the places that the nearest mark names."""
    places = metafunc.definition.get_closest_marker("places")
    if places and "place" in metafunc.fixturenames:
        metafunc.parametrize("place", places.args)


def pytest_collection_finish() -> None:
    """What was imported stays: looking for garbage among it, and copying it in each fork, is a twentieth of all CPU."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # some libraries complain of what is left at the very end


def pytest_runtest_setup(item: pytest.Item) -> None:
    server_tracing.follow(item.path)
    if item.get_closest_marker("browser"):
        skip_or_fail()  # before anything is set up for it


def forget_the_machine(patched: pytest.MonkeyPatch) -> None:
    """Take from this process what a shell may say of Airflow or the lake: a database, say."""
    for name in list(os.environ):
        if name.startswith(("AIRFLOW", "AWS_", "MARKETLAKE", "POLYGON", "MASSIVE")):
            patched.delenv(name)
    patched.setenv("MARKETLAKE_ENV_FILE", "")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with Airflow's empty database, made once for all workers of a session."""
    folder = tmp_path_factory.getbasetemp()
    home = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "migrated"
    with FileLock(f"{home}.lock"), pytest.MonkeyPatch.context() as patched:
        forget_the_machine(patched)
        patched.setenv("AIRFLOW_HOME", str(home))
        Home.of(settings.load()).migrate()
    return home


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    """A server for all workers of a session, started for the first who asks; it ends with whoever started them."""
    folder, owner = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder, owner = folder.parent, os.getppid()
    with FileLock(folder / "object-store.lock"):
        return running(folder / "object-store", owner)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, setting or ``.env`` of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("MARKETLAKE", "POLYGON", "MASSIVE", "AWS")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", "")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(RecordedElseSparse(), KEY) as running:
        yield running


@pytest.fixture
def place() -> str:
    """Where the lake of a test lies, ``folder`` or ``bucket``: what the nearest mark ``places`` says, or here."""
    return "folder"


def settle(place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Let the settings name a folder of its own for the lake, or a corner of the bucket."""
    variables = {"MARKETLAKE__STORAGE__ROOT": str(tmp_path / "lake")}
    if place == "bucket":
        store = request.getfixturevalue("object_store")
        variables = variables_of(store.endpoint_url, store.corner(), tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def lake(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, simulator: Simulator, request: pytest.FixtureRequest
) -> Lake:
    """An empty lake of its own, whose API is the simulator."""
    settle(place, monkeypatch, tmp_path, request)
    monkeypatch.setenv("POLYGON_BASE_URL", simulator.url)
    return Lake(settings.load(), now=lambda: NOW)


@pytest.fixture
def waits() -> list[float]:
    """The waits that a client would have made, in seconds."""
    return []


@pytest.fixture
def client(lake: Lake, waits: list[float]) -> PolygonClient:
    return a_client(lake, waits)


def a_client(lake: Lake, waits: list[float], key: str = KEY) -> PolygonClient:
    return PolygonClient(
        Transport(direct(), ApiKey(key, "a test"), lake.settings.api, sleep=waits.append, now_s=NOW.timestamp)
    )


def direct() -> requests.Session:
    """Connections that ask the environment for no proxy, which takes a fifth of a request to this machine itself."""
    session = requests.Session()
    session.trust_env = False
    return session


def times_of(folder: Path) -> dict[str, int]:
    """When each file of a lake's folder was written last, in ns."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in paths}


def files_under(folder: Path) -> set[str]:
    """Every file of a lake's folder, without locks and ``lake.json``; the digest in the name of raw pages as ``*``."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    names = {re.sub(r"pages-[0-9a-f]{12}\.tar$", "pages-*.tar", str(path.relative_to(folder))) for path in paths}
    return names - {"lake.json"}
