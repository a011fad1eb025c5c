"""What can go wrong with an object store, and what then happens: of the fault suite and of docs/reliability.md."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from marketlake.errors import StorageError, StoreRefused, StoreUnreachable

READ, LIST, CREATE, REPLACE = "read", "list", "create", "replace"
WRITES = (CREATE, REPLACE)
ALL = (READ, LIST, CREATE, REPLACE)


class Then(Enum):
    """What happens, in the words of docs/reliability.md."""

    AGAIN = "asked again; if it stays, the task fails, and Airflow tries it later. The old partition stays"
    OWN = "what is there is looked at: one's own bytes are success"
    STOPPED = "the task fails at once, and says what would help. The old partition stays"


@dataclass(frozen=True)
class StoreFault:
    """A fault of an answer. ``served`` is the proxy's name of it; ``error`` is what it ends in while it stays."""

    what: str
    served: str
    error: type[StorageError]
    words: str
    then: Then = Then.AGAIN
    of: tuple[str, ...] = ALL
    hasty: bool = False  # the client under test waits for a second


def stopped(what: str, served: str, words: str) -> StoreFault:
    """What asking again cannot help."""
    return StoreFault(what, served, StoreRefused, words, Then.STOPPED)


STORE_FAULTS = (
    StoreFault("the connection reset", "reset", StoreUnreachable, "ConnectionClosedError"),
    StoreFault("a write that breaks off half-way", "half", StoreUnreachable, "ConnectionClosedError", of=WRITES),
    StoreFault("a write whose answer is lost", "lost", StoreUnreachable, "ConnectionClosedError", Then.OWN, WRITES),
    StoreFault("500", "500", StoreUnreachable, "HTTP 500 InternalError"),
    StoreFault("503 `SlowDown`", "503", StoreUnreachable, "HTTP 503 SlowDown"),
    StoreFault("no answer at all", "hang", StoreUnreachable, "ReadTimeoutError", of=(READ, REPLACE), hasty=True),
    StoreFault("a body cut short", "short", StoreUnreachable, "by length or checksum", of=(READ,)),
    StoreFault(
        "a flipped bit in an object read as a whole", "flipped", StoreUnreachable, "by length or checksum", of=(READ,),
    ),
    StoreFault("a body that trickles", "trickle", StoreUnreachable, "did not end within", of=(READ,), hasty=True),
    stopped("403: rights that lack", "denied", "may not do that: they need s3:"),
    stopped("credentials that have expired", "expired", "have expired: renew them, then clear the task."),
    stopped("a clock that is wrong", "skewed", "This machine's clock is wrong: set it, then clear the task."),
    stopped("no such bucket", "no_bucket", "There is no such bucket: create it, or correct storage.root."),
    stopped("a bucket elsewhere", "elsewhere", "set storage.region or storage.endpoint_url."),
)  # fmt: skip
"""Faults of an answer, each through the real client."""
