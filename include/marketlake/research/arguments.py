"""What callers pass: sessions as people write them, and words of which only some are known."""

from __future__ import annotations

import calendar
import datetime as dt
import difflib
import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Literal

import numpy as np

from marketlake.errors import BadArgument, EngineMissing
from marketlake.partitions.certificate import State
from marketlake.sessions import FIRST_SESSION, NEW_YORK

Day = dt.date | str
"""A session: a date, or ``"2024-06-03"``. As a bound of a range a month or a year, too: ``"2024-06"``, ``"2024"``."""

Engine = Literal["pandas", "polars", "arrow"]
Missing = Literal["raise", "skip"]
Window = Literal["regular", "extended", "all"]

TAKEN: tuple[str, ...] = (State.COMPLETE, State.SUSPECT)
"""The states of a session that are read unless others are asked for."""

_MOST_NAMED = 20
_PERIOD = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")


def one_of(argument: str, value: object, allowed: Iterable[str]) -> str:
    """The value, if it is one of those. Raises BadArgument, which names the nearest."""
    known = list(allowed)
    if isinstance(value, str) and value in known:
        return value
    near = difflib.get_close_matches(str(value), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise BadArgument(f"{argument}={value!r} is none of {in_short(known)}.{hint}")


def in_short(names: Sequence[str]) -> str:
    """Names in a line; of very many the first, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def some_of(argument: str, values: object, allowed: Iterable[str]) -> tuple[str, ...]:
    """Several of those, each once, in the order they were given. Raises BadArgument."""
    if isinstance(values, str) or not isinstance(values, Sequence | set | frozenset) or not values:
        raise BadArgument(f"{argument}={values!r} is no list of names: give some of {', '.join(allowed)}.")
    known = list(allowed)
    return tuple(dict.fromkeys(one_of(argument, value, known) for value in values))


def day(argument: str, value: object) -> dt.date:
    """One session. Raises BadArgument for what is no date."""
    first, last = period(argument, value)
    if first != last:
        raise BadArgument(f"{argument}={value!r} is no single date: write it as YYYY-MM-DD.")
    return first


def days(start: object, end: object) -> tuple[dt.date, dt.date]:
    """The first and the last date of a range, both included; ``end`` None: where the period of ``start`` ends.

    Raises BadArgument for what is no date or period, for an end before the start, and for a start before there is a
    calendar.
    """
    first, last = period("start", start)
    if end is not None:
        _, last = period("end", end)
    if last < first:
        raise BadArgument(f"end={end!r} is before start={start!r}: both are included, the earlier one comes first.")
    if last < FIRST_SESSION or (first < FIRST_SESSION and first.year < FIRST_SESSION.year):
        raise BadArgument(f"start={start!r} is before {FIRST_SESSION}, where the vendor's history begins.")
    return first, last


def moment(argument: str, value: object) -> dt.datetime:
    """A moment that has a zone. Raises BadArgument."""
    if not isinstance(value, dt.datetime):
        raise BadArgument(f"{argument}={value!r} is no datetime: give one with a zone, such as datetime.timezone.utc.")
    if value.tzinfo is None:
        raise BadArgument(f"{argument}={value} has no zone: give one, such as datetime.timezone.utc.")
    return value


def engine(name: str) -> ModuleType:
    """A library that is not installed by itself. Raises EngineMissing, with the command that installs it."""
    try:
        return import_module(name)
    except ImportError:
        raise EngineMissing(f"{name} is not installed: python -m pip install {name}", name=name) from None


def period(argument: str, value: object) -> tuple[dt.date, dt.date]:
    """The first and the last date of a day, a month or a year. Raises BadArgument."""
    if isinstance(value, np.datetime64):
        value = value.item()
    if isinstance(value, dt.datetime) and value == value:  # NaT is not  # noqa: PLR0124
        if value.time() != dt.time(0) or str(value.tzinfo) not in {"None", str(NEW_YORK)}:
            raise BadArgument(f"{argument}={value} is a moment, and a session is a date: give YYYY-MM-DD.")
        value = value.date()
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value, value
    match = _PERIOD.fullmatch(value) if isinstance(value, str) else None
    try:
        if match:
            year, month, date = (int(part) if part else None for part in match.groups())
            return _bounds(year or 0, month, date)
    except ValueError:
        pass
    raise BadArgument(f"{argument}={value!r} is no date: give YYYY-MM-DD, YYYY-MM, YYYY, or a datetime.date.")


def _bounds(year: int, month: int | None, date: int | None) -> tuple[dt.date, dt.date]:
    if date is not None and month is not None:
        return dt.date(year, month, date), dt.date(year, month, date)
    first, last = (month, month) if month is not None else (1, 12)
    return dt.date(year, first, 1), dt.date(year, last, calendar.monthrange(year, last)[1])
