"""When each session was looked at again, and what came of it: advisory notes beside the partitions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from marketlake.partitions.layout import visit_path
from marketlake.storage.storage import Storage, Writer


class Visit(msgspec.Struct, frozen=True):
    """What one audit of a session did. It spares a fetch, and proves nothing: only a certificate does.

    ``changes`` says in words what a revision changed, ``visited_at_ms`` is Unix ms UTC; 0 of a session that no
    audit has fetched yet. ``failed_at_ms``: the last one that could not, which leaves the rest as it was. ``edition``:
    of what it was fetched from, if the source says one: whatever has it still need not be fetched again.
    """

    session: dt.date
    because: str
    outcome: str
    state: str
    revision: int
    visited_at_ms: int
    changes: str = ""
    suspect_because: tuple[str, ...] = ()
    failed_at_ms: int = 0
    edition: str = ""


class Visits:
    """The last visit of each session of the dataset that ``storage`` begins with: ``audit/{ticker}/date=D.json``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def last(self, ticker: str, session: dt.date) -> Visit | None:
        """The last visit; None without one, or if the note cannot be read."""
        return self._read(visit_path(ticker, session))

    def every(self, ticker: str, sessions: Iterable[dt.date]) -> dict[dt.date, Visit]:
        """The last visit of each of these sessions that has one: what a listing shows is read, by several threads."""
        folder = visit_path(ticker, dt.date.min).rpartition("/")[0]
        there = {f"{folder}/{name}" for name in self._storage.files(folder)}
        noted = [session for session in sessions if visit_path(ticker, session) in there]
        with ThreadPoolExecutor(self._storage.readers) as readers:
            read = readers.map(lambda session: self.last(ticker, session), noted)
            return {session: visit for session, visit in zip(noted, read, strict=True) if visit is not None}

    def _read(self, path: str) -> Visit | None:
        data = self._storage.get(path)
        try:
            return msgspec.json.decode(data, type=Visit) if data else None
        except msgspec.DecodeError:  # the session is looked at once more
            return None

    def note(self, writer: Writer, ticker: str, visit: Visit) -> None:
        """Replace the note of the session."""
        writer.put(visit_path(ticker, visit.session), msgspec.json.encode(visit))
