"""Identities and decisions that travel between the floors. Rows never do: they live in Arrow."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


class State(enum.StrEnum):
    """What a certificate claims of its session."""

    COMPLETE = "complete"
    PROVISIONAL = "provisional"
    SUSPECT = "suspect"
    EMPTY = "empty"


class Source(enum.StrEnum):
    """Where an ingest takes its pages from."""

    API = "api"
    RAW = "raw"


class Timespan(enum.StrEnum):
    """How long a bar is, in the vendor's word."""

    SECOND = "second"
    MINUTE = "minute"
    DAY = "day"


VENDOR_HOSTS = frozenset({"api.massive.com", "api.polygon.io"})


def is_vendor(host: str) -> bool:
    """Whether a host, with or without a port, is the vendor's: bars of any other may be made up."""
    return host.partition(":")[0] in VENDOR_HOSTS


def source_kind(host: str) -> str:
    """What must not mix in one lake: the vendor, under either name, or any other host, whatever its port."""
    return "the vendor" if is_vendor(host) else host.partition(":")[0]


FULL_DAY_MS = 23_400_000
"""Regular hours of a day without an early close: 6.5 hours."""


@dataclass(frozen=True)
class SessionHours:
    """One XNYS session. All bounds are Unix ms UTC and half-open ``[start, end)``."""

    session: dt.date
    day_start_ms: int
    day_end_ms: int
    regular_start_ms: int
    regular_end_ms: int

    @property
    def early_close(self) -> bool:
        """Whether regular hours are shorter than on a full day."""
        return self.regular_end_ms - self.regular_start_ms < FULL_DAY_MS


@dataclass(frozen=True)
class BarRequest:
    """The bars of one ticker on one New York calendar day, per second unless another timespan is named."""

    ticker: str
    hours: SessionHours
    adjusted: bool
    timespan: Timespan = Timespan.SECOND

    @property
    def session(self) -> dt.date:
        """The session asked for."""
        return self.hours.session

    def of(self, timespan: Timespan) -> BarRequest:
        """The same day's bars of another length."""
        return replace(self, timespan=timespan)

    def __str__(self) -> str:
        name = f"{self.ticker} {self.session}"
        return name if self.timespan is Timespan.SECOND else f"{name} {self.timespan.value} bars"


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


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check. ``first_bad`` shows the first offending bar, for the error."""

    name: str
    ok: bool
    blocking: bool
    count: int = 0
    detail: str = ""
    waivable: bool = False
