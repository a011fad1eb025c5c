"""What `make` does on machines that are not as they should be: it works, or says in one line what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = ("make", "sh", "awk", "grep", "cut", "tr", "rm", "touch", "cat", "mkdir", "env")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that an installation reads, in a folder with a space, without an environment."""
    folder = tmp_path / "a checkout"
    shutil.copytree(PROJECT / ".ci", folder / ".ci", ignore=shutil.ignore_patterns("node_modules"))
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    return folder


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder, env=kept | environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def without_python(folder: Path) -> str:
    """A PATH with what the Makefile needs, and no Python."""
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    return str(folder)


def python_that_says(folder: Path, version: str) -> Path:
    """A Python that takes itself for another version."""
    code = (
        f"import sys; sys.version_info = tuple(map(int, '{version}'.split('.'))) + ('final', 0); exec(sys.argv.pop())"
    )
    path = folder / "python of another version"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$2"\n')
    path.chmod(0o755)
    return path


def with_node(folder: Path, version: str) -> str:
    """A PATH with a Node that takes itself for some version, and an npm whose checkers are pleased with everything."""
    path = Path(without_python(folder))
    node = shutil.which("node")
    if not node:
        pytest.skip("Node is absent")
    programs = {
        "node": f"exec \"{node}\" -e \"Object.defineProperty(process.versions, 'node', {{value: '{version}'}}); $2\"",
        "npm": 'echo "$@" >>asked-of-npm; mkdir -p "$3/node_modules/.bin"; cd "$3/node_modules/.bin"\n'
        "for one in eslint tsc; do printf '#!/bin/sh\\necho \"$0\"\\n' >$one; done; chmod +x *",
    }
    (path / "chmod").symlink_to(str(shutil.which("chmod")))
    for name, text in programs.items():
        (path / name).write_text(f"#!/bin/sh\n{text}\n")
        (path / name).chmod(0o755)
    return str(path)


def pretended(folder: Path, runtime_of: str, *, python: bool = True) -> Path:
    """An environment of stand-ins: its uv writes what it is asked to. Where that is written."""
    bin_folder, told = folder / ".venv" / "bin", folder / "asked-of-uv"
    bin_folder.mkdir(parents=True)
    (bin_folder / "uv").write_text(f'#!/bin/sh\necho "$@" >>"{told}"\n')
    (bin_folder / "uv").chmod(0o755)
    (bin_folder / "python").symlink_to(sys.executable if python else "/nowhere/python3")
    (folder / ".venv" / ".uv").touch()
    (folder / ".venv" / ".runtime").write_text(f"{runtime_of}\n")
    for newer in (".uv", ".runtime"):
        os.utime(folder / ".venv" / newer)
    return told


def test_another_python_is_refused_with_its_version(checkout: Path) -> None:
    done = make(checkout, "demo", f"PYTHON={python_that_says(checkout.parent, '3.9.1')}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "Python 3.11 to 3.13 is needed, this is 3.9: make ... PYTHON=/path/to/python3.11"
    )


def test_a_python_that_does_not_exist_is_named(checkout: Path) -> None:
    done = make(checkout, "demo", "PYTHON=/nowhere/python3.11")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "/nowhere/python3.11 is no Python here: Python 3.11 to 3.13 is needed"


def test_a_backfill_without_dates_is_told_its_usage_before_anything_is_installed(checkout: Path) -> None:
    for given in ((), ("FROM=2024-11-25",), ("TO=2024-11-25",)):
        done = make(checkout, "backfill", *given)
        assert done.returncode == 2
        assert (
            done.stderr.splitlines()[0]
            == "usage: make backfill FROM=YYYY-MM-DD TO=YYYY-MM-DD [DATASET=second_bars] [TICKER=SPY] [REFETCH=1]"
        )
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("name", ["REFETCH", "KEEP", "DEMO"])
def test_a_flag_that_would_be_ignored_is_refused(checkout: Path, name: str) -> None:
    done = make(checkout, "backfill", "FROM=2024-11-25", "TO=2024-11-25", f"{name}=True")
    assert done.returncode == 2
    assert f"{name}=True is neither 1 nor 0: write {name}=1" in done.stderr
    assert not (checkout / ".venv").exists()


