"""The lake that the settings describe: what it keeps of each dataset, its calendar, and its clock."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from functools import cached_property

from marketlake.lake_storage import access_from_environment, storage_of
from marketlake.partitions.dataset_store import DatasetStore
from marketlake.partitions.revisions import Revisions
from marketlake.rows.bars import SECONDS
from marketlake.rows.spec import DatasetSpec
from marketlake.sessions import SessionCalendar
from marketlake.settings import Settings
from marketlake.storage.s3.access import FindAccess


def system_clock() -> dt.datetime:
    """Now, in UTC."""
    return dt.datetime.fromtimestamp(time.time(), dt.UTC)


class Lake:
    """The lake that the settings describe. ``now`` is its clock, in UTC; ``find_access`` finds the keys of an object
    store, if it lies in one.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], dt.datetime] = system_clock,
        find_access: FindAccess = access_from_environment,
    ) -> None:
        self.settings = settings
        self.now = now
        self.storage = storage_of(settings, find_access)

    @cached_property
    def calendar(self) -> SessionCalendar:
        """The exchange's sessions, less the closures of the settings."""
        return SessionCalendar(self.now().date(), self.settings.calendar.closures)

    def store(self, spec: DatasetSpec) -> DatasetStore:
        """What the lake keeps of one dataset."""
        return DatasetStore(self.storage, spec, self.settings.storage)

    @property
    def revisions(self) -> Revisions:
        """The revisions of second bars."""
        return self.store(SECONDS).revisions
