"""The evidence that is published with a partition, in the same atomic act."""

from __future__ import annotations

import datetime as dt
import enum

import msgspec

from marketlake.dataset_names import SECOND_BARS
from marketlake.partitions.changes import Changes
from marketlake.quality.checks import Check
from marketlake.quality.reconciliation import Reconciliation
from marketlake.rows.spec import PartitionKey
from marketlake.sessions import SessionHours


class State(enum.StrEnum):
    """What a certificate claims of its session."""

    COMPLETE = "complete"
    PROVISIONAL = "provisional"
    SUSPECT = "suspect"
    EMPTY = "empty"


class Hours(msgspec.Struct, frozen=True):
    """The session's hours, Unix ms UTC, half-open."""

    day_start_ms: int
    day_end_ms: int
    regular_start_ms: int
    regular_end_ms: int
    early_close: bool

    @classmethod
    def of(cls, hours: SessionHours) -> Hours:
        """The hours as a certificate records them."""
        return cls(
            hours.day_start_ms, hours.day_end_ms, hours.regular_start_ms, hours.regular_end_ms, hours.early_close
        )


class Certificate(msgspec.Struct, frozen=True):
    """Everything that is claimed of one partition. No secret ever stands in it.

    ``content_hash`` is of rows and schema, not of the file. ``raw_digest`` is of the page bodies in
    order. Times are Unix ms UTC: the answer came at ``fetched_at_ms``, the revision's rows were published at
    ``published_at_ms``, and this certificate of them was written at ``certified_at_ms``.
    ``reconciliation`` is None if the bars were never held against longer ones, ``changes`` if the
    revision replaced none, or one that proved nothing. ``dataset``: certificates that do not say it are of the time
    when there were second bars alone. ``empty_answers``: how often the API was asked and had nothing, of a session
    without rows; 0 if there are some. ``inputs``: digests of what else the rows were made of, by name. ``basis``: by
    what they were made, by name, as texts: the frozen rule of a selection, the rates of a panel.
    """

    schema_version: int
    ticker: str
    session: dt.date
    state: State
    adjusted: bool
    source_host: str
    pages: int
    request_ids: tuple[str, ...]
    raw_digest: str
    rows: int
    first_timestamp: int
    last_timestamp: int
    volume: float
    transactions: int
    content_hash: str
    hours: Hours
    checks: tuple[Check, ...]
    waivers: tuple[str, ...]
    revision: int
    fetched_at_ms: int
    published_at_ms: int
    certified_at_ms: int = 0
    reconciliation: Reconciliation | None = None
    changes: Changes | None = None
    dataset: str = SECOND_BARS
    empty_answers: int = 0
    inputs: dict[str, str] = {}
    basis: dict[str, str] = {}

    @property
    def key(self) -> PartitionKey:
        """What it is a certificate of."""
        return PartitionKey(self.dataset, self.ticker, self.session)

    def encode(self) -> bytes:
        """As JSON."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Certificate:
        """From JSON. Raises ``msgspec.DecodeError`` if it is none."""
        return _DECODER.decode(data)

    def claims_the_same(self, other: Certificate) -> bool:
        """Whether all that is claimed of the same rows agrees, so that a renewal would add nothing."""
        return all(getattr(self, name) == getattr(other, name) for name in _CLAIMS)

    @property
    def suspect_because(self) -> tuple[str, ...]:
        """Why the session is suspect, a line each; none if it is not."""
        findings = self.reconciliation.findings.values() if self.reconciliation else ()
        return (
            *(f"accepted by quality.accept: {name}" for name in self.waivers),
            *(finding for part in findings for finding in part),
        )


_CLAIMS = ("schema_version", "state", "hours", "checks", "waivers", "reconciliation", "inputs", "basis")

# Now, and not at the first decoding: msgspec looks through a type in Python, and threads that come to it meanwhile end
# the process (msgspec 0.22.0).
_DECODER = msgspec.json.Decoder(Certificate)
