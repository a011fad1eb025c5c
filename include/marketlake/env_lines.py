"""The lines of an environment file, such as ``.env``, read strictly: what cannot be read is an error, not skipped.

``NAME=value`` a line, with ``export`` before it or not; ``#`` begins a comment, at the start of a line or behind a
space. A value in quotes may hold anything, line breaks included. ``${NAME}`` and ``${NAME:-default}`` are replaced
but in single quotes; ``$`` without braces is a ``$``. Only the standard library is needed: what writes `.env` reads
with it before anything is installed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from marketlake.errors import SettingsError

_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=")
_QUOTED = {
    "'": re.compile(r"[ \t]*'((?:\\'|[^'])*)'"),
    '"': re.compile(r'[ \t]*"((?:\\"|[^"])*)"'),
}
_QUOTE = re.compile(r"[ \t]*(['\"])")
_ESCAPES = {
    "'": re.compile(r"\\([\\'])"),
    '"': re.compile(r"\\([\\'\"abfnrtv])"),
}
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_END = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|\Z)")
# Behind the sign stands something: the last line of base64 ends with one.
_SWALLOWED = re.compile(r"^[ \t]*(?:export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=[ \t]*[^\s=]", re.MULTILINE)
_BRACES = re.compile(r"\$\{([^}\n]*)(\}?)")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-((?:(?!\$\{).)*))?")
# Of a line that is none, what may be shown: a key that was pasted alone is no name.
_LIKELY_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Z_][A-Z0-9_]*)(?=[^A-Za-z0-9_\n])")


@dataclass(frozen=True)
class _Place:
    """Where something stands, as messages name it."""

    file: str
    line: int
    name: str = ""

    def refusal(self, what: str) -> SettingsError:
        """The error of this place. ``what`` says what is wrong and what to do, without any value."""
        name = f"{self.name}: " if self.name else ""
        return SettingsError(f"{self.file}, line {self.line}: {name}{what}")


def read_file(path: Path, given: Mapping[str, str]) -> dict[str, str]:
    """What a file assigns; nothing if it is not there. Raises SettingsError, as ``assignments`` does."""
    text = text_of(path)
    return assignments(text, str(path), given) if text is not None else {}


def text_of(path: Path) -> str | None:
    """The file's text, its line breaks as they are; None if it is not there. Raises SettingsError if it is no text."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as exc:
        raise SettingsError(f"{path} is no UTF-8 text ({exc.reason} at byte {exc.start}): save it as such.") from None
    except OSError as exc:
        raise SettingsError(f"{path} cannot be read ({exc.strerror}): see what it is, and who may read it.") from None


def assignments(text: str, file: str, given: Mapping[str, str]) -> dict[str, str]:
    """Name and value of every line; of a name that is assigned twice, the last one that is not empty.

    ``given`` goes before the file itself in what ``${NAME}`` stands for. Raises SettingsError: one line with file,
    line number, the name if there is one, and what to do. A mark of byte order at the start is no part of a name.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    assigned: dict[str, str] = {}
    position = 0
    while position < len(text):
        blank = _END.match(text, position)
        if blank is None:
            place, value, position = _assignment(text, position, file)
            value = value if isinstance(value, _Literal) else _filled_in(value, place, (given, assigned))
            if value or place.name not in assigned:  # empty counts as none
                assigned[place.name] = value
        else:
            position = blank.end()
        position += 1  # the line break
    return assigned


class _Literal(str):
    """A value of single quotes, in which nothing is replaced."""


def _assignment(text: str, start: int, file: str) -> tuple[_Place, str, int]:
    """The assignment that begins there: its place, its value, and where it ends."""
    number = text.count("\n", 0, start) + 1
    named = _NAME.match(text, start)
    if named is None:
        raise _no_assignment(text, start, _Place(file, number))
    place = _Place(file, number, named[1])
    opened = _QUOTE.match(text, named.end())
    if opened is None:
        end = text.find("\n", named.end())
        end = len(text) if end < 0 else end
        value = re.sub(r"[ \t]+#.*", "", text[named.end() : end]).strip(" \t")
        _require_plain(value, place)
        return place, value, end
    quote = opened[1]
    quoted = _QUOTED[quote].match(text, named.end())
    if quoted is None:
        raise place.refusal(f"the {quote} that opens its value is closed nowhere: close it, or take it away.")
    _require_none_swallowed(text, quoted, place)
    rest = _END.match(text, quoted.end())
    if rest is None:
        raise place.refusal(
            f"something follows the {quote} that closes its value: remove it, or put the whole value into the quotes."
        )
    value = _ESCAPES[quote].sub(lambda match: _ESCAPED.get(match[1], match[1]), quoted[1])
    return place, _Literal(value) if quote == "'" else value, rest.end()


def _require_plain(value: str, place: _Place) -> None:
    """Raise SettingsError for a value without quotes that hardly can be meant as it stands."""
    if re.search(r"^[\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00a0]|\u00a0$", value):
        raise place.refusal("its value begins or ends with a typographic quote or space: write \" or '.")
    if value.endswith(";"):
        raise place.refusal("its value ends with a semicolon: remove it, or put the value into quotes.")
    if re.search(r"[ \t][A-Z_][A-Z0-9_]*=", value):
        raise place.refusal("its value holds another NAME=: one line each, or put the value into quotes.")


def _require_none_swallowed(text: str, quoted: re.Match[str], place: _Place) -> None:
    """Raise SettingsError for a value that goes on over a line which assigns something itself."""
    first_break = text.find("\n", quoted.start(), quoted.end())
    swallowed = _SWALLOWED.search(text, first_break + 1) if first_break >= 0 else None
    if swallowed is not None and swallowed.start() < quoted.end():
        over = text.count("\n", 0, swallowed.start()) + 1
        raise place.refusal(
            f"its value goes on over the assignment in line {over}: close its {quoted[0].lstrip()[0]} before."
        )


def _no_assignment(text: str, start: int, place: _Place) -> SettingsError:
    likely = _LIKELY_NAME.match(text, start)
    named = _Place(place.file, place.line, likely[1]) if likely else place
    return named.refusal(
        "this is no NAME=value: a name has letters, digits and _ only, and = follows it. Correct it, or put # before"
        " a comment."
    )


def _filled_in(value: str, place: _Place, known: tuple[Mapping[str, str], ...]) -> str:
    """The value with every ``${NAME}`` replaced by what the first of the known ones gives; empty is none."""

    def replaced(braces: re.Match[str]) -> str:
        variable = _VARIABLE.fullmatch(braces[1]) if braces[2] else None
        if variable is None:
            raise place.refusal(
                "its value holds ${ without a name and } behind it: put the value into single quotes, in which nothing"
                " is replaced."
            )
        name, default = variable.groups()
        for variables in known:
            if variables.get(name):
                return variables[name]
        if default is None:
            raise place.refusal(
                f"${{{name}}} is set nowhere before this line: set it, write ${{{name}:-a default}}, or put the value"
                " into single quotes, in which nothing is replaced."
            )
        return str(default)

    return _BRACES.sub(replaced, value)
