"""What one session's rows were: its revisions, and what differs between two of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from marketlake.partitions.changes import changed_rows
from marketlake.research import frames
from marketlake.research.engines import PANDAS, as_asked
from marketlake.research.frequency import within
from marketlake.research.pandas_frame import TIME
from marketlake.research.reading import Cut, schema_of
from marketlake.research.selection import Subject


class History:
    """The revisions of one subject's sessions."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def revisions(self, session: dt.date) -> pd.DataFrame:
        """Every revision of a session, a row each."""
        return frames.revisions(self.subject.store.revisions.list_revisions(self.subject.ticker, session))

    def bars(self, session: dt.date, number: int, cut: Cut, engine: str) -> Any:
        """The rows of one revision, as an engine has them. Raises NoSuchRevision, or DamagedPartition."""
        rows = within(self._whole(session, number), *self.subject.lake.calendar.hours(session).window_ms(cut.window))
        schema = schema_of(self.subject, cut)
        return as_asked([rows.select(schema.names)], schema, rows.num_rows, engine)

    def changes(self, session: dt.date, old: int, new: int) -> pd.DataFrame:
        """The rows in which two revisions differ, the values of both beside each other."""
        before, after = changed_rows(self._whole(session, old), self._whole(session, new), self.subject.spec.rows)
        was, now = (self._frame(rows) for rows in (before, after))
        both = was.add_suffix("_old").join(now.add_suffix("_new"), how="outer")
        change = np.where(
            both.index.isin(was.index), np.where(both.index.isin(now.index), "changed", "removed"), "added"
        )
        both.insert(0, "change", change)
        return both

    def _whole(self, session: dt.date, number: int) -> pa.Table:
        return self.subject.store.revisions.read_revision(self.subject.ticker, session, number)

    def _frame(self, rows: pa.Table) -> pd.DataFrame:
        """Rows indexed by what they are told apart by."""
        key = self.subject.spec.rows.key
        names = [name for name in rows.column_names if name != self.subject.spec.rows.subject]
        ordered = rows.select(sorted(names, key=lambda name: name != TIME))
        frame: pd.DataFrame = as_asked([ordered], ordered.schema, rows.num_rows, PANDAS)
        return frame if key == (TIME,) else frame.reset_index(drop=TIME not in key).set_index(list(key))
