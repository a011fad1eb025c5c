"""Which sessions train, validate and test: by date, without overlap, with an embargo in between."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Generic, NamedTuple, SupportsIndex, TypeAlias, TypeVar

import numpy as np

from marketlake.errors import BadArgument
from marketlake.research.arguments import Day, period
from marketlake.research.counts import count
from marketlake.research.tensor_grid import Positions

Part = TypeVar("Part")
Dates: TypeAlias = Sequence[Day] | Sequence[Sequence[Day]]
"""(first, last), both included, as dates, ``YYYY-MM-DD``, months or years; or several such pairs."""


class Splits(NamedTuple, Generic[Part]):
    """Three parts by session; ``valid`` is None if none was named."""

    train: Part
    valid: Part | None
    test: Part


@dataclass(frozen=True)
class _Span:
    """Both ends are included."""

    first: dt.date
    last: dt.date

    def __contains__(self, day: dt.date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def split_positions(
    sessions: Sequence[dt.date], dates: Mapping[str, Dates], embargo: SupportsIndex
) -> dict[str, Positions]:
    """The positions of each split's sessions, ascending. ``sessions`` ascend; see SessionTensor.split for the rest."""
    apart = count("embargo", embargo, least=0)
    named = {name: _spans(name, given) for name, given in dates.items()}
    _refuse_overlap([(name, span) for name, spans in named.items() for span in spans])
    labels = np.full(len(sessions), -1)
    for label, spans in enumerate(named.values()):
        labels[[any(day in span for span in spans) for day in sessions]] = label
    kept = np.where(_too_near(labels, apart), -1, labels)
    found = {name: np.flatnonzero(kept == label) for label, name in enumerate(named)}
    for label, name in enumerate(named):
        _refuse_empty(name, sessions, (labels == label).any(), found[name], apart)
    return found


def _too_near(labels: Positions, apart: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether a session has one of another split among the ``apart`` sessions that follow it. No split: -1."""
    near = np.zeros(len(labels), dtype=bool)
    for distance in range(1, min(apart, len(labels) - 1) + 1):
        earlier, later = labels[:-distance], labels[distance:]
        near[:-distance] |= (earlier >= 0) & (later >= 0) & (earlier != later)
    return near


def _spans(name: str, given: Dates) -> list[_Span]:
    """One pair or several, as they were given."""
    if not isinstance(given, (tuple, list)) or not given:
        raise _not_a_pair(name, given)
    pairs = given if isinstance(given[0], (tuple, list)) else [given]
    return [_span(name, pair) for pair in pairs]


def _span(name: str, pair: object) -> _Span:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:  # noqa: PLR2004
        raise _not_a_pair(name, pair)
    (first, _), (_, last) = (_period(name, day, pair) for day in pair)
    if first > last:
        raise BadArgument(f"{name} begins with {first} and ends with {last}: give the earlier date first.")
    return _Span(first, last)


def _period(name: str, day: object, pair: object) -> tuple[dt.date, dt.date]:
    try:
        return period(name, day)
    except BadArgument:
        raise _not_a_pair(name, pair) from None


def _not_a_pair(name: str, given: object) -> BadArgument:
    return BadArgument(
        f"{name}={given!r} is not allowed: give (first, last) as dates, months or years, or a list of such pairs."
    )


def _refuse_overlap(spans: list[tuple[str, _Span]]) -> None:
    for (name, one), (other, two) in combinations(spans, 2):
        if one.first in two or two.first in one:
            raise BadArgument(
                f"{name} ({one}) and {other} ({two}) overlap: both ends are"
                f" included, so begin the later one at least a day after the earlier one ends."
            )


def _refuse_empty(
    name: str, sessions: Sequence[dt.date], named_some: bool | np.bool_, left: Positions, apart: int
) -> None:
    if not named_some:
        raise BadArgument(
            f"{name} holds none of the sessions that there are, which run from {sessions[0]} to {sessions[-1]}."
        )
    if not len(left):
        raise BadArgument(f"embargo={apart} leaves no session of {name}: lower it, or let {name} begin earlier.")
