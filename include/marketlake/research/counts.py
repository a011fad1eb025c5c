"""Whole numbers that a caller gives: how many, how far, how often."""

from __future__ import annotations

import operator
from typing import SupportsIndex

from marketlake.errors import BadArgument


def count(name: str, value: SupportsIndex, least: int = 1) -> int:
    """``value`` as an int. Raises BadArgument, which names it, unless it is a whole number of at least ``least``."""
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise BadArgument(f"{name}={value!r} is not allowed: give a whole number of at least {least}.")
    return number
