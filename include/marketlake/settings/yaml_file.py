"""``settings.yaml``, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from marketlake.errors import SettingsError
from marketlake.settings.variables import settings_file

_SECRET_NAME = re.compile(r"(?i)key|secret|token|passw|credential")


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


def yaml_document() -> dict[str, Any]:
    """What the settings file says, by section. Raises SettingsError."""
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
    """With a line ``section.name: value``, as messages print it, in its place, at any depth."""
    nested = {name: value for name, value in document.items() if "." not in str(name)}
    for dotted in document.keys() - nested.keys():
        *sections, name = str(dotted).split(".")
        inside = nested
        for section in sections:
            given = inside.get(section)
            if given is not None and not isinstance(given, dict):
                raise _twice(dotted, ".".join(sections))
            inside[section] = dict(given or {})
            inside = inside[section]
        if inside.get(name) not in (None, {}, []):  # an empty one is no other value
            raise _twice(dotted, ".".join(sections))
        inside[name] = document[dotted]
    return nested


def _twice(dotted: str, section: str) -> SettingsError:
    return SettingsError(
        f"settings file {settings_file()}: {dotted} stands twice, the other time under {section}: put all of it under"
        " one."
    )


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
