"""What lake and store need to know of a dataset: its name, its place and its rows; and the key of one partition."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from marketlake.dataset_names import title
from marketlake.rows.format import RowFormat


@dataclass(frozen=True, order=True)
class PartitionKey:
    """One session of one ticker of one dataset: what a partition, its lock, its pages and its certificate are of."""

    dataset: str
    ticker: str
    session: dt.date

    def __str__(self) -> str:
        return title(self.dataset, f"{self.ticker} {self.session}")


@dataclass(frozen=True)
class DatasetSpec:
    """One kind of table. ``prefix``: the folder of all that is kept of it, below the lake's root; empty: the root.

    ``bar_ms``: how long the bar of a row is; 0 of rows that are no bars. ``live``: rows are what was shown on the
    session itself, which nobody can ask for later.
    """

    name: str
    prefix: str
    rows: RowFormat
    bar_ms: int
    live: bool = False

    def key(self, ticker: str, session: dt.date) -> PartitionKey:
        """The key of one partition of this dataset."""
        return PartitionKey(self.name, ticker, session)

    def title(self, ticker: str) -> str:
        """A ticker's rows in words: ``SPY`` of second bars, ``SPY minute bars`` of minute bars."""
        return title(self.name, ticker)
