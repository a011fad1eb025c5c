"""The parameters of a lake: what they are, where they come from, and what is wrong with them."""

from marketlake.settings.settings import Settings, load
from marketlake.settings.variables import (
    BASE_URL_VARIABLE,
    ENV_FILE_VARIABLE,
    ENV_PREFIX,
    SETTINGS_FILE_VARIABLE,
    checkout,
    env_file,
    environment,
    project_folder,
    settings_file,
)

__all__ = [
    "BASE_URL_VARIABLE",
    "ENV_FILE_VARIABLE",
    "ENV_PREFIX",
    "SETTINGS_FILE_VARIABLE",
    "Settings",
    "checkout",
    "env_file",
    "environment",
    "load",
    "project_folder",
    "settings_file",
]
