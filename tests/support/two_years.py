"""A lake of two years with every state that a session can be in, for those who look at it."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

from conftest import a_client
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.sessions import new_york_ms
from research_lake import Ground

FIRST, LAST = dt.date(2024, 11, 25), dt.date(2026, 11, 19)
MISSING = [dt.date(2025, 3, 10), dt.date(2025, 3, 11), dt.date(2025, 8, 1)]
TO_FAIL = [dt.date(2025, 5, 6), dt.date(2025, 5, 7)]
"""Missing as well, and such that the vendor's answer is refused."""
SUSPECT = [dt.date(2025, 2, 3), dt.date(2025, 6, 17)]
REVISED = [dt.date(2024, 12, 24), dt.date(2025, 7, 1)]
"""The first of them closes at 13:00."""
PROVISIONAL = [dt.date(2026, 11, 19)]
CORRUPT = dt.date(2026, 1, 5)
SESSIONS = 498
"""By the exchange's calendar: 25 of 2024, 250 of 2025 and 223 of 2026."""


def fill(ground: Ground) -> None:
    """Fetch every session but those that are to be missing, in the states that they are to have."""
    lake = ground.written
    absent = {*MISSING, *TO_FAIL, *SUSPECT, *PROVISIONAL}
    plain = [day for day in lake.calendar.sessions(FIRST, LAST) if day not in absent]
    with ThreadPoolExecutor(4) as fetchers:
        list(fetchers.map(ground.fetch, plain))
    for day in SUSPECT:  # ten minute bars, from 10:30 to 10:39, have not one second
        first_ms, end_ms = (new_york_ms(day, dt.time(10, minute)) for minute in (30, 40))
        ground.simulator.faults.set(str(day), [{"fault": f"without:{first_ms}-{end_ms}", "times": 0}])
        ground.fetch(day)
    ground.simulator.faults.clear()
    for day in REVISED:
        ground.revise(day)
    for day in PROVISIONAL:
        evening = dt.datetime.combine(day, dt.time(23), dt.UTC)
        provisional = Lake(lake.settings, now=lambda evening=evening: evening)  # type: ignore[misc]
        key = SECOND_BARS.spec.key("SPY", day)
        ingest(provisional, SECOND_BARS, key, a_client(provisional, []), allow_provisional=True)
    damage(ground)


def damage(ground: Ground) -> None:
    """Cut the end off one partition's file, with its footer."""
    file = ground.partition(CORRUPT)
    file.write_bytes(file.read_bytes()[:-100])
