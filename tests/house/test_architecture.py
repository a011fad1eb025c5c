"""The house: small files, nothing heavy at parse time, locked dependencies. Its import rules: ``make check``."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

PROJECT = Path(__file__).resolve().parents[2]


SOURCES = [path for folder in ("include", "plugins", "dags") for path in (PROJECT / folder).rglob("*.py")]
PAGE = PROJECT / "include" / "marketlake" / "coverage_page" / "static"


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path.relative_to(PROJECT): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > 280} == {}
    assert median(length for path, length in lengths.items() if path.name != "__init__.py") <= 110


def test_the_pages_own_files_are_no_longer() -> None:
    """What others wrote is in a folder of its own, and looked at in ``test_scripts.py``."""
    lengths = {path.name: len(path.read_text().splitlines()) for path in PAGE.iterdir() if path.is_file()}
    assert {"page.html", "page.css", "page.js"} <= lengths.keys()
    assert {name: length for name, length in lengths.items() if length > 280} == {}
    assert median(length for name, length in lengths.items() if name.endswith(".js")) <= 110


def test_functions_are_small() -> None:
    lengths = [
        node.body[-1].end_lineno - node.body[0].lineno + 1  # type: ignore[operator]
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    assert len(lengths) > 800
    assert median(lengths) <= 6  # its docstring included


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What a file gives a name to: variables, parameters, functions and classes, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno


def test_what_is_named_is_named_by_what_it_is() -> None:
    nameless = {"asked", "said", "told"}
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {name}"
        for path in SOURCES
        for name, line in bound_names(ast.parse(path.read_text()))
        if name.strip("_").lower() in nameless
    ]
    assert found == []


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


ENDS = """
import sys; sys.argv = ["airflow", {component!r}]
import airflow_local_settings

class Circle:
    def __init__(self): self.itself = self
    def __del__(self): print("looked for", flush=True)

kept = [Circle()]
kept.clear()
"""


@pytest.mark.parametrize(
    ("component", "told"),
    [("api-server", ""), ("dag-processor", ""), ("scheduler", ""), ("triggerer", ""), ("dags", "looked for\n")],
)
def test_a_server_of_airflow_ends_without_a_last_look_for_unused_objects(component: str, told: str) -> None:
    given = os.environ | {"PYTHONPATH": str(PROJECT / "include")}
    code = ENDS.format(component=component)
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True)
    assert done.stdout == told


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
