"""README and docs, held against the code: commands, settings, variables, messages, readers, links."""

from __future__ import annotations

import ast
import datetime as dt
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import airflow
import numpy as np
import pytest
import yaml

from conftest import KEY, NOW, a_client, files_under
from doc_tables import PROJECT, TABLES, with_table
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from option_tables import OptionGround
from polygon_simulator.market import MadeUpDays
from polygon_simulator.server import Simulator
from seconds import spy

PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (PROJECT / "docs").glob("*.md")))
READ = {name: (PROJECT / name).read_text() for name in (*PAGES, "CHANGELOG.md")}
TEXT = "\n".join(READ[name] for name in PAGES)
CODE = [path for folder in ("include", "plugins", "dags") for path in sorted((PROJECT / folder).rglob("*.py"))]


@cache
def headings(text: str) -> list[tuple[int, int, str]]:
    """Level, place and title of every heading; a comment within a block of code is none."""
    blocks = [range(*match.span()) for match in re.finditer(r"^```.*?^```$", text, re.DOTALL | re.MULTILINE)]
    found = re.finditer(r"^(#+) (.+)$", text, re.MULTILINE)
    return [(len(one[1]), one.start(), one[2]) for one in found if not any(one.start() in block for block in blocks)]


def section(title: str) -> str:
    """What stands under the one heading of that title, in whichever page it is; smaller headings with it."""
    found = []
    for name in PAGES:
        text, ends = READ[name], headings(READ[name])
        for number, (level, start, name_of) in enumerate(ends):
            if name_of == title:
                later = [place for other, place, _ in ends[number + 1 :] if other <= level]
                found.append(text[start : min(later, default=len(text))])
    (only,) = found
    return only


def spoken(path: Path) -> Iterator[str]:
    """Every text of a Python file, its gaps marked."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)


MESSAGES = re.findall(r"^\| `([^`]+)` \| ", section("Troubleshooting"), re.MULTILINE)
OF_AIRFLOW = {"AlreadyRunningBackfill": "models/backfill.py"}
"""Errors that are Airflow's own, and the file that has each."""
OF_SQLALCHEMY = "'dict' object has no attribute 'hex'"
"""How ``airflow dags test`` ends."""


@cache
def all_spoken() -> list[str]:
    """Every text of the code. Not at import: that is a second in each process that collects tests."""
    others = ((PROJECT / name).read_text() for name in ("Makefile", "docker-compose.yaml"))
    return [
        *(text for path in CODE for text in spoken(path)),
        *(" ".join(text.replace("\\\n", "").split()) for text in others),
    ]


def commands_of(block: str) -> list[str]:
    """The commands of a block of shell lines, each on one line."""
    return [line for line in block.replace("\\\n", "").splitlines() if line and not line.startswith("#")]


BLOCKS = [commands_of(block) for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)]


def test_the_first_screen_has_what_it_is_a_picture_and_two_commands() -> None:
    first_screen = READ["README.md"].partition("\n## ")[0]
    assert len(first_screen.splitlines()) <= 45
    assert "```mermaid" in first_screen
    assert re.findall(r"^make \w+.*$", first_screen, re.MULTILINE)[0] == "make demo"
    assert re.search(r"^make backfill FROM=", first_screen, re.MULTILINE)


def test_the_readme_is_for_a_newcomer_and_short() -> None:
    assert len(READ["README.md"].splitlines()) <= 135


def test_every_picture_is_there_small_and_told_in_words() -> None:
    shown = {(name, *found) for name in READ for found in re.findall(r"!\[([^]]*)\]\(([^)]+)\)", READ[name])}
    assert ("README.md", "docs/pictures/intraday_volume.png") in {(name, path) for name, _, path in shown}
    assert {words for _, words, _ in shown if len(words.split()) < 8} == set()
    files = {((PROJECT / name).parent / path).resolve() for name, _, path in shown}
    assert files == {path.resolve() for path in (PROJECT / "docs" / "pictures").iterdir()}
    assert [path.name for path in files if path.stat().st_size > 60_000 or path.read_bytes()[1:4] != b"PNG"] == []


