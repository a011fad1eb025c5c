"""What fetching a session of options takes, by what the last one took."""

from __future__ import annotations

import datetime as dt

from marketlake.coverage_page.options import Options
from marketlake.dataset_names import OPTION_SELECTION
from marketlake.datasets.dataset import Cost
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.rows.option_selection import EMPTY, WITH_BARS

_OF_AN_EMPTY = 3
"""Requests of a contract without a bar: asked for, asked for again, and its day bar."""
_OF_A_FILE = 2


def option_cost(options: Options) -> Cost | None:
    """What a session like the last one that is held takes; None if none is."""
    lake, selection = options.lake, options.parts[OPTION_SELECTION]
    last = selection.store.partitions.newest(options.ticker)
    if last is None:
        return None
    counts = {check.name: check.count for check in last.checks}
    with_bars, empty = (counts.get(f"contracts_{state}", 0) for state in (WITH_BARS, EMPTY))
    by_file = lake.settings.options.source == "flat_file"
    chain = OPTION_CHAIN.cost(lake.settings)
    own = _OF_A_FILE if by_file else with_bars + _OF_AN_EMPTY * empty
    return Cost(chain.requests + own, _bytes(options, last.session))


def _bytes(options: Options, session: dt.date) -> int:
    """What is kept of a session: the partitions, and the archives of answers."""
    size = 0
    for part in options.parts.values():
        key, store = part.key(session), part.store
        revision = store.raw_pages.last_revision(key)
        size += store.partitions.size_bytes(key) + store.raw_pages.archive_bytes(key, revision)
    return size
