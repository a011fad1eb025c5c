"""Every parameter, typed and bounded: environment over ``.env`` over ``settings.yaml``."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableVariable

from marketlake.errors import SettingsError
from marketlake.redaction import redacted_url

ENV_PREFIX = "MARKETLAKE__"
BASE_URL_VARIABLE = "POLYGON_BASE_URL"
SETTINGS_FILE_VARIABLE = "MARKETLAKE_SETTINGS_FILE"
ENV_FILE_VARIABLE = "MARKETLAKE_ENV_FILE"
_GZIP_HIGHEST = 9
_SECRET_NAME = re.compile(r"(?i)key|secret|token|passw|credential")


def project_folder() -> Path:
    """The checkout this package lies in: relative paths of the settings start here."""
    return Path(__file__).resolve().parents[2]


def _is_ticker(value: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9.]{0,9}", value):
        raise ValueError(f"{value!r} is no stock ticker: capital letters, digits and dots")
    return value


def checked_base_url(value: str) -> str:
    """The address of an API, without a slash at its end. Raises ValueError where it would leak the key."""
    if not re.fullmatch(r"https://[^/?#@\s]+|http://(127\.0\.0\.1|localhost|simulator)(:\d+)?", value.rstrip("/")):
        raise ValueError(
            "must be https://HOST without path or user (http:// only for 127.0.0.1, localhost or simulator)"
        )
    return value.rstrip("/")


Ticker = Annotated[str, AfterValidator(_is_ticker)]
Check = Literal[
    "low_above_open",
    "low_above_close",
    "high_below_open",
    "high_below_close",
    "price_not_positive",
    "negative_number",
    "long_silence",
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class History(_Section):
    """The dates the lake is meant to hold, both included."""

    start_date: dt.date = dt.date(2003, 9, 10)
    end_date: dt.date | None = None

    @model_validator(mode="after")
    def _ordered(self) -> History:
        if self.end_date is not None and self.end_date < self.start_date:
            raise ValueError(f"end_date {self.end_date} is before start_date {self.start_date}")
        return self


class Bars(_Section):
    """Which bars: the size, and whether prices are adjusted for splits."""

    size: Literal["1 second"] = "1 second"
    adjusted: bool = False


class Api(_Section):
    """The vendor's REST API and how patient to be with it."""

    base_url: Annotated[str, AfterValidator(checked_base_url)] = "https://api.massive.com"
    page_limit: int = Field(default=50_000, ge=1, le=50_000)
    connect_timeout_s: float = Field(default=10, gt=0, le=300)
    read_timeout_s: float = Field(default=60, gt=0, le=600)
    attempts: int = Field(default=5, ge=1, le=20)
    backoff_base_s: float = Field(default=0.5, ge=0, le=60)
    backoff_cap_s: float = Field(default=60, ge=0, le=600)
    sessions_in_flight: int = Field(default=4, ge=1, le=64)


class Storage(_Section):
    """Where the lake lies and how its files are written."""

    root: Path = Path("data")
    compression: Literal["zstd", "snappy", "gzip", "none"] = "zstd"
    compression_level: int = Field(default=6, ge=1, le=22)
    keep_raw_pages: bool = True
    min_free_bytes: int = Field(default=1_000_000_000, ge=0)
    lock_timeout_s: float = Field(default=900, gt=0, le=86_400)

    @field_validator("root")
    @classmethod
    def _is_local(cls, root: Path) -> Path:
        if ":/" in str(root):
            raise ValueError("must be a folder of this machine; object stores are not supported in this version")
        return root.expanduser()

    @model_validator(mode="after")
    def _level_fits(self) -> Storage:
        if self.compression == "gzip" and self.compression_level > _GZIP_HIGHEST:
            raise ValueError(f"compression_level {self.compression_level} is too high for gzip: 1 to {_GZIP_HIGHEST}")
        return self


class Calendar(_Section):
    """Corrections to the calendar library."""

    closures: tuple[dt.date, ...] = ()


class Schedule(_Section):
    """When a session is due, and how far a scheduled run looks back."""

    enabled: bool = True
    ready_time: dt.time = dt.time(11, 30)
    catch_up_sessions: int = Field(default=60, ge=0, le=1_000)

    @model_validator(mode="after")
    def _after_final(self) -> Schedule:
        if self.ready_time < dt.time(11, 0):
            raise ValueError(f"ready_time {self.ready_time:%H:%M} is before 11:00, when bars become final")
        return self


class Tasks(_Section):
    """How Airflow retries a session."""

    retries: int = Field(default=4, ge=0, le=50)
    retry_delay_s: float = Field(default=60, ge=0, le=86_400)
    retry_delay_cap_s: float = Field(default=1_800, ge=0, le=86_400)
    timeout_s: float = Field(default=1_800, gt=0, le=86_400)


