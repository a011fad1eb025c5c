"""The variables, of the process environment over ``.env``, and the files that they name."""

from __future__ import annotations

import os
from pathlib import Path

from marketlake import env_lines
from marketlake.errors import SettingsError
from marketlake.paths import path_of

ENV_PREFIX = "MARKETLAKE__"
BASE_URL_VARIABLE = "POLYGON_BASE_URL"
SETTINGS_FILE_VARIABLE = "MARKETLAKE_SETTINGS_FILE"
ENV_FILE_VARIABLE = "MARKETLAKE_ENV_FILE"
KEY_VARIABLES = ("POLYGON_API_KEY", "MASSIVE_API_KEY")


def project_folder() -> Path:
    """The checkout this package lies in: relative paths of the settings start here."""
    return Path(__file__).resolve().parents[3]


def env_file() -> Path:
    """The ``.env`` file: the project's unless ``MARKETLAKE_ENV_FILE`` names another, or, being empty, none.

    A relative path starts at the project folder. Raises SettingsError if the one that is named is not there.
    """
    given = os.environ.get(ENV_FILE_VARIABLE)
    if given == "":
        return Path(os.devnull)
    path = project_folder() / (path_of(ENV_FILE_VARIABLE, given) if given else ".env")
    if given and not path.exists():
        raise SettingsError(f"{ENV_FILE_VARIABLE} names {path}, which is not there: correct it, or unset it.")
    return path


def environment() -> dict[str, str]:
    """The process environment over ``.env``. What is empty counts as absent, and hides nothing.

    Raises SettingsError for a file, or a line of it, that cannot be read.
    """
    from_file = env_lines.read_file(env_file(), os.environ)
    return {**os.environ, **{name: value for name, value in from_file.items() if value and not os.environ.get(name)}}


def settings_file() -> Path:
    """The YAML file: ``include/settings.yaml`` unless ``MARKETLAKE_SETTINGS_FILE`` names another."""
    given = environment().get(SETTINGS_FILE_VARIABLE) or "include/settings.yaml"
    return project_folder() / path_of(SETTINGS_FILE_VARIABLE, given)
