"""The tests in a browser: there are some, and where the browser is absent none of them passes unseen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
LACKING = "Chromium is absent: apt-get install chromium, or name one by the variable CHROMIUM"


def looked(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The tests of the page, and of no other room: collecting all takes long."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "browser", "tests/coverage_page"]
    given = os.environ | environment
    return subprocess.run(
        [*command, *arguments], cwd=PROJECT, env=given, capture_output=True, text=True, timeout=300, check=False
    )


def test_there_are_tests_in_a_browser() -> None:
    listed = [line for line in looked("--collect-only").stdout.splitlines() if "::" in line]
    assert len(listed) >= 13


@pytest.mark.parametrize(("ci", "outcome"), [("", "SKIPPED"), ("true", "ERROR")])
def test_without_a_browser_its_tests_are_skipped_with_a_line_and_fail_in_ci(ci: str, outcome: str) -> None:
    done = looked(CI=ci, CHROMIUM="/nowhere/chromium")
    told = [line for line in done.stdout.splitlines() if line.startswith(outcome)]
    assert told
    assert all(line.endswith(LACKING) for line in told), told
    assert re.search(r"\b\d+ (passed|xfailed)", done.stdout) is None
    assert (done.returncode == 0) is (ci == "")


STANDS_IN = {
    "apt-get": 'echo "$6" >>asked-of-apt; exit "$APT"',
    "make": 'echo "make $1, CI=$CI"',
    "chromium": "",
    "id": "echo 0",
    "sleep": "",
}
THRICE = ["update"] * 3


@pytest.mark.parametrize(
    ("there", "apt", "asked", "made"),
    [(True, "1", [], 4), (False, "0", ["update", "install"], 4), (False, "1", THRICE, 0)],
    ids=["there", "installed", "not to be had"],
)
def test_ci_brings_the_browser_and_leaves_nothing_out(
    tmp_path: Path, there: bool, apt: str, asked: list[str], made: int
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "env", "dirname", "timeout"):
        (programs / name).symlink_to(str(shutil.which(name)))
    for name, code in STANDS_IN.items():
        if there or name != "chromium":
            (programs / name).write_text(f"#!{shutil.which('sh')}\n{code}\n")
            (programs / name).chmod(0o755)
    (tmp_path / ".ci").mkdir()
    shutil.copy(PROJECT / ".ci" / "run", tmp_path / ".ci")
    done = subprocess.run(
        [programs / "bash", tmp_path / ".ci" / "run"],
        env={"PATH": str(programs), "APT": apt}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    told = tmp_path / "asked-of-apt"
    assert (told.read_text().split() if told.exists() else []) == asked
    assert [line for line in done.stdout.splitlines() if line.endswith("CI=true")] == done.stdout.splitlines()
    assert len(done.stdout.splitlines()) == made
    assert (done.returncode == 0) is (made == 4)
    assert ("Chromium could not be installed" in done.stderr) is (made == 0)
