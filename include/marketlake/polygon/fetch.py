"""What the vendor answered, as it came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Listing:
    """All page bodies of one question, or why there are none.

    ``attempts``: how often it was asked for. More than once if the answer was empty each time before the last; if that
    one was empty, too, the bodies are those of every answer, which is the evidence that there is nothing.
    """

    bodies: tuple[bytes, ...] = ()
    absent_because: str = ""
    attempts: int = 1


@dataclass(frozen=True)
class Fetch:
    """Every listing of one session by its name, and where and when it came from.

    ``clock_ahead_s``: by how much this machine's clock was ahead of the answers' own time, of which
    ``fetched_at_ms`` is then; 0 if it was not.
    """

    listings: Mapping[str, Listing]
    source_host: str
    fetched_at_ms: int
    clock_ahead_s: float = 0.0

    def of(self, name: str) -> Listing:
        """The listing of that name; without any body if it was never asked for."""
        return self.listings.get(name, Listing())

    def with_listings(self, more: Mapping[str, Listing]) -> Fetch:
        """The same fetch with further listings."""
        return replace(self, listings={**self.listings, **more})


def raw_digest(bodies: Iterable[bytes]) -> str:
    """SHA-256 over the page bodies, each with its length before it."""
    digest = hashlib.sha256()
    for body in bodies:
        digest.update(len(body).to_bytes(8, "big"))
        digest.update(body)
    return digest.hexdigest()
