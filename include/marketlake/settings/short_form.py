"""``tickers``, the short form of ``datasets.second_bars.tickers``: read as the full line, told as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marketlake.errors import SettingsError
from marketlake.settings.variables import ENV_PREFIX, environment, settings_file
from marketlake.settings.yaml_file import yaml_document

SHORT = "tickers"
FULL = ("datasets", "second_bars", "tickers")
_SHORT_VARIABLE = f"{ENV_PREFIX}{SHORT.upper()}"
_FULL_VARIABLE = ENV_PREFIX + "__".join(FULL).upper()


def variables_in_full(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of one source that are not empty, in capitals. Raises SettingsError if both forms are given."""
    given = {name.upper(): value for name, value in variables.items() if value}
    if _SHORT_VARIABLE in given:
        if _FULL_VARIABLE in given:
            raise SettingsError(f"{_SHORT_VARIABLE} and {_FULL_VARIABLE} are the same setting: keep one of them.")
        given[_FULL_VARIABLE] = given.pop(_SHORT_VARIABLE)
    return given


def document_in_full() -> dict[str, Any]:
    """What the settings file says, by section. Raises SettingsError, also if it has both forms."""
    document = yaml_document()
    if SHORT not in document:
        return document
    datasets, line = document.get(FULL[0]) or {}, FULL[2]
    of_seconds = (datasets.get(FULL[1]) or {}) if isinstance(datasets, Mapping) else {}
    if not isinstance(datasets, Mapping) or not isinstance(of_seconds, Mapping) or line in of_seconds:
        raise SettingsError(
            f"{settings_file().name}: {SHORT} and {'.'.join(FULL)} are the same setting: keep one of them."
        )
    others = {name: value for name, value in document.items() if name != SHORT}
    return {**others, FULL[0]: {**datasets, FULL[1]: {**of_seconds, line: document[SHORT]}}}


def as_written(path: list[str]) -> list[str]:
    """The path of a setting in the form in which it was given."""
    if tuple(path[: len(FULL)]) != FULL:
        return path
    known = {name.upper() for name, value in environment().items() if value}
    is_short = SHORT in yaml_document() if not {_SHORT_VARIABLE, _FULL_VARIABLE} & known else _SHORT_VARIABLE in known
    return [SHORT, *path[len(FULL) :]] if is_short else path
