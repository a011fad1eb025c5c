"""Where the parameters come from: environment over ``.env`` over ``settings.yaml``; and what is wrong with them."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import yaml
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableVariable

from marketlake import env_lines
from marketlake.credentials import KEY_VARIABLES
from marketlake.errors import SettingsError
from marketlake.parameters import (
    Api,
    Audit,
    Bars,
    Calendar,
    History,
    Logging,
    Quality,
    Reconcile,
    Reporting,
    Schedule,
    Storage,
    Tasks,
    Ticker,
)
from marketlake.paths import path_of
from marketlake.redaction import redacted_url, without_secret

ENV_PREFIX = "MARKETLAKE__"
BASE_URL_VARIABLE = "POLYGON_BASE_URL"
SETTINGS_FILE_VARIABLE = "MARKETLAKE_SETTINGS_FILE"
ENV_FILE_VARIABLE = "MARKETLAKE_ENV_FILE"
_PLAIN_VARIABLES = (ENV_FILE_VARIABLE, SETTINGS_FILE_VARIABLE, "MARKETLAKE_DEMO_FOLDER", "MARKETLAKE_WEBHOOK_URL")
_SECRET_NAME = re.compile(r"(?i)key|secret|token|passw|credential")


def project_folder() -> Path:
    """The checkout this package lies in: relative paths of the settings start here."""
    return Path(__file__).resolve().parents[2]


# Every task reads the file when Airflow parses its DAG: libyaml takes 2 ms for it, Python's own loader 20 ms.
class _YamlLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe one, in which no name stands twice: YAML would go by the last, and drop the others without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: set[str] = set()
        for name in (name for name, _ in node.value if isinstance(name, yaml.ScalarNode)):
            if name.value in names:
                raise SettingsError(
                    f"settings file {settings_file()}: {name.value} stands twice, the second time in line"
                    f" {name.start_mark.line + 1}: put all of it under one."
                )
            names.add(name.value)
        return dict(super().construct_mapping(node, deep))


class _Environment(EnvSettingsSource):
    """The process environment over ``.env``, of which only ``MARKETLAKE__*`` is looked at; null as in YAML."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): None if value == "null" else value for name, value in environment().items() if value}


class Settings(BaseSettings):
    """All parameters of a lake. Build it with ``load``, which explains what is wrong in one line."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    tickers: tuple[Ticker, ...] = Field(default=("SPY",), min_length=1, description="a DAG for each")
    history: History = History()
    bars: Bars = Bars()
    api: Api = Api()
    storage: Storage = Storage()
    calendar: Calendar = Calendar()
    schedule: Schedule = Schedule()
    tasks: Tasks = Tasks()
    quality: Quality = Quality()
    reconcile: Reconcile = Reconcile()
    audit: Audit = Audit()
    report: Reporting = Reporting()
    logging: Logging = Logging()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The variables with plain names, over ``MARKETLAKE__*``, over the YAML file.

        As one source: pydantic-settings merges maps of several, and a variable puts its own in a line's place.
        """
        base_url = environment().get(BASE_URL_VARIABLE)
        plain_names = {"api": {"base_url": base_url}} if base_url else {}
        given = _over(settings_cls, _Environment(settings_cls)(), _yaml_document())
        return (InitSettingsSource(settings_cls, _over(settings_cls, plain_names, given)),)

    @property
    def storage_root(self) -> Path:
        """The lake's folder, absolute."""
        return project_folder() / self.storage.root

    @property
    def logging_folder(self) -> Path:
        """The folder of the task logs, absolute."""
        return project_folder() / self.logging.folder

    def waivers(self, ticker: str, session: dt.date) -> tuple[str, ...]:
        """The checks that a person has accepted as failing for one session."""
        return tuple(self.quality.accept.get(ticker, {}).get(session, ()))


def _over(model: type[BaseModel], stronger: Mapping[str, Any], weaker: Mapping[str, Any]) -> dict[str, Any]:
    """The values of both, line by line: a section is put together, a line's own value is replaced whole."""
    merged = {**weaker, **stronger}
    for name in stronger.keys() & weaker.keys():
        field = model.model_fields.get(name)
        section = field.annotation if field else None
        both_maps = isinstance(stronger[name], Mapping) and isinstance(weaker[name], Mapping)
        if both_maps and isinstance(section, type) and issubclass(section, BaseModel):
            merged[name] = _over(section, stronger[name], weaker[name])
    return merged


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


