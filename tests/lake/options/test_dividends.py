"""Dividends that an option holds, as they could be known on the session."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.errors import BadArgument
from marketlake.options.dividends import (
    ConstantDividends,
    Dividend,
    Dividends,
    KnownDividends,
    NoDividends,
    to_expiry,
)
from marketlake.sessions import SessionCalendar

CALENDAR = SessionCalendar(dt.date(2026, 11, 20))


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


# SPY's, as they went ex; the dates of a year declared in its first days.
SPY = [
    Dividend(day(ex), amount, day(declared))
    for ex, amount, declared in [
        ("2023-03-17", 1.506204, "2023-01-03"),
        ("2023-06-16", 1.638276, "2023-01-03"),
        ("2023-09-15", 1.583151, "2023-01-03"),
        ("2023-12-15", 1.906027, "2023-01-03"),
        ("2024-03-15", 1.594937, "2024-01-02"),
        ("2024-06-21", 1.759024, "2024-01-02"),
        ("2024-09-20", 1.745531, "2024-01-02"),
        ("2024-12-20", 1.965548, "2024-01-02"),
    ]
]


def ahead(session: str, last: str, history: list[Dividend] | None = None) -> list[tuple[str, float, bool]]:
    known = KnownDividends(SPY if history is None else history, CALENDAR).ahead(day(session), day(last))
    return [(one.ex_date.isoformat(), one.amount_usd, one.estimated) for one in known]


@pytest.mark.parametrize(
    ("session", "last", "expected"),
    [
        # declared: the date is the declared one, the amount that of the same quarter a year earlier
        ("2024-06-03", "2024-07-19", [("2024-06-21", 1.638276, True)]),
        # the day before it is not known yet; on the ex-date the price is without it
        ("2024-06-20", "2024-07-19", [("2024-06-21", 1.638276, True)]),
        ("2024-06-21", "2024-07-19", []),
        # an expiration on the ex-date holds it, one on the day before does not
        ("2024-06-03", "2024-06-21", [("2024-06-21", 1.638276, True)]),
        ("2024-06-03", "2024-06-20", []),
        # the day before the year is declared: the third Friday, as a year earlier
        ("2024-01-01", "2024-03-28", [("2024-03-15", 1.506204, True)]),
        ("2023-12-18", "2024-09-30", [
            ("2024-03-15", 1.506204, True), ("2024-06-21", 1.638276, True), ("2024-09-20", 1.583151, True),
        ]),
        # further ahead than what was paid a year earlier: two years earlier
        ("2024-05-01", "2025-07-01", [
            ("2024-06-21", 1.638276, True), ("2024-09-20", 1.583151, True), ("2024-12-20", 1.906027, True),
            ("2025-03-21", 1.594937, True), ("2025-06-20", 1.638276, True),
        ]),
        # Juneteenth is the third Friday of June 2026
        ("2024-12-23", "2026-07-01", [
            ("2025-03-21", 1.594937, True), ("2025-06-20", 1.759024, True), ("2025-09-19", 1.745531, True),
            ("2025-12-19", 1.965548, True), ("2026-03-20", 1.594937, True), ("2026-06-18", 1.759024, True),
        ]),
    ],
)  # fmt: skip
def test_what_was_expected(session: str, last: str, expected: list[tuple[str, float, bool]]) -> None:
    assert ahead(session, last) == expected


def test_a_date_that_was_moved_for_a_holiday_is_moved_back() -> None:
    paid = [Dividend(day("2026-03-20"), 1.8), Dividend(day("2026-06-18"), 1.9)]
    assert ahead("2026-11-20", "2027-06-30", paid) == [("2027-03-19", 1.8, True), ("2027-06-17", 1.9, True)]
    later = KnownDividends(paid, SessionCalendar(day("2027-11-20"))).ahead(day("2026-11-20"), day("2028-06-30"))
    assert later[-1].ex_date == day("2028-06-16")  # the third Friday again, once Juneteenth is a Monday


def test_a_declared_date_replaces_the_pattern_of_its_quarter() -> None:
    moved = [*SPY[:4], Dividend(day("2024-03-08"), 9.0, day("2024-01-02"))]
    assert ahead("2024-01-02", "2024-03-28", moved) == [("2024-03-08", 1.506204, True)]
    assert ahead("2024-01-01", "2024-03-28", moved) == [("2024-03-15", 1.506204, True)]
    assert ahead("2024-03-08", "2024-03-28", moved) == []  # paid: the third Friday brings no second one


def test_what_was_never_declared_is_known_from_its_ex_date_on() -> None:
    silent = [dataclasses.replace(one, declaration_date=None) for one in SPY]
    assert ahead("2024-05-01", "2024-06-30", silent) == [("2024-06-21", 1.638276, True)]
    assert ahead("2023-06-20", "2023-12-31", silent[:2]) == []


def test_an_undeclared_ex_date_is_behind_on_its_day() -> None:
    assert ahead("2024-03-14", "2024-03-28", SPY[:4]) == [("2024-03-15", 1.506204, True)]
    assert ahead("2024-03-15", "2024-03-28", SPY[:4]) == []


def test_a_first_dividend_of_its_quarter_is_estimated_by_the_last_paid() -> None:
    young = [Dividend(day("2023-12-15"), 1.9), Dividend(day("2024-03-15"), 1.6, day("2024-01-02"))]
    assert ahead("2024-01-02", "2024-03-28", young) == [("2024-03-15", 1.9, True)]


def test_a_first_dividend_at_all_cannot_be_estimated() -> None:
    with pytest.raises(BadArgument, match="the dividend of 2023-03-17 has no earlier one.*constant"):
        ahead("2023-01-03", "2023-03-31", SPY)


def test_special_ones_say_nothing() -> None:
    special = Dividend(day("2024-06-14"), 10.0, day("2024-05-01"), 0)
    assert ahead("2024-06-03", "2024-06-30", [*SPY, special]) == [("2024-06-21", 1.638276, True)]
    assert ahead("2024-12-23", "2025-06-30", [*SPY, special])[-1] == ("2025-06-20", 1.759024, True)


def test_who_pays_monthly_pays_every_month() -> None:
    paid = [
        Dividend(day(ex), amount, None, 12)
        for ex, amount in [
            ("2023-01-03", 0.1), ("2023-02-01", 0.2), ("2023-03-01", 0.3), ("2023-04-03", 0.4), ("2023-05-01", 0.5),
            ("2023-06-01", 0.6), ("2023-07-03", 0.7), ("2023-08-01", 0.8), ("2023-09-01", 0.9), ("2023-10-02", 1.0),
            ("2023-11-01", 1.1), ("2023-12-01", 1.2),
        ]
    ]  # fmt: skip
    told = ahead("2023-12-15", "2024-03-31", paid)
    assert [(ex[:7], amount) for ex, amount, _ in told] == [("2024-01", 0.1), ("2024-02", 0.2), ("2024-03", 0.3)]


@pytest.mark.parametrize("history", [[], SPY[:4]])
def test_who_paid_nothing_for_a_year_is_expected_to_pay_nothing(history: list[Dividend]) -> None:
    assert ahead("2024-12-23", "2025-12-31", history) == []


SESSIONS = st.dates(day("2023-06-20"), day("2024-12-31"))


@given(SESSIONS, st.integers(0, 400), st.data())
def test_nothing_after_the_session_changes_what_was_expected(session: dt.date, days: int, data: st.DataObject) -> None:
    """Amounts that go ex later, and dates that are declared later, may be anything."""
    changed = [
        dataclasses.replace(
            one,
            amount_usd=one.amount_usd if one.ex_date <= session else data.draw(st.floats(0, 9)),
            ex_date=one.ex_date
            if one.declaration_date <= session
            else data.draw(st.dates(session + dt.timedelta(days=1), day("2026-12-31"))),
        )
        for one in SPY
    ]
    last = session + dt.timedelta(days=days)
    known = KnownDividends(SPY, CALENDAR).ahead(session, last)
    assert KnownDividends(data.draw(st.permutations(changed)), CALENDAR).ahead(session, last) == known


@given(SESSIONS, st.integers(0, 400), st.integers(0, 100))
def test_a_later_expiration_holds_no_fewer(session: dt.date, days: int, more: int) -> None:
    known, last = KnownDividends(SPY, CALENDAR), session + dt.timedelta(days=days)
    sooner = known.ahead(session, last)
    assert known.ahead(session, last + dt.timedelta(days=more))[: len(sooner)] == sooner
    assert all(session < one.ex_date <= last for one in sooner)


def test_a_constant_is_paid_on_third_fridays() -> None:
    told = ConstantDividends(1.8, CALENDAR).ahead(day("2025-12-01"), day("2026-12-31"))
    assert [one.ex_date.isoformat() for one in told] == [
        "2025-12-19", "2026-03-20", "2026-06-18", "2026-09-18", "2026-12-18"
    ]  # fmt: skip
    assert {(one.amount_usd, one.estimated) for one in told} == {(1.8, True)}
    assert [one.ex_date for one in SPY] == [
        one.ex_date for one in ConstantDividends(1.8, CALENDAR).ahead(day("2023-01-01"), day("2024-12-31"))
    ]


def worth(dividends: Dividends, session: str, expirations: list[str], rate: float) -> list[list[float | bool]]:
    days = pa.chunked_array([[day(one) for one in expirations]], pa.date32())
    told = to_expiry(dividends, day(session), days, np.full(len(expirations), rate))
    return [told.present_value_usd.tolist(), told.estimated.tolist(), told.near_ex_date.tolist()]


def test_what_they_are_worth_on_the_session() -> None:
    expirations = ["2024-06-20", "2024-06-21", "2024-07-01", "2024-07-02", "2024-09-20"]
    value, estimated, near = worth(KnownDividends(SPY, CALENDAR), "2024-06-03", expirations, 0.05)
    june = 1.6342414  # 1.638276 over 18 days at 5 %
    assert value == pytest.approx([0.0, june, june, june, june + 1.5596878], abs=5e-7)
    assert estimated == [False, True, True, True, True]
    assert near == [False, True, True, False, True]


def test_none_are_worth_nothing() -> None:
    assert worth(NoDividends(), "2024-06-03", ["2024-06-28"], 0.05) == [[0.0], [False], [False]]
    assert worth(NoDividends(), "2024-06-03", [], 0.05) == [[], [], []]
    assert worth(KnownDividends(SPY, CALENDAR), "2024-06-03", [], 0.05) == [[], [], []]


def test_what_was_used_is_said() -> None:
    sources = (NoDividends(), ConstantDividends(1.8, CALENDAR), KnownDividends(SPY, CALENDAR))
    assert [one.source for one in sources] == ["none", "constant 1.8 USD a quarter", "the vendor's dividends"]


@pytest.mark.parametrize("amount", [-0.01, float("nan"), float("inf")])
def test_what_is_no_amount_is_refused(amount: float) -> None:
    with pytest.raises(BadArgument, match="the dividend of 2024-03-15: .* is no amount"):
        Dividend(day("2024-03-15"), amount)
    with pytest.raises(BadArgument, match="dividends.constant_usd"):
        ConstantDividends(amount, CALENDAR)
