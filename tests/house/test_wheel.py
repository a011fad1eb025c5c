"""The wheel, installed with what it asks for and nothing else, away from the checkout."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from conftest import a_client
from doc_tables import PROJECT
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from seconds import spy

NAME = "spy-options-intelligence-platform"
FRIDAY = dt.date(2024, 11, 29)
PAGE = PROJECT / "include" / "marketlake" / "coverage_page"
VENDORED = [f"vendor/uplot/{name}" for name in ("LICENSE", "uPlot.esm.js", "uPlot.min.css")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of a copy, as a build leaves its own files behind, with the setuptools of this environment."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(
        PROJECT / "include",
        source / "include",
        symlinks=True,
        ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(source / "dist"), str(source))
    (built,) = (source / "dist").iterdir()
    return built


def pip(python: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", *arguments, "--no-index"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip


def asked_for() -> set[str]:
    """The distributions that the wheel needs without any extra, and what those need."""
    found: set[str] = set()
    left = [NAME]
    while left:
        needs = map(Requirement, distribution(left.pop()).requires or [])
        new = {one.name for one in needs if one.marker is None or one.marker.evaluate({"extra": ""})} - found
        found |= new
        left += new
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and what it asks for. No Airflow, and nothing of an extra."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/*/site-packages")
    for name in asked_for():
        there = distribution(name)
        for top in {file.parts[0] for file in there.files or []} - {"..", "__pycache__"}:
            (packages / top).symlink_to(str(there.locate_file(top)))
    pip(str(python), "install", "--no-deps", str(wheel))
    return python


def run(python: Path, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Python in a folder, with an environment in which nothing of this project is set but what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MARKETLAKE", "PYTHON"))}
    return subprocess.run(
        [str(python), *arguments],
        cwd=folder, env=kept | variables, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_wheel_holds_the_packages_the_defaults_and_nothing_else(wheel: Path) -> None:
    include = PROJECT / "include"
    code = {str(path.relative_to(include)) for path in include.rglob("*.py")}
    page = {str(path.relative_to(include)) for path in (PAGE / "static").rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        defaults = archive.read("marketlake/settings/settings.yaml")
    assert held == code | page | {"marketlake/py.typed", "marketlake/settings/settings.yaml"}
    assert {"airflow_local_settings.py", "local_airflow/server/sqlite_turns.py", "marketlake/__main__.py"} < held
    static = "marketlake/coverage_page/static/"
    assert {f"{static}{name}" for name in ("page.html", "page.js", "page.css", *VENDORED)} < held
    assert {name for name in held if "/" not in name} == {"airflow_local_settings.py"}
    assert defaults == (include / "settings.yaml").read_bytes()


IMPORT_ALL = """
import importlib, importlib.util, pkgutil, marketlake
for name in ("airflow", "polars", "duckdb", "boto3", "QuantLib", "marketlake_airflow"):
    assert importlib.util.find_spec(name) is None, name
print(marketlake.__file__)
for module in pkgutil.walk_packages(marketlake.__path__, "marketlake."):
    print(importlib.import_module(module.name).__name__)
"""


def test_every_module_of_the_lake_imports_without_airflow_and_without_an_extra(python: Path, tmp_path: Path) -> None:
    done = run(python, tmp_path, "-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    place, *imported = done.stdout.splitlines()
    assert Path(place).is_relative_to(python.parents[1] / "lib")
    lake = PROJECT / "include" / "marketlake"
    dotted = {".".join(("marketlake", *path.relative_to(lake).with_suffix("").parts)) for path in lake.rglob("*.py")}
    assert {*imported, "marketlake"} == {name.removesuffix(".__init__") for name in dotted}


ROOTS = {
    "a variable": ({}, {"MARKETLAKE__STORAGE__ROOT": "lake"}),
    ".env": ({".env": "MARKETLAKE__STORAGE__ROOT=lake\n"}, {}),
    "settings.yaml": ({"settings.yaml": "storage: {root: lake}\n"}, {}),
    "another .env": ({"own.env": "MARKETLAKE__STORAGE__ROOT=lake\n"}, {"MARKETLAKE_ENV_FILE": "own.env"}),
    "another settings file": (
        {".env": "MARKETLAKE_SETTINGS_FILE=own.yaml\n", "own.yaml": "storage.root: lake\n", "settings.yaml": "no: 1\n"},
        {},
    ),
}


@pytest.fixture
def lake_with_a_session(lake: Lake, waits: list[float]) -> Path:
    ingest(lake, SECOND_BARS, spy(FRIDAY), a_client(lake, waits))
    return lake.storage.root


@pytest.mark.parametrize("place", ROOTS)
def test_a_lake_is_verified_from_the_current_folder_on(
    python: Path, lake_with_a_session: Path, tmp_path: Path, place: str
) -> None:
    files, variables = ROOTS[place]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = run(python, tmp_path, "-m", "marketlake", "verify", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert lake_with_a_session == tmp_path / "lake"
    assert done.stdout.startswith(f"SPY: 1 partitions under {tmp_path}/lake, ")
    assert "0 findings" in done.stdout


def test_without_any_file_the_settings_are_the_defaults(python: Path, tmp_path: Path) -> None:
    code = (
        "from marketlake import settings; s = settings.load(); print(s.model_dump_json());"
        "print(settings.settings_file()); print(s.storage_root); print(settings.env_file())"
    )
    here = run(Path(sys.executable), tmp_path, "-c", code, MARKETLAKE_ENV_FILE="").stdout.splitlines()
    there = run(python, tmp_path, "-c", code).stdout.splitlines()
    assert here[:3] == [there[0], str(PROJECT / "include" / "settings.yaml"), str(PROJECT / "data")]
    assert Path(there[1]).is_relative_to(python.parents[1])
    assert there[2:] == [str(tmp_path / "data"), str(tmp_path / ".env")]


def test_a_makefile_of_somebody_else_is_not_ours(python: Path, tmp_path: Path) -> None:
    (tmp_path / "Makefile").touch()
    code = "from marketlake import commands; print(commands.in_a_checkout())"
    assert run(python, tmp_path, "-c", code).stdout == "False\n"


def test_what_needs_a_checkout_says_so_and_leaves_nothing_behind(python: Path, tmp_path: Path) -> None:
    done = run(python, tmp_path, "-m", "local_airflow", "up")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "SettingsError: local_airflow runs the DAGs of a checkout, and is installed without one: clone the repository,"
        " and give the command there.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_beside_an_airflow_without_our_plugins_the_wheel_ends_no_scheduler(tmp_path: Path) -> None:
    code = (
        "import importlib.util, sys; sys.argv = ['airflow', 'scheduler']; import airflow_local_settings;"
        "print(importlib.util.find_spec('marketlake_airflow'))"
    )
    done = run(Path(sys.executable), tmp_path, "-c", code)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr
