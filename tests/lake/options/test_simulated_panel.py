"""A simulated day's panel: every price says the vol that it was made with, or it is counted why not."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from conftest import KEY
from marketlake.quality.panel_checks import check_panel
from panels import CALENDAR
from polygon_simulator.market import MadeUpDays
from polygon_simulator.options.contract import Contract
from polygon_simulator.options.pricing import quote
from polygon_simulator.server import Simulator
from simulated_options import simulated_day
from smooth_days import SmoothDays

HALF_A_DAY, SMALL_USD, A_POINT = 0.5 / 365, 0.3, 0.01


def valued(day: dt.date, days: SmoothDays | MadeUpDays, contracts: str) -> list[dict]:
    """The rows of a day's panel, each with the vol that its bar closed with. Of a full chain those near the money."""
    with Simulator(days, KEY, contracts=contracts) as simulator:
        panel = simulated_day(simulator, day, moneyness=0.015 if contracts == "full" else 0.05).panel()
        assert [check.name for check in check_panel(panel, CALENDAR.hours(day)) if not check.ok] == []
        made_with = np.concatenate([vols(simulator, day, *of) for of in ends_by_contract(panel).items()])
    return [row | {"true": vol} for row, vol in zip(panel.to_pylist(), made_with, strict=True)]


def ends_by_contract(panel: pa.Table) -> dict[str, list[int]]:
    ends: dict[str, list[int]] = {}
    for row in panel.select(["contract", "timestamp"]).to_pylist():
        ends.setdefault(row["contract"], []).append(row["timestamp"] + 60_000)
    return ends


def vols(simulator: Simulator, day: dt.date, ticker: str, ends_ms: list[int]) -> np.ndarray:
    """``simulated_iv`` of many moments of a contract at once."""
    contract, at_ms = Contract.of(ticker), np.array(ends_ms)
    assert contract is not None
    found = quote(contract, day, at_ms, simulator.options.underlying("SPY", day).at(at_ms)).vol
    first = simulator.options.simulated_iv(ticker, ends_ms[0])
    assert found[0] == first or (first is None and np.isnan(found[0]))
    return found


def kind(row: dict) -> str:
    if row["years_to_expiry"] < HALF_A_DAY:
        return f"less than half a day, {row['no_iv'] or 'with iv'}"
    if row["itm"]:
        return f"in the money, {row['no_iv'] or 'with iv'}"
    return (
        f"out of the money, {'0.30 USD and more' if row['close'] >= SMALL_USD else 'cheaper'}, {row['no_iv'] or 'iv'}"
    )


@pytest.mark.parametrize(
    ("day", "days", "contracts", "rows"),
    [
        (dt.date(2024, 11, 27), SmoothDays(), "full", 20_000),  # contracts to January hold a dividend
        (dt.date(2024, 11, 29), SmoothDays(), "few", 2_000),  # an early close
        (dt.date(2026, 6, 10), SmoothDays(), "few", 3_000),  # a dividend in eight days, a holiday's Thursday
        (dt.date(2024, 11, 27), MadeUpDays(), "few", 3_000),
    ],
)
def test_out_of_the_money_each_iv_is_the_one_that_the_price_was_made_with(
    day: dt.date, days: SmoothDays | MadeUpDays, contracts: str, rows: int
) -> None:
    """Of at least 0.30 USD and half a day to the expiry, within a vol point: without one exception."""
    counts, most = Counter[str](), Counter[str]()
    for row in valued(day, days, contracts):
        counts[kind(row)] += 1
        if row["iv"] is not None:
            most[kind(row)] = max(most[kind(row)], abs(row["iv"] - row["true"]))
    for name, count in sorted(counts.items()):
        print(f"{day}: {count} rows {name}, off by {most[name]:.4f} at most")
    exact = "out of the money, 0.30 USD and more, iv"
    assert counts[exact] > rows
    assert most[exact] < A_POINT
    assert not any(name.startswith("out of the money") and not name.endswith("iv") for name in counts)