class Quality(_Section):
    """How silent a session may be, and which check of which session a person has accepted."""

    max_silence_s: float = Field(default=1_800, gt=0, le=23_400)
    accept: dict[Ticker, dict[dt.date, tuple[Check, ...]]] = Field(default_factory=dict)


class Logging(_Section):
    """Where logs go (always a local folder) and from which level."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    folder: Path = Path("data/logs")


class _Environment(EnvSettingsSource):
    """The process environment over ``.env``, of which only ``MARKETLAKE__*`` is looked at."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in environment().items() if value}


class Settings(BaseSettings):
    """All parameters of a lake. Build it with ``load``, which explains what is wrong in one line."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    tickers: tuple[Ticker, ...] = Field(default=("SPY",), min_length=1)
    history: History = History()
    bars: Bars = Bars()
    api: Api = Api()
    storage: Storage = Storage()
    calendar: Calendar = Calendar()
    schedule: Schedule = Schedule()
    tasks: Tasks = Tasks()
    quality: Quality = Quality()
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
        """The variables with plain names, then ``MARKETLAKE__*``, then the YAML file."""
        base_url = environment().get(BASE_URL_VARIABLE)
        plain_names = InitSettingsSource(settings_cls, {"api": {"base_url": base_url}} if base_url else {})
        yaml_file = YamlConfigSettingsSource(settings_cls, yaml_file=settings_file())
        return plain_names, _Environment(settings_cls), yaml_file

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


def env_file() -> Path:
    """The ``.env`` file: the project's unless ``MARKETLAKE_ENV_FILE`` names another, or, being empty, none."""
    given = os.environ.get(ENV_FILE_VARIABLE)
    return project_folder() / ".env" if given is None else Path(given or os.devnull)


def environment() -> dict[str, str]:
    """The process environment over ``.env``. Empty values of ``.env`` count as absent."""
    from_file = {name: value for name, value in dotenv_values(env_file()).items() if value}
    return {**from_file, **os.environ}


def settings_file() -> Path:
    """The YAML file: ``include/settings.yaml`` unless ``MARKETLAKE_SETTINGS_FILE`` names another."""
    return Path(os.environ.get(SETTINGS_FILE_VARIABLE) or project_folder() / "include" / "settings.yaml")


def load() -> Settings:
    """Read all settings. Raises SettingsError: one line with key, value and what is allowed."""
    _refuse_secrets(_yaml_document(), settings_file().name)
    _refuse_unknown_sections(environment())
    try:
        return Settings()
    except ValidationError as exc:
        raise SettingsError("; ".join(_explained(error) for error in exc.errors())) from exc
    except UnreadableVariable as exc:
        raise SettingsError(f"a {ENV_PREFIX} variable is no JSON: {exc}. Lists and maps are written as JSON.") from exc


def _yaml_document() -> dict[str, Any]:
    path = settings_file()
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as exc:
        raise SettingsError(f"settings file {path} cannot be read: {' '.join(str(exc).split())}") from exc
    if not isinstance(document, dict):
        raise SettingsError(f"settings file {path} must hold sections like `storage:`, not {type(document).__name__}")
    return document


def _refuse_secrets(document: Mapping[str, Any], file_name: str, path: str = "") -> None:
    for name, value in document.items():
        if isinstance(name, str) and _SECRET_NAME.search(name):
            raise SettingsError(
                f"{file_name}: {path}{name} looks like a secret. Secrets belong into .env"
                " (POLYGON_API_KEY=...), never into the settings; remove that line."
            )
        if isinstance(value, dict):
            _refuse_secrets(value, file_name, f"{path}{name}.")


def _refuse_unknown_sections(known: Mapping[str, str]) -> None:
    sections = sorted(Settings.model_fields)
    for variable in sorted(known):
        section = variable.removeprefix(ENV_PREFIX).split("__")[0].lower()
        if variable.startswith(ENV_PREFIX) and section not in sections:
            raise SettingsError(f"{variable} names no setting: sections are {', '.join(sections)}.")


def _explained(error: ErrorDetails) -> str:
    path = [str(part) for part in error["loc"]]
    name = f"{'.'.join(path)} ({_origin(path)})"
    if error["type"] == "extra_forbidden":
        section = Settings.model_fields.get(path[0])
        names = getattr(section.annotation if section else Settings, "model_fields", {})
        return f"{name} is no setting: known are {', '.join(names)}"
    message = error["msg"].removeprefix("Value error, ")
    given = redacted_url(error["input"]) if "://" in str(error["input"]) else error["input"]
    value = "" if isinstance(given, dict) else f" = {given!r}"
    return f"{name}{value}: {message}"


def _origin(path: list[str]) -> str:
    """The variable a setting came from, else the name of the YAML file."""
    known = environment()
    if path == ["api", "base_url"] and BASE_URL_VARIABLE in known:
        return BASE_URL_VARIABLE
    variables = (ENV_PREFIX + "__".join(path[:depth]).upper() for depth in range(len(path), 0, -1))
    return next((variable for variable in variables if variable in known), settings_file().name)
