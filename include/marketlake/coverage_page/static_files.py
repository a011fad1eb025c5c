"""The files that a browser loads: page, style, scripts, and the chart library with its licence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


@dataclass(frozen=True)
class StaticFile:
    """One file, and what it is sent as."""

    data: bytes
    media_type: str


def static_files() -> dict[str, StaticFile]:
    """Every file that may be sent, by its path below ``static/``."""
    return dict(_below(resources.files(__package__) / "static", ""))


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, StaticFile]]:
    for entry in folder.iterdir():
        suffix = f".{entry.name.rpartition('.')[2]}"
        if entry.is_dir():
            yield from _below(entry, f"{prefix}{entry.name}/")
        elif suffix in _MEDIA_TYPES:
            yield f"{prefix}{entry.name}", StaticFile(entry.read_bytes(), _MEDIA_TYPES[suffix])
