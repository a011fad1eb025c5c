"""What is known of each session, a row a session, as frames of pandas."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from marketlake.partitions.certificate import Certificate
from marketlake.partitions.revisions import Revision
from marketlake.research.selection import Found, Subject
from marketlake.sessions import NEW_YORK, SessionHours


def coverage(subject: Subject, found: Sequence[Found]) -> pd.DataFrame:
    """State, rows, revision and early close of each session, whether it is held or not."""
    hours = [subject.lake.calendar.hours(one.session) for one in found]
    certificates = [one.certificate for one in found]
    columns = {
        "state": pd.array([str(one.state) for one in found], dtype="str"),
        "rows": _integers(one.rows if one else None for one in certificates),
        "revision": _integers(one.revision if one else None for one in certificates),
        "early_close": [one.early_close for one in hours],
    }
    return pd.DataFrame(columns, index=_sessions(found))


def certificates(found: Sequence[Found]) -> pd.DataFrame:
    """The certificates of the sessions that have one."""
    held = [one for one in found if one.certificate is not None]
    rows = [_fields(one.certificate) for one in held if one.certificate]
    return _typed(pd.DataFrame(rows, index=_sessions(held), columns=list(_FIELDS)))


def revisions(found: Sequence[Revision]) -> pd.DataFrame:
    """Every revision of one session, ascending by its number, which is the index."""
    rows = [{"newest": one.newest} | (_fields(one.certificate) if one.certificate else {}) for one in found]
    index = pd.Index([one.number for one in found], name="revision", dtype="int64")
    columns = ["newest", *(name for name in _FIELDS if name != "revision")]
    return _typed(pd.DataFrame(rows, index=index, columns=columns))


def calendar(hours: Iterable[SessionHours]) -> pd.DataFrame:
    """The exchange's sessions: regular open and close in New York time, and whether it closes early."""
    every = list(hours)
    columns = {
        "session": pd.DatetimeIndex([one.session for one in every]).as_unit("s"),
        "open": _times([one.regular_start_ms for one in every]),
        "close": _times([one.regular_end_ms for one in every]),
        "early_close": [one.early_close for one in every],
    }
    return pd.DataFrame(columns)


_FIELDS: dict[str, Callable[[Certificate], Any]] = {
    "state": lambda one: str(one.state),
    "rows": lambda one: one.rows,
    "volume": lambda one: one.volume,
    "transactions": lambda one: one.transactions,
    "first_bar": lambda one: _time(one.first_timestamp),
    "last_bar": lambda one: _time(one.last_timestamp),
    "early_close": lambda one: one.hours.early_close,
    "revision": lambda one: one.revision,
    "content_hash": lambda one: one.content_hash,
    "published_at": lambda one: _time(one.published_at_ms, "UTC"),
    "fetched_at": lambda one: _time(one.fetched_at_ms, "UTC"),
    "source_host": lambda one: one.source_host,
    "adjusted": lambda one: one.adjusted,
    "pages": lambda one: one.pages,
    "suspect_because": lambda one: "; ".join(one.suspect_because),
    "changes": lambda one: str(one.changes) if one.changes else "",
}


def _fields(certificate: Certificate) -> dict[str, Any]:
    return {name: of(certificate) for name, of in _FIELDS.items()}


_TIMES = {"first_bar": str(NEW_YORK), "last_bar": str(NEW_YORK), "published_at": "UTC", "fetched_at": "UTC"}


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Times are times, also if there is none: contracts have no first bar."""
    typed = {name: pd.Series(list(frame[name]), frame.index, f"datetime64[ms, {zone}]")
             for name, zone in _TIMES.items()}  # fmt: skip
    return frame.assign(**typed)


def _time(at_ms: int, zone: str = str(NEW_YORK)) -> Any:
    """A moment; ``NaT`` of 0, which stands for none."""
    if not at_ms:
        return pd.NaT
    return pd.Timestamp(at_ms, unit="ms", tz="UTC").as_unit("ms").tz_convert(zone)


def _times(at_ms: Sequence[int]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.array(at_ms, "datetime64[ms]")).tz_localize("UTC").tz_convert(str(NEW_YORK))


def _sessions(found: Sequence[Found]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([dt.datetime.combine(one.session, dt.time()) for one in found], name="session").as_unit("s")


def _integers(values: Iterable[int | None]) -> Any:
    return pd.array(list(values), dtype="Int64")