def test_there_is_a_page_for_everything_and_the_readme_links_each() -> None:
    named = {
        "CONTRIBUTING", "SECURITY", "architecture", "configuration", "containers", "data", "operations", "performance",
        "plans-and-costs", "reliability", "troubleshooting",
    }  # fmt: skip
    assert set(PAGES) >= {"README.md", *(f"docs/{name}.md" for name in named)}
    rows = re.findall(r"^\| .* \| (\[.+\)) \|$", section("The documentation"), re.MULTILINE)
    linked = {path for row in rows for path in re.findall(r"\[[^]]+\]\(([^)#]+)\)", row)}
    assert linked == {*READ} - {"README.md"}
    assert [path.name for path in PROJECT.glob("*.md")] != []
    assert {path.name for path in PROJECT.glob("*.md")} == {"README.md", "CHANGELOG.md"}


@pytest.mark.parametrize("name", READ)
def test_every_make_command_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make +([a-z-]+)", READ[name], re.MULTILINE))
    assert named
    assert named <= targets


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_table_is_as_the_code_has_it(name: str) -> None:
    assert with_table(name) == READ[name], "make readme"


def test_the_table_of_settings_has_all_of_a_section() -> None:
    assert section("Settings").count("\n| `api.") == 10


def test_the_settings_file_says_the_models_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written = settings.load()
    empty = tmp_path / "empty.yaml"
    empty.write_text("{}")
    monkeypatch.setenv("MARKETLAKE_SETTINGS_FILE", str(empty))
    assert settings.load() == written
    document = yaml.safe_load((PROJECT / "include" / "settings.yaml").read_text())
    assert {name: set(value) for name, value in document.items() if isinstance(value, dict)} == {
        name: set(value) for name, value in written.model_dump().items() if isinstance(value, dict)
    }


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"MARKETLAKE__[A-Z_]+[A-Z]", TEXT))))
def test_every_variable_of_a_setting_names_one(variable: str) -> None:
    if variable == "MARKETLAKE__SECTION__NAME":
        return
    if variable == "MARKETLAKE__TICKERS":
        return  # the short form of one
    found: object = settings.load()
    for name in variable.removeprefix("MARKETLAKE__").lower().split("__"):
        assert name in type(found).model_fields
        found = getattr(found, name)


def test_the_four_lines_of_a_free_key_are_read_as_they_stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    block = re.search(r"^```sh\n(POLYGON_API_KEY=.*?)^```$", section("A free key"), re.DOTALL | re.MULTILINE)
    assert block is not None
    assert len(block[1].splitlines()) == 4
    (tmp_path / ".env").write_text(block[1].replace("POLYGON_API_KEY=...", "POLYGON_API_KEY=a-key"))
    monkeypatch.setenv("MARKETLAKE_ENV_FILE", str(tmp_path / ".env"))
    loaded = settings.load()
    assert loaded.datasets.each == (("minute_bars", "SPY"),)
    assert loaded.api.requests_per_minute == 5


def test_every_other_variable_is_read_somewhere() -> None:
    table = section("Variables").rpartition("| variable |")[2]
    variables = set(re.findall(r"`([A-Z][A-Z0-9_]+[A-Z])`", table))
    assert len(variables) == 18
    assert {name for name in variables if not any(name in text for text in all_spoken())} == set()


@pytest.mark.parametrize("message", [message for message in MESSAGES if message != OF_SQLALCHEMY])
def test_every_message_of_the_troubleshooting_is_the_codes(message: str) -> None:
    if message in OF_AIRFLOW:
        file = Path(airflow.__file__).parent / OF_AIRFLOW[message]
        assert f"class {message}(" in file.read_text()
        return
    squeezed = " ".join(message.split())
    assert any(squeezed in " ".join(text.split()) for text in all_spoken())


def test_the_troubleshooting_has_its_messages() -> None:
    assert len(MESSAGES) == 58
    assert {*OF_AIRFLOW, OF_SQLALCHEMY} <= set(MESSAGES)


def anchors(text: str) -> list[str]:
    return [re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for _, _, title in headings(text)]


