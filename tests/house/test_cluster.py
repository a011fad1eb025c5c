"""The page of several workers, held against Airflow and against what `make stack` does."""

from __future__ import annotations

import re
from pathlib import Path

import airflow
import pytest
import yaml

from stack.__main__ import main
from stack.kills import VICTIMS
from stack.stack import AIRFLOW

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs/cluster.md").read_text()


def test_every_metric_to_watch_is_one_of_airflows() -> None:
    registry = Path(airflow.__file__).parent / "_shared/observability/metrics/metrics_template.yaml"
    known = {one["name"] for one in yaml.safe_load(registry.read_text())["metrics"]}
    table = PAGE.partition("| metric | alarm |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`([a-z_.]+)`", row)}
    assert len(named) == 14
    assert named <= known


def test_a_restore_stops_what_the_script_stops_and_the_table_has_each_of_its_victims() -> None:
    (stopped,) = re.findall(r"^docker compose stop (.+)$", PAGE, re.MULTILINE)
    assert set(stopped.split()) == set(AIRFLOW)
    killed = re.findall(r"^\| `kill -9` of ([a-z-]+)", PAGE, re.MULTILINE)
    assert tuple(killed) == (*VICTIMS, "object-store")


def test_without_an_engine_the_script_says_so_in_a_line_and_ends_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["stack"])
    assert main() == 0
    assert capsys.readouterr().out == "stack: skipped, no Docker or Podman with Compose answers here\n"
