"""What a verification can find wrong with a lake, and what to do about each."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable
from dataclasses import dataclass

from marketlake.dataset_names import SECOND_BARS
from marketlake.partitions.layout import PROCESSED


class Kind(enum.StrEnum):
    """What is wrong, in the word that the table shows."""

    STRAY = "stray"
    """Something under ``processed/`` that is no partition."""
    DUPLICATE = "duplicate"
    """A stray file that holds a session which has its partition."""
    MISSING = "missing"
    """Sessions of the range without a partition."""
    NO_SESSION = "no session"
    OUTSIDE_HISTORY = "outside history"
    UNREADABLE = "unreadable"
    """The file system does not give it."""
    DAMAGED = "damaged"
    """Its bytes are not those that were published."""
    UNSEALED = "unsealed"
    """Everything agrees, but no seal covers what rows cannot show."""
    UNCERTIFIED = "no certificate"
    FOREIGN_SCHEMA = "foreign schema"
    MISPLACED = "misplaced"
    """A sound file of another ticker or session."""
    ROWS_DIFFER = "rows differ"
    CLAIM_DIFFERS = "claim differs"
    """Its certificate says of the rows what is not so."""
    CHECKS_DIFFER = "checks differ"
    HOURS_DIFFER = "hours differ"
    STATE_DIFFERS = "state differs"
    INPUT_DIFFERS = "input differs"
    """It is made of other rows of the same session than the lake holds."""
    MIXED = "mixed"
    """Of another source, or adjusted otherwise, than most of the lake."""


_TO_REMOVE = frozenset({Kind.STRAY, Kind.DUPLICATE})
_PUBLISHED_SO = frozenset({Kind.FOREIGN_SCHEMA, Kind.CLAIM_DIFFERS, Kind.STATE_DIFFERS})
"""No damage: fetched again, it could pass for unchanged."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. ``session`` is None if it is of none; ``last`` ends a run of sessions."""

    ticker: str
    session: dt.date | None
    kind: Kind
    detail: str
    last: dt.date | None = None
    dataset: str = SECOND_BARS


def next_step(finding: Finding, place: str, fetching_again: Callable[[str, dt.date, dt.date], str]) -> str:
    """What puts it right. ``place``: the dataset's prefix, with a slash at its end, if it has one.

    ``fetching_again``: the command for a ticker's sessions from one to another, both included.
    """
    processed = f"{place}{PROCESSED}"
    if finding.kind in _TO_REMOVE or finding.session is None:
        return f"move it out of {processed}/"
    folder = f"{processed}/{finding.ticker.lower()}/date={finding.session}"
    if finding.kind is Kind.NO_SESSION:
        return f"move {folder} out of {processed}/, or correct calendar.closures"
    if finding.kind is Kind.OUTSIDE_HISTORY:
        return f"move {folder} out of {processed}/, or change history in the settings"
    if finding.kind is Kind.UNREADABLE:
        return f"see who may read {folder}, then verify again"
    out = f"move {folder} out of {processed}/, then "
    first = {Kind.MIXED: f"if it is the odd one, {out}", **dict.fromkeys(_PUBLISHED_SO, out)}.get(finding.kind, "")
    return f"{first}{fetching_again(finding.ticker, finding.session, finding.last or finding.session)}"
