"""What one session's rows were: its revisions, and what differs between two of them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa

from marketlake.partitions.changes import changed_rows
from marketlake.research import frames
from marketlake.research.engines import PANDAS, as_asked
from marketlake.research.frequency import within
from marketlake.research.reading import Cut, zoned
from marketlake.research.selection import Subject


class History:
    """The revisions of one subject's sessions."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def revisions(self, session: dt.date) -> pd.DataFrame:
        """Every revision of a session, a row each."""
        return frames.revisions(self.subject.store.revisions.list_revisions(self.subject.ticker, session))

    def rows(self, session: dt.date, number: int, cut: Cut) -> pa.Table:
        """The rows of one revision. Raises NoSuchRevision, or DamagedPartition."""
        rows = within(self._whole(session, number), *self.subject.lake.calendar.hours(session).window_ms(cut.window))
        return zoned(rows.select(list(dict.fromkeys(["timestamp", *cut.columns]))))

    def changes(self, session: dt.date, old: int, new: int) -> pd.DataFrame:
        """The rows in which two revisions differ, the values of both beside each other."""
        before, after = changed_rows(self._whole(session, old), self._whole(session, new))
        was, now = (as_asked(zoned(rows.drop(["ticker"])), PANDAS) for rows in (before, after))
        both = was.join(now, how="outer", lsuffix="_old", rsuffix="_new")
        change = np.where(
            both.index.isin(was.index), np.where(both.index.isin(now.index), "changed", "removed"), "added"
        )
        both.insert(0, "change", change)
        return both

    def _whole(self, session: dt.date, number: int) -> pa.Table:
        return self.subject.store.revisions.read_revision(self.subject.ticker, session, number)
