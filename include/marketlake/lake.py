"""The lake that the settings describe: its partitions, raw pages and calendar, and its clock."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from marketlake.partitions.raw_pages import RawPages
from marketlake.partitions.revisions import Revisions
from marketlake.partitions.store import PartitionStore
from marketlake.polygon.request import BarRequest
from marketlake.rows.bars import STOCK_BARS
from marketlake.sessions import SessionCalendar
from marketlake.settings import Settings
from marketlake.storage.local import LocalStorage
from marketlake.storage.storage import Writer


def system_clock() -> dt.datetime:
    """Now, in UTC."""
    return dt.datetime.fromtimestamp(time.time(), dt.UTC)


class Lake:
    """The lake that the settings describe: partitions, their revisions, raw pages, calendar."""

    def __init__(self, settings: Settings, *, now: Callable[[], dt.datetime] = system_clock) -> None:
        self.settings = settings
        self.now = now
        self.storage = LocalStorage(settings.storage_root)
        self.partitions = PartitionStore(
            self.storage, STOCK_BARS, settings.storage.compression, settings.storage.compression_level
        )
        self.revisions = Revisions(self.storage, self.partitions)
        self.raw_pages = RawPages(self.storage)
        self.calendar = SessionCalendar(now().date(), settings.calendar.closures)

    def exclusive(self, ticker: str, session: dt.date) -> AbstractContextManager[Writer]:
        """A writer of one session, as a context manager, that nobody else has meanwhile. Raises LakeBusy."""
        return self.storage.exclusive(f"{ticker.lower()}-{session}", self.settings.storage.lock_timeout_s)

    def request(self, ticker: str, session: dt.date) -> BarRequest:
        """The request for one session. Raises NotASession."""
        return BarRequest(ticker, self.calendar.hours(session), self.settings.bars.adjusted)
