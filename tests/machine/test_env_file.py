"""``make env``: what it writes, what it keeps, and that it tells no secret."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from dotenv import dotenv_values

from local_airflow import env_file
from marketlake.errors import SettingsError

PROJECT = Path(__file__).resolve().parents[2]
SECRETS = (
    "POSTGRES_PASSWORD", "REDIS_PASSWORD", "AIRFLOW_ADMIN_PASSWORD", "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET", "AIRFLOW_API_SECRET_KEY",
)  # fmt: skip


OF_THE_LAKE = [f"marketlake/{name}.py" for name in ("__init__", "console", "env_lines", "errors", "paths")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout of which only the template is there."""
    (tmp_path / ".env.example").write_text((PROJECT / ".env.example").read_text())
    return tmp_path


def read(project: Path, name: str = ".env") -> dict[str, str]:
    """The file as the project's commands read it."""
    return {key: value for key, value in dotenv_values(project / name).items() if value}


def test_a_fresh_file_is_the_template_with_every_secret_filled_in(project: Path) -> None:
    env_file.run(project, demo=False)
    assert set(read(project)) == {*SECRETS, "AIRFLOW_UID"}
    template = (project / ".env.example").read_text().splitlines()
    written = (project / ".env").read_text().splitlines()
    assert len(written) == len(template)
    changed = [new for old, new in zip(template, written, strict=True) if old != new]
    assert {line.partition("=")[0] for line in changed} == set(read(project))


def test_secrets_differ_from_each_other_and_from_file_to_file(project: Path) -> None:
    env_file.run(project, demo=False)
    env_file.run(project, demo=True)
    values = [read(project, name)[secret] for name in (".env", ".env.demo") for secret in SECRETS]
    assert len(set(values)) == len(values)
    assert all(len(value) >= 32 for value in values)


def test_passwords_need_no_quoting_in_a_url_and_the_fernet_key_is_one(project: Path) -> None:
    env_file.run(project, demo=False)
    values = read(project)
    for name in SECRETS:
        assert re.fullmatch(r"[A-Za-z0-9_-]+=?", values[name]), name
    assert "=" not in values["POSTGRES_PASSWORD"] + values["REDIS_PASSWORD"]
    Fernet(values["AIRFLOW_FERNET_KEY"]).encrypt(b"it is valid")


KEPT = {
    "a key": "POLYGON_API_KEY=abc\n",
    "no newline at the end": "POLYGON_API_KEY=abc",
    "a password of one's own": "POSTGRES_PASSWORD=mine\n",
    "quotes and export": "export REDIS_PASSWORD='mine'\nPOSTGRES_PASSWORD=\"mine too\"\n",
    "comments and oddities": "# POSTGRES_PASSWORD=no\n\n\t\nA=1\nA=2\n",
    "line breaks of another system": "POLYGON_API_KEY=abc\r\nREDIS_PASSWORD=mine\r\n",
    "an empty one": "AIRFLOW_JWT_SECRET=\nPOLYGON_API_KEY=abc\n",
    "an empty file": "",
}