@pytest.mark.parametrize("name", READ)
def test_every_link_leads_somewhere(name: str) -> None:
    assert len(set(anchors(READ[name]))) == len(anchors(READ[name])) or name == "CHANGELOG.md"
    for target in re.findall(r"\]\(([^)]+)\)", READ[name]):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (PROJECT / name).parent / path if path else PROJECT / name
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file.read_text()), target


def test_the_code_names_only_documents_that_exist() -> None:
    files = [*CODE, *({*(PROJECT / "tests").rglob("*.py")} - {Path(__file__)})]
    files += [PROJECT / name for name in ("Makefile", "docker-compose.yaml", "Dockerfile", ".env.example", ".ci/run")]
    named = {name for path in files for name in re.findall(r"[\w/-]+\.md\b", path.read_text())}
    assert {"docs/CONTRIBUTING.md", "docs/configuration.md", "docs/reliability.md"} <= named
    assert {name for name in named if not (PROJECT / name).is_file()} == set()


def test_every_command_of_the_containers_demo_is_for_the_demo() -> None:
    demo = next(block for block in BLOCKS if "make env DEMO=1" in block)
    composed = [line for line in demo if line.startswith("docker compose ")]
    assert [line.split()[4] for line in composed] == ["up", "exec", "exec", "down"]
    assert all(line.startswith("docker compose --env-file .env.demo ") for line in composed)


def test_a_verdict_after_a_backfill_is_over_the_same_dates() -> None:
    """Without dates, the gap to what the schedule fills would be findings."""
    judged = []
    for block in BLOCKS:
        filled = [line for line in block if "backfill create" in line]
        verdicts = [line for line in block if " verify" in line]
        judged += [
            (re.findall(r"\d{4}-\d\d-\d\d", fill), re.findall(r"\d{4}-\d\d-\d\d", verdict))
            for fill in filled
            for verdict in verdicts
        ]
    assert [dates for dates, _ in judged] == [verified for _, verified in judged]
    assert len(judged) == 4
    assert "python -m marketlake verify" in section("Containers")
    assert "python -m marketlake verify`" not in section("Containers")


def test_the_services_and_the_dag_that_commands_name_exist() -> None:
    services = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())["services"]
    assert set(re.findall(r"docker compose (?:--env-file \S+ )?exec (?:-T )?([a-z-]+)", TEXT)) <= set(services)
    assert set(re.findall(r"--dag-id (\w+)", TEXT)) == {"spy_second_bars"}


def test_what_a_manual_run_takes_is_what_the_dag_offers() -> None:
    dag = (PROJECT / "plugins" / "marketlake_airflow" / "session_dag.py").read_text()
    offered = set(re.findall(r'"(\w+)": parameter\(', dag))
    named = section("A failed day").partition("By hand, **Trigger** offers ")[2].partition("\n\n")[0]
    assert offered == set(re.findall(r"`(\w+)`", named)) - {"raw"}


def trees(text: str) -> list[list[str]]:
    """The paths of every tree of folders, from its root on: a line without indentation is below nothing."""
    found = []
    for block in re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        lines = block.splitlines()
        root = lines[0] if lines[0].endswith("/") else ""
        found.append([root + line.split()[0] for line in lines[1 if root else 0 :]])
    return found


DAY = dt.date(2024, 11, 29)
"""The session that examples read."""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """One of days with extended hours."""
    with Simulator(MadeUpDays(), KEY) as running:
        yield running


