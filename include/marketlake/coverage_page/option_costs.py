"""What fetching a session of options takes, by what the last one took."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from marketlake.coverage_page.options import Options
from marketlake.dataset_names import OPTION_SELECTION
from marketlake.datasets.dataset import Cost
from marketlake.datasets.option_answers import FLAT_FILE
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.ingest.options.estimate import EMPTY_AGAIN, FILE_REQUESTS
from marketlake.rows.option_selection import EMPTY, WITH_BARS


@dataclass(frozen=True)
class OptionCost(Cost):
    """``requests``: if as many contracts answer empty as the last time; ``most``: if all of them do."""

    most: int


def option_cost(options: Options) -> OptionCost | None:
    """What a session like the last one that is held takes; None if none is."""
    lake, selection = options.lake, options.parts[OPTION_SELECTION]
    last = selection.store.partitions.newest(options.ticker)
    if last is None:
        return None
    counts = {check.name: check.count for check in last.checks}
    with_bars, empty = (counts.get(f"contracts_{state}", 0) for state in (WITH_BARS, EMPTY))
    chain, size = OPTION_CHAIN.cost(lake.settings).requests, _bytes(options, last.session)
    if lake.settings.options.source == FLAT_FILE:
        return OptionCost(chain + FILE_REQUESTS, size, chain + FILE_REQUESTS)
    once = chain + with_bars + empty
    return OptionCost(once + EMPTY_AGAIN * empty, size, once + EMPTY_AGAIN * (with_bars + empty))


def _bytes(options: Options, session: dt.date) -> int:
    """What is kept of a session: the partitions, and the archives of answers."""
    size = 0
    for part in options.parts.values():
        key, store = part.key(session), part.store
        revision = store.raw_pages.last_revision(key)
        size += store.partitions.size_bytes(key) + store.raw_pages.archive_bytes(key, revision)
    return size
