"""A tensor in a folder: two arrays that numpy maps, and a head, written last, that says what they are."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from marketlake.errors import BadArgument, StorageError
from marketlake.research.fill import Fill
from marketlake.research.tensor_arrays import TensorArrays
from marketlake.research.tensor_grid import TensorGrid

VALUES, MASK, HEAD = "values.npy", "mask.npy", "tensor.json"
_VERSION = 1


class TensorHead(msgspec.Struct, frozen=True):
    """What ``tensor.json`` says; see TensorGrid for its words."""

    version: int
    sessions: tuple[dt.date, ...]
    opens_ms: tuple[int, ...]
    lengths: tuple[int, ...]
    steps: int
    step_ms: int
    fields: tuple[str, ...]
    fill: dict[str, Fill]
    dtype: str

    @classmethod
    def of(cls, grid: TensorGrid) -> TensorHead:
        """The head of a tensor on this grid."""
        return cls(
            version=_VERSION,
            sessions=grid.sessions,
            opens_ms=tuple(grid.opens_ms.tolist()),
            lengths=tuple(grid.lengths.tolist()),
            steps=grid.steps,
            step_ms=grid.step_ms,
            fields=grid.fields,
            fill=dict(grid.fill),
            dtype=grid.dtype.name,
        )

    def grid(self) -> TensorGrid:
        """The grid that this head is of."""
        return TensorGrid(
            sessions=self.sessions,
            opens_ms=np.array(self.opens_ms, dtype=np.int64),
            lengths=np.array(self.lengths, dtype=np.int64),
            steps=self.steps,
            step_ms=self.step_ms,
            fields=self.fields,
            fill=self.fill,
            dtype=np.dtype(self.dtype),
        )


def write(folder: Path, grid: TensorGrid, chunks: Iterable[TensorArrays]) -> None:
    """Write a tensor into a new or empty folder, chunk by chunk. Without its head, the last file, it is none.

    Raises BadArgument if anything lies in the folder, StorageError if it cannot be written, and what reading a chunk
    raises; what was written up to then is removed.
    """
    try:
        _write(folder, grid, chunks)
    except FileExistsError as exc:
        raise BadArgument(
            f"folder={str(folder)!r} is not allowed: {exc.filename} is there. Name a new folder."
        ) from exc
    except OSError as exc:
        raise StorageError(
            f"The tensor cannot be written to {folder}: {exc.strerror or exc}. Free some room there, or name another"
            f" folder."
        ) from exc


def _write(folder: Path, grid: TensorGrid, chunks: Iterable[TensorArrays]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        raise FileExistsError(0, "not empty", str(path))
    try:
        _write_arrays(folder, grid, chunks)
        _write_head(folder, TensorHead.of(grid))
    except BaseException:
        for name in (HEAD, f"{HEAD}.part", VALUES, MASK):
            with suppress(OSError):
                (folder / name).unlink()
        raise


def _write_arrays(folder: Path, grid: TensorGrid, chunks: Iterable[TensorArrays]) -> None:
    """Written rather than mapped: a disk that fills up is then an error, and not the end of the process."""
    with (folder / VALUES).open("xb") as values, (folder / MASK).open("xb") as mask:
        _begin(values, grid.shape, grid.dtype)
        _begin(mask, grid.shape[:2], np.dtype(np.bool_))
        for chunk in chunks:
            values.write(np.ascontiguousarray(chunk.values).data)
            mask.write(np.ascontiguousarray(chunk.mask).data)
        _to_disk(values)
        _to_disk(mask)


def _begin(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _write_head(folder: Path, head: TensorHead) -> None:
    part = folder / f"{HEAD}.part"
    with part.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(head)))
        _to_disk(file)
    part.replace(folder / HEAD)


def read(folder: Path) -> tuple[TensorGrid, TensorArrays]:
    """The grid and the arrays, mapped read-only. Raises StorageError unless the folder holds a whole tensor."""
    try:
        head = msgspec.json.decode((folder / HEAD).read_bytes(), type=TensorHead)
        if head.version != _VERSION:
            raise _unusable(folder, f"it is of version {head.version}, and this one reads {_VERSION}")
        grid = head.grid()
        arrays = TensorArrays(_mapped(folder / VALUES), _mapped(folder / MASK))
    except (OSError, ValueError, TypeError, EOFError) as exc:  # msgspec's errors and a short file are ValueErrors
        raise _unusable(folder, str(exc)) from exc
    _check(folder, grid, arrays)
    return grid, arrays


def _mapped(path: Path) -> NDArray[Any]:
    mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _check(folder: Path, grid: TensorGrid, arrays: TensorArrays) -> None:
    found = (arrays.values.shape, arrays.values.dtype, arrays.mask.shape, arrays.mask.dtype)
    if found != (grid.shape, grid.dtype, grid.shape[:2], np.dtype(np.bool_)):
        raise _unusable(folder, f"its arrays are not those of {HEAD}")


def _unusable(folder: Path, why: str) -> StorageError:
    return StorageError(f"{folder} holds no whole tensor ({why}): write it again with memmap(), to a new folder.")
