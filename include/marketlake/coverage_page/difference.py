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
    """One bar that is not the same in both. ``change``: ``added``, ``removed`` or ``changed``."""

    time_ms: int
    change: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None


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
    was, now = (_by_time(rows) for rows in changed_rows(before, after, subject.spec.rows))
    times = sorted({*was, *now})
    return Difference(
        old,
        new,
        counted.added,
        counted.removed,
        counted.changed,
        str(counted) if times else f"the rows of revisions {old} and {new} are the same",
        [ChangedRow(time, _change(time in was, time in now), was.get(time), now.get(time)) for time in times[:SHOWN]],
        max(0, len(times) - SHOWN),
    )


def _change(was_there: bool, is_there: bool) -> str:
    return "changed" if was_there and is_there else "removed" if was_there else "added"


def _by_time(rows: pa.Table) -> dict[int, dict[str, Any]]:
    listed = rows.drop(["ticker"]).to_pylist()
    return {row.pop("timestamp"): row for row in listed}
