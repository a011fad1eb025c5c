"""The tests in a browser: there are some, and where the browser is absent none of them passes unseen."""

from __future__ import annotations

import os
import re
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
