"""Sessions against dates taken from the exchange's published calendars, never from the code under test."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest

from marketlake.errors import NotASession, NotFinal
from marketlake.sessions import SessionCalendar, date_meant, final_from, is_final

CALENDAR = SessionCalendar(dt.date(2026, 11, 20))
D = dt.date


def test_thanksgiving_week_has_no_thursday() -> None:
    assert CALENDAR.sessions(D(2024, 11, 25), D(2024, 12, 2)) == [
        D(2024, 11, 25),
        D(2024, 11, 26),
        D(2024, 11, 27),
        D(2024, 11, 29),
        D(2024, 12, 2),
    ]


@pytest.mark.parametrize(
    "day",
    [
        D(2004, 6, 11),  # Reagan's funeral
        D(2007, 1, 2),  # Ford's funeral
        D(2012, 10, 29),  # Hurricane Sandy
        D(2018, 12, 5),  # Bush's funeral
        D(2025, 1, 9),  # Carter's funeral
        D(2024, 3, 29),  # Good Friday
        D(2026, 7, 3),  # Independence Day, observed
        D(2013, 10, 6),  # a Sunday
    ],
)
def test_a_closed_day_is_no_session(day: dt.date) -> None:
    assert not CALENDAR.is_session(day)
    with pytest.raises(NotASession, match=str(day)):
        CALENDAR.hours(day)


def test_the_first_session_is_where_the_vendors_history_begins() -> None:
    assert CALENDAR.sessions(D(1990, 1, 1), D(2003, 9, 12)) == [D(2003, 9, 10), D(2003, 9, 11), D(2003, 9, 12)]


def test_before_the_first_session_comes_the_first_session() -> None:
    assert CALENDAR.next_session(D(2003, 1, 1)) == D(2003, 9, 10)


def test_a_full_day_in_summer_has_its_hours_in_utc() -> None:
    hours = CALENDAR.hours(D(2013, 10, 7))
    assert hours.day_start_ms == 1381118400000  # 04:00 UTC
    assert hours.day_end_ms == 1381204800000
    assert hours.regular_start_ms == 1381152600000  # 13:30 UTC
    assert hours.regular_end_ms == 1381176000000  # 20:00 UTC
    assert not hours.early_close


def test_an_early_close_ends_at_one() -> None:
    hours = CALENDAR.hours(D(2024, 11, 29))
    assert hours.regular_end_ms == 1732903200000  # 18:00 UTC, 13:00 New York
    assert hours.early_close


@pytest.mark.parametrize(("day", "hours"), [(D(2024, 3, 11), 24), (D(2013, 10, 7), 24)])
def test_a_session_day_lasts_as_long_as_its_clock(day: dt.date, hours: int) -> None:
    found = CALENDAR.hours(day)
    assert found.day_end_ms - found.day_start_ms == hours * 3_600_000


def test_a_configured_closure_is_no_session() -> None:
    closed = SessionCalendar(dt.date(2026, 11, 20), [D(2013, 10, 8)])
    assert closed.sessions(D(2013, 10, 7), D(2013, 10, 9)) == [D(2013, 10, 7), D(2013, 10, 9)]


def test_bars_are_final_at_eleven_on_the_next_day() -> None:
    assert final_from(D(2024, 11, 29)).isoformat() == "2024-11-30T11:00:00-05:00"


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2026-11-20T15:59:59+00:00", D(2026, 11, 18)),
        ("2026-11-20T16:00:00+00:00", D(2026, 11, 19)),
        ("2026-11-23T12:00:00+00:00", D(2026, 11, 20)),
    ],
)
def test_the_last_final_session_follows_the_clock(now: str, last: dt.date) -> None:
    assert CALENDAR.last_final(dt.datetime.fromisoformat(now)) == last


NOON = dt.datetime.fromisoformat("2026-11-20T17:00:00+00:00")


def test_a_session_that_has_not_begun_is_refused_even_as_provisional() -> None:
    with pytest.raises(NotFinal, match=r"2026-11-23 has not begun yet. Choose a session up to 2026-11-19"):
        CALENDAR.require_final(D(2026, 11, 23), NOON, allow_provisional=True)


def test_a_session_of_today_is_refused_unless_provisional_is_allowed() -> None:
    with pytest.raises(NotFinal, match="not final before 2026-11-21 11:00 New York"):
        CALENDAR.require_final(D(2026, 11, 20), NOON, allow_provisional=False)
    CALENDAR.require_final(D(2026, 11, 20), NOON, allow_provisional=True)
    CALENDAR.require_final(D(2026, 11, 19), NOON, allow_provisional=False)
    assert (is_final(D(2026, 11, 20), NOON), is_final(D(2026, 11, 19), NOON)) == (False, True)


MIDNIGHTS = {
    "UTC": "2024-11-26T00:00:00+00:00",
    "New York in winter": "2024-11-26T00:00:00-05:00",
    "New York in winter, in UTC": "2024-11-26T05:00:00+00:00",
    "New York in summer, in UTC": "2024-11-26T04:00:00+00:00",
    "Los Angeles, in UTC": "2024-11-26T08:00:00+00:00",
    "Honolulu, in UTC": "2024-11-26T10:00:00+00:00",
    "Marquesas, in UTC": "2024-11-26T09:30:00+00:00",
    "Berlin": "2024-11-26T00:00:00+01:00",
    "Berlin, in UTC": "2024-11-25T23:00:00+00:00",
    "Berlin in summer, in UTC": "2024-11-25T22:00:00+00:00",
    "Kolkata, in UTC": "2024-11-25T18:30:00+00:00",
    "Kathmandu, in UTC": "2024-11-25T18:15:00+00:00",
    "Tokyo, in UTC": "2024-11-25T15:00:00+00:00",
    "Sydney in summer, in UTC": "2024-11-25T13:00:00+00:00",
    "Auckland in summer": "2024-11-26T00:00:00+13:00",
    "Auckland in summer, in UTC": "2024-11-25T11:00:00+00:00",
    "Kiritimati": "2024-11-26T00:00:00+14:00",
    "Berlin's, in New York": "2024-11-25T18:00:00-05:00",
}


@pytest.mark.parametrize("moment", MIDNIGHTS.values(), ids=MIDNIGHTS)
def test_a_midnight_of_any_zone_stands_for_the_date_that_begins_with_it(moment: str) -> None:
    assert date_meant(dt.datetime.fromisoformat(moment)) == D(2024, 11, 26)


@pytest.mark.parametrize(
    ("moment", "date"),
    [
        ("2024-11-26T03:12:45+00:00", D(2024, 11, 25)),  # the evening before in New York
        ("2024-11-26T05:00:01+00:00", D(2024, 11, 26)),
        ("2024-11-26T14:03:00+00:00", D(2024, 11, 26)),
        ("2024-11-26T09:31:07.5-05:00", D(2024, 11, 26)),
        ("2024-11-26T23:59:59+09:00", D(2024, 11, 26)),
    ],
)
def test_any_other_moment_is_one_of_a_new_york_date(moment: str, date: dt.date) -> None:
    assert date_meant(dt.datetime.fromisoformat(moment)) == date


def test_the_last_sessions_are_as_many_as_asked_for() -> None:
    assert CALENDAR.last_sessions(D(2013, 10, 8), 3) == [D(2013, 10, 4), D(2013, 10, 7), D(2013, 10, 8)]
    assert len(CALENDAR.last_sessions(D(2026, 11, 20), 1000)) == 1000
    assert CALENDAR.last_sessions(D(2013, 10, 8), 0) == []


def test_weekdays_without_a_session_have_a_name() -> None:
    closings = SessionCalendar(dt.date(2026, 11, 20)).closings(dt.date(2024, 12, 20), dt.date(2025, 1, 31))
    assert closings == {
        dt.date(2024, 12, 25): "Christmas Day",
        dt.date(2025, 1, 1): "New Year's Day",
        dt.date(2025, 1, 9): "Mourning for President Carter",
        dt.date(2025, 1, 20): "Martin Luther King Jr. Day",
    }


def test_every_closing_since_the_first_session_has_a_name_of_its_own() -> None:
    calendar = SessionCalendar(dt.date(2026, 11, 20))
    closings = calendar.closings(dt.date(2003, 9, 10), dt.date(2026, 12, 31))
    assert Counter(closings.values()) == {
        "New Year's Day": 20,
        "Martin Luther King Jr. Day": 23,
        "Washington's Birthday": 23,
        "Good Friday": 23,
        "Memorial Day": 23,
        "Juneteenth": 5,
        "Independence Day": 23,
        "Labor Day": 23,
        "Thanksgiving Day": 24,
        "Christmas Day": 24,
        "Hurricane Sandy": 2,
        "Mourning for President Reagan": 1,
        "Mourning for President Ford": 1,
        "Mourning for President G. H. W. Bush": 1,
        "Mourning for President Carter": 1,
    }


def test_a_closure_of_the_settings_is_closed_without_a_name() -> None:
    day = dt.date(2026, 6, 3)
    calendar = SessionCalendar(dt.date(2026, 11, 20), [day])
    assert calendar.closings(day, day) == {day: "Closed"}


def test_an_early_close_is_known_without_its_hours() -> None:
    calendar = SessionCalendar(dt.date(2026, 11, 20))
    days = [dt.date(2024, 11, 27), dt.date(2024, 11, 28), dt.date(2024, 11, 29)]
    assert [calendar.closes_early(day) for day in days] == [False, False, True]
