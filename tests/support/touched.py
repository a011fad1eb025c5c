"""Files of a lake that somebody touches, and that are as before when the block ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from marketlake.partitions.certificate import Certificate, State

MARKUP = '<img src="x" onerror="alert(1)">'
_CERTIFICATE = b"marketlake.certificate"


def put(path: Path, data: bytes) -> None:
    """In one act, as everything arrives in a lake."""
    arriving = path.with_name("arriving")
    arriving.write_bytes(data)
    arriving.replace(path)


@contextmanager
def restored(path: Path) -> Iterator[bytes]:
    """The bytes of a file, which are there again after the block."""
    data = path.read_bytes()
    try:
        yield data
    finally:
        put(path, data)


@contextmanager
def hostile(path: Path) -> Iterator[None]:
    """A partition whose certificate counts, and has markup in it."""
    with restored(path):
        known = Certificate.decode(pq.read_metadata(path).metadata[_CERTIFICATE])
        worse = msgspec.structs.replace(known, waivers=(MARKUP,), state=State.SUSPECT)
        rows = pq.read_table(path, partitioning=None).replace_schema_metadata({_CERTIFICATE: worse.encode()})
        pq.write_table(rows, path)
        yield


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """A folder, for the time of the block."""
    folder.mkdir()
    try:
        yield
    finally:
        folder.rmdir()
