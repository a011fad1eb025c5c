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
S3_KEY_VARIABLES = (
    ("POLYGON_S3_ACCESS_KEY_ID", "POLYGON_S3_SECRET_ACCESS_KEY"),
    ("MASSIVE_S3_ACCESS_KEY_ID", "MASSIVE_S3_SECRET_ACCESS_KEY"),
)
"""Of the vendor's flat files: an access key and its secret, which belong together."""


# The folder that holds the package. A checkout and the image call it `include`, an installation never does. The
# settings file in it is no sign: without it, a checkout would go on with another lake, and tell nobody.
_HOLDER = Path(__file__).resolve().parents[2]


def checkout() -> Path | None:
    """The checkout, or the image, that this package lies in; None if it was installed, as from a wheel."""
    return _HOLDER.parent if _HOLDER.name == "include" else None


def project_folder() -> Path:
    """Where relative paths of the settings start: the checkout, without one the current folder.

    Raises SettingsError if the current folder is needed and gone.
    """
    folder = checkout()
    if folder is not None:
        return folder
    try:
        return Path.cwd()
    except OSError as exc:
        raise SettingsError(f"the current folder cannot be used ({exc.strerror}): go to one that is there.") from None


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
    return {**os.environ, **{name: value for name, value in of_env_file().items() if not os.environ.get(name)}}


def of_env_file() -> dict[str, str]:
    """What ``.env`` says, less what it leaves empty. Raises SettingsError as ``environment`` does."""
    return {name: value for name, value in env_lines.read_file(env_file(), os.environ).items() if value}


def settings_file() -> Path:
    """The YAML file: ``include/settings.yaml`` unless ``MARKETLAKE_SETTINGS_FILE`` names another.

    Without a checkout ``settings.yaml`` of the current folder or, if it has none, the package's own, with the defaults.
    """
    given = environment().get(SETTINGS_FILE_VARIABLE)
    if given:
        return project_folder() / path_of(SETTINGS_FILE_VARIABLE, given)
    if checkout() is not None:
        return project_folder() / "include" / "settings.yaml"
    own = project_folder() / "settings.yaml"
    return own if own.exists() else Path(__file__).with_name("settings.yaml")
