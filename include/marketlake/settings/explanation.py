"""What is wrong with a setting, in one line: its name, where it came from, its value and what is allowed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from marketlake.redaction import redacted_url, without_secret
from marketlake.settings.short_form import FULL, SHORT, as_written, variable_of
from marketlake.settings.variables import (
    BASE_URL_VARIABLE,
    ENV_PREFIX,
    KEY_VARIABLES,
    S3_KEY_VARIABLES,
    environment,
    settings_file,
)


def explained(error: ErrorDetails, model: type[BaseModel]) -> str:
    """One error of ``model``, the settings, as a line."""
    path = [re.sub(r"^datetime\.date\((\d+), (\d+), (\d+)\)$", _iso, str(part)) for part in error["loc"]]
    path = path or ["datasets"]  # what is wrong with all of them together is that nothing is to be collected
    written = as_written(path)
    name = f"{'.'.join(written)} ({_origin(written)})"
    if error["type"] == "extra_forbidden":
        return f"{name} is no setting: known are {', '.join(_known(path, model))}"
    message = error["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    value = "" if isinstance(error["input"], dict) else f" = {_shown(error['input'])!r}"
    return f"{name}{value}: {message}"


def _known(path: list[str], model: type[BaseModel]) -> list[str]:
    """The names that may stand where the last one of ``path`` does."""
    section: Any = model
    for name in path[:-1]:
        field = getattr(section, "model_fields", {}).get(name)
        section = field.annotation if field else None
    return [*([SHORT] if section is model else []), *getattr(section, "model_fields", {})]


def _iso(date: re.Match[str]) -> str:
    return str(dt.date(*map(int, date.groups())))


def _shown(given: object) -> object:
    """A wrong value as it may be told: of what may be an address, without its secrets, which may be its path."""
    if not {"@", "?", "/"} & set(str(given)):
        return given
    parts = urlsplit(redacted_url(str(given)))  # which is an address, or hidden
    path = "/****" if parts.netloc and parts.path.strip("/") else parts.path
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def without_keys(text: str) -> str:
    """The text without the keys themselves, which may stand where a setting was meant."""
    known = environment()
    for variable in (*KEY_VARIABLES, *chain.from_iterable(S3_KEY_VARIABLES)):
        text = without_secret(text, known.get(variable, "").strip())
    return text


def _origin(path: list[str]) -> str:
    """The variable a setting came from, or of a section one that gives a part of it, else the name of the YAML file."""
    known = environment()
    if path == ["api", "base_url"] and BASE_URL_VARIABLE in known:
        return BASE_URL_VARIABLE
    as_given = {name.upper(): name for name in known}
    variable = variable_of(path, {name.upper(): value for name, value in known.items()})
    return as_given[variable] if variable else next(_below(path, as_given), settings_file().name)


def _below(path: list[str], as_given: Mapping[str, str]) -> Iterator[str]:
    """The variables that give a part of a section; ``as_given``: by their names in capitals."""
    sections = [path, [SHORT]] if path == list(FULL[: len(path)]) else [path]
    for section in sections:
        start = ENV_PREFIX + "__".join(section).upper()
        yield from (name for upper, name in sorted(as_given.items()) if f"{upper}__".startswith(f"{start}__"))
