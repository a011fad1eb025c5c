"""The seal: a digest of a whole Parquet file, kept in its own footer.

Page checksums cover pages, and the content hash covers rows. Neither covers page headers, statistics
(which a reader's filter goes by) or what a certificate says that no row can show. The seal covers every
byte: it is the SHA-256 of the file with zeros in the place of the seal, so no byte of the file, its own
included, can change alone. It shows damage, not a forger.
"""

from __future__ import annotations

import enum
import hashlib

SEAL_KEY = b"marketlake.seal"
UNSEALED = b"0" * 64
"""What is written under ``SEAL_KEY``, to be replaced by ``sealed``."""

_MARK = SEAL_KEY + b"\x18\x40"  # in the footer's Thrift: the key, then "the next field is a text of 64 bytes"


class Seal(enum.Enum):
    """What a file's seal says of its bytes."""

    HOLDS = enum.auto()
    BROKEN = enum.auto()
    ABSENT = enum.auto()


def sealed(data: bytes) -> bytes:
    """A Parquet file with its seal in the place of ``UNSEALED``. Raises ValueError if that is not."""
    start = data.rindex(_MARK + UNSEALED) + len(_MARK)
    return data[:start] + _digest(data, start) + data[start + len(UNSEALED) :]


def seal_of(data: bytes) -> Seal:
    """Whether the bytes are those that were sealed."""
    mark = data.rfind(_MARK)
    if mark < 0:
        return Seal.ABSENT
    start = mark + len(_MARK)
    return Seal.HOLDS if data[start : start + len(UNSEALED)] == _digest(data, start) else Seal.BROKEN


def _digest(data: bytes, start: int) -> bytes:
    digest = hashlib.sha256(data[:start])
    digest.update(UNSEALED)
    digest.update(data[start + len(UNSEALED) :])
    return digest.hexdigest().encode()
