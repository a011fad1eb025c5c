"""When options trade and expire. Instants are written in New York's offsets of that day, not taken from the code."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from marketlake.errors import BadArgument, NotASession
from marketlake.options.hours import expiry_ms, trading_ms, years_to_expiry
from marketlake.sessions import SessionCalendar

CALENDAR = SessionCalendar(dt.date(2025, 6, 2))
SUMMER, WINTER = dt.timezone(dt.timedelta(hours=-4)), dt.timezone(dt.timedelta(hours=-5))


def ms(year: int, month: int, day: int, hour: int, minute: int, zone: dt.timezone) -> int:
    return int(dt.datetime(year, month, day, hour, minute, tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("day", "opens", "ends", "expires"),
    [
        (dt.date(2024, 1, 19), (9, 30), (16, 15), (16, 0)),
        (dt.date(2024, 7, 3), (9, 30), (13, 15), (13, 0)),
        (dt.date(2024, 11, 29), (9, 30), (13, 15), (13, 0)),
        (dt.date(2024, 3, 8), (9, 30), (16, 15), (16, 0)),
        (dt.date(2024, 3, 11), (9, 30), (16, 15), (16, 0)),
    ],
)
def test_options_trade_a_quarter_longer_and_expire_at_the_close(
    day: dt.date, opens: tuple[int, int], ends: tuple[int, int], expires: tuple[int, int]
) -> None:
    zone = SUMMER if day in {dt.date(2024, 7, 3), dt.date(2024, 3, 11)} else WINTER
    instants = [ms(day.year, day.month, day.day, *time, zone) for time in (opens, ends, expires)]
    assert [*trading_ms(CALENDAR.hours(day)), expiry_ms(day, CALENDAR)] == instants


@pytest.mark.parametrize(
    ("day", "expires"),
    [
        (dt.date(2015, 1, 17), ms(2015, 1, 16, 16, 0, WINTER)),  # the Saturday that monthly contracts carried
        (dt.date(2024, 3, 29), ms(2024, 3, 28, 16, 0, SUMMER)),  # Good Friday, which no contract should carry
        (dt.date(2018, 12, 5), ms(2018, 12, 4, 16, 0, WINTER)),  # closed, as was said four days before
        (dt.date(2024, 12, 25), ms(2024, 12, 24, 13, 0, WINTER)),  # the session before it closed early
    ],
)
def test_an_expiration_without_a_session_ends_with_the_one_before(day: dt.date, expires: int) -> None:
    assert expiry_ms(day, CALENDAR) == expires


def test_a_closure_of_the_settings_is_no_session_either() -> None:
    closed = SessionCalendar(dt.date(2025, 6, 2), closures=[dt.date(2024, 1, 19)])
    assert expiry_ms(dt.date(2024, 1, 19), closed) == ms(2024, 1, 18, 16, 0, WINTER)


def test_an_expiration_before_the_calendar_is_refused() -> None:
    with pytest.raises(NotASession, match="expiration=2003-09-09 is before the calendar, which runs from 2003-09-10"):
        expiry_ms(dt.date(2003, 9, 9), CALENDAR)


def test_an_expiration_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(BadArgument, match="expiration=2027-01-15 is beyond the calendar, which ends on 2026-12-31"):
        expiry_ms(dt.date(2027, 1, 15), CALENDAR)


def years(bar_ends: list[int], expirations: list[dt.date | None]) -> list[float]:
    return years_to_expiry(
        np.array(bar_ends, dtype=np.int64), pa.chunked_array([expirations], pa.date32()), CALENDAR
    ).tolist()


@pytest.mark.parametrize(
    ("bar_end", "expiration", "expected"),
    [
        (ms(2024, 1, 19, 15, 0, WINTER), dt.date(2024, 1, 19), 3600 / 31_536_000),
        (ms(2024, 1, 19, 16, 0, WINTER), dt.date(2024, 1, 19), 0.0),
        (ms(2024, 1, 19, 16, 15, WINTER), dt.date(2024, 1, 19), -900 / 31_536_000),
        (ms(2024, 7, 3, 12, 59, SUMMER), dt.date(2024, 7, 3), 60 / 31_536_000),
        (ms(2024, 7, 3, 13, 1, SUMMER), dt.date(2024, 7, 3), -60 / 31_536_000),
        # The clocks go forward in between: 2024-03-08 16:00 to 03-11 16:00 is 71 hours.
        (ms(2024, 3, 8, 16, 0, WINTER), dt.date(2024, 3, 11), 71 * 3600 / 31_536_000),
        (ms(2023, 8, 3, 16, 0, SUMMER), dt.date(2023, 9, 1), 29 / 365),
    ],
)
def test_the_time_to_expiry_is_counted_in_seconds(bar_end: int, expiration: dt.date, expected: float) -> None:
    assert years([bar_end], [expiration]) == [pytest.approx(expected, rel=1e-15, abs=0)]


def test_each_row_has_its_own_expiry() -> None:
    at = ms(2024, 1, 18, 16, 0, WINTER)
    friday, thursday = dt.date(2024, 1, 19), dt.date(2024, 1, 18)
    assert years([at, at, at], [friday, thursday, friday]) == [1 / 365, 0.0, 1 / 365]
    assert years([], []) == []


def test_no_row_goes_without_an_expiration() -> None:
    with pytest.raises(BadArgument, match="without an expiration"):
        years([0], [None])
