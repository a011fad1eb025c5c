"""``chain.at`` and ``chain.nearest``: what could be known at a moment, and nothing that came after it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import NOW
from marketlake.errors import BadArgument
from marketlake.research.options.chain import SessionChain
from marketlake.research.options.nearest import Nearest, Target, last_ended, nearest
from option_tables import (
    C600,
    C606,
    DECEMBER,
    FAR_C600,
    FAR_C606,
    FRIDAY,
    P590,
    P600,
    ROWS,
    WEDNESDAY,
    OptionGround,
    Row,
    option_ground,
    panel_rows,
    prepared_options,
)

__all__ = ["option_ground", "prepared_options"]
LATER = NOW + dt.timedelta(days=2)
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def chain(prepared_options: OptionGround) -> SessionChain:
    return prepared_options.lake.option_chain(WEDNESDAY)


def seen(frame: pd.DataFrame) -> list[tuple[str, str, float]]:
    return list(zip(frame["contract"], frame.index.strftime("%H:%M"), frame["age_s"], strict=True))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("09:30", []),
        ("09:30:59", []),
        ("09:31", [(C600, "09:30", 0.0)]),
        ("09:31:59", [(C600, "09:30", 59.0)]),
        ("09:32", [(C600, "09:31", 0.0), (C606, "09:31", 0.0), (P600, "09:31", 0.0)]),
        (
            "10:00",
            [(C600, "09:31", 1680.0), (C606, "09:31", 1680.0), (P590, "09:45", 840.0), (P600, "09:31", 1680.0),
             (FAR_C606, "09:59", 0.0)],
        ),
        (
            "10:01",
            [(C600, "10:00", 0.0), (C606, "10:00", 0.0), (P590, "09:45", 900.0), (P600, "09:31", 1740.0),
             (FAR_C600, "10:00", 0.0), (FAR_C606, "09:59", 60.0)],
        ),
    ],
)  # fmt: skip
def test_of_each_contract_the_last_row_counts_that_had_ended(
    chain: SessionChain, at: str, expected: list[tuple[str, str, float]]
) -> None:
    assert seen(chain.at(at)) == expected
    young = [one for one in expected if one[2] <= 840]
    assert seen(chain.at(at, max_age_s=840)) == young


def test_a_moment_is_a_time_of_day_in_new_york_or_any_with_a_zone(chain: SessionChain) -> None:
    moments: list[Any] = [
        "10:01",
        "10:01:00",
        dt.time(10, 1),
        dt.datetime(2024, 11, 27, 10, 1, tzinfo=NEW_YORK),
        dt.datetime(2024, 11, 27, 15, 1, tzinfo=dt.UTC),
        pd.Timestamp("2024-11-27 10:01", tz="America/New_York"),
    ]
    frames = [chain.at(one) for one in moments]
    assert all(frame.equals(frames[0]) for frame in frames)
    assert len(frames[0]) == 6


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("noon", "at='noon' is no moment: give a time of day in New York, such as '10:30', or a datetime with a zone."),
        (None, "at=None is no moment"),
        (
            dt.time(10, tzinfo=dt.UTC),
            "at=10:00:00+00:00 has a zone, and a time of day is one in New York: leave it out",
        ),
        (dt.datetime(2024, 11, 27, 10), "at=2024-11-27 10:00:00 has no zone"),  # noqa: DTZ001
        (dt.datetime(2024, 11, 29, 15, tzinfo=dt.UTC), "is no moment of the session 2024-11-27 in New York."),
        (pd.NaT, "at=NaT has no zone"),
    ],
)
def test_what_is_no_moment_of_the_session_is_refused(chain: SessionChain, at: Any, words: str) -> None:
    with pytest.raises(BadArgument, match=re.escape(words)):
        chain.at(at)
    with pytest.raises(BadArgument, match=re.escape(words)):
        chain.nearest(at=at, dte=2, delta=0.5)


def test_an_age_below_none_is_refused(chain: SessionChain) -> None:
    with pytest.raises(BadArgument, match=r"max_age_s=-1 is no age: give seconds, or None for any\."):
        chain.at("10:00", max_age_s=-1)


def test_a_moment_has_what_the_panel_has_in_every_engine(prepared_options: OptionGround) -> None:
    frame = prepared_options.lake.option_chain(WEDNESDAY).at("10:01")
    first = ["contract", "expiry", "type", "strike", "dte", "moneyness", "age_s", "open", "high", "low", "close"]
    assert list(frame.columns[:11]) == first
    assert {"iv", "delta", "no_iv", "itm", "underlying"} < set(frame.columns)
    arrow, polars = (prepared_options.lake.option_chain(WEDNESDAY, engine=engine).at("10:01")
                     for engine in ("arrow", "polars"))  # type: ignore[arg-type]  # fmt: skip
    assert arrow.column_names == polars.columns == ["timestamp", *frame.columns]
    assert arrow["strike"].to_pylist() == polars["strike"].to_list() == frame["strike"].tolist()
    row = frame[frame["contract"] == P590].iloc[0]
    assert (row["dte"], row["moneyness"], row["iv"], row["delta"]) == (2, 590 / 601 - 1, 0.15, -0.10)


def test_second_bars_end_after_a_second(option_ground: OptionGround) -> None:
    option_ground.fill(WEDNESDAY, bar_size="second", at=LATER)
    chain = option_ground.lake.option_chain(WEDNESDAY)
    assert seen(chain.at("09:30")) == []
    assert seen(chain.at("09:30:01")) == [(C600, "09:30", 0.0)]
    assert seen(chain.at("09:31")) == [(C600, "09:30", 59.0)]


def test_what_is_nearest_is_told_with_how_near_and_how_old(chain: SessionChain) -> None:
    found = chain.nearest(dte=2, delta=0.25, type="call", at="10:01:30")
    assert found is not None
    assert (found.contract, found.expiry, found.type, found.strike, found.dte) == (C606, FRIDAY, "call", 606.0, 2)
    assert (found.price, found.iv, found.delta, found.age_s) == (0.6, 0.115, 0.28, 30.0)
    assert found.at == dt.datetime(2024, 11, 27, 10, 1, 30, tzinfo=NEW_YORK)
    assert found.ended_at == dt.datetime(2024, 11, 27, 10, 1, tzinfo=NEW_YORK)
    assert (found.row["underlying"], found.row["volume"], found.row["itm"]) == (602.0, 6, False)


Expected = tuple[str, float] | None


@pytest.mark.parametrize(
    ("looked_for", "expected"),
    [
        ({"dte": 2, "delta": 0.55, "at": "10:01"}, (C600, 0.0)),
        ({"dte": 2, "delta": 0.45, "at": "10:01"}, (C600, 0.0)),
        ({"dte": 2, "delta": 0.43, "at": "10:01"}, (C606, 0.0)),  # 0.60 is farther than 0.28
        ({"expiry": FRIDAY, "delta": 0.2, "at": "10:01"}, (C606, 0.0)),
        ({"expiry": "2024-12-27", "delta": 0.2, "at": "10:01"}, (FAR_C606, 60.0)),
        ({"dte": 16, "delta": 0.2, "at": "10:01"}, (C606, 0.0)),  # 2 and 30: the earlier; an adjusted one is none
        ({"dte": 17, "delta": 0.2, "at": "10:01"}, (FAR_C606, 60.0)),
        ({"dte": 400, "delta": 0.2, "at": "10:01"}, (FAR_C606, 60.0)),  # March is listed, and was not asked for
        # What has not traded for a quarter of an hour does not count, unless it is let; no other expiry steps in.
        ({"dte": 2, "delta": 0.2, "at": "10:00"}, None),
        ({"dte": 2, "delta": 0.2, "at": "10:00", "max_age_s": None}, (C606, 1680.0)),
        ({"dte": 2, "delta": 0.2, "at": "10:00", "max_age_s": 1680}, (C606, 1680.0)),
        ({"dte": 2, "delta": 0.2, "at": "10:00", "max_age_s": 1679.9}, None),
        ({"dte": 30, "delta": -0.2, "at": "10:01"}, None),  # that expiry's puts are selected, and have not traded
        # Puts, with a sign or without.
        ({"dte": 2, "delta": -0.25, "at": "10:01", "max_age_s": None}, (P590, 900.0)),
        ({"dte": 2, "delta": 0.25, "type": "put", "at": "10:01"}, (P590, 900.0)),
        ({"dte": 2, "delta": -0.5, "type": "put", "at": "10:01", "max_age_s": None}, (P600, 1740.0)),
        # The last row that had ended, not the nearest one of before.
        ({"dte": 2, "delta": 0.52, "at": "16:30", "max_age_s": None}, (C600, 23_340.0)),
        # By moneyness, of the row's own underlying.
        ({"dte": 2, "moneyness": 0.0, "type": "call", "at": "10:01"}, (C600, 0.0)),
        ({"dte": 2, "moneyness": 0.01, "type": "call", "at": "10:01"}, (C606, 0.0)),
        # Nothing that counts.
        ({"dte": 2, "delta": 0.5, "at": "09:31"}, None),  # its only row has no iv
        ({"dte": 2, "delta": 0.5, "at": "09:30"}, None),
        ({"expiry": "2024-12-20", "delta": 0.5, "at": "10:01"}, None),
        ({"expiry": DECEMBER, "delta": -0.5, "at": "16:30", "max_age_s": None}, None),
    ],
)
def test_the_nearest_is_among_what_could_be_known(
    chain: SessionChain, looked_for: dict[str, Any], expected: Expected
) -> None:
    found = chain.nearest(**looked_for)
    assert (found and (found.contract, found.age_s)) == expected


def test_a_contract_whose_last_row_has_no_iv_is_not_chosen_by_an_older_one(option_ground: OptionGround) -> None:
    rows: list[Row] = [*ROWS[WEDNESDAY], (C606, "10:05", 0.01, 1, 590.0, None, None)]
    option_ground.fill(WEDNESDAY, rows, at=LATER)
    chain = option_ground.lake.option_chain(WEDNESDAY)
    for target in ({"delta": 0.25}, {"moneyness": 0.03, "type": "call"}):
        before, after = (chain.nearest(expiry=FRIDAY, at=at, **target) for at in ("10:05:59", "10:06"))  # type: ignore[arg-type]
        assert before is not None
        assert after is not None
        assert (before.contract, after.contract) == (C606, C600)


def test_of_contracts_that_are_equally_near_the_youngest_row_counts_then_the_first_ticker() -> None:
    def chosen(*rows: Row) -> str:
        found = nearest(known(rows, "10:30"), FRIDAY, Target.of("call", 0.25, None), AT_MS)
        assert found is not None
        return found.contract

    near = [(C600, "10:10", 1.0, 1, 600.0, 0.1, 0.2), (C606, "10:10", 1.0, 1, 600.0, 0.1, 0.3)]
    assert chosen(*near) == C600
    assert chosen(near[0], (C606, "10:11", 1.0, 1, 600.0, 0.1, 0.3)) == C606
    assert chosen((C600, "10:12", 1.0, 1, 600.0, 0.1, 0.1), (C606, "10:11", 1.0, 1, 600.0, 0.1, 0.3)) == C606


@pytest.mark.parametrize(
    ("looked_for", "words"),
    [
        ({"delta": 0.25}, "nearest takes one of dte and expiry: give calendar days, such as dte=30, or a date."),
        ({"dte": 2, "expiry": FRIDAY, "delta": 0.25}, "nearest takes one of dte and expiry"),
        ({"dte": 2}, "nearest takes one of delta and moneyness: give delta=0.25, say, or moneyness=0.0."),
        ({"dte": 2, "delta": 0.25, "moneyness": 0.0}, "nearest takes one of delta and moneyness"),
        ({"dte": 2, "moneyness": 0.0}, "type is missing: give type='call' or type='put'."),
        ({"dte": 2, "delta": 25}, "delta=25 is none: give a share between 0 and 1, such as 0.25."),
        ({"dte": 2, "delta": 0.0}, "delta=0.0 is none"),
        ({"dte": 2, "delta": -0.25, "type": "call"}, "delta=-0.25 is of no call, which have one above 0: give type="),
        ({"dte": 2, "delta": 0.25, "type": "calls"}, "type='calls' is none of call, put. Did you mean 'call'?"),
        ({"expiry": "2024-12", "delta": 0.25}, "expiry='2024-12' is no single date"),
        ({"dte": 2.5, "delta": 0.25}, "dte=2.5 is not allowed: give a whole number of at least 0."),
    ],
)
def test_what_is_looked_for_has_to_be_said_once(chain: SessionChain, looked_for: dict[str, Any], words: str) -> None:
    with pytest.raises(BadArgument, match=re.escape(words)):
        chain.nearest(at="10:00", **looked_for)


# No look-ahead.

AT = dt.time(10, 30)
AT_MS = int(dt.datetime.combine(WEDNESDAY, AT, NEW_YORK).timestamp() * 1000)
NAMES = [C600, C606, P590, P600, FAR_C600, FAR_C606]


def known(rows: Sequence[Row], at: str) -> pa.Table:
    """``last_ended`` of rows, with what a ticker says beside them."""
    panel = panel_rows(WEDNESDAY, rows)
    names = panel.column("contract").to_pylist()
    expiry = [FRIDAY if name[5:].startswith("241129") else DECEMBER for name in names]
    strikes = [int(name[-8:]) / 1000 for name in names]
    beside = {
        "expiry": pa.array(expiry, pa.date32()),
        "type": pa.array([{"C": "call", "P": "put"}[name[-9]] for name in names], pa.string()),
        "strike": pa.array(strikes, pa.float64()),
        "dte": pa.array([(day - WEDNESDAY).days for day in expiry], pa.int64()),
        "moneyness": pa.array(
            [
                price and strike / price - 1
                for strike, price in zip(strikes, panel["underlying"].to_pylist(), strict=True)
            ],
            pa.float64(),
        ),
    }
    for name, column in beside.items():
        panel = panel.append_column(name, column)
    at_ms = int(dt.datetime.combine(WEDNESDAY, dt.time.fromisoformat(at), NEW_YORK).timestamp() * 1000)
    return last_ended(panel, 60_000, at_ms, None)


@st.composite
def days(draw: st.DrawFn) -> list[Row]:
    """The rows of a day: contracts and minutes each once, figures as they come."""
    places = draw(st.sets(st.tuples(st.sampled_from(NAMES), st.integers(0, 119)), max_size=25))
    share = st.floats(0.05, 0.95).map(lambda one: round(one, 3))
    rows: list[Row] = []
    for name, minute in sorted(places):
        iv, delta = draw(st.one_of(st.none(), share)), draw(share)
        sign = -1 if name[-9] == "P" else 1
        price = draw(st.sampled_from([590.0, 600.0, 610.0]))
        time = f"{9 + (30 + minute) // 60:02}:{(30 + minute) % 60:02}"
        rows.append((name, time, 1.0, 1, price, iv, None if iv is None else sign * delta))
    return rows


def had_ended(row: Row) -> bool:
    """By 10:30: a bar of a minute that starts at 10:29 or before."""
    return row[1] <= "10:29"


TARGETS = [
    (expiry, Target.of(kind, delta, moneyness))
    for expiry in (FRIDAY, DECEMBER)
    for kind in ("call", "put")
    for delta, moneyness in ((0.25, None), (None, 0.0))
]


@settings(max_examples=75)
@given(morning=days(), afternoon=days())
def test_whatever_comes_after_a_moment_changes_nothing_that_was_known_at_it(
    morning: list[Row], afternoon: list[Row]
) -> None:
    """Rows that had not ended are taken away, changed and added, of contracts that had traded and of others."""
    before = [row for row in morning if had_ended(row)]
    after = [row for row in afternoon if not had_ended(row)]
    assert known(morning, "10:30").equals(known(before, "10:30"))
    assert known([*before, *after], "10:30").equals(known(before, "10:30"))
    for expiry, target in TARGETS:
        found = [nearest(known(rows, "10:30"), expiry, target, AT_MS) for rows in (morning, before, [*before, *after])]
        assert found[0] == found[1] == found[2]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(afternoon=days())
def test_of_a_lake_whatever_is_published_of_the_afternoon_the_morning_says_the_same(
    option_ground: OptionGround, afternoon: list[Row]
) -> None:
    """Through files: other bars, another selection, another panel, of the same morning."""
    morning = [row for row in ROWS[WEDNESDAY] if had_ended(row)]

    def looked_at() -> tuple[pd.DataFrame, list[Nearest | None]]:
        chain = option_ground.lake.option_chain(WEDNESDAY)
        found = [chain.nearest(at=AT, dte=dte, delta=0.25, type=kind, max_age_s=None)
                 for dte in (2, 30) for kind in ("call", "put")]  # fmt: skip
        return chain.at(AT), found

    option_ground.fill(WEDNESDAY, morning, at=LATER)
    frame, found = looked_at()
    option_ground.fill(WEDNESDAY, [*morning, *(row for row in afternoon if not had_ended(row))], at=LATER)
    again, found_again = looked_at()
    assert (len(frame), [one and one.contract for one in found]) == (6, [C606, P590, FAR_C606, None])
    assert again.equals(frame)
    assert found_again == found
