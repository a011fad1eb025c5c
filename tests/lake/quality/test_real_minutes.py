"""Three recorded SPY sessions against minute bars that somebody else folded: what the thresholds meet.

``docs/operations.md`` has these figures, so whatever changes them changes its tables.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from conftest import KEY, NOW, REAL, a_client, needs_real_days
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.polygon.aggregates import decode
from marketlake.polygon.fetch import Listing
from marketlake.polygon.request import BarRequest
from marketlake.quality.comparison import Minutes, against_day, against_minutes
from marketlake.quality.reconciliation import Reconciliation, reconcile
from marketlake.sessions import SessionCalendar, SessionHours, clock_time
from marketlake.settings.sections import Reconcile
from polygon_simulator import folds
from polygon_simulator.days import Bar, RecordedDays
from polygon_simulator.server import Simulator
from seconds import spy

pytestmark = needs_real_days
DAYS = ("2013-10-07", "2013-10-08", "2013-10-09")
DOCUMENT = Path(__file__).resolve().parents[3] / "docs/operations.md"
MINUTE_MS = 60_000


def recorded(name: str) -> list[Bar]:
    bars: list[Bar] = json.loads(gzip.decompress((REAL / f"{name}.json.gz").read_bytes()))
    return bars


def seconds_of(day: str) -> list[Bar]:
    return recorded(f"SPY-{day}")


def minutes_of(day: str) -> list[Bar]:
    return recorded(f"minutes/SPY-{day}")


def hours_of(day: str) -> SessionHours:
    return SessionCalendar(NOW.date()).hours(dt.date.fromisoformat(day))


def page(bars: list[Bar]) -> bytes:
    """One answer of the API with these bars."""
    head = {"ticker": "SPY", "queryCount": len(bars), "resultsCount": len(bars), "adjusted": False}
    return json.dumps(head | {"results": bars, "status": "OK", "request_id": "a test"}).encode()


def day_bar(bars: list[Bar], hours: SessionHours) -> list[Bar]:
    bar = folds.day("SPY", bars, hours, folds.EXACT)
    assert bar is not None
    return [bar]


@cache
def found(day: str) -> Reconciliation:
    """The seconds against the recorded minutes, and against a day bar of those, by the default thresholds."""
    hours, minutes = hours_of(day), minutes_of(day)
    longer = {"minute": Listing((page(minutes),)), "day": Listing((page(day_bar(minutes, hours)),))}
    bars = decode(page(seconds_of(day))).rows
    return reconcile(bars, longer, BarRequest("SPY", hours, adjusted=False), Reconcile())


def of_minutes(day: str) -> Minutes:
    minutes = found(day).minutes
    assert minutes is not None
    return minutes


def minutes_over_day(day: str) -> float:
    """The minutes' volume over that of a day bar with every second's."""
    whole = decode(page(day_bar(seconds_of(day), hours_of(day)))).rows
    ratio = against_day(decode(page(minutes_of(day))).rows, whole).volume_ratio
    assert ratio is not None
    return ratio


@cache
def price_differences() -> dict[str, list[tuple[int, bool]]]:
    """By price of a bar: in how many cents the folded seconds differ, and whether in regular hours."""
    differences: dict[str, list[tuple[int, bool]]] = {key: [] for key in "ohlc"}
    for day in DAYS:
        hours = hours_of(day)
        folded = {bar["t"]: bar for bar in folds.minutes("SPY", seconds_of(day), folds.EXACT)}
        for minute in minutes_of(day):
            regular = hours.regular_start_ms <= minute["t"] < hours.regular_end_ms
            for key, differing in differences.items():
                if (cents := abs(round((folded[minute["t"]][key] - minute[key]) * 100))) > 0:
                    differing.append((cents, regular))
    return differences


# --- the figures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "agreeing", "short", "quiet", "volume_share", "surplus_share", "prices_differ"),
    [
        ("2013-10-07", 825, ["15:59"], 612, 0.999962, 0.046868, (43, 50)),
        ("2013-10-08", 826, [], 612, 1.0, 0.018971, (54, 45)),
        ("2013-10-09", 810, ["15:59"], 627, 0.999997, 0.044821, (49, 69)),
    ],
)
def test_all_minutes_but_two_or_three_have_the_volume_of_their_seconds(
    day: str,
    agreeing: int,
    short: list[str],
    quiet: int,
    volume_share: float,
    surplus_share: float,
    prices_differ: tuple[int, int],
) -> None:
    minutes = of_minutes(day)
    assert (minutes.agreeing, minutes.quiet, minutes.missing) == (agreeing, quiet, 0)
    assert [clock_time(one.start_ms) for one in minutes.short_minutes] == short
    assert [clock_time(start_ms) for start_ms in minutes.extra_starts_ms] == ["09:30", "16:00"]
    assert (minutes.volume_share, minutes.surplus_share) == (volume_share, surplus_share)
    assert minutes.volume_differs == len(short) + 2
    assert (minutes.high_differs, minutes.low_differs) == prices_differ
    assert (minutes.uncounted, minutes.trades_share) == (len(minutes_of(day)), None)  # they do not say their trades


@pytest.mark.parametrize(
    ("day", "excess", "at"),
    [("2013-10-07", 0.005956, "13:07"), ("2013-10-08", 0.008185, "11:48"), ("2013-10-09", 0.001213, "11:10")],
)
def test_no_price_leaves_its_minutes_range_by_one_percent(day: str, excess: float, at: str) -> None:
    minutes = of_minutes(day)
    assert (minutes.price_excess, clock_time(minutes.price_excess_start_ms)) == (excess, at)


@pytest.mark.parametrize(
    ("day", "beyond_minutes", "of_day"),
    [
        ("2013-10-07", "4.69%", "104.68%"),
        ("2013-10-08", "1.90%", "101.90%"),
        ("2013-10-09", "4.48%", "104.48%"),
    ],
)
def test_the_auctions_that_the_minutes_lack_make_every_session_suspect_and_nothing_else_does(
    day: str, beyond_minutes: str, of_day: str
) -> None:
    assert found(day).findings == {
        "minute": (f"the seconds hold {beyond_minutes} more than the minute bars (reconcile.surplus_share = 0.01)",),
        "day": (f"the seconds hold {of_day} of the day bar's volume (reconcile.surplus_share = 0.01)",),
    }


@pytest.mark.parametrize("day", DAYS)
def test_without_the_minutes_of_the_auctions_the_seconds_hold_nothing_more(day: str) -> None:
    def others(bars: list[Bar]) -> list[Bar]:
        return [bar for bar in bars if clock_time(bar["t"]) not in {"09:30", "16:00"}]

    tables = [decode(page(others(bars))).rows for bars in (seconds_of(day), minutes_of(day))]
    minutes = against_minutes(*tables, hours_of(day))
    assert (minutes.surplus_share, minutes.extra) == (0.0, 0)


@pytest.mark.parametrize(
    ("day", "ratio"), [("2013-10-07", 0.955265), ("2013-10-08", 0.981382), ("2013-10-09", 0.957105)]
)
def test_the_minutes_hold_all_but_two_to_five_percent_of_the_days_volume(day: str, ratio: float) -> None:
    assert minutes_over_day(day) == ratio


def test_prices_differ_by_a_cent_or_a_few_and_in_regular_hours() -> None:
    summed = {}
    for key, differing in price_differences().items():
        cents = [one for one, _ in differing]
        regular = sum(in_regular for _, in_regular in differing)
        summed[key] = (len(cents), int(np.median(cents)), round(np.percentile(cents, 99)), max(cents), regular)
    assert summed == {
        "o": (112, 1, 15, 17, 111),
        "h": (146, 3, 93, 136, 145),
        "l": (164, 1, 18, 37, 164),
        "c": (126, 1, 3, 5, 126),
    }


def test_where_high_or_low_differ_the_seconds_reach_farther_and_seldom_far() -> None:
    reach = []
    for day in DAYS:
        folded = {bar["t"]: bar for bar in folds.minutes("SPY", seconds_of(day), folds.EXACT)}
        for minute in minutes_of(day):
            ours = folded[minute["t"]]
            assert ours["l"] <= minute["l"]
            assert minute["h"] <= ours["h"]
            reach.append(max(ours["h"] / minute["h"] - 1, 1 - ours["l"] / minute["l"]))
    assert [sum(one > share for one in reach) for share in (0, 0.001, 0.005, 0.05)] == [294, 17, 3, 0]


def test_a_lake_that_is_served_the_recorded_minutes_publishes_the_session_as_suspect(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]
) -> None:
    real = RecordedDays(REAL)
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(tmp_path / "lake"))
    with Simulator(real, KEY, minutes=real) as simulator:
        monkeypatch.setenv("POLYGON_BASE_URL", simulator.url)
        lake = Lake(settings.load(), now=lambda: NOW)
        report = ingest(lake, SECOND_BARS, spy(dt.date(2013, 10, 8)), a_client(lake, waits))
    assert (report.state, report.rows) == ("suspect", 23_436)
    assert report.suspect_because == (
        "the seconds hold 1.90% more than the minute bars (reconcile.surplus_share = 0.01)",
    )


# --- the document -----------------------------------------------------------------------------------------------


def rows_of_sessions() -> list[str]:
    """The document's table of thresholds, from the figures, without its last column."""
    compared = [of_minutes(day) for day in DAYS]
    both = [one.agreeing + one.short + one.extra for one in compared]
    lacking = [1 - (one.volume_share or 0) for one in compared]
    cells = {
        "minutes in both; with equal volume": [
            f"{all_:,}; {one.agreeing:,}" for all_, one in zip(both, compared, strict=True)
        ],
        "minutes without one second": [str(one.missing) for one in compared],
        "minute volume that is in no second": [f"{share:.4%}" for share in lacking],
        "second volume beyond the minute bars": [f"{one.surplus_share:.2%}" for one in compared],
        "second volume that is in no minute bar's sum": [f"{1 - minutes_over_day(day):.2%}" for day in DAYS],
        "minutes whose high, low differ": [f"{one.high_differs}, {one.low_differs}" for one in compared],
        "farthest price out of its minute": [
            f"{one.price_excess:.2%} at {clock_time(one.price_excess_start_ms)}" for one in compared
        ],
    }
    return [f"| {name} | {' | '.join(of_days)} | " for name, of_days in cells.items()]


def rows_of_prices() -> list[str]:
    """The document's table of price differences, from the figures."""
    names = {"o": "open", "h": "high", "l": "low", "c": "close"}
    rows = []
    for key, differing in price_differences().items():
        cents = [one for one, _ in differing]
        outside = sum(not regular for _, regular in differing)
        spread = f"{np.median(cents):.0f} | {np.percentile(cents, 99):.0f} | {max(cents)}"
        rows.append(f"| {names[key]} | {len(cents)} | {outside} | {spread} |")
    return rows


def test_the_document_has_these_figures() -> None:
    text = DOCUMENT.read_text()
    assert [row for row in rows_of_prices() if row not in text] == []
    assert [row for row in rows_of_sessions() if row not in text] == []
