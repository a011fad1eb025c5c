"""The house: imports point down, nothing heavy at parse time, locked dependencies."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
FLOORS = {
    "errors": 0, "model": 0, "redaction": 0, "settings": 0, "parameters": 0, "schema": 0, "sessions": 0,
    "parse": 0, "validate": 0, "certificate": 0, "credentials": 0, "answers": 0, "reconciliation": 0, "changes": 0,
    "comparison": 0,
    "console": 0, "env_lines": 0, "paths": 0, "proxies": 0,
    "run_summary": 0,
    "seal": 0, "findings": 0, "dataset_names": 0, "commands": 0,
    "client": 1, "body": 1, "storage": 1, "raw_pages": 1, "partitions": 1, "references": 1, "revisions": 1, "visits": 1,
    "call_budget": 1,
    "lake": 2, "evidence": 2, "ingest": 2, "due": 2, "audit": 2, "planning": 2, "preflight": 2,
    "examination": 2, "verify": 2, "__main__": 2,
}  # fmt: skip
IO = {name for name, floor in FLOORS.items() if floor == 1}


def imported(path: Path) -> set[str]:
    """Every absolute module that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def lake_modules(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path) if name.startswith("marketlake.")} & set(FLOORS)


MODULES = sorted({*(PROJECT / "include" / "marketlake").glob("*.py")} - {PROJECT / "include/marketlake/__init__.py"})


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_of_the_lake_point_down(path: Path) -> None:
    assert path.stem in FLOORS, "a new module needs a floor"
    for name in lake_modules(path):
        assert FLOORS[name] <= FLOORS[path.stem], f"{path.stem} imports {name} of a higher floor"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_lake_knows_no_airflow(path: Path) -> None:
    forbidden = ("airflow", "marketlake_airflow", "local_airflow", "polygon_simulator")
    assert not [name for name in imported(path) if name.startswith(forbidden)]


@pytest.mark.parametrize("path", sorted((PROJECT / "include" / "polygon_simulator").glob("*.py")), ids=lambda p: p.stem)
def test_the_simulator_shares_no_io_with_what_it_tests(path: Path) -> None:
    assert not lake_modules(path) & (IO | {"parse", "validate"})


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in (PROJECT / "include").rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 320} == {}


def modules_after(code: str, *arguments: str) -> set[str]:
    """The modules that a fresh process has loaded after running some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('LOADED', *sys.modules)", *arguments],
        env=os.environ
        | {
            "PYTHONPATH": f"{PROJECT / 'include'}:{PROJECT / 'plugins'}",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.partition("LOADED")[2].split())


HEAVY = {"pandas", "pyarrow", "exchange_calendars", "numpy"}


def test_parsing_the_dag_file_imports_nothing_heavy() -> None:
    baseline = modules_after("import airflow.sdk, airflow.timetables.base")
    parsed = modules_after(f"import runpy; runpy.run_path({str(PROJECT / 'dags' / 'second_bars.py')!r})")
    assert (parsed - baseline) & HEAVY == set()
    assert "marketlake.settings" in parsed


@pytest.mark.parametrize(("component", "expected"), [("scheduler", True), ("api-server", False), ("dags", False)])
def test_heavy_imports_are_preloaded_only_where_tasks_are_forked(component: str, expected: bool) -> None:
    code = f"import sys; sys.argv = ['airflow', {component!r}]; import airflow_local_settings"
    assert ({"pyarrow.parquet", "exchange_calendars"} <= modules_after(code)) is expected


def test_the_locks_pin_every_package_with_hashes_and_name_no_index() -> None:
    for path in (PROJECT / "requirements.txt", *(PROJECT / ".ci").glob("requirements-*.txt")):
        text = path.read_text()
        assert "://" not in text
        blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
        assert blocks
        assert all("==" in block and "--hash=sha256:" in block for block in blocks)


def test_the_example_environment_explains_every_variable() -> None:
    lines = (PROJECT / ".env.example").read_text().splitlines()
    variables = [line for line in lines if re.match(r"#? ?[A-Z_]+=", line)]
    assert any(line.startswith("POLYGON_API_KEY=") for line in variables)
    for number, line in enumerate(lines):
        if re.match(r"#? ?[A-Z_]+=", line):
            assert lines[number - 1].startswith("#"), f"{line} is not explained"