def load() -> Settings:
    """Read all settings. Raises SettingsError: one line with key, value and what is allowed."""
    _refuse_unknown_names(environment())
    try:
        return Settings()
    except ValidationError as exc:
        told = _without_keys("; ".join(_explained(error) for error in exc.errors()))
        # Without the chain: pydantic's own text, which a traceback prints, quotes every value as it is.
        raise SettingsError(told) from None
    except UnreadableVariable as exc:
        field = re.search(r'field "(\w+)"', str(exc))
        variable = f"{ENV_PREFIX}{field[1].upper()}" if field else f"a {ENV_PREFIX} variable"
        raise SettingsError(
            f"{variable} is no JSON: lists and maps are written as JSON, such as '[\"SPY\"]'."
        ) from None


def _yaml_document() -> dict[str, Any]:
    path = settings_file()
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_YamlLoader) or {}  # noqa: S506 (a safe one)
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"settings file {path} cannot be read: {exc}") from exc
    except yaml.YAMLError as exc:  # whose text quotes the line, and that may hold what should not be there
        raise SettingsError(f"settings file {path} cannot be read: {_yaml_trouble(exc)}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"settings file {path} must hold sections like `storage:`, not {type(document).__name__}")
    _refuse_secrets(document, path.name)
    return _by_section({name: value for name, value in document.items() if value is not None})


def _by_section(document: Mapping[Any, Any]) -> dict[Any, Any]:
    """With a line ``section.name: value``, as messages print it, under its section."""
    found = {name: value for name, value in document.items() if "." not in str(name)}
    for dotted in document.keys() - found.keys():
        section, _, name = str(dotted).partition(".")
        inside = found.setdefault(section, {})
        if not isinstance(inside, dict) or inside.get(name) not in (None, {}, []):  # an empty one is no other value
            raise SettingsError(
                f"settings file {settings_file()}: {dotted} stands twice, the other time under {section}: put all of"
                " it under one."
            )
        found[section] = {**inside, name: document[dotted]}
    return found


def _yaml_trouble(exc: yaml.YAMLError) -> str:
    mark = getattr(exc, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark else ""
    return f"it is no YAML{where}"


def _refuse_secrets(document: Mapping[str, Any], file_name: str, path: str = "") -> None:
    for name, value in document.items():
        if isinstance(name, str) and _SECRET_NAME.search(name):
            raise SettingsError(
                f"{file_name}: {path}{name} looks like a secret. Secrets belong into .env"
                " (POLYGON_API_KEY=...), never into the settings; remove that line."
            )
        if isinstance(value, dict):
            _refuse_secrets(value, file_name, f"{path}{name}.")


def _refuse_unknown_names(known: Mapping[str, str]) -> None:
    sections = sorted(Settings.model_fields)
    for variable in sorted(known):
        name = variable.upper()
        if name.startswith(ENV_PREFIX):
            if name.removeprefix(ENV_PREFIX).split("__")[0].lower() not in sections:
                raise SettingsError(f"{variable} names no setting: sections are {', '.join(sections)}.")
        elif name.startswith("MARKETLAKE_") and variable not in _PLAIN_VARIABLES:
            raise SettingsError(
                f"{variable} names no setting: those are {ENV_PREFIX}SECTION__NAME, with two underscores each time;"
                f" beside them there are {', '.join(_PLAIN_VARIABLES)}."
            )


def _explained(error: ErrorDetails) -> str:
    path = [re.sub(r"^datetime\.date\((\d+), (\d+), (\d+)\)$", _iso, str(part)) for part in error["loc"]]
    name = f"{'.'.join(path)} ({_origin(path)})"
    if error["type"] == "extra_forbidden":
        section = Settings.model_fields.get(path[0])
        names = getattr(section.annotation if section else Settings, "model_fields", {})
        return f"{name} is no setting: known are {', '.join(names)}"
    message = error["msg"].removeprefix("Value error, ")
    value = "" if isinstance(error["input"], dict) else f" = {_shown(error['input'])!r}"
    return f"{name}{value}: {message}"


def _iso(date: re.Match[str]) -> str:
    return str(dt.date(*map(int, date.groups())))


def _shown(given: object) -> object:
    """A wrong value as it may be told: of what may be an address, without its secrets, which may be its path."""
    if not {"@", "?", "/"} & set(str(given)):
        return given
    parts = urlsplit(redacted_url(str(given)))  # which is an address, or hidden
    path = "/****" if parts.netloc and parts.path.strip("/") else parts.path
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _without_keys(text: str) -> str:
    """The text without the key itself, which may stand where a setting was meant."""
    known = environment()
    for variable in KEY_VARIABLES:
        text = without_secret(text, known.get(variable, "").strip())
    return text


def _origin(path: list[str]) -> str:
    """The variable a setting came from, else the name of the YAML file."""
    known = environment()
    if path == ["api", "base_url"] and BASE_URL_VARIABLE in known:
        return BASE_URL_VARIABLE
    variables = (ENV_PREFIX + "__".join(path[:depth]).upper() for depth in range(len(path), 0, -1))
    return next((variable for variable in variables if variable in known), settings_file().name)
