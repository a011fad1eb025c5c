"""What the vendor is asked for."""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass, replace

from marketlake.sessions import SessionHours


class Timespan(enum.StrEnum):
    """How long a bar is, in the vendor's word."""

    SECOND = "second"
    MINUTE = "minute"
    DAY = "day"

    @property
    def length_ms(self) -> int:
        """How long a bar is; of a day, that of most days: two a year are an hour shorter or longer."""
        return {Timespan.SECOND: 1_000, Timespan.MINUTE: 60_000, Timespan.DAY: 86_400_000}[self]


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
