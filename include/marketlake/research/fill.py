"""What stands in a step in which nothing traded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from marketlake.errors import BadArgument

Fill = Literal["nan", "ffill", "zero"]
"""``nan``: NaN. ``ffill``: the last value known by then in the same session, NaN before the first. ``zero``: 0.0."""

FILLS: tuple[Fill, ...] = get_args(Fill)
Floats = NDArray[np.floating[Any]]
Steps = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)


def by_field(fill: Fill | Mapping[str, Fill], fields: Sequence[str]) -> dict[str, Fill]:
    """The fill of every field. One word is that of all; a field that a mapping leaves out has ``nan``.

    Raises BadArgument on a word that is no fill, or a field that is not among ``fields``.
    """
    words = dict(fill) if isinstance(fill, Mapping) else dict.fromkeys(fields, fill)
    for field, word in words.items():
        _check(field, word, fields)
    return {field: words.get(field, "nan") for field in fields}


def _check(field: str, word: str, fields: Sequence[str]) -> None:
    if field not in fields:
        raise BadArgument(f"fill names {field!r}, which is not one of the fields: {', '.join(fields)}.")
    if word not in FILLS:
        raise BadArgument(f"fill={word!r} of {field} is not allowed: choose one of {', '.join(FILLS)}.")


class StepRows:
    """Which row stands in each step of a session's length. ``steps``: the step of each row, ascending, each once."""

    def __init__(self, steps: Steps, length: int) -> None:
        self._steps, self._length = steps, length

    @cached_property
    def _here(self) -> Steps:
        """The number of each step's row, from 1 on; 0 if it has none."""
        rows = np.zeros(self._length, dtype=np.int64)
        rows[self._steps] = np.arange(1, len(self._steps) + 1)
        return rows

    @cached_property
    def _by_then(self) -> Steps:
        """The same with the last row before it if a step has none."""
        return np.maximum.accumulate(self._here)

    def spread(self, numbers: Floats, fill: Fill, dtype: np.dtype[Any]) -> Floats:
        """One field, a number a row, as a number a step, with the fill at the steps that have no row.

        A row that does not say this field (no vwap, say) is NaN, which is unknown, not nought: only ``ffill`` fills it.
        """
        if fill == "ffill":
            numbers = carried(numbers)
        if len(numbers) == self._length:
            return numbers
        choices = np.empty(len(numbers) + 1, dtype)
        choices[0], choices[1:] = 0 if fill == "zero" else np.nan, numbers
        return choices.take(self._by_then if fill == "ffill" else self._here)


def carried(numbers: NDArray[Number]) -> NDArray[Number]:
    """Each number, or else the last one before it; NaN before the first."""
    unknown = np.isnan(numbers)
    if not unknown.any():
        return numbers
    return numbers[np.maximum.accumulate(np.where(unknown, 0, np.arange(len(numbers))))]
