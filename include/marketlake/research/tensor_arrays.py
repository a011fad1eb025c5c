"""A tensor's two arrays, and some sessions of arrays that are there already."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from marketlake.research.fill import Floats
from marketlake.research.tensor_grid import Positions, TensorGrid

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TensorArrays:
    """``values``: sessions × steps × fields. ``mask``: sessions × steps, whether a step traded."""

    values: Floats
    mask: Mask

    def at(self, positions: Positions) -> TensorArrays:
        """Some sessions, ascending: a view if they follow each other, else a copy."""
        first, last = int(positions[0]), int(positions[-1]) + 1
        where = slice(first, last) if last - first == len(positions) else positions
        return TensorArrays(self.values[where], self.mask[where])


class LoadArrays(Protocol):
    """Where a tensor's arrays come from."""

    def __call__(self, grid: TensorGrid) -> TensorArrays:
        """The arrays of the grid's sessions, in its order."""


class HeldArrays:
    """Arrays that are there already, in memory or in a file: of their sessions, those that a grid names."""

    def __init__(self, arrays: TensorArrays, sessions: tuple[dt.date, ...]) -> None:
        self._arrays = arrays
        self._positions = {session: position for position, session in enumerate(sessions)}

    def __call__(self, grid: TensorGrid) -> TensorArrays:
        """See LoadArrays."""
        return self._arrays.at(np.array([self._positions[session] for session in grid.sessions], dtype=np.int64))
