"""Many sessions on one grid, as arrays that a model takes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from marketlake.research import tensor_folder
from marketlake.research.counts import count
from marketlake.research.fill import Fill, Floats
from marketlake.research.session_rows import RowsOnAGrid, SessionRows
from marketlake.research.splits import Dates, Splits, split_positions
from marketlake.research.tensor_arrays import HeldArrays, LoadArrays, Mask, TensorArrays
from marketlake.research.tensor_grid import Positions, TensorGrid
from marketlake.research.windows import windows_of
from marketlake.sessions import SessionHours


class SessionTensor:
    """Sessions × steps × fields: regular hours on one grid, read when ``values`` or ``mask`` is first looked at.

    Step k of a session starts at its open + k · ``step_ms``. There are as many steps as the longest session of the
    selection has: 23,400 of a second, or 12,600 if all close early. A shorter session ends at its own length;
    beyond it nothing exists: ``mask`` is False and ``values`` is NaN there, whatever the fill.

    >>> tensor = lake.tensor("2024-11-25", "2024-11-29", fields=["close", "volume"])
    >>> tensor.values.shape, tensor.mask.shape
    ((4, 23400, 2), (4, 23400))
    >>> tensor.lengths.tolist()
    [23400, 23400, 23400, 12600]
    """

    def __init__(self, grid: TensorGrid, load: LoadArrays) -> None:
        self._grid, self._load = grid, load

    @classmethod
    def of(
        cls,
        rows: SessionRows,
        hours: Callable[[dt.date], SessionHours],
        sessions: Sequence[dt.date],
        fields: Sequence[str],
        *,
        step_ms: SupportsIndex = 1000,
        fill: Fill | Mapping[str, Fill] = "nan",
        dtype: DTypeLike = np.float32,
        readers: SupportsIndex = 1,
    ) -> Self:
        """A tensor of rows that ``rows`` reads a session at a time, when they are needed.

        ``sessions`` ascend. ``fill``: what stands in a step without a trade, one word (nan, ffill, zero) or one by
        field; see marketlake.research.fill. ``dtype``: float32 (prices to seven digits, shares to 16,777,216 are
        exact), or float64. ``readers``: threads that read; the result is the same for any number.
        Raises BadArgument; reading raises what ``rows`` does, BadArgument on a field that is no column of numbers,
        InvalidBars on rows off the grid.
        """
        grid = TensorGrid.of(sessions, hours, fields, step_ms=step_ms, fill=fill, dtype=dtype)
        return cls(grid, RowsOnAGrid(rows, count("readers", readers)))

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """A tensor that ``memmap`` wrote, mapped read-only. Raises StorageError unless it was written to its end.

        >>> import tempfile
        >>> from marketlake.research.tensor import SessionTensor
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = lake.tensor("2024-11-25", "2024-11-29", fields=["close"]).memmap(folder)
        ...     SessionTensor.open(folder)
        SessionTensor(4 sessions 2024-11-25..2024-11-29, 23400 steps of 1000 ms, close, float32)
        """
        grid, arrays = tensor_folder.read(Path(folder))
        return cls(grid, HeldArrays(arrays, grid.sessions))

    @cached_property
    def _arrays(self) -> TensorArrays:
        return self._load(self._grid)

    @property
    def values(self) -> Floats:
        """Sessions × steps × fields, float32 or float64, in the units of the rows (USD, shares)."""
        return self._arrays.values

    @property
    def mask(self) -> Mask:
        """Sessions × steps, bool: whether a trade made a bar in that step."""
        return self._arrays.mask

    @property
    def lengths(self) -> Positions:
        """Steps in each session's regular hours, int64; a last one that they cut short counts."""
        return self._grid.lengths

    @property
    def opens_ms(self) -> Positions:
        """When the first step of each session starts, int64, Unix ms UTC."""
        return self._grid.opens_ms

    @property
    def sessions(self) -> tuple[dt.date, ...]:
        """The sessions, ascending: New York dates."""
        return self._grid.sessions

    @property
    def fields(self) -> tuple[str, ...]:
        """The names along the last axis of ``values``."""
        return self._grid.fields

    @property
    def fill(self) -> Mapping[str, Fill]:
        """Each field's fill."""
        return self._grid.fill

    @property
    def step_ms(self) -> int:
        """How long a step is, in ms."""
        return self._grid.step_ms

    @property
    def shape(self) -> tuple[int, int, int]:
        """That of ``values``: sessions, steps, fields. Reads nothing."""
        return self._grid.shape

    def __len__(self) -> int:
        return len(self.sessions)

    def __repr__(self) -> str:
        days = f"{len(self)} sessions {self.sessions[0]}..{self.sessions[-1]}"
        steps = f"{self._grid.steps} steps of {self.step_ms} ms"
        return f"SessionTensor({days}, {steps}, {'/'.join(self.fields)}, {self._grid.dtype.name})"

    def chunks(self, sessions: SupportsIndex) -> Iterator[SessionTensor]:
        """The tensor in parts of so many sessions, the last one smaller, all with the steps of the whole.

        Each reads its own sessions when it is looked at; let go of one before the next if memory is short.
        Raises BadArgument on a number below 1.

        >>> tensor = lake.tensor("2024-11-25", "2024-11-29", fields=["close"])
        >>> [chunk.shape for chunk in tensor.chunks(3)]
        [(3, 23400, 1), (1, 23400, 1)]
        """
        size = count("sessions", sessions)
        positions = np.arange(len(self))
        return (self._at(positions[first : first + size]) for first in range(0, len(self), size))

    def _at(self, positions: Positions) -> SessionTensor:
        """Some sessions, ascending: of what has been read already, a view if they follow each other."""
        load = HeldArrays(self._arrays, self.sessions) if "_arrays" in self.__dict__ else self._load
        return SessionTensor(self._grid.at(positions), load)

    def memmap(self, folder: str | Path, sessions_at_once: SupportsIndex = 16) -> SessionTensor:
        """Write the tensor to a new or empty folder, some sessions at a time, and return it mapped from there.

        The folder holds ``values.npy``, ``mask.npy`` and, written last, ``tensor.json``. Raises BadArgument if there
        is something in it, StorageError if it cannot be written, and what reading raises; nothing stays then.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     mapped = lake.tensor("2024-11-25", "2024-11-29", fields=["close"]).memmap(folder)
        ...     type(mapped.values).__name__
        'memmap'
        """
        chunks = (chunk._arrays for chunk in self.chunks(sessions_at_once))
        tensor_folder.write(Path(folder), self._grid, chunks)
        return self.open(folder)

    def split(
        self, *, train: Dates, test: Dates, valid: Dates | None = None, embargo: SupportsIndex = 0
    ) -> Splits[SessionTensor]:
        """Three tensors by session, with the steps of the whole; a session that none of them names is in none.

        ``train``, ``valid``, ``test``: (first, last), both included, as dates or ``YYYY-MM-DD``, or a list of such
        pairs. ``embargo``: at least so many of the tensor's sessions lie between two splits; for it, the last
        sessions of the earlier one are left out (López de Prado 2018, Advances in Financial Machine Learning, ch. 7).
        Raises BadArgument if ranges overlap, or one holds no session.

        >>> tensor = lake.tensor("2024-11-25", "2024-11-29", fields=["close"])
        >>> split = tensor.split(train=("2024-11-25", "2024-11-27"), test=("2024-11-28", "2024-11-29"), embargo=1)
        >>> [str(session) for session in split.train.sessions], len(split.test), split.valid
        (['2024-11-25', '2024-11-26'], 1, None)
        """
        dates = {"train": train} | ({} if valid is None else {"valid": valid}) | {"test": test}
        parts = {name: self._at(found) for name, found in split_positions(self.sessions, dates, embargo).items()}
        return Splits(train=parts["train"], valid=parts.get("valid"), test=parts["test"])

    def windows(self, length: SupportsIndex, horizon: SupportsIndex, stride: SupportsIndex = 1) -> Positions:
        """Every (position of the session, first step) of a window, int64, n × 2. Reads nothing.

        Inputs are the steps [first, first + ``length``), targets the ``horizon`` steps after them, all within the
        session's length; every ``stride`` steps from the open on. Raises BadArgument on a number below 1.

        >>> lake.tensor("2024-11-25", "2024-11-29", fields=["close"]).windows(12_000, 600, stride=6_000).tolist()
        [[0, 0], [0, 6000], [1, 0], [1, 6000], [2, 0], [2, 6000], [3, 0]]
        """
        return windows_of(self.lengths, length, horizon, stride)
