"""Two versions of one session's rows: which came, went or changed, and by how much at most."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.rows.bars import STOCK_BARS
from marketlake.rows.format import RowFormat


class Changes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a revision changed in the rows of an earlier one.

    ``largest_price_change`` is in USD over open, high, low and close, ``largest_volume_change`` in shares, both
    absolute, over the rows that are in both; 0 of rows that have none. ``noun``: what the rows are called.
    """

    since_revision: int
    added: int
    removed: int
    changed: int
    largest_price_change: float
    largest_volume_change: float
    noun: str = "bars"

    def __str__(self) -> str:
        counts = (
            f"{self.noun} added {self.added}, removed {self.removed}, changed {self.changed} since revision"
            f" {self.since_revision}"
        )
        if self.noun != STOCK_BARS.noun:
            return counts
        return (
            f"{counts}; largest change of a price {self.largest_price_change:g} USD, of a volume"
            f" {self.largest_volume_change:g} shares"
        )


def changes(old: pa.Table, new: pa.Table, since_revision: int, rows: RowFormat = STOCK_BARS) -> Changes:
    """Count what differs between two tables of a format, each ascending by its key."""
    before, after = _in_both(old, new, rows)
    return Changes(
        since_revision,
        added=new.num_rows - after.num_rows,
        removed=old.num_rows - before.num_rows,
        changed=int(_differing(before, after, rows).sum()),
        largest_price_change=max((_largest(before, after, name) for name in rows.prices), default=0.0),
        largest_volume_change=_largest(before, after, rows.shares) if rows.shares else 0.0,
        noun=rows.noun,
    )


def changed_rows(old: pa.Table, new: pa.Table, rows: RowFormat = STOCK_BARS) -> tuple[pa.Table, pa.Table]:
    """The rows that differ: those of ``old`` that went or changed, those of ``new`` that came or changed."""
    ours, theirs = _places(old, new, rows)
    same = ~_differing(old.take(ours), new.take(theirs), rows)
    kept = [np.ones(table.num_rows, np.bool_) for table in (old, new)]
    for mask, places in zip(kept, (ours, theirs), strict=True):
        mask[places[same]] = False
    return old.filter(pa.array(kept[0])), new.filter(pa.array(kept[1]))


def _in_both(old: pa.Table, new: pa.Table, rows: RowFormat) -> tuple[pa.Table, pa.Table]:
    """The rows whose key is in both tables."""
    ours, theirs = _places(old, new, rows)
    return old.take(pa.array(ours)), new.take(pa.array(theirs))


def _places(old: pa.Table, new: pa.Table, rows: RowFormat) -> tuple[np.ndarray, np.ndarray]:
    """Where the rows stand in either table whose key is in both."""
    ours, theirs = np.zeros(old.num_rows, np.int64), np.zeros(new.num_rows, np.int64)
    for name in rows.key:  # each key becomes one number, column by column
        both = pa.chunked_array([*old.column(name).chunks, *new.column(name).chunks], old.schema.field(name).type)
        numbers = both.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
        size = int(numbers.max(initial=0)) + 1
        ours = ours * size + numbers[: old.num_rows]
        theirs = theirs * size + numbers[old.num_rows :]
    _, in_old, in_new = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    order = np.argsort(in_old)
    return in_old[order], in_new[order]


def _differing(before: pa.Table, after: pa.Table, rows: RowFormat) -> np.ndarray:
    """A mask over rows of the same keys: any value, or whether there is one, is another."""
    values = [name for name in rows.schema.names if name not in {*rows.key, *rows.incidental, rows.subject}]
    masks = [_other(before.column(name), after.column(name)) for name in values]
    return np.asarray(np.logical_or.reduce(masks))


def _other(before: pa.ChunkedArray, after: pa.ChunkedArray) -> np.ndarray:
    absent, now_absent = (column.is_null().to_numpy() for column in (before, after))
    other = pc.fill_null(pc.not_equal(before, after), False).to_numpy()
    return np.asarray((absent != now_absent) | other)


def _largest(before: pa.Table, after: pa.Table, name: str) -> float:
    differences = np.abs(after.column(name).to_numpy() - before.column(name).to_numpy())
    return round(float(differences.max(initial=0.0)), 10)
