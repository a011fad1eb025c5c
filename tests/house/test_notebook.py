"""The first look of docs/notebooks: clean as it is kept, and run from top to bottom on lakes of made-up sessions."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from doc_tables import PROJECT
from fetched_options import a_market, fill_with_options
from marketlake.datasets.stock_bars import MINUTE_BARS
from research_lake import MADE_UP, a_ground

PATH = PROJECT / "docs" / "notebooks" / "first_look.ipynb"
PLOTS = ["plot-a-day", "plot-the-volume-curve", "plot-realised-variance"]
OF_OPTIONS = ["plot-the-smile", "plot-the-term-structure", "plot-the-surface"]
GAP = dt.date(2024, 11, 27)

Outputs = dict[str, list[Any]]
"""What each cell of code put out, by the cell's id."""


def kept() -> Any:
    return nbformat.read(PATH, as_version=4)


def executed(lake: Path, folder: Path) -> Outputs:
    """The notebook in a kernel of its own, in which nothing is set but the lake."""
    notebook = kept()
    with pytest.MonkeyPatch.context() as patched:
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            patched.setenv(name, str(folder / name))
        patched.setenv("JUPYTER_PREFER_ENV_PATH", "1")
        patched.setenv("PYTHONPATH", str(PROJECT / "include"))
        patched.setenv("MARKETLAKE_ENV_FILE", "")
        patched.setenv("MARKETLAKE__STORAGE__ROOT", str(lake))
        patched.delenv("MPLBACKEND", raising=False)
        client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}})
        client.execute()  # raises the error of a cell
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


@pytest.fixture(scope="module")
def seconds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outputs]:
    """Of a lake of second bars, in which no session is missing."""
    folder = tmp_path_factory.mktemp("seconds")
    with a_ground(folder / "lake") as ground:
        ground.fetch(*MADE_UP)
        yield executed(ground.root, folder)


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outputs]:
    """Of a lake of minute bars alone, as a free key has it, in which a session is missing."""
    folder = tmp_path_factory.mktemp("minutes")
    with a_ground(folder / "lake") as ground:
        ground.fetch(*(one for one in MADE_UP if one != GAP), dataset=MINUTE_BARS)
        yield executed(ground.root, folder)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """Of a lake with second bars and options."""
    folder = tmp_path_factory.mktemp("options")
    with a_market() as market:
        fill_with_options(market, folder / "lake", MADE_UP[:3], MADE_UP[1:3])
        return executed(folder / "lake", folder)


def said(outputs: list[Any], stream: str = "stdout") -> str:
    return "".join(one.text for one in outputs if one.output_type == "stream" and one.name == stream)


def shown(outputs: list[Any], kind: str = "text/plain") -> list[str]:
    found = [one.data for one in outputs if one.output_type in {"display_data", "execute_result"}]
    return [data[kind] for data in found if kind in data]


def pixels(picture: str) -> np.ndarray:
    """The colours of a PNG in base64."""
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        return np.asarray(image.convert("RGB"))


def blue_pixels(picture: str) -> int:
    """How many are of the colour that lines are drawn in."""
    return int((pixels(picture) == (0x00, 0x72, 0xB2)).all(axis=-1).sum())


def test_the_notebook_is_kept_without_outputs_and_with_ids_that_stay() -> None:
    notebook = kept()
    nbformat.validate(notebook)
    assert 10 <= len(notebook.cells) <= 20
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [
        (cell.id, cell.outputs, cell.execution_count) for cell in code if cell.outputs or cell.execution_count
    ] == []
    assert [cell.id for cell in notebook.cells if not re.fullmatch(r"[a-z]+(-[a-z]+)+", cell.id)] == []
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert [cell.id for cell in notebook.cells if cell.metadata] == []
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_the_notebook_names_no_path_of_a_machine_and_opens_the_lake_of_the_settings() -> None:
    text = PATH.read_text()
    assert re.findall(r"(?:^|[\s\"'(`])(?:~|[A-Za-z]:\\|/\w|\.\.?/)[^\s\"')]*", text) == []
    assert ".demo" not in text
    assert re.findall(r"open_lake\(.*?\)", text) == ["open_lake()"]


