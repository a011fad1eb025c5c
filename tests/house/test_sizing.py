"""What docs/sizing.md multiplies: sessions, the slower of Airflow and the vendor, pauses, and how it is written."""

from __future__ import annotations

import pytest

from sizing import Lake, Session, lakes

BARS = Session(requests=3, bytes=1_500_000, files=3, revisits=3)
CONTRACTS = Session(requests=2_400, bytes=17_000_000, files=7, revisits=1, pause_min=5, at_a_time=4)


@pytest.mark.parametrize(
    ("lake", "sessions", "backfill_min", "daily_min"),
    [
        (Lake("a", 1, 20, BARS), 5_040, 5_040 / 97, 4 / 97),
        (Lake("b", 500, 5, BARS), 630_000, 630_000 / 97, 2_000 / 97),
        (Lake("c", 1, 4, CONTRACTS), 1_008, 1_008 * 2_400 / 6_000 + 252 * 5, 2 * 2_400 / 6_000 + 5),
    ],
)
def test_a_lake_takes_as_long_as_the_slower_of_airflow_and_the_vendor_and_the_pauses(
    lake: Lake, sessions: int, backfill_min: float, daily_min: float
) -> None:
    assert lake.sessions == sessions
    assert lake.backfill_min == pytest.approx(backfill_min)
    assert lake.daily_min == pytest.approx(daily_min)


def test_of_twice_the_tickers_everything_is_twice_as_much() -> None:
    one, two = (Lake("", tickers, 5, BARS) for tickers in (500, 1_000))
    assert (two.sessions, two.backfill_min, two.daily_min, two.read_s) == (
        2 * one.sessions, 2 * one.backfill_min, 2 * one.daily_min, 2 * one.read_s,
    )  # fmt: skip


def test_a_session_costs_what_the_estimates_of_the_commands_say() -> None:
    bars, options = lakes()[0].each, lakes()[-1].each
    assert (bars.requests, bars.bytes) == (3, 1_500_000)
    # Fourteen pages of the chain, the contracts, two more for each empty one, yields and dividends.
    assert (options.requests, options.bytes) == (14 + 1_972 + 2 * 202 + 2, 650_000 + 1_972 * 8_600)
    assert [(each.revisits, each.pause_min, each.at_a_time) for each in (bars, options)] == [(3, 0, 1), (1, 5, 4)]
