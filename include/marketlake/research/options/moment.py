"""A moment of a session, as a caller gives it."""

from __future__ import annotations

import datetime as dt

from marketlake.errors import BadArgument
from marketlake.sessions import SessionHours, new_york_ms

Moment = dt.datetime | dt.time | str
"""A time of day in New York, ``"10:30"`` or a ``datetime.time``; or a datetime with a zone, of the session's date."""


def moment_ms(argument: str, value: object, hours: SessionHours) -> int:
    """Unix ms UTC of a moment of a session's New York day. Raises BadArgument for what is none."""
    if isinstance(value, dt.datetime):
        return _of_datetime(argument, value, hours)
    time = _time(argument, value)
    if time.tzinfo is not None:
        raise BadArgument(f"{argument}={value} has a zone, and a time of day is one in New York: leave it out.")
    return new_york_ms(hours.session, time)


def _of_datetime(argument: str, value: dt.datetime, hours: SessionHours) -> int:
    if value != value or value.tzinfo is None:  # NaT  # noqa: PLR0124
        raise BadArgument(f"{argument}={value} has no zone: give one, or a time of day in New York, such as '10:30'.")
    at_ms = int(value.timestamp() * 1000)
    if not hours.day_start_ms <= at_ms < hours.day_end_ms:
        raise BadArgument(f"{argument}={value} is no moment of the session {hours.session} in New York.")
    return at_ms


def _time(argument: str, value: object) -> dt.time:
    try:
        return value if isinstance(value, dt.time) else dt.time.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise BadArgument(
            f"{argument}={value!r} is no moment: give a time of day in New York, such as '10:30', or a datetime with a"
            " zone."
        ) from None
