"""What the vendor answered, as it came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from marketlake.polygon.request import Timespan


@dataclass(frozen=True)
class Reference:
    """Longer bars that a session's seconds are held against: their page bodies, or why there are none."""

    bodies: tuple[bytes, ...] = ()
    absent_because: str = ""


@dataclass(frozen=True)
class Fetch:
    """Every page body of one session as it came, and where and when from.

    ``clock_ahead_s``: by how much this machine's clock was ahead of the answers' own time, of which
    ``fetched_at_ms`` is then; 0 where it was not.
    """

    bodies: tuple[bytes, ...]
    source_host: str
    fetched_at_ms: int
    references: Mapping[Timespan, Reference] = field(default_factory=dict)
    clock_ahead_s: float = 0.0


def raw_digest(bodies: Iterable[bytes]) -> str:
    """SHA-256 over the page bodies, each with its length before it."""
    digest = hashlib.sha256()
    for body in bodies:
        digest.update(len(body).to_bytes(8, "big"))
        digest.update(body)
    return digest.hexdigest()
