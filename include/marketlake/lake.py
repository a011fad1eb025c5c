"""The lake that the settings describe: its partitions, raw pages and calendar, and its clock."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

from marketlake.partitions.raw_pages import RawPages
from marketlake.partitions.revisions import Revisions
from marketlake.partitions.store import PartitionStore
from marketlake.polygon.request import BarRequest
from marketlake.sessions import SessionCalendar
from marketlake.settings import Settings
from marketlake.storage.local import LocalStorage


def system_clock() -> dt.datetime:
    """Now, in UTC."""
    return dt.datetime.fromtimestamp(time.time(), dt.UTC)


class Lake:
    """The lake that the settings describe: partitions, their revisions, raw pages, calendar."""

    def __init__(self, settings: Settings, *, now: Callable[[], dt.datetime] = system_clock) -> None:
        self.settings = settings
        self.now = now
        self.storage = LocalStorage(settings.storage_root)
        self.partitions = PartitionStore(self.storage, settings.storage.compression, settings.storage.compression_level)
        self.revisions = Revisions(self.storage, self.partitions)
        self.raw_pages = RawPages(self.storage)
        self.calendar = SessionCalendar(now().date(), settings.calendar.closures)

    def request(self, ticker: str, session: dt.date) -> BarRequest:
        """The request for one session. Raises NotASession."""
        return BarRequest(ticker, self.calendar.hours(session), self.settings.bars.adjusted)
