"""``make notebook``: which lake it opens, and how JupyterLab is begun. What the notebook does: tests/house."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest

from conftest import a_client
from local_airflow import notebook
from marketlake import open_lake
from marketlake.console import UNUSABLE
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS
from marketlake.errors import StorageError
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from option_tables import OptionGround

FRIDAY = dt.date(2024, 11, 29)


class Became(Exception):
    """What the process would have become: its command and environment."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.command, self.environment = command, environment


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the notebook alone, whose demo works in a folder of its own, and that becomes nothing."""

    def become(_: str, command: list[str], environment: Any) -> None:
        raise Became(command, dict(environment))

    project = tmp_path / "project"
    (project / notebook.FIRST_LOOK).parent.mkdir(parents=True)
    (project / notebook.FIRST_LOOK).write_text("as it is kept")
    monkeypatch.setenv("MARKETLAKE_DEMO_FOLDER", str(tmp_path / "demo"))
    monkeypatch.setattr(notebook.settings, "project_folder", lambda: project)
    monkeypatch.setattr(os, "execve", become)
    return project


def fill(lake: Lake, dataset: Any = SECOND_BARS) -> None:
    ingest(lake, dataset, dataset.spec.key("SPY", FRIDAY), a_client(lake, []))


def fill_the_demo(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fill(lake)
    demo = tmp_path / "demo" / "data"
    demo.parent.mkdir()
    lake.storage.root.rename(demo)
    return demo


@pytest.mark.parametrize("dataset", [SECOND_BARS, MINUTE_BARS], ids=lambda one: one.spec.name)
def test_the_lake_of_the_settings_goes_first(lake: Lake, tmp_path: Path, project: Path, dataset: Any) -> None:
    fill(lake, dataset)
    with pytest.raises(Became) as became:
        notebook.run([])
    assert became.value.environment == dict(os.environ)
    assert became.value.environment["MARKETLAKE__STORAGE__ROOT"] == str(lake.storage.root)


@pytest.mark.parametrize("own", ["absent", "empty", "of options alone"])
def test_the_demos_is_opened_if_that_has_no_session(
    lake: Lake, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, own: str
) -> None:
    demo = fill_the_demo(lake, tmp_path, monkeypatch)
    if own == "of options alone":
        OptionGround(lake.storage.root).fill(FRIDAY)
    if own == "empty":
        (lake.storage.root / "processed").mkdir(parents=True)
    with pytest.raises(Became) as became:
        notebook.run([])
    assert became.value.environment == dict(os.environ) | {"MARKETLAKE__STORAGE__ROOT": str(demo)}
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", became.value.environment["MARKETLAKE__STORAGE__ROOT"])
    assert open_lake().sessions() == [FRIDAY]
    assert f"{project}/notebooks/first_look.ipynb opens <lake of 127.0.0.1 at {demo}: " in capsys.readouterr().out


def test_without_any_lake_one_line_says_what_comes_first(lake: Lake, project: Path, capsys: Any) -> None:
    assert notebook.run([]) == UNUSABLE
    assert capsys.readouterr().err == (
        "no lake holds a session yet: give  make demo  first, which makes up ten of them without a key, or fetch your"
        " own with  make backfill FROM=... TO=...\n"
    )
    assert not (project / "notebooks").exists()


def test_it_listens_on_this_machine_only_and_ends_at_once_whatever_is_asked_for(lake: Lake, project: Path) -> None:
    fill(lake)
    with pytest.raises(Became) as became:
        notebook.run(["--no-browser"])
    command = became.value.command
    assert command[1:4] == ["-m", "jupyterlab", str(project / "notebooks")]
    assert "--LabApp.default_url=/lab/tree/first_look.ipynb" in command
    after = command[command.index("--no-browser") + 1 :]
    assert {"--ServerApp.ip=127.0.0.1", "--ServerApp.allow_remote_access=False", "--ServerApp.answer_yes=True"} <= {
        *after
    }


def test_a_persons_own_copy_stays_as_they_left_it(lake: Lake, project: Path) -> None:
    fill(lake)
    copy = project / "notebooks" / "first_look.ipynb"
    for expected in ("as it is kept", "with my own cells"):
        with pytest.raises(Became):
            notebook.run([])
        assert copy.read_text() == expected
        copy.write_text("with my own cells")
    assert (project / notebook.FIRST_LOOK).read_text() == "as it is kept"


def test_a_copy_that_cannot_be_written_is_named(lake: Lake, project: Path) -> None:
    fill(lake)
    (project / "notebooks").write_text("a file")
    with pytest.raises(StorageError, match=r"notebooks/first_look\.ipynb cannot be written \(.+\): make room"):
        notebook.run([])
