"""``tickers``, the short form of ``datasets.second_bars.tickers``: read as the full line, told as it was written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from marketlake.errors import SettingsError
from marketlake.settings.variables import ENV_PREFIX, of_env_file, settings_file
from marketlake.settings.yaml_file import yaml_document

SHORT = "tickers"
FULL = ("datasets", "second_bars", "tickers")
_SHORT_VARIABLE = f"{ENV_PREFIX}{SHORT.upper()}"
_FULL_VARIABLE = ENV_PREFIX + "__".join(FULL).upper()


def variables_in_full(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of one source that are not empty, in capitals. Raises SettingsError if both forms are given."""
    given = _given(variables)
    short = [name for name in given if _is_short(name)]
    if short and (full := variable_of(FULL, given)):
        raise SettingsError(f"{short[0]} and {full} are the same setting: keep one of them.")
    for name in short:
        given[_FULL_VARIABLE + name.removeprefix(_SHORT_VARIABLE)] = given.pop(name)
    return given


def variable_of(path: Sequence[str], variables: Mapping[str, str]) -> str | None:
    """Which of the variables, their names in capitals, gives that setting: its own, else one with a section as JSON."""
    for depth in range(len(path), 0, -1):
        variable = ENV_PREFIX + "__".join(path[:depth]).upper()
        if variable in variables and _holds(variables[variable], path[depth:]):
            return variable
    return None


def _holds(value: str, names: Sequence[str]) -> bool:
    """Whether a variable's value has something under those names, one in the other."""
    try:
        part = json.loads(value) if names else None
    except ValueError:
        return True  # what is no JSON is told as the whole
    for name in names:
        if isinstance(part, dict):
            if name not in part:
                return False
            part = part[name]
    return True


def _given(variables: Mapping[str, str]) -> dict[str, str]:
    return {name.upper(): value for name, value in variables.items() if value}


def _is_short(variable: str) -> bool:
    return variable == _SHORT_VARIABLE or variable.startswith(f"{_SHORT_VARIABLE}__")


def document_in_full() -> dict[str, Any]:
    """What the settings file says, by section; a dataset that it leaves empty is as by default, like a section.

    Raises SettingsError, also if it has both forms.
    """
    document = yaml_document()
    datasets, line = document.get(FULL[0]) or {}, FULL[2]
    if isinstance(datasets, Mapping):
        document[FULL[0]] = datasets = {name: one for name, one in datasets.items() if one is not None}
    if SHORT not in document:
        return document
    of_seconds = datasets.get(FULL[1], {}) if isinstance(datasets, Mapping) else {}
    if not isinstance(datasets, Mapping) or not isinstance(of_seconds, Mapping) or line in of_seconds:
        raise SettingsError(
            f"{settings_file().name}: {SHORT} and {'.'.join(FULL)} are the same setting: keep one of them."
        )
    others = {name: value for name, value in document.items() if name != SHORT}
    return {**others, FULL[0]: {**datasets, FULL[1]: {**of_seconds, line: document[SHORT]}}}


def as_written(path: list[str]) -> list[str]:
    """The path of a setting in the form in which the strongest source gave it."""
    if tuple(path[: len(FULL)]) != FULL:
        return path
    for variables in (_given(os.environ), _given(of_env_file())):
        if any(_is_short(name) for name in variables):
            return [SHORT, *path[len(FULL) :]]
        if variable_of(FULL, variables):
            return path
    return [SHORT, *path[len(FULL) :]] if SHORT in yaml_document() else path