def test_without_any_python_one_line_says_what_is_needed(checkout: Path) -> None:
    done = make(checkout, "demo", PATH=without_python(checkout.parent / "bin"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("Python 3.11 to 3.13 is needed, and none was found")


def test_an_unfit_python3_is_passed_over_for_a_fit_one(checkout: Path) -> None:
    path = without_python(checkout.parent / "bin")
    python_that_says(checkout.parent, "3.9.1").rename(Path(path) / "python3")
    python_that_says(checkout.parent, "3.12.4").rename(Path(path) / "python3.12")
    assert "installing into .venv ..." in make(checkout, "demo", PATH=path).stdout


def test_without_a_network_one_line_says_so_also_over_a_half_built_environment(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").write_text("half of a file")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    done = make(checkout, "demo", f"PYTHON={sys.executable}", **nowhere)
    assert done.returncode == 2
    told = done.stderr.splitlines()
    assert told[0].startswith("the packages could not be installed (")
    assert told[0].endswith("give the same command again. Details: .venv.log")
    assert len(told) == 2  # the other is make's own
    assert "No matching distribution found for uv" in (checkout / ".venv.log").read_text()
    assert not (checkout / ".venv" / ".uv").exists()
    assert subprocess.run([checkout / ".venv" / "bin" / "python", "-c", ""], check=False).returncode == 0


def test_an_environment_whose_python_is_gone_is_begun_anew(checkout: Path) -> None:
    pretended(checkout, str(checkout), python=False)
    done = make(checkout, "demo", f"PYTHON={python_that_says(checkout.parent, '3.11.9')}")
    assert "installing into .venv ..." in done.stdout


def test_what_the_notebook_needs_is_installed_by_itself_and_once(checkout: Path) -> None:
    told = pretended(checkout, str(checkout))
    for _ in range(2):
        make(checkout, ".venv/.notebook")
        (asked,) = told.read_text().splitlines()
    assert "--require-hashes -r .ci/requirements-notebook.txt" in asked


NOT_CHECKED = (
    "the scripts of the coverage page were not checked: install Node 20.19 or newer with npm (apt-get install npm, or"
    " from nodejs.org)\n"
)


@pytest.mark.parametrize("version", [None, "18.20.4", "20.18.9"])
def test_without_a_fit_node_a_line_says_what_was_not_checked_and_ci_fails(checkout: Path, version: str | None) -> None:
    folder = checkout.parent / "bin"
    path = with_node(folder, version) if version else without_python(folder)
    done = make(checkout, "check-scripts", PATH=path, CI="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", NOT_CHECKED)
    done = make(checkout, "check-scripts", PATH=path, CI="true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(NOT_CHECKED)


@pytest.mark.parametrize("version", ["20.19.0", "22.1.0"])
def test_with_node_the_checkers_of_scripts_are_installed_once_and_asked(checkout: Path, version: str) -> None:
    path = with_node(checkout.parent / "bin", version)
    for _ in range(2):
        done = make(checkout, "check-scripts", PATH=path)
        assert (done.returncode, done.stderr) == (0, "")
        assert [Path(line).name for line in done.stdout.splitlines()][-2:] == ["eslint", "tsc"]
    assert (checkout / "asked-of-npm").read_text() == "ci --prefix .ci/javascript\n"


@pytest.mark.parametrize(("moved", "installs"), [(False, 0), (True, 2)])
def test_a_checkout_that_was_moved_is_installed_where_it_is_now(checkout: Path, moved: bool, installs: int) -> None:
    told = pretended(checkout, "/another/place" if moved else str(checkout))
    make(checkout, "help")
    make(checkout, ".venv/.runtime")
    asked = told.read_text().splitlines() if told.exists() else []
    assert len(asked) == installs
    assert (checkout / ".venv" / ".runtime").read_text() == f"{checkout}\n"


def test_help_lists_every_command_and_needs_no_environment(checkout: Path) -> None:
    done = make(checkout)
    assert [line.split()[1] for line in done.stdout.splitlines()][:2] == ["help", "demo"]
    assert not (checkout / ".venv").exists()