@pytest.mark.parametrize("before", KEPT.values(), ids=KEPT)
def test_what_the_file_holds_stays_and_what_is_missing_is_added(project: Path, before: str) -> None:
    path = project / ".env"
    path.write_bytes(before.encode())
    path.chmod(0o644)
    had = read(project)
    env_file.run(project, demo=False)
    assert path.read_bytes().startswith(before.encode())
    assert had.items() <= read(project).items()
    assert set(read(project)) == {*had, *SECRETS, "AIRFLOW_UID"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_call_changes_nothing(project: Path) -> None:
    env_file.run(project, demo=False)
    path = project / ".env"
    before = path.read_bytes()
    path.chmod(0o644)
    assert env_file.run(project, demo=False) == ".env: nothing was missing; now put your key there as POLYGON_API_KEY"
    path.write_text(f"{path.read_text()}MASSIVE_API_KEY=a-key\n")
    before = path.read_bytes()
    assert env_file.run(project, demo=False) == ".env: nothing was missing"
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_at_no_instant_can_another_user_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        env_file.write_private(tmp_path / ".env", "A=1\n")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


@pytest.mark.parametrize("demo", [False, True])
def test_the_command_prints_one_line_and_no_secret_without_any_package(project: Path, demo: bool) -> None:
    for name in ("local_airflow/__init__.py", "local_airflow/env_file.py", *OF_THE_LAKE):
        (project / "include" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / "include" / name, project / "include" / name)
    name = ".env.demo" if demo else ".env"
    (project / name).write_text("REDIS_PASSWORD=the-word-that-must-not-show\n")
    done = subprocess.run(
        [sys.executable, "-S", "-m", "local_airflow.env_file", *(["--demo"] if demo else [])],
        env={"PYTHONPATH": str(project / "include"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith(f"{name}: added ")
    values = read(project, name)
    assert values["REDIS_PASSWORD"] == "the-word-that-must-not-show"
    assert not [secret for secret in SECRETS if values[secret] in done.stdout]


def test_a_file_that_cannot_be_used_is_one_line_and_a_failure(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".env.example").unlink()
    monkeypatch.setattr(env_file, "__file__", str(project / "include" / "local_airflow" / "env_file.py"))
    monkeypatch.setattr(sys, "argv", ["env_file.py"])
    assert env_file.main() == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(("before", "expected"), [("", "demo-"), ("POLYGON_API_KEY=one-of-an-older-file\n", "one-of-")])
def test_the_demos_simulator_has_the_key_of_its_tasks(project: Path, before: str, expected: str) -> None:
    if before:
        (project / ".env.demo").write_text(before)
    env_file.run(project, demo=True)
    values = read(project, ".env.demo")
    assert values["SIMULATOR_KEY"] == values["POLYGON_API_KEY"]
    assert values["SIMULATOR_KEY"].startswith(expected)


def test_the_demo_has_a_key_a_project_and_a_lake_of_its_own(project: Path) -> None:
    env_file.run(project, demo=True)
    values = read(project, ".env.demo")
    assert values["POLYGON_BASE_URL"] == "http://simulator:8000"
    assert values["COMPOSE_PROFILES"] == "demo"
    assert values["CONTAINERS_ENV_FILE"] == ".env.demo"
    assert values["COMPOSE_PROJECT_NAME"] not in (PROJECT / "docker-compose.yaml").read_text().split()
    assert values["POLYGON_API_KEY"].startswith("demo-")
    assert (project / values["LAKE_FOLDER"]).is_dir()
    assert not (project / "data").exists()
    assert not (project / ".env").exists()


@pytest.mark.parametrize(("uid", "expected"), [(1234, "1234"), (0, "50000")])
def test_containers_run_as_the_user_and_never_as_root(
    project: Path, monkeypatch: pytest.MonkeyPatch, uid: int, expected: str
) -> None:
    owners: list[tuple[Path, int, int]] = []
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(os, "chown", lambda *given: owners.append(given))
    env_file.run(project, demo=False)
    assert read(project)["AIRFLOW_UID"] == expected
    assert (project / "data").is_dir()
    assert owners == ([] if uid else [(project / "data", 50000, 0)])


def test_a_lake_of_another_user_is_named_with_the_command_that_helps(project: Path) -> None:
    (project / "data").mkdir()
    (project / ".env").write_text("AIRFLOW_UID=4321\n")
    said = env_file.run(project, demo=False)
    assert len(said.splitlines()) == 2
    assert said.splitlines()[1].startswith("for docker compose only: ")
    command = said.splitlines()[1].partition("sudo ")[2]
    assert shlex.split(command) == ["chown", "-R", "4321:0", str(project / "data")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('POSTGRES_PASSWORD="mine', 'line 2: POSTGRES_PASSWORD: the " that opens its value is closed nowhere'),
        ("POSTGRES_PASSWORD: mine", "line 2: POSTGRES_PASSWORD: this is no NAME=value"),
        ("LAKE_FOLDER=${NOWHERE}/lake", "line 2: LAKE_FOLDER: ${NOWHERE} is set nowhere before this line"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_and_nothing_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    (project / ".env").write_text(f"# of a person\n{line}\n")
    monkeypatch.setattr(env_file, "__file__", str(project / "include" / "local_airflow" / "env_file.py"))
    monkeypatch.setattr(sys, "argv", ["env_file.py"])
    assert env_file.main() == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"make env: .env, {told}")
    assert (project / ".env").read_text() == f"# of a person\n{line}\n"
    assert not (project / "data").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("AIRFLOW_UID=me\n", "AIRFLOW_UID=me is no number: write what  id -u  says, or remove the line."),
        ("LAKE_FOLDER=taken\n", "taken is a file, and the lake needs a folder: move it away, or set LAKE_FOLDER."),
        ("LAKE_FOLDER=~nobodyhere/lake\n", "LAKE_FOLDER=~nobodyhere/lake: ~nobodyhere is nobody's home"),
    ],
)
def test_what_the_file_says_of_the_lake_must_be_usable(project: Path, text: str, told: str) -> None:
    (project / "taken").touch()
    (project / ".env").write_text(text)
    with pytest.raises((ValueError, SettingsError), match=re.escape(told)):
        env_file.run(project, demo=False)


def test_a_link_to_the_file_stays_a_link(project: Path) -> None:
    (project / "elsewhere").write_text("A=1\n")
    (project / ".env").symlink_to("elsewhere")
    env_file.run(project, demo=False)
    assert (project / ".env").is_symlink()
    assert (project / "elsewhere").read_text().startswith("A=1\n")


def test_with_an_object_store_its_keys_are_fresh_and_the_lake_lies_in_it(project: Path) -> None:
    env_file.run(project, demo=False, s3=True)
    held = read(project)
    assert (held["LAKE_ROOT"], held["COMPOSE_PROFILES"]) == ("s3://lake/spy", "s3")
    assert held["MARKETLAKE__STORAGE__ENDPOINT_URL"] == "http://object-store:8333"
    assert len({held["AWS_SECRET_ACCESS_KEY"], held["OBJECT_STORE_ADMIN_KEY"], held["REDIS_PASSWORD"]}) == 3


@pytest.mark.parametrize(
    ("before", "expected", "left"),
    [
        (None, "demo,s3", False),
        ("COMPOSE_PROFILES=demo\n", "demo", True),
        ("COMPOSE_PROFILES=demo,s3\n", "demo,s3", False),
    ],
    ids=["a fresh file", "profiles without it", "profiles with it"],
)
def test_the_object_store_starts_with_the_demo_or_it_is_said_what_to_write(
    project: Path, before: str | None, expected: str, left: bool
) -> None:
    if before is not None:
        (project / ".env.demo").write_text(before)
    said = env_file.run(project, demo=True, s3=True)
    assert read(project, ".env.demo")["COMPOSE_PROFILES"] == expected
    assert ("; now write COMPOSE_PROFILES=demo,s3" in said) is left
