"""Why a process ended, out of what it printed."""

from __future__ import annotations

import re

from marketlake.redaction import without_url_secrets

_LONGEST = 400
_TRACEBACK = re.compile(r"^.*Traceback \(most recent call last\).*$", re.MULTILINE)
_FRAME = re.compile(r"[ \t│╭╰]|$")
# What libraries add below the message: the statement, its values, and where to read more.
_ADDED = re.compile(r"\[SQL: |\[parameters: |\(Background on this error at|\s*For further information visit|$")


def cause_in(printed: str) -> str:
    """The message of the last exception, on one line; without one, the last line. Empty if nothing was printed.

    No user, password or query value of an address is in it.
    """
    last = next((line for line in reversed(printed.splitlines()) if line.strip()), "")
    return last_exception_in(printed) or _shown(last)


def last_exception_in(printed: str) -> str:
    """The message of the last exception, as ``cause_in`` gives it; empty if there is none."""
    tracebacks = list(_TRACEBACK.finditer(printed))
    return _shown(_message(printed[tracebacks[-1].end() :].splitlines()[1:])) if tracebacks else ""


def _shown(text: str) -> str:
    return without_url_secrets(" ".join(text.split()))[:_LONGEST]


def _message(lines: list[str]) -> str:
    """The exception's own lines, below its frames, up to what a library adds or to an empty line."""
    first = next((number for number, line in enumerate(lines) if not _FRAME.match(line)), len(lines))
    message: list[str] = []
    for line in lines[first:]:
        if _ADDED.match(line):
            break
        message.append(line)
    return " ".join(message)
