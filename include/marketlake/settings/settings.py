"""All parameters of a lake: environment over ``.env`` over ``settings.yaml``."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableVariable

from marketlake.dataset_names import OPTIONS, made_as
from marketlake.errors import SettingsError
from marketlake.lake_root import Bucket, LakeRoot
from marketlake.settings.explanation import explained, without_keys
from marketlake.settings.option_sections import Options
from marketlake.settings.sections import (
    Api,
    Audit,
    Bars,
    Calendar,
    Datasets,
    History,
    Logging,
    Quality,
    Reconcile,
    Reporting,
    Schedule,
    Storage,
    Tasks,
)
from marketlake.settings.short_form import FULL, SHORT, document_in_full, variables_in_full
from marketlake.settings.variables import (
    BASE_URL_VARIABLE,
    ENV_FILE_VARIABLE,
    ENV_PREFIX,
    SETTINGS_FILE_VARIABLE,
    environment,
    of_env_file,
    project_folder,
)

_PLAIN_VARIABLES = (ENV_FILE_VARIABLE, SETTINGS_FILE_VARIABLE, "MARKETLAKE_DEMO_FOLDER", "MARKETLAKE_WEBHOOK_URL")
_CALLS_OF_A_WAIT = 500  # a minute: 2,300 contracts in the five minutes until the empty ones are asked for again


class _Variables(EnvSettingsSource):
    """The variables of one source, in full and in capitals, of which only ``MARKETLAKE__*`` is looked at; null as in
    YAML.
    """

    def __init__(self, settings_cls: type[BaseSettings], given: Mapping[str, str]) -> None:
        self._given = given
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): None if value == "null" else value for name, value in self._given.items()}


class Settings(BaseSettings):
    """All parameters of a lake. Build it with ``load``, which explains what is wrong in one line."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    datasets: Datasets = Datasets()
    options: Options = Options()
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

        As one source: pydantic-settings merges maps of several, and a variable puts its own in a line's place. The
        process environment and ``.env`` one by one: a section as JSON of the first is over a line of the second.
        """
        base_url = environment().get(BASE_URL_VARIABLE)
        plain_names = {"api": {"base_url": base_url}} if base_url else {}
        process, env_file = variables_in_full(os.environ), variables_in_full(of_env_file())
        weaker = {name: value for name, value in env_file.items() if name not in process}
        given = _over(settings_cls, _Variables(settings_cls, weaker)(), document_in_full())
        given = _over(settings_cls, _Variables(settings_cls, process)(), given)
        return (InitSettingsSource(settings_cls, _over(settings_cls, plain_names, given)),)

    @model_validator(mode="after")
    def _anything(self) -> Settings:
        if not self.datasets.on and not self.options.enabled:
            raise ValueError("no dataset has a ticker: name one, such as  tickers: [SPY]")
        if self.options.enabled and self.bars.adjusted:
            raise ValueError("options.enabled with bars.adjusted: strikes are of unadjusted prices. Set one to false")
        return self

    @property
    def storage_root(self) -> LakeRoot:
        """Where the lake lies: its folder, absolute, or a bucket."""
        root = self.storage.root
        return root if isinstance(root, Bucket) else project_folder() / root

    @property
    def logging_folder(self) -> Path:
        """The folder of the task logs, absolute."""
        return project_folder() / self.logging.folder

    def tickers_of(self, name: str) -> tuple[str, ...]:
        """The tickers of a dataset, or of options; none if they are off."""
        return self.options.underlyings if made_as(name) == OPTIONS else self.datasets.tickers_of(name)

    @property
    def on(self) -> tuple[str, ...]:
        """What is collected: the names of datasets that have a ticker, and options. The first is what commands take."""
        return (*self.datasets.on, *((OPTIONS,) if self.options.underlyings else ()))

    @property
    def snapshot_tickers(self) -> tuple[str, ...]:
        """The underlyings whose snapshots are collected; none if they, or options, are off."""
        return self.options.underlyings if self.options.snapshots.enabled else ()

    @property
    def each(self) -> tuple[tuple[str, str], ...]:
        """Everything that is collected and its tickers, in the order in which commands go through them."""
        return tuple((name, ticker) for name in self.on for ticker in self.tickers_of(name))

    @property
    def sessions_in_flight(self) -> int:
        """Sessions of one ticker at the same time, on all workers together."""
        return self.api.sessions_in_flight * self.tasks.workers

    @property
    def option_sessions_in_flight(self) -> int:
        """Sessions of one underlying at the same time, of ``sessions_in_flight``: half of them by REST, since each
        asks for several contracts at once, for some 15 s, and waits for ``options.empty_recheck_s`` to ask again for
        those that were empty; a quarter by flat file, which takes a core and half a GB. If so few calls a minute are
        allowed that they take longer than that wait, more sessions would only wait for each other.
        """
        if self.options.source == "flat_file":
            return max(1, self.sessions_in_flight // 4)
        most = max(1, self.sessions_in_flight // 2)
        counted = self.api.requests_per_minute
        return most if counted is None else min(most, 1 + counted // _CALLS_OF_A_WAIT)

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


def load() -> Settings:
    """Read all settings. Raises SettingsError: one line with key, value and what is allowed."""
    _refuse_unknown_names(environment())
    try:
        return Settings()
    except ValidationError as exc:
        message = without_keys("; ".join(explained(error, Settings) for error in exc.errors()))
        # Without the chain: pydantic's own text, which a traceback prints, quotes every value as it is.
        raise SettingsError(message) from None
    except UnreadableVariable:
        raise SettingsError(
            f"{_without_json()} is no JSON: lists and maps are written as JSON, such as '[\"SPY\"]'."
        ) from None


def _without_json() -> str:
    """The first variable that should be JSON, and is not."""
    for variable, value in sorted(environment().items()):
        path = variable.upper().removeprefix(ENV_PREFIX).lower().split("__")
        if variable.upper().startswith(ENV_PREFIX) and value and _is_list_or_map(path):
            try:
                json.loads(value)
            except ValueError:
                return variable
    return f"a {ENV_PREFIX} variable"


def _is_list_or_map(path: list[str]) -> bool:
    """Whether the setting of that path is one, or a whole section."""
    wanted: Any = Settings
    for name in FULL if path == [SHORT] else path:
        fields = wanted.model_fields if isinstance(wanted, type) and issubclass(wanted, BaseModel) else {}
        wanted = fields[name].annotation if name in fields else None
    is_section = isinstance(wanted, type) and issubclass(wanted, BaseModel)
    return is_section or get_origin(wanted) in {tuple, dict}


def _refuse_unknown_names(known: Mapping[str, str]) -> None:
    sections = sorted([*Settings.model_fields, SHORT])
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
