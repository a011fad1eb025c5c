"""When an option of SPY trades, and how long it has to live.

SPY's options trade 15 minutes longer than the stock: to 16:15 New York, on early closes to 13:15. They expire at the
stock's close, 16:00 or 13:00. Source: Cboe's hours and holidays of equity and ETF options.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketlake.errors import BadArgument, NotASession
from marketlake.sessions import FIRST_SESSION, SessionCalendar, SessionHours

LONGER_MS = 15 * 60_000
"""How much longer SPY's options trade than SPY in regular hours."""
YEAR_S = 31_536_000
"""A year of ACT/365: 365 days in seconds."""


def trading_ms(hours: SessionHours) -> tuple[int, int]:
    """When SPY's options trade on a session: Unix ms UTC, half-open, 09:30 to 16:15 or 13:15 New York."""
    return hours.regular_start_ms, hours.regular_end_ms + LONGER_MS


def expiry_ms(expiration: dt.date, calendar: SessionCalendar) -> int:
    """The instant at which a contract of that expiration expires: Unix ms UTC, 16:00 or 13:00 New York.

    Of a date without a session it is the close of the last session before it, after which nobody trades the contract:
    the Saturdays that monthly contracts carried until February 2015, and closures that were announced after the
    contract was listed. For a holiday that was known, such as Good Friday, contracts are listed with the Thursday.
    Raises BadArgument for a date that the calendar does not reach, NotASession for one before it.
    """
    if expiration > calendar.last:
        raise BadArgument(
            f"expiration={expiration} is beyond the calendar, which ends on {calendar.last}: the hours of that day are"
            f" not known yet. Choose a smaller options.selection.dte_max."
        )
    last = calendar.last_sessions(expiration, 1)
    if not last:
        raise NotASession(f"expiration={expiration} is before the calendar, which runs from {FIRST_SESSION}.")
    return calendar.hours(last[0]).regular_end_ms


def years_to_expiry(
    bar_ends_ms: NDArray[np.int64], expirations: pa.ChunkedArray, calendar: SessionCalendar
) -> NDArray[np.float64]:
    """From the end of each bar (Unix ms UTC) to its contract's expiry (date32), in years of ACT/365.

    0 of a bar that ends with the expiry, negative after it, to 16:15. Raises as ``expiry_ms``, and BadArgument for a
    null expiration.
    """
    if expirations.null_count:
        raise BadArgument("expirations: a contract without an expiration has no time to it.")
    encoded = pc.dictionary_encode(expirations.combine_chunks())
    expiries = _expiries_ms(encoded.dictionary.to_pylist(), calendar)
    return np.asarray((expiries[encoded.indices.to_numpy()] - bar_ends_ms) / (YEAR_S * 1000), dtype=np.float64)


def _expiries_ms(days: Iterable[dt.date], calendar: SessionCalendar) -> NDArray[np.int64]:
    return np.array([expiry_ms(day, calendar) for day in days], dtype=np.int64)
