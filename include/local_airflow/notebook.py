"""``make notebook``: JupyterLab with a first look at a lake: that of the settings, or else the demo's."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from local_airflow.demo.folder import DemoFolder
from marketlake import settings
from marketlake.console import UNUSABLE, complain, say
from marketlake.datasets import DATASETS
from marketlake.errors import BadArgument, StorageError
from marketlake.research.arguments import TAKEN
from marketlake.research.lake import open_lake
from marketlake.research.opening import opened, subjects
from marketlake.research.question import Question

FIRST_LOOK = Path("docs") / "notebooks" / "first_look.ipynb"
OWN = Path("notebooks")
"""Where a person's notebooks lie, which git passes over: what they run and change makes no change of the project."""

_ROOT_VARIABLE = f"{settings.ENV_PREFIX}STORAGE__ROOT"
_ALWAYS = (
    "--ServerApp.ip=127.0.0.1",  # whatever a configuration of the person's own says
    "--ServerApp.allow_remote_access=False",
    "--ServerApp.answer_yes=True",  # one Ctrl-C ends it, without a question
    "--LabApp.news_url=None",  # nothing leaves this machine by itself
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)


def run(arguments: Sequence[str]) -> int:
    """Become JupyterLab, with those arguments of its own; or say in one line that there is no lake to look at.

    Raises SettingsError, and StorageError if the notebook cannot be copied.
    """
    found = variables_of_a_lake(DemoFolder.of_this_checkout().path / "data")
    if found is None:
        complain(
            "no lake holds a session yet: give  make demo  first, which makes up ten of them without a key, or fetch"
            " your own with  make backfill FROM=... TO=..."
        )
        return UNUSABLE
    notebook = own_copy(settings.project_folder())
    say(f"{notebook} opens {open_lake(found.get(_ROOT_VARIABLE))!r}; Ctrl-C ends it")
    opened_first = f"--LabApp.default_url=/lab/tree/{notebook.name}"
    command = [sys.executable, "-m", "jupyterlab", str(notebook.parent), opened_first, *arguments, *_ALWAYS]
    os.execve(sys.executable, command, os.environ | found)  # noqa: S606 (no shell is the point)


def variables_of_a_lake(demo: Path) -> dict[str, str] | None:
    """What the environment needs so that ``open_lake()`` opens a lake with a session of bars: nothing for that of the
    settings, the root of the demo's if that has none; None if neither has. Raises SettingsError.
    """
    if _holds_a_session(None):
        return {}
    return {_ROOT_VARIABLE: str(demo)} if _holds_a_session(demo) else None


def own_copy(project: Path) -> Path:
    """The person's own first look, copied unless there is one already. Raises StorageError."""
    copy = project / OWN / FIRST_LOOK.name
    try:
        if not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(project / FIRST_LOOK, copy)
    except OSError as exc:
        raise StorageError(
            f"{copy} cannot be written ({exc.strerror}): make room, or the right to write there."
        ) from exc
    return copy


def _holds_a_session(root: Path | None) -> bool:
    """Whether there is something to look at: options alone are shown beside bars only."""
    try:
        lake = opened(root)
    except BadArgument:
        return False
    stocks = (subject for subject in subjects(lake) if subject.spec.name in DATASETS)
    return any(Question(subject, states=TAKEN).held() for subject in stocks)
