"""Longer bars of shorter ones: against plain Python on recorded seconds, against minutes folded by somebody else."""

from __future__ import annotations

import datetime as dt
import math
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import needs_real_days
from marketlake.research.frequency import Bins, fold
from marketlake.research.lake import ResearchLake
from marketlake.rows.bars import BARS
from research_lake import RECORDED, Ground, prepared, recorded

__all__ = ["prepared"]
OPEN_MS = 1_381_152_600_000  # 2013-10-07 09:30 New York
DAY_MS = 86_400_000


@pytest.fixture
def lake(prepared: Ground) -> ResearchLake:
    return prepared.lake


def of_plain_python(bars: list[dict[str, Any]], opens_ms: int, step_ms: int, end_ms: int) -> list[dict[str, Any]]:
    """Bars of whole bins of regular hours, one value after the other."""
    found = []
    regular = [bar for bar in bars if opens_ms <= bar["t"] < end_ms]
    for number, group in groupby(regular, key=lambda bar: (bar["t"] - opens_ms) // step_ms):
        members = list(group)
        shares = math.fsum(bar["v"] for bar in members)
        found.append({
            "timestamp": opens_ms + number * step_ms, "open": members[0]["o"], "close": members[-1]["c"],
            "high": max(bar["h"] for bar in members), "low": min(bar["l"] for bar in members), "volume": shares,
            "transactions": sum(bar["n"] for bar in members),
            "vwap": math.fsum(bar["vw"] * bar["v"] for bar in members) / shares,
        })  # fmt: skip
    return found


@needs_real_days
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(("frequency", "step_ms", "bins"), [("1min", 60_000, 390), ("1d", DAY_MS, 1)])
def test_recorded_seconds_fold_to_what_plain_python_makes_of_them(
    lake: ResearchLake, number: int, frequency: str, step_ms: int, bins: int
) -> None:
    opens_ms = OPEN_MS + number * DAY_MS
    expected = of_plain_python(recorded(RECORDED[number]), opens_ms, step_ms, opens_ms + 23_400_000)
    found = lake.bars(RECORDED[number], frequency=frequency, engine="arrow")
    assert found.num_rows == len(expected) == bins
    rows = found.set_column(0, "timestamp", found["timestamp"].cast(pa.int64())).to_pylist()
    for row, wanted in zip(rows, expected, strict=True):
        assert row["vwap"] == pytest.approx(wanted.pop("vwap"), rel=1e-13)
        assert {name: row[name] for name in wanted} == wanted


@needs_real_days
def test_the_minutes_of_somebody_else_have_other_volumes_in_a_handful_of_regular_minutes(lake: ResearchLake) -> None:
    """Those below are all of 1,170; the seconds here leave out trades that were flagged suspicious."""
    differing = {}
    for number, session in enumerate(RECORDED):
        opens_ms = OPEN_MS + number * DAY_MS
        theirs = {bar["t"]: bar["v"] for bar in recorded(session, "minutes") if 0 <= bar["t"] - opens_ms < 23_400_000}
        found = lake.bars(session, frequency="1min", columns=["volume"])
        ours = dict(zip((found.index.tz_convert("UTC").asi8).tolist(), found["volume"].tolist(), strict=True))
        assert ours.keys() == theirs.keys()
        for at_ms, shares in ours.items():
            if shares != theirs[at_ms]:
                minute = dt.datetime.fromtimestamp((at_ms - 4 * 3_600_000) / 1000, dt.UTC)
                differing[f"{minute:%m-%d %H:%M}"] = shares - theirs[at_ms]
    assert differing == {  # the opening prints, which the others leave out, and two minutes before a close
        "10-07 09:30": 489_954,
        "10-07 15:59": -3_500,
        "10-08 09:30": 553_928,
        "10-09 09:30": 657_018,
        "10-09 15:59": -491,
    }


@st.composite
def sessions(draw: st.DrawFn) -> pa.Table:
    """Bars of one session around its regular hours, some without vwap or transactions."""
    count = draw(st.integers(1, 120))
    seconds = sorted(draw(st.sets(st.integers(-5_400, 27_000), min_size=count, max_size=count)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = np.sort(random.uniform(10, 20, (2, count)), axis=0)
    volume = random.integers(0, 500, count)
    unknown = random.random((2, count)) < draw(st.sampled_from([0.0, 0.1]))
    columns = {
        "timestamp": OPEN_MS + np.array(seconds) * 1000, "open": random.uniform(low, high), "high": high, "low": low,
        "close": random.uniform(low, high), "volume": volume,
        "vwap": pa.array(random.uniform(low, high), mask=unknown[0]), "ticker": ["SPY"] * count,
        "transactions": pa.array(random.integers(1, 9, count), mask=unknown[1]), "volume_exact": volume.astype(float),
    }  # fmt: skip
    return pa.table(columns, schema=BARS)


def bins(step_s: int) -> Bins:
    return Bins(step_s * 1000, OPEN_MS, OPEN_MS - 5_400_000, OPEN_MS + 27_000_001)


@given(sessions(), st.sampled_from([(5, 60), (30, 1_800), (60, 3_600), (1_800, 3_600), (5, 23_400)]))
def test_two_steps_are_one_step(rows: pa.Table, steps: tuple[int, int]) -> None:
    first, second = steps
    at_once = fold(rows, bins(second)).to_pydict()
    in_two = fold(fold(rows, bins(first)), bins(second)).to_pydict()
    weighted = [[math.nan if one is None else one for one in found.pop("vwap")] for found in (in_two, at_once)]
    assert weighted[0] == pytest.approx(weighted[1], rel=1e-12, nan_ok=True)
    assert in_two == at_once


@given(sessions(), st.sampled_from([5, 60, 1_800]))
def test_a_bin_says_what_its_bars_say(rows: pa.Table, step_s: int) -> None:
    folded = fold(rows, bins(step_s))
    assert sum(folded["volume"].to_pylist()) == sum(rows["volume"].to_pylist())
    assert folded.schema == rows.schema
    starts = folded["timestamp"].to_pylist()
    assert starts == sorted(set(starts))
    for start, high in zip(starts, folded["high"].to_pylist(), strict=True):
        members = [bar for bar in rows.to_pylist() if max(start, OPEN_MS - 5_400_000) <= bar["timestamp"]]
        assert high == max(
            bar["high"] for bar in members if (bar["timestamp"] - OPEN_MS) // (step_s * 1000)
            == (members[0]["timestamp"] - OPEN_MS) // (step_s * 1000)
        )  # fmt: skip


def table(*bars: tuple[int, float | None, float, int | None]) -> pa.Table:
    """Bars of (second, vwap, shares, transactions)."""
    seconds, vwap, shares, trades = zip(*bars, strict=True)
    prices = [10.0] * len(bars)
    columns = [
        [OPEN_MS + second * 1000 for second in seconds], prices, prices, prices, prices,
        [round(one) for one in shares], vwap, ["SPY"] * len(bars), trades, shares,
    ]  # fmt: skip
    return pa.table(dict(zip(BARS.names, columns, strict=True)), schema=BARS)


@pytest.mark.parametrize(
    ("bars", "vwap", "transactions"),
    [
        ([(0, 10.0, 100.0, 1), (1, 13.0, 50.0, 2)], 11.0, 3),
        ([(0, 10.0, 100.5, 1), (1, 13.0, 201.0, 2)], 12.0, 3),  # fractional shares count exactly
        ([(0, 10.0, 100.0, 1), (1, None, 50.0, 2)], None, 3),  # the price of a part is not known
        ([(0, 10.0, 100.0, 1), (1, None, 0.0, 2)], 10.0, 3),  # of no share, nothing has to be known
        ([(0, 10.0, 0.0, 1), (1, 13.0, 0.0, None)], None, None),
    ],
)
def test_a_vwap_is_weighted_by_the_exact_volume_and_known_as_a_whole_or_not_at_all(
    bars: list[tuple[int, float | None, float, int | None]], vwap: float | None, transactions: int | None
) -> None:
    (row,) = fold(table(*bars), bins(60)).to_pylist()
    assert (row["vwap"], row["transactions"]) == (vwap, transactions)


@needs_real_days
def test_bins_are_labelled_by_their_start_and_anchored_at_the_open(lake: ResearchLake) -> None:
    hourly = lake.bars("2013-10-07", hours="extended", frequency="1h", columns=["volume"]).index
    assert hourly.strftime("%H:%M").tolist() == [
        "04:00", "04:30", "05:30", "06:30", "07:30", "08:30", "09:30", "10:30", "11:30", "12:30", "13:30", "14:30",
        "15:30", "16:30", "17:30", "18:30", "19:30",
    ]  # fmt: skip
    for hours, start in (("regular", "09:30"), ("extended", "04:00"), ("all", "00:00")):
        daily = lake.bars("2013-10-07", "2013-10-09", hours=hours, frequency="1d", columns=["volume"]).index
        assert daily.strftime("%m-%d %H:%M").tolist() == [f"10-0{day} {start}" for day in (7, 8, 9)]


@needs_real_days
@pytest.mark.parametrize("frequency", [None, "5s", "30min", "1d"])
def test_any_split_of_a_range_concatenates_to_the_whole(lake: ResearchLake, frequency: str | None) -> None:
    whole = lake.bars("2013-10-07", "2013-10-09", frequency=frequency, hours="all", engine="arrow")
    for cut in (7, 8):
        parts = [("2013-10-07", f"2013-10-0{cut}"), (f"2013-10-0{cut + 1}", "2013-10-09")]
        tables = [lake.bars(*part, frequency=frequency, hours="all", engine="arrow") for part in parts]
        assert pa.concat_tables(tables).combine_chunks().equals(whole.combine_chunks())
