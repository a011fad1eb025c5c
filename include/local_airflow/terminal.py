"""What is told to the person in front of it."""

from __future__ import annotations


def say(line: str) -> None:
    """One line."""
    print(line, flush=True)
