"""Sessions of a few seconds with made-up rows, for tests that need many of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from marketlake.research.fill import Fill
from marketlake.research.tensor import SessionTensor
from marketlake.sessions import SessionHours

Row = tuple[int, float | None, int]
"""The step of a second, close, volume."""
OPENS_MS = 1_700_000_000_000


def days(count: int) -> list[dt.date]:
    """So many dates from 2024-01-01 on; that some are no sessions does not matter here."""
    return [dt.date(2024, 1, 1) + dt.timedelta(days=number) for number in range(count)]


def opens_ms(day: dt.date) -> int:
    return OPENS_MS + (day - dt.date(2024, 1, 1)).days * 86_400_000


def hours_of(lengths: Mapping[dt.date, int], day: dt.date) -> SessionHours:
    """Regular hours of so many seconds."""
    start_ms = opens_ms(day)
    return SessionHours(day, start_ms - 1000, start_ms + 80_000_000, start_ms, start_ms + lengths[day] * 1000)


def table(day: dt.date, rows: Sequence[Row]) -> pa.Table:
    return pa.table(
        {
            "timestamp": pa.array([opens_ms(day) + step * 1000 for step, _, _ in rows], pa.int64()),
            "close": pa.array([close for _, close, _ in rows], pa.float64()),
            "volume": pa.array([volume for _, _, volume in rows], pa.int64()),
            "ticker": pa.array(["SPY"] * len(rows), pa.string()),
        }
    )


class ShortSessions:
    """Rows and lengths by session; ``read`` says which sessions were read, in order."""

    def __init__(self, lengths: Sequence[int], rows: Sequence[Sequence[Row]] | None = None) -> None:
        self.sessions = days(len(lengths))
        self._lengths = dict(zip(self.sessions, lengths, strict=True))
        self._rows = dict(zip(self.sessions, rows or [[]] * len(lengths), strict=True))
        self.read: list[dt.date] = []

    def __call__(self, session: dt.date) -> pa.Table:
        self.read.append(session)
        return table(session, self._rows[session])

    def hours(self, day: dt.date) -> SessionHours:
        return hours_of(self._lengths, day)

    def tensor(
        self, fields: Sequence[str] = ("close", "volume"), fill: Fill | Mapping[str, Fill] = "nan", **how: Any
    ) -> SessionTensor:
        return SessionTensor.of(self, self.hours, self.sessions, fields, fill=fill, **how)