@pytest.fixture
def lake_of_the_examples(
    lake: Lake, simulator: Simulator, waits: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder in which ``data`` is a lake whose session was revised in 17 bars an hour after it came."""
    ingest(lake, SECOND_BARS, spy(DAY), a_client(lake, waits))
    simulator.faults.set(str(DAY), [{"fault": "changed:17", "times": 0}])
    later = Lake(lake.settings, now=lambda: NOW + dt.timedelta(hours=1))
    ingest(later, SECOND_BARS, spy(DAY), a_client(later, waits))
    (tmp_path / "data").symlink_to(lake.storage.root)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_trees_of_the_readme_are_those_of_a_lake_and_of_the_repository(lake_of_the_examples: Path) -> None:
    a_lake, repository = trees(section("What lies where"))
    files = {path for path in a_lake if not path.endswith("/")}
    assert len(files) == 3
    written = {f"data/{name}" for name in files_under(lake_of_the_examples / "data")}
    assert written - files == {f"data/raw/spy/date={DAY}/rev=1/pages-*.tar"}  # of the revision before
    assert files <= written
    assert len(repository) == 8
    assert [path for path in repository if not (PROJECT / path).exists()] == []


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch as far as the recipe needs it: it is no dependency of ours."""
    torch, utils, data = (ModuleType(name) for name in ("torch", "torch.utils", "torch.utils.data"))
    torch.as_tensor, data.Dataset = np.asarray, object  # type: ignore[attr-defined]
    for module in (torch, utils, data):
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture
def options_of_the_examples(lake_of_the_examples: Path) -> None:
    """Options of the same session, in the same lake."""
    OptionGround((lake_of_the_examples / "data").resolve()).fill(DAY)


@pytest.mark.usefixtures("options_of_the_examples", "torch")
def test_the_lines_of_python_run_as_they_stand() -> None:
    found: dict[str, dict[str, Any]] = {}
    for name in PAGES:
        for block in re.findall(r"^```python\n(.*?)^```$", READ[name], re.DOTALL | re.MULTILINE):
            exec(block, found.setdefault(name, {}))
    assert set(found) == {"README.md", "docs/data.md", "docs/operations.md", "docs/options.md", "docs/research.md"}
    data, revised = found["docs/data.md"], found["docs/operations.md"]
    rows = len(found["README.md"]["df"])
    assert rows > 0
    assert len(found["README.md"]["relation"].fetchall()) == rows
    assert {len(data["df"]), data["table"].num_rows, data["frame"].height, len(data["relation"].fetchall())} == {rows}
    assert (len(data["some"]), list(data["some"].columns)) == (rows, ["timestamp", "close"])
    times = data["regular"]["timestamp"]
    assert dt.datetime(2024, 11, 29, 14, 30, tzinfo=dt.UTC).timestamp() * 1000 <= times.min()
    assert times.max() < dt.datetime(2024, 11, 29, 21, 0, tzinfo=dt.UTC).timestamp() * 1000
    assert 0 < len(times) < rows
    assert (len(revised["first"]), len(revised["revisions"]), len(revised["changed"])) == (rows, 2, 17)
    research = found["docs/research.md"]
    assert research["bars"].index[-1].strftime("%H:%M:%S") == "12:59:59"
    assert len(research["minutes"]) == 210
    assert research["every_hour"].num_rows == research["scanned"].count_rows() == rows
    assert research["again"].equals(research["bars"])
    assert research["volumes"] == [(DAY, int(data["df"]["volume"].sum()))]
    assert research["tensor"].values.shape == (1, 12_600, 2)
    assert 0 < research["variance"] < 1
    options = found["docs/options.md"]
    assert options["contracts"]["state"].tolist() == ["bars", "empty", "bars"]
    assert (len(options["bars"]), list(options["panel"].columns)) == (3, ["contract", "strike", "iv", "delta"])
    assert len(options["panel"]) == 3
    assert (options["known"]["age_s"].tolist(), options["call"].contract) == ([840.0] * 2, "O:SPY241227C00600000")
    assert options["by_expiry"] == [(DAY, 1, 0.2), (dt.date(2024, 12, 27), 1, 0.14)]
    assert [one["rows"] for one in options["noted"]["sessions"]] == [3]
    windows = research["Windows"](research["tensor"])
    inputs, target = windows[1]
    close = research["tensor"].values[0, :, 0]
    assert len(windows) == len(research["windows"]) == 205
    assert (len(inputs), float(inputs[0]), float(target)) == (300, close[60], close[419] - close[359])


def test_the_floors_of_the_architecture_are_those_that_are_held() -> None:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(one for one in contracts if one["type"] == "layers")["layers"]
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", (PROJECT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(layers) + 1))
    for (_, told), layer in zip(rows, layers, strict=True):
        named = {name.removesuffix(".py").rstrip("/") for name in re.findall(r"`([^`]+)`", told)}
        held = set(layer.split(" | "))
        assert named <= held
        assert named == held or "single files" in told
