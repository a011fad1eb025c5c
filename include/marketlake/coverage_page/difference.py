"""Two revisions of a session side by side: the rows that changed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pyarrow as pa

from marketlake.partitions.changes import changed_rows, changes
from marketlake.research.selection import Subject

SHOWN = 500


class ChangedRow(msgspec.Struct, frozen=True):
    """One row that is not the same in both. ``change``: ``added``, ``removed`` or ``changed``.

    ``time_ms``, ``contract``: which row it is, as far as rows of its kind have them.
    """

    time_ms: int | None
    change: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None
    contract: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """What changed from revision ``old`` to ``new``; ``more``: how many further rows are not listed."""

    old: int
    new: int
    added: int
    removed: int
    changed: int
    says: str
    rows: list[ChangedRow]
    more: int


def difference(subject: Subject, session: dt.date, old: int, new: int) -> Difference:
    """Compare the rows of two revisions. Raises NoSuchRevision, or DamagedPartition."""
    before, after = (subject.store.revisions.read_revision(subject.ticker, session, number) for number in (old, new))
    counted = changes(before, after, old, subject.spec.rows)
    was, now = (_by_key(rows, subject) for rows in changed_rows(before, after, subject.spec.rows))
    keys = sorted({*was, *now})
    return Difference(
        old,
        new,
        counted.added,
        counted.removed,
        counted.changed,
        str(counted) if keys else f"the rows of revisions {old} and {new} are the same",
        [_changed(subject, key, was.get(key), now.get(key)) for key in keys[:SHOWN]],
        max(0, len(keys) - SHOWN),
    )


_Key = tuple[Any, ...]


def _changed(subject: Subject, key: _Key, old: dict[str, Any] | None, new: dict[str, Any] | None) -> ChangedRow:
    named = dict(zip(subject.spec.rows.key, key, strict=True))
    change = "changed" if old and new else "removed" if old else "added"
    return ChangedRow(named.get("timestamp"), change, old, new, named.get("contract"))


def _by_key(rows: pa.Table, subject: Subject) -> dict[_Key, dict[str, Any]]:
    """Each row's values by its key, without the column that is the same in all."""
    row_format = subject.spec.rows
    values = [name for name in row_format.schema.names if name not in {*row_format.key, row_format.subject}]
    keys = zip(*(rows.column(name).to_pylist() for name in row_format.key), strict=True)
    return dict(zip(keys, rows.select(values).to_pylist(), strict=True))
