"""What a command says to the person in front of it, and what it ends with. ``make`` says 2 for every code but 0."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from marketlake.errors import MarketLakeError, OutputLost

COMPLETE = 0
"""Every session of the range has its partition; nothing was found that is wrong."""

INCOMPLETE = 1
"""At least one has not, and was named; something was found."""

UNUSABLE = 2
"""It could not be carried out: the message says why."""

INTERRUPTED = 130


def say(line: str) -> None:
    """One line. If its reader has gone, as ``head`` does, the command goes on without one.

    Raises OutputLost if the line cannot be written for another reason, such as a full disk.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as exc:
        _discard(sys.stdout)
        raise OutputLost(
            f"what this command says cannot be written ({exc.strerror}): send it elsewhere, and give the command again."
        ) from exc


def run_command(command: Callable[[], int]) -> int:
    """Run a command; its exit code. Every known error is one line on standard error, and UNUSABLE."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a path may hold bytes that are no text
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return command()
        finally:
            _flush()  # what argparse printed
    except MarketLakeError as exc:
        complain(f"{type(exc).__name__}: {exc}")
        return UNUSABLE
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED


def complain(line: str) -> None:
    """One line on standard error, if that can be written."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _flush() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    """What is still to be written, at the latest when Python ends, goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
