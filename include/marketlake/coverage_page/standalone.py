"""The calendar as one page that needs no server: everything that it shows and does is in the file."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence

import msgspec

from marketlake.coverage_page.calendar import CoverageCalendar
from marketlake.coverage_page.static_files import static_files
from marketlake.research.arguments import in_short

_TEMPLATE, _STYLE, _ENTRY = "standalone.html", "page.css", "standalone.js"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def standalone_page(calendars: Sequence[CoverageCalendar]) -> str:
    """HTML with the calendars in it. Its policy lets nothing run but its own script, known by its hash."""
    files = {name: file.data.decode() for name, file in static_files().items()}
    script, style = _one_module(files), files[_STYLE]
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )
    filled = {
        "title": html.escape(f"Coverage of {in_short([calendar.title for calendar in calendars])}"),
        "policy": policy,
        "style": style,
        "data": msgspec.json.encode(calendars).decode().replace("<", "\\u003c"),  # no text of a lake ends the element
        "script": script,
    }
    return _PLACE.sub(lambda place: filled[place[1]], files[_TEMPLATE])


def _one_module(files: Mapping[str, str]) -> str:
    """The entry and whatever it imports, each after what it needs itself, as one module without imports."""
    ordered: dict[str, str] = {}

    def add(name: str) -> None:
        if name in ordered:
            return
        for needed in _IMPORT.findall(files[name]):
            add(needed)
        ordered[name] = _IMPORT.sub("", files[name])

    add(_ENTRY)
    return "".join(ordered.values())


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
