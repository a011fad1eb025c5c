"""What is known on a session of rates and dividends, as texts that say the same whenever they are asked for."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import KEY, NOW, a_client
from listed_rows import ListedRows, Row
from marketlake import settings
from marketlake.errors import BadArgument, MalformedPage, NotEntitled
from marketlake.ingest.options.market_inputs import dividends_of, dividends_text, rates_of, rates_text
from marketlake.lake import Lake
from marketlake.options.dividends import ConstantDividends, Expected, NoDividends
from marketlake.options.rates import ConstantRate, TreasuryCurve
from marketlake.sessions import SessionCalendar
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

WEDNESDAY = dt.date(2024, 11, 27)
CALENDAR = SessionCalendar(NOW.date())
YIELDS, DIVIDENDS = "/fed/v1/treasury-yields", "/stocks/v1/dividends"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=NOW.timestamp) as running:
        yield running


def configured(monkeypatch: pytest.MonkeyPatch, **values: str) -> Lake:
    for name, value in values.items():
        monkeypatch.setenv(f"MARKETLAKE__{name.upper()}", value)
    return Lake(settings.load(), now=lambda: NOW)


def yields_of(date: str, percent: float = 4.5) -> Row:
    return {"date": date, "yield_1_month": percent, "yield_1_year": percent + 0.1}


def dividend(ex_date: str, amount: float = 1.5, declared: str | None = "2024-01-02", **more: Any) -> Row:
    return {
        "id": f"E{ex_date}", "ticker": "SPY", "ex_dividend_date": ex_date, "cash_amount": amount, "frequency": 4,
        "declaration_date": declared, "distribution_type": "recurring", "currency": "USD", **more,
    }  # fmt: skip


# --- rates


def test_the_curve_is_that_of_the_last_date_before_the_session(lake: Lake, simulator: Simulator) -> None:
    text = rates_text(lake, a_client(lake, []), WEDNESDAY)
    assert text == (
        '{"date":"2024-11-26","percent":{"yield_10_year":4.63,"yield_1_month":3.96,"yield_1_year":4.19,'
        '"yield_20_year":4.79,"yield_2_year":4.3,"yield_30_year":4.81,"yield_3_month":4.02,"yield_3_year":4.37,'
        '"yield_5_year":4.47,"yield_6_month":4.08,"yield_7_year":4.53},"source":"treasury"}'
    )
    (asked,) = simulator.requests
    assert (asked["timespan"], asked["path"]) == ("yields", YIELDS)
    curve = rates_of(text)
    assert isinstance(curve, TreasuryCurve)
    assert curve.source == "treasury yields of 2024-11-26"
    assert curve.rates(np.array([0.01, 0.25])) == pytest.approx([0.03921306, 0.03980132], abs=1e-8)


@pytest.mark.parametrize(
    ("session", "date"),
    [
        ("2024-12-02", "2024-11-29"),  # a Monday: Friday's
        ("2024-11-29", "2024-11-27"),  # the day after Thanksgiving
        ("2024-10-15", "2024-10-11"),  # Columbus Day: stocks traded on the 14th, bonds did not
        ("2024-11-12", "2024-11-08"),  # Veterans Day
        ("2003-09-10", "2003-09-09"),  # the first session
    ],
)
def test_weekends_and_holidays_are_stepped_over(lake: Lake, simulator: Simulator, session: str, date: str) -> None:
    text = rates_text(lake, a_client(lake, []), dt.date.fromisoformat(session))
    assert json.loads(text)["date"] == date


def test_ten_days_are_asked_for_and_pages_are_followed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = ListedRows({YIELDS: [yields_of(f"2024-11-{day}", day / 10) for day in (16, 17, 18, 20, 26, 27, 28)]})
    short = configured(monkeypatch, api__page_limit="2")
    assert json.loads(rates_text(short, vendor.client(short), WEDNESDAY))["percent"] == {
        "yield_1_month": 2.6, "yield_1_year": 2.7,
    }  # fmt: skip
    first = f"{YIELDS}?date.gte=2024-11-17&date.lte=2024-11-26&sort=date.asc&limit=2"
    assert vendor.asked == [first, f"{first}&start=2"]


def test_a_date_without_any_yield_is_none(lake: Lake) -> None:
    vendor = ListedRows({YIELDS: [yields_of("2024-11-25"), {"date": "2024-11-26", "yield_1_month": None}]})
    assert json.loads(rates_text(lake, vendor.client(lake), WEDNESDAY)) == {
        "date": "2024-11-25", "percent": {"yield_1_month": 4.5, "yield_1_year": 4.6}, "source": "treasury",
    }  # fmt: skip


def test_without_yields_of_the_ten_days_before_the_setting_is_named(lake: Lake) -> None:
    vendor = ListedRows({YIELDS: [yields_of("2024-11-16"), yields_of("2024-11-27")]})
    with pytest.raises(BadArgument, match="no treasury yields of the 10 days before.*options.rates.source: constant"):
        rates_text(lake, vendor.client(lake), WEDNESDAY)
    assert len(vendor.asked) == 3  # an empty answer is not believed at once


def test_what_is_no_yield_is_refused(lake: Lake) -> None:
    vendor = ListedRows({YIELDS: [yields_of("2024-11-25"), yields_of("2024-11-26", 450.0)]})
    with pytest.raises(MalformedPage, match="2024-11-26: yield_1_month=450.0 is no yield in percent.*rates.source"):
        rates_text(lake, vendor.client(lake), WEDNESDAY)


def test_a_constant_rate_asks_nobody(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = ListedRows({})
    constant = configured(monkeypatch, options__rates__source="constant", options__rates__constant="0.045")
    text = rates_text(constant, vendor.client(constant), WEDNESDAY)
    assert text == '{"constant":0.045,"source":"constant"}'
    assert rates_of(text) == ConstantRate(0.045)
    assert vendor.asked == []


# --- dividends


def test_amounts_are_those_gone_ex_and_of_what_lies_ahead_the_dates_alone(lake: Lake, simulator: Simulator) -> None:
    text = dividends_text(lake, a_client(lake, []), "SPY", dt.date(2026, 9, 18))
    told = json.loads(text)
    assert (told["source"], told["ticker"], told["session"]) == ("vendor", "SPY", "2026-09-18")
    assert told["declared"] == [{"declaration_date": "2026-01-02", "ex_date": "2026-12-18", "frequency": 4}]
    assert [one["ex_date"] for one in told["paid"]][:1] == [
        "2021-12-17"
    ]  # of 2021, the one of 17 September is older than five years
    assert told["paid"][-1] == {
        "amount_usd": 1.819965, "declaration_date": "2026-01-02", "ex_date": "2026-09-18", "frequency": 4,
    }  # fmt: skip
    assert len(told["paid"]) == 20
    assert [one["timespan"] for one in simulator.requests] == ["dividends"]


def test_what_was_expected_is_what_the_text_says(lake: Lake, simulator: Simulator) -> None:
    text = dividends_text(lake, a_client(lake, []), "SPY", WEDNESDAY)
    known = dividends_of(text, CALENDAR)
    assert known.source == "the vendor's dividends"
    found = known.ahead(WEDNESDAY, dt.date(2025, 3, 31))
    paid = {one["ex_date"]: one["amount_usd"] for one in json.loads(text)["paid"]}
    assert found == (
        Expected(dt.date(2024, 12, 20), paid["2023-12-15"], True),
        Expected(dt.date(2025, 3, 21), paid["2024-03-15"], True),
    )


def test_what_was_known_on_one_session_is_not_asked_of_another(lake: Lake, simulator: Simulator) -> None:
    known = dividends_of(dividends_text(lake, a_client(lake, []), "SPY", WEDNESDAY), CALENDAR)
    with pytest.raises(BadArgument, match="those known on 2024-11-27; 2024-12-23 was asked for"):
        known.ahead(dt.date(2024, 12, 23), dt.date(2025, 3, 31))


def test_five_years_back_and_two_ahead_are_asked_for_and_pages_are_followed(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = ("2019-02-27", "2019-02-28", "2023-12-15", "2024-02-29", "2024-03-15", "2026-03-01")
    vendor = ListedRows({DIVIDENDS: [dividend(day, declared="2024-02-29") for day in days]})
    short = configured(monkeypatch, api__page_limit="2")
    told = json.loads(dividends_text(short, vendor.client(short), "SPY", dt.date(2024, 2, 29)))
    assert [one["ex_date"] for one in told["paid"]] == ["2019-02-28", "2023-12-15", "2024-02-29"]
    assert [one["ex_date"] for one in told["declared"]] == ["2024-03-15"]
    first = (
        f"{DIVIDENDS}?ticker=SPY&ex_dividend_date.gte=2019-02-28&ex_dividend_date.lte=2026-02-28"
        "&sort=ex_dividend_date.asc&limit=2"
    )
    assert vendor.asked == [first, f"{first}&start=2"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (dividend("2024-12-20", declared="2024-11-27"), ["2024-12-20"]),  # on the session itself
        (dividend("2024-12-20", declared="2024-11-28"), []),
        (dividend("2024-12-20", declared=None), []),
    ],
)
def test_a_date_is_known_from_its_declaration_on(lake: Lake, row: Row, told: list[str]) -> None:
    vendor = ListedRows({DIVIDENDS: [dividend("2024-09-20"), row]})
    found = json.loads(dividends_text(lake, vendor.client(lake), "SPY", WEDNESDAY))
    assert [one["ex_date"] for one in found["declared"]] == told


@pytest.mark.parametrize(
    ("kind", "frequency", "told"),
    [
        ("recurring", 4, 4), ("recurring", 12, 12), ("unknown", 4, 4), (None, 4, 4), ("recurring", None, 4),
        ("special", 4, 0), ("supplemental", 0, 0), ("irregular", None, 0), ("recurring", 0, 0),
    ],
)  # fmt: skip
def test_one_that_does_not_come_again_says_nothing_of_later_ones(
    lake: Lake, kind: str | None, frequency: int | None, told: int
) -> None:
    vendor = ListedRows({DIVIDENDS: [dividend("2024-09-20", distribution_type=kind, frequency=frequency)]})
    found = json.loads(dividends_text(lake, vendor.client(lake), "SPY", WEDNESDAY))
    assert found["paid"][0]["frequency"] == told


def test_two_of_one_day_are_told_alike_in_whatever_order_they_come(lake: Lake) -> None:
    two = [dividend("2024-09-20", 1.7), dividend("2024-09-20", 9.0, None, distribution_type="special", id="E2")]
    texts = {
        dividends_text(lake, ListedRows({DIVIDENDS: rows}).client(lake), "SPY", WEDNESDAY) for rows in (two, two[::-1])
    }
    assert len(texts) == 1
    assert [one["amount_usd"] for one in json.loads(texts.pop())["paid"]] == [9.0, 1.7]


def test_a_ticker_that_pays_none_is_asked_for_three_times(lake: Lake) -> None:
    vendor = ListedRows({DIVIDENDS: []})
    text = dividends_text(lake, vendor.client(lake), "GLD", WEDNESDAY)
    assert text == '{"declared":[],"paid":[],"session":"2024-11-27","source":"vendor","ticker":"GLD"}'
    assert dividends_of(text, CALENDAR).ahead(WEDNESDAY, dt.date(2026, 1, 1)) == ()
    assert len(vendor.asked) == 3


def test_a_row_that_comes_twice_is_refused(lake: Lake) -> None:
    vendor = ListedRows({DIVIDENDS: [dividend("2024-09-20"), dividend("2024-09-20")]})
    with pytest.raises(MalformedPage, match="SPY dividends from .*: the one with id E2024-09-20 comes twice"):
        dividends_text(lake, vendor.client(lake), "SPY", WEDNESDAY)


def test_a_page_of_yields_that_comes_twice_is_refused(lake: Lake, simulator: Simulator) -> None:
    simulator.faults.set("*", [{"fault": "duplicated_page", "endpoint": "yields"}])
    with pytest.raises(MalformedPage, match="the one with date 2024-11-18 comes twice"):
        rates_text(lake, a_client(lake, []), WEDNESDAY)


@pytest.mark.parametrize(
    ("source", "text", "is_read_as"),
    [
        ("none", '{"source":"none"}', NoDividends()),
        ("constant", '{"constant_usd":1.75,"source":"constant"}', ConstantDividends(1.75, CALENDAR)),
    ],
)
def test_constant_dividends_and_none_ask_nobody(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, source: str, text: str, is_read_as: object
) -> None:
    vendor = ListedRows({})
    set_so = configured(monkeypatch, options__dividends__source=source, options__dividends__constant_usd="1.75")
    assert dividends_text(set_so, vendor.client(set_so), "SPY", WEDNESDAY) == text
    assert dividends_of(text, CALENDAR) == is_read_as
    assert vendor.asked == []


# --- a plan without them


@pytest.mark.parametrize("fault", ["not_entitled", "not_entitled_in_200"])
def test_a_plan_without_yields_is_told_the_setting_that_goes_on_without(
    lake: Lake, simulator: Simulator, fault: str
) -> None:
    simulator.faults.set("*", [{"fault": fault, "endpoint": "yields", "times": 0}])
    with pytest.raises(
        NotEntitled,
        match="^treasury yields from 2024-11-17 to 2024-11-26: the plan of this key does not include them. To go on"
        " without them, set options.rates.source: constant; or use a key whose plan has them.$",
    ):
        rates_text(lake, a_client(lake, []), WEDNESDAY)
    assert len(simulator.requests) == 1
    assert json.loads(dividends_text(lake, a_client(lake, []), "SPY", WEDNESDAY))["source"] == "vendor"


@pytest.mark.parametrize("fault", ["not_entitled", "not_entitled_in_200"])
def test_a_plan_without_dividends_is_told_the_setting_that_goes_on_without(
    lake: Lake, simulator: Simulator, fault: str
) -> None:
    simulator.faults.set("*", [{"fault": fault, "endpoint": "dividends", "times": 0}])
    with pytest.raises(
        NotEntitled, match="^SPY dividends from 2019-11-27 to 2026-11-27: .* set options.dividends.source: constant;"
    ):
        dividends_text(lake, a_client(lake, []), "SPY", WEDNESDAY)
    assert json.loads(rates_text(lake, a_client(lake, []), WEDNESDAY))["source"] == "treasury"


# --- nothing from after the session


@pytest.mark.parametrize("session", [dt.date(2024, 11, 27), dt.date(2025, 12, 31), dt.date(2026, 1, 2)])
def test_asking_again_a_year_later_gives_the_same_texts(lake: Lake, simulator: Simulator, session: dt.date) -> None:
    texts = set()
    for days in (1, 40, 400):
        simulator.now_s = dt.datetime.combine(session + dt.timedelta(days), dt.time(17), dt.UTC).timestamp
        client = a_client(lake, [])
        texts.add((rates_text(lake, client, session), dividends_text(lake, client, "SPY", session)))
    assert len(texts) == 1


DAYS = st.dates(dt.date(2022, 1, 3), dt.date(2026, 12, 31))
AMOUNTS = st.floats(0, 50)
ROWS = st.builds(
    lambda ex, amount, declared, kind, frequency: dividend(
        str(ex), amount, str(declared) if declared else None, distribution_type=kind, frequency=frequency,
        id=f"{ex} {declared} {kind} {frequency}",
    ),
    DAYS, AMOUNTS, st.none() | DAYS, st.sampled_from(["recurring", "special", None]), st.sampled_from([0, 4, 12, None]),
)  # fmt: skip


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@given(DAYS, st.lists(ROWS, unique_by=lambda row: row["id"]), st.data())
def test_what_the_vendor_adds_after_the_session_changes_no_text_of_dividends(
    lake: Lake, session: dt.date, rows: list[Row], data: st.DataObject
) -> None:
    """Amounts that go ex later, whatever is declared later, and every figure that is adjusted, may be anything."""
    day = str(session)
    known = [row for row in rows if row["ex_dividend_date"] <= day or (row["declaration_date"] or "9") <= day]
    later = [
        row | {"cash_amount": data.draw(AMOUNTS) if row["ex_dividend_date"] > day else row["cash_amount"],
               "historical_adjustment_factor": data.draw(AMOUNTS)}
        for row in known
    ]  # fmt: skip
    added = [row for row in rows if row not in known]
    texts = [
        dividends_text(lake, ListedRows({DIVIDENDS: held}).client(lake), "SPY", session)
        for held in (known, [*data.draw(st.permutations(later)), *added])
    ]
    assert texts[0] == texts[1]
    assert dividends_of(texts[0], CALENDAR) == dividends_of(texts[1], CALENDAR)


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@given(st.dates(dt.date(2022, 1, 3), dt.date(2026, 12, 31)), st.integers(1, 10), st.data())
def test_what_the_vendor_adds_after_the_session_changes_no_text_of_rates(
    lake: Lake, session: dt.date, days_before: int, data: st.DataObject
) -> None:
    held = [yields_of(str(session - dt.timedelta(days_before)), data.draw(st.floats(-5, 50)))]
    ahead = st.integers(0, 400).map(lambda days: str(session + dt.timedelta(days)))
    dates = data.draw(st.sets(ahead))
    added = [yields_of(date, data.draw(st.floats(-5, 50))) for date in sorted(dates)]
    before, after = (
        rates_text(lake, ListedRows({YIELDS: rows}).client(lake), session) for rows in (held, [*held, *added])
    )
    assert before == after


# --- reading them back


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "this is no text of rates: Input data was truncated"),
        ('{"source":"moon"}', "this is no text of rates: Invalid value 'moon'"),
        ('{"constant":0.04,"source":"constant","more":1}', "this is no text of rates: .*unknown field `more`"),
        ('{"source":"constant","constant":0.04}', "this is no text of rates: its JSON is not the canonical one"),
        ('{"constant":4.0,"source":"constant"}', "rates.constant=4.0 is no rate"),
    ],
)
def test_a_text_of_rates_that_was_not_written_so_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        rates_of(text)


@pytest.mark.parametrize("text", ["{}", '{"source": "none"}', '{"constant":0.04,"source":"constant"}', "[]"])
def test_a_text_of_dividends_that_was_not_written_so_is_refused(text: str) -> None:
    with pytest.raises(BadArgument, match="this is no text of dividends"):
        dividends_of(text, CALENDAR)
