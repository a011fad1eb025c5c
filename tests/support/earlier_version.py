"""An earlier version of this project, out of its own history: its tree, and what its code does in processes of its own.

The packages of both versions have the same names, so nothing of the earlier one is ever imported by a test.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
COMMIT = "3f5cc86bbb8dbfe40db2343ac076efb778525bea"
_WRITER = Path(__file__).with_name("written_by_an_earlier_version.py")
_FOREIGN = ("AIRFLOW", "MARKETLAKE", "POLYGON", "MASSIVE", "PYTHON", "MAKE", "MFLAGS")


@dataclass(frozen=True)
class EarlierVersion:
    """The tree of the earlier version, in a folder."""

    folder: Path

    @property
    def search_path(self) -> dict[str, str]:
        """What makes Python find its packages, and not those that are installed."""
        return {"PYTHONPATH": os.pathsep.join(str(self.folder / name) for name in ("include", "plugins"))}

    def writes(self, environment: Mapping[str, str], *steps: str) -> list[dict[str, Any]]:
        """What became of each step: see ``written_by_an_earlier_version.py``."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        ran = subprocess.run(
            [sys.executable, str(_WRITER), *steps],
            env={**kept, **environment, **self.search_path},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=120,
        )
        told = json.loads(ran.stdout)
        assert Path(told["package"]).is_relative_to(self.folder)
        return list(told["steps"])


def earlier_version(folder: Path) -> EarlierVersion:
    """The earlier version, unpacked into an empty folder. Skips the test where the history does not hold it."""
    try:
        known = subprocess.run(
            ["git", "-C", str(PROJECT), "cat-file", "-e", f"{COMMIT}^{{commit}}"], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no git to read an earlier version with")
    if known.returncode:
        pytest.skip(f"the git history here does not hold {COMMIT[:7]}: fetch it (git fetch --unshallow), or clone anew")
    packed = subprocess.run(["git", "-C", str(PROJECT), "archive", COMMIT], stdout=subprocess.PIPE, check=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return EarlierVersion(folder)
