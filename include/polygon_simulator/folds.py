"""Minute and day bars, folded from the same shorter bars, with the differences that the vendor's have.

At the vendor, larger bars hold more than their seconds: prints that count for volume alone make no
second bar, and the closing auction is in the day's bar but in no minute. A client that expects equal
sums would pass against a simulator that folds exactly, and fail against the vendor.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from marketlake.sessions import SessionHours
from polygon_simulator.days import Bar
from polygon_simulator.questions import MINUTE_MS

_VOLUME_ONLY_SHARE = 0.2


@dataclass(frozen=True)
class Differences:
    """What the larger bars hold beyond their seconds. Both off: every sum is exact.

    ``volume_only``: one minute in five holds up to 2 % more shares than its seconds. ``closing_cross``:
    the day holds an auction of 1 to 4 % of its shares, whose price is the day's close.
    """

    volume_only: bool = True
    closing_cross: bool = True


EXACT = Differences(volume_only=False, closing_cross=False)


def minutes(ticker: str, seconds: list[Bar], differences: Differences) -> list[Bar]:
    """One bar for each minute that has a second, ascending; ``t`` is the minute's start."""
    return [
        _folded(group, start_ms) | {"v": _minute_volume(ticker, group, start_ms, differences)}
        for start_ms, group in _by_minute(seconds)
    ]


def _by_minute(seconds: list[Bar]) -> Iterator[tuple[int, list[Bar]]]:
    """The start of each minute that has a second, ascending, and its seconds."""
    for start_ms, group in groupby(seconds, key=lambda bar: int(bar["t"]) // MINUTE_MS * MINUTE_MS):
        yield start_ms, list(group)


def _minute_volume(ticker: str, seconds: list[Bar], start_ms: int, differences: Differences) -> float:
    """The shares of one minute, with those that make no second bar."""
    shares = _sum(bar["v"] for bar in seconds)
    chance = random.Random(f"{ticker} {start_ms}")
    if differences.volume_only and chance.random() < _VOLUME_ONLY_SHARE:
        return _number(shares + math.ceil(shares * chance.uniform(0, 0.02)))
    return shares


def day(ticker: str, bars: list[Bar], hours: SessionHours, differences: Differences) -> Bar | None:
    """The day's bar: prices of regular hours, shares of the whole day; ``t`` is midnight in New York.

    ``bars`` are seconds; minutes give the same, once their ``volume_only`` is off. None if regular hours
    hold no bar. On an early close the auction is a second of its own already.
    """
    regular = [bar for bar in bars if hours.regular_start_ms <= bar["t"] < hours.regular_end_ms]
    if not regular:
        return None
    prices = _folded(regular, hours.day_start_ms)
    bar = _folded(bars, hours.day_start_ms) | {key: prices[key] for key in ("o", "c", "h", "l")}
    bar["v"] = _sum(_minute_volume(ticker, group, start_ms, differences) for start_ms, group in _by_minute(bars))
    if differences.closing_cross and not hours.early_close:
        chance = random.Random(f"{ticker} {hours.session} cross")
        bar["v"] = _number(bar["v"] + round(bar["v"] * chance.uniform(0.01, 0.04)))
        bar["c"] = round(min(bar["h"], max(bar["l"], bar["c"] + chance.choice((-0.02, -0.01, 0.01, 0.02)))), 2)
        bar |= {"n": bar["n"] + 1} if "n" in bar else {}
    return bar


def open_close(ticker: str, bars: list[Bar], hours: SessionHours, differences: Differences) -> Bar | None:
    """The body of the open-close endpoint, without its status; None if there is no day's bar."""
    folded = day(ticker, bars, hours, differences)
    if folded is None:
        return None
    before = [bar for bar in bars if bar["t"] < hours.regular_start_ms]
    after = [bar for bar in bars if bar["t"] >= hours.regular_end_ms]
    body: Bar = {"from": str(hours.session), "symbol": ticker, "open": folded["o"], "high": folded["h"]}
    body |= {"low": folded["l"], "close": folded["c"], "volume": folded["v"]}
    body |= {"afterHours": after[-1]["c"]} if after else {}
    body |= {"preMarket": before[0]["o"]} if before else {}
    return body


def _folded(bars: list[Bar], start_ms: int) -> Bar:
    """One bar of several. ``vw`` and ``n``, which bars may lack, are in it if every one of them has them."""
    named = {key for key in ("vw", "n") if all(key in bar for bar in bars)}
    folded = {
        "v": _sum(bar["v"] for bar in bars),
        "vw": _vwap(bars) if "vw" in named else None,
        "o": bars[0]["o"],
        "c": bars[-1]["c"],
        "h": max(bar["h"] for bar in bars),
        "l": min(bar["l"] for bar in bars),
        "t": start_ms,
        "n": sum(bar["n"] for bar in bars) if "n" in named else None,
    }
    return {key: value for key, value in folded.items() if value is not None}


def _vwap(bars: list[Bar]) -> float:
    shares = math.fsum(bar["v"] for bar in bars)
    return round(math.fsum(bar["v"] * bar["vw"] for bar in bars) / shares, 4) if shares else bars[-1]["c"]


def _sum(volumes: Iterable[float]) -> float:
    return _number(math.fsum(volumes))


def _number(value: float) -> float:
    """As the vendor writes it: whole numbers without a fraction, fractions to a ten-thousandth."""
    rounded = round(value, 4)
    return int(rounded) if rounded == int(rounded) else rounded
