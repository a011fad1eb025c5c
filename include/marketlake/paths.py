"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path

from marketlake.errors import SettingsError


def expanded(given: str | Path) -> Path:
    """The path with ``~`` replaced by the home it stands for. Raises ValueError if nobody has that home."""
    if "\0" in str(given):
        raise ValueError("holds a NUL character, which no path does: write it anew")
    try:
        return Path(given).expanduser()
    except RuntimeError:
        name = Path(given).parts[0]
        raise ValueError(f"{name} is nobody's home on this machine: write the path in full") from None


def path_of(variable: str, given: str) -> Path:
    """The path that a variable gives. Raises SettingsError, which names the variable."""
    try:
        return expanded(given)
    except ValueError as exc:
        raise SettingsError(f"{variable}={given}: {exc}.") from None
