"""Two versions of one session's rows: which seconds came, went or changed, and by how much at most."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa

from marketlake.rows.bars import BARS

_PRICES = ("open", "high", "low", "close")
_VALUES = tuple(name for name in BARS.names if name not in {"timestamp", "ticker"})


class Changes(msgspec.Struct, frozen=True):
    """What a revision changed in the rows of an earlier one.

    ``largest_price_change`` is in USD over open, high, low and close, ``largest_volume_change`` in shares, both
    absolute, over the seconds that are in both.
    """

    since_revision: int
    added: int
    removed: int
    changed: int
    largest_price_change: float
    largest_volume_change: float

    def __str__(self) -> str:
        return (
            f"bars added {self.added}, removed {self.removed}, changed {self.changed} since revision"
            f" {self.since_revision}; largest change of a price {self.largest_price_change:g} USD, of a volume"
            f" {self.largest_volume_change:g} shares"
        )


def changes(old: pa.Table, new: pa.Table, since_revision: int) -> Changes:
    """Count what differs between two tables of the schema, each ascending, one row a second."""
    before, after = _in_both(old, new)
    return Changes(
        since_revision,
        added=new.num_rows - after.num_rows,
        removed=old.num_rows - before.num_rows,
        changed=int(_differing(before, after).sum()),
        largest_price_change=max(_largest(before, after, name) for name in _PRICES),
        largest_volume_change=_largest(before, after, "volume_exact"),
    )


def changed_rows(old: pa.Table, new: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows that differ: those of ``old`` that went or changed, those of ``new`` that came or changed."""
    before, after = _in_both(old, new)
    same = before.column("timestamp").filter(pa.array(~_differing(before, after))).to_numpy()
    return tuple(table.filter(pa.array(~np.isin(table.column("timestamp").to_numpy(), same))) for table in (old, new))


def _in_both(old: pa.Table, new: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows whose second is in both tables."""
    _, ours, theirs = np.intersect1d(
        old.column("timestamp").to_numpy(),
        new.column("timestamp").to_numpy(),
        assume_unique=True,
        return_indices=True,
    )
    return old.take(pa.array(ours)), new.take(pa.array(theirs))


def _differing(before: pa.Table, after: pa.Table) -> np.ndarray:
    """A mask over rows of the same seconds: any value, or whether there is one, is another."""
    masks = [_other(before.column(name), after.column(name)) for name in _VALUES]
    return np.asarray(np.logical_or.reduce(masks))


def _other(before: pa.ChunkedArray, after: pa.ChunkedArray) -> np.ndarray:
    absent, now_absent = (column.is_null().to_numpy() for column in (before, after))
    was, now = (column.fill_null(0).to_numpy() for column in (before, after))
    return np.asarray((absent != now_absent) | (was != now))


def _largest(before: pa.Table, after: pa.Table, name: str) -> float:
    differences = np.abs(after.column(name).to_numpy() - before.column(name).to_numpy())
    return round(float(differences.max(initial=0.0)), 10)
