"""The README, held against the code: commands, settings, variables, messages, links."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import airflow
import pytest
import yaml

from marketlake import settings
from readme_tables import README, with_tables

PROJECT = README.parent
TEXT = README.read_text()
CODE = [path for folder in ("include", "plugins", "dags") for path in sorted((PROJECT / folder).rglob("*.py"))]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def spoken(path: Path) -> Iterator[str]:
    """Every text of a Python file, its gaps marked."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)


MESSAGES = re.findall(r"^\| `([^`]+)` \| ", section("Troubleshooting"), re.MULTILINE)
SPOKEN = [text for path in CODE for text in spoken(path)] + [
    " ".join((PROJECT / name).read_text().replace("\\\n", "").split()) for name in ("Makefile", "docker-compose.yaml")
]
OF_AIRFLOW = {"AlreadyRunningBackfill": "models/backfill.py"}
"""Errors that are Airflow's own, and the file that has each."""
OF_SQLALCHEMY = "'dict' object has no attribute 'hex'"
"""How ``airflow dags test`` ends."""


def commands_of(block: str) -> list[str]:
    """The commands of a block of shell lines, each on one line."""
    return [line for line in block.replace("\\\n", "").splitlines() if line and not line.startswith("#")]


BLOCKS = [commands_of(block) for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)]


def test_the_first_screen_has_what_it_is_a_picture_and_two_commands() -> None:
    first_screen = TEXT.partition("\n## ")[0]
    assert len(first_screen.splitlines()) <= 45
    assert "```mermaid" in first_screen
    assert re.findall(r"^make \w+.*$", first_screen, re.MULTILINE)[0] == "make demo"
    assert re.search(r"^make backfill FROM=", first_screen, re.MULTILINE)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_command_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make +([a-z-]+)", (PROJECT / name).read_text(), re.MULTILINE))
    assert named or name == "SECURITY.md"
    assert named <= targets


def test_the_table_of_settings_is_the_models() -> None:
    assert TEXT.count("\n| `api.") == 10
    assert with_tables(TEXT) == TEXT, "make readme"


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
    part, _, name = variable.removeprefix("MARKETLAKE__").lower().partition("__")
    value = getattr(settings.load(), part)
    assert not name or name in type(value).model_fields


def test_every_other_variable_is_read_somewhere() -> None:
    table = section("Configuration").rpartition("| variable |")[2]
    variables = set(re.findall(r"`([A-Z][A-Z_]+[A-Z])`", table))
    assert len(variables) == 14
    assert {name for name in variables if not any(name in text for text in SPOKEN)} == set()


@pytest.mark.parametrize("message", [message for message in MESSAGES if message != OF_SQLALCHEMY])
def test_every_message_of_the_troubleshooting_is_the_codes(message: str) -> None:
    if message in OF_AIRFLOW:
        file = Path(airflow.__file__).parent / OF_AIRFLOW[message]
        assert f"class {message}(" in file.read_text()
        return
    squeezed = " ".join(message.split())
    assert any(squeezed in " ".join(text.split()) for text in SPOKEN)


def test_the_troubleshooting_has_its_messages() -> None:
    assert len(MESSAGES) == 44
    assert {*OF_AIRFLOW, OF_SQLALCHEMY} <= set(MESSAGES)


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", (PROJECT / name).read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = PROJECT / (path or name)
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text()), target


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
    assert len(judged) == 3
    assert "python -m marketlake verify`" not in TEXT.partition("### Containers")[2].partition("## The data")[0]


def test_the_services_and_the_dag_that_commands_name_exist() -> None:
    services = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())["services"]
    assert set(re.findall(r"docker compose (?:--env-file \S+ )?exec ([a-z-]+)", TEXT)) <= set(services)
    assert set(re.findall(r"--dag-id (\w+)", TEXT)) == {"spy_second_bars"}


def test_what_a_manual_run_takes_is_what_the_dag_offers() -> None:
    dag = (PROJECT / "dags" / "second_bars.py").read_text()
    offered = set(re.findall(r'"(\w+)": Param\(', dag))
    named = section("By task").partition("By hand, **Trigger** offers ")[2].partition("\n\n")[0]
    assert offered == set(re.findall(r"`(\w+)`", named)) - {"raw"}
