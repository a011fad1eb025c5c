"""The environment of every Airflow process of one home: what this checkout sets, and what a user may.

Variables of another Airflow may stand in the shell. What can only be this checkout's is set over them; what cannot
be told apart is refused by name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from marketlake.errors import SettingsError
from marketlake.settings import Settings

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_DAGS_FOLDER = "AIRFLOW__CORE__DAGS_FOLDER"
_USERS = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"
_PARALLELISM = 8
_PASSWORDS = "simple_auth_manager_passwords.json.generated"
_A_DAG_OF_OURS = "second_bars.py"
# They would lead to the files, DAGs, users or certificates of another Airflow.
_OF_ANOTHER = re.compile(
    r"_AIRFLOW.*|AIRFLOW_CONFIG|AIRFLOW__CORE__UNIT_TEST_MODE|AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
    r"|AIRFLOW__API__SSL_\w+|AIRFLOW__CORE__AUTH_MANAGER_\w+"
)


def airflow_environment(project: Path, folder: Path, configured: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """``given`` with what Airflow needs to run this checkout on the home ``folder``.

    Raises SettingsError for a variable, or a path, with which it could not.
    """
    environment = {
        name: value
        for name, value in given.items()
        if not _OF_ANOTHER.fullmatch(name) and (value or not name.startswith("AIRFLOW__"))  # empty counts as absent
    }
    _require_usable(environment)
    environment = {**_defaults(folder, configured), **environment, **_set(project, folder, given)}
    if not given.get(DATABASE):
        environment.pop(f"{DATABASE}_ASYNC", None)  # Airflow derives it from the other
    _require_literal("the Airflow home", folder, environment)
    _require_literal("the checkout", project, environment)
    _require_literal("logging.folder", configured.logging_folder, environment)
    return environment


def embedded_database(folder: Path) -> str:
    """The address of the database in the home itself. Signs of the path are no part of the address's own."""
    return f"sqlite:///{quote(str(folder / 'airflow.db'))}"


def admin(environment: Mapping[str, str]) -> str:
    """The first user of the UI who may do everything. Raises SettingsError if there is none."""
    for user in environment[_USERS].split(","):
        name, _, role = user.strip().partition(":")
        if role.lower() == "admin" and name:
            return name
    raise SettingsError(f"{_USERS} names no admin, who would start a backfill: add one, such as admin:admin.")


def _defaults(folder: Path, configured: Settings) -> dict[str, str]:
    """What a user may set otherwise."""
    return {
        DATABASE: embedded_database(folder),
        "AIRFLOW__CORE__PARALLELISM": str(_PARALLELISM),
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "utc",  # what Airflow's commands take a date to begin in
        "AIRFLOW__CORE__MAX_MAP_LENGTH": "10000",
        _USERS: "admin:admin",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(configured.logging_folder),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": configured.logging.level,
        # A task whose process died with a stopped scheduler is noticed within a minute, not after five.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
        # A run passes from task to task in a third of a second, for two hundredths of an idle machine's core.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        **_of_many_dags(configured),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _of_many_dags(configured: Settings) -> dict[str, str]:
    """How often Airflow reads a DAG file that has not changed, and how long that may take: as by itself, with many DAGs
    less often, so that reading them and writing them to its database, 20 ms each, never takes more than a tenth of a
    core; and ten times as long as one takes to build (2.4 ms), and to build and serialise (10 ms).
    """
    dags = len(configured.each) * (1 + configured.audit.enabled) + len(configured.snapshot_tickers)
    return {
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": str(max(30, dags // 5)),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": str(max(30, dags // 40)),
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": str(max(50, dags // 10)),
    }


def _set(project: Path, folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """What only this checkout can know, whatever stands in the shell."""
    return {
        "AIRFLOW_HOME": str(folder),
        _DAGS_FOLDER: _dags_folder(project, given),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(project / "plugins"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / _PASSWORDS),
        "AIRFLOW__API__HOST": "127.0.0.1",
    }


def _dags_folder(project: Path, given: Mapping[str, str]) -> str:
    """The checkout's, or another one that holds the lake's DAGs, too."""
    other = given.get(_DAGS_FOLDER, "")
    return other if other and (Path(other) / _A_DAG_OF_OURS).is_file() else str(project / "dags")


def _require_usable(given: Mapping[str, str]) -> None:
    """Raise SettingsError for a database that is named in a way that is not read here."""
    for name in (f"{DATABASE}_CMD", f"{DATABASE}_SECRET"):
        if given.get(name) and not given.get(DATABASE):
            raise SettingsError(f"{name} is not read here: set {DATABASE} itself, or unset {name}.")
    database = given.get(DATABASE)
    if database and "://" not in database:
        raise SettingsError(
            f"{DATABASE} is no address of a database, such as postgresql+psycopg2://USER:PASSWORD@HOST/NAME. Unset it"
            " for the embedded SQLite."
        )


def _require_literal(what: str, path: Path, environment: Mapping[str, str]) -> None:
    """Raise SettingsError for a path in which Airflow would replace a ``$NAME`` by that variable's value."""
    named = [match[1] or match[2] for match in re.finditer(r"\$(?:(\w+)|\{([^}]*)\})", str(path))]
    replaced = next((name for name in named if name in environment), None)
    if replaced is not None:
        raise SettingsError(
            f"the path of {what} ({path}) holds ${replaced}, which Airflow would take for the variable of that name:"
            " move or rename it."
        )


def search_path(first: Path | str, rest: str) -> str:
    """A list of folders to search, as in ``PATH``."""
    return os.pathsep.join([str(first), *filter(None, [rest])])
