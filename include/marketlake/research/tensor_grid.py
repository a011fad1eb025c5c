"""The grid that a tensor's sessions lie on: which steps, which fields, how they are kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from marketlake.errors import BadArgument
from marketlake.research.counts import count
from marketlake.research.fill import Fill, by_field
from marketlake.sessions import SessionHours

Positions = NDArray[np.int64]
DTYPES = ("float32", "float64")


@dataclass(frozen=True, eq=False)
class TensorGrid:
    """Sessions × steps × fields. Step k of a session starts at its ``opens_ms`` (Unix ms UTC) + k · ``step_ms``.

    ``lengths``: steps of each session's regular hours, half-open; a last step that they cut short counts.
    ``steps``: those of the longest session of the selection, also of its parts, so that all have one shape.
    """

    sessions: tuple[dt.date, ...]
    opens_ms: Positions
    lengths: Positions
    steps: int
    step_ms: int
    fields: tuple[str, ...]
    fill: Mapping[str, Fill]
    dtype: np.dtype[Any]

    @classmethod
    def of(
        cls,
        sessions: Sequence[dt.date],
        hours: Callable[[dt.date], SessionHours],
        fields: Sequence[str],
        *,
        step_ms: SupportsIndex,
        fill: Fill | Mapping[str, Fill],
        dtype: DTypeLike,
    ) -> Self:
        """The grid of these sessions. Raises BadArgument; NotASession if ``hours`` does."""
        step, days, names = count("step_ms", step_ms), _ascending(sessions), _distinct(fields)
        each = [hours(day) for day in days]
        opens_ms = np.array([one.regular_start_ms for one in each], dtype=np.int64)
        closes_ms = np.array([one.regular_end_ms for one in each], dtype=np.int64)
        lengths = -((opens_ms - closes_ms) // step)
        return cls(
            sessions=days,
            opens_ms=_read_only(opens_ms),
            lengths=_read_only(lengths),
            steps=int(lengths.max()),
            step_ms=step,
            fields=names,
            fill=by_field(fill, names),
            dtype=_float_type(dtype),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sessions, steps, fields."""
        return len(self.sessions), self.steps, len(self.fields)

    def at(self, positions: Positions) -> TensorGrid:
        """The same grid with some of its sessions only, by their position, ascending."""
        return TensorGrid(
            sessions=tuple(self.sessions[position] for position in positions),
            opens_ms=_read_only(self.opens_ms[positions]),
            lengths=_read_only(self.lengths[positions]),
            steps=self.steps,
            step_ms=self.step_ms,
            fields=self.fields,
            fill=self.fill,
            dtype=self.dtype,
        )


def _read_only(numbers: Positions) -> Positions:
    numbers.setflags(write=False)
    return numbers


def _ascending(sessions: Sequence[dt.date]) -> tuple[dt.date, ...]:
    if not sessions:
        raise BadArgument("sessions=() is not allowed: a tensor has at least one session.")
    for earlier, later in pairwise(sessions):
        if earlier >= later:
            raise BadArgument(f"sessions has {later} after {earlier}: give them ascending, each once.")
    return tuple(sessions)


def _distinct(fields: Sequence[str]) -> tuple[str, ...]:
    names = (fields,) if isinstance(fields, str) else tuple(fields)
    if not names or len(set(names)) < len(names):
        raise BadArgument(f"fields={names!r} is not allowed: name at least one column, each once.")
    return names


def _float_type(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.name not in DTYPES or not found.isnative:
        raise BadArgument(f"dtype={dtype!r} is not allowed: choose one of {', '.join(DTYPES)}.")
    return found