@pytest.mark.parametrize(("lake", "sessions"), [("seconds", 6), ("minutes", 5)])
def test_there_are_three_pictures_in_which_something_is_drawn(
    request: pytest.FixtureRequest, lake: str, sessions: int
) -> None:
    found: Outputs = request.getfixturevalue(lake)
    pictures = {name: shown(outputs, "image/png") for name, outputs in found.items()}
    assert [name for name, of_cell in pictures.items() for _ in of_cell] == PLOTS
    assert [name for name in PLOTS if blue_pixels(pictures[name][0]) < 500] == []
    assert shown(found["make-a-tensor"]) == [f"({sessions}, 390, 2)"]


def test_the_manifest_names_every_session(seconds: Outputs) -> None:
    noted = json.loads(said(seconds["note-a-manifest"]))
    assert [(one["session"], one["rows"]) for one in noted["sessions"]] == [
        (str(session), 210 if session == dt.date(2024, 11, 29) else 390) for session in MADE_UP
    ]
    assert (noted["dataset"], noted["start"], noted["end"]) == ("second_bars", "2024-11-25", "2024-12-03")


def test_the_lake_is_said_and_its_sessions_are_counted(seconds: Outputs) -> None:
    opened = seconds["open-the-lake"]
    assert "second_bars of SPY, 2024-11-25 to 2024-12-03, 6 of 6 sessions complete>" in said(opened)
    assert shown(opened)[0].split()[-6:] == ["second_bars", "SPY", "6", "2024-11-25", "2024-12-03", "2160"]
    table = shown(seconds["ask-in-sql"])[0].splitlines()
    assert len(table) == 1 + len(MADE_UP)
    assert {line.split()[1] for line in table[1:]} == {str(session) for session in MADE_UP}


def test_nothing_is_warned_of_on_a_lake_without_a_gap(seconds: Outputs) -> None:
    assert {name: said(outputs, "stderr") for name, outputs in seconds.items() if said(outputs, "stderr")} == {}


def test_of_options_there_are_a_smile_a_term_structure_and_a_surface(options: Outputs) -> None:
    pictures = {name: shown(outputs, "image/png") for name, outputs in options.items()}
    assert [name for name, of_cell in pictures.items() for _ in of_cell] == [*PLOTS, *OF_OPTIONS]
    smile, term_structure, surface = (pictures[name][0] for name in OF_OPTIONS)
    assert blue_pixels(smile) > 200
    assert (pixels(smile) == (0xE6, 0x9F, 0x00)).all(axis=-1).sum() > 200  # puts
    assert blue_pixels(term_structure) > 500
    coloured = np.unique(pixels(surface).reshape(-1, 3), axis=0, return_counts=True)
    assert (coloured[1] > 1_000).sum() > 10  # fields of its own colour each
    told = said(options["choose-a-chain"]).splitlines()
    assert told[0] == "<option chain of SPY on 2024-11-27: 152 contracts, selected by 604.97 USD>"
    assert re.fullmatch(r"\d\d of them, out of the money, have an iv at noon", told[1])
    assert {name: said(outputs, "stderr") for name, outputs in options.items() if said(outputs, "stderr")} == {}


def test_a_lake_with_options_begins_with_its_bars(options: Outputs) -> None:
    assert shown(options["open-the-lake"])[0].split()[-6:-3] == ["second_bars", "SPY", "3"]
    assert "option_panel of SPY, 2024-11-26 to 2024-11-27, 2 of 2 sessions complete>" in said(options["open-the-lake"])


@pytest.mark.parametrize("lake", ["seconds", "minutes"])
def test_of_a_lake_without_options_it_is_said_how_to_get_them(request: pytest.FixtureRequest, lake: str) -> None:
    found: Outputs = request.getfixturevalue(lake)
    assert said(found["choose-a-chain"]).splitlines() == [
        "This lake holds no options. Made-up ones, without a key:  make demo OPTIONS=1  ; your own:",
        "  MARKETLAKE__OPTIONS__ENABLED=true make backfill DATASET=options FROM=... TO=...",
    ]
    assert [found[name] for name in OF_OPTIONS] == [[], [], []]


def test_a_session_that_is_missing_is_named_and_the_others_are_shown(minutes: Outputs) -> None:
    noted = json.loads(said(minutes["note-a-manifest"]))
    assert [one["session"] for one in noted["sessions"]] == [str(one) for one in MADE_UP if one != GAP]
    assert noted["dataset"] == "minute_bars"
    for name in ("plot-the-volume-curve", "note-a-manifest"):
        assert "1 of 6 sessions cannot be given: missing 2024-11-27" in said(minutes[name], "stderr")
