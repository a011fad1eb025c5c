"""Which file of each session is read: what is held, what stood at a time, or what a manifest names."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from marketlake.datasets.dataset import Dataset, EmptyRule
from marketlake.errors import NoSuchRevision, PlaceUnusable, StorageError
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.partitions.layout import revision_path
from marketlake.research.threads import in_turn
from marketlake.rows.spec import PartitionKey
from marketlake.sessions import is_final

MISSING, PENDING, UNPROVEN, UNREADABLE = "missing", "not final yet", "without a certificate", "unreadable"
"""What a session is of which nothing is held, or nothing yet, or a file that proves nothing, or cannot be read."""

UNNAMED = "not of the option bars that are held"
"""What a selection is that the certificate of the bars does not name, or a panel that was made of other bars."""
OTHER_CHAIN = "of another chain than the one that is held"
"""What a selection is if the session's chain has become another one since."""

NOT_YET, GONE, NOT_NOTED = "not held by then", "no longer kept", "not in the manifest"
"""What a session is if it is asked for as it stood at a time, or by a manifest."""


@dataclass(frozen=True)
class Found:
    """One session of a range: the file with its rows, below the dataset's prefix, and the certificate in it.

    ``certificate`` is None if nothing can be read; ``state`` says what it is then.
    """

    session: dt.date
    state: str
    path: str = ""
    certificate: Certificate | None = None


@dataclass(frozen=True)
class Chosen:
    """One session whose rows are read: the file they lie in, and its certificate.

    ``pinned``: the rows themselves are held against its hash, for which the whole file is read.
    """

    session: dt.date
    path: str
    certificate: Certificate
    pinned: bool = False

    @classmethod
    def of(cls, found: Found, *, pinned: bool = False) -> Chosen:
        """What was found, of which there is a certificate."""
        if found.certificate is None:
            raise ValueError(f"{found.session} is {found.state}")
        return cls(found.session, found.path, found.certificate, pinned)


class Subject:
    """One ticker of one dataset of a lake, for those who read it."""

    def __init__(self, lake: Lake, dataset: Dataset, ticker: str) -> None:
        self.lake = lake
        self.dataset = dataset
        self.spec = dataset.spec
        self.ticker = ticker
        self.store = lake.store(dataset.spec)

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.spec.name

    @property
    def title(self) -> str:
        """What it is, in words."""
        return self.spec.title(self.ticker)

    def key(self, session: dt.date) -> PartitionKey:
        """The key of one of its sessions."""
        return self.spec.key(self.ticker, session)

    def address(self, path: str) -> str:
        """Where something of the dataset lies, in full: a path, or ``s3://bucket/key``."""
        return self.store.storage.address(path)

    def held(self, session: dt.date) -> Found:
        """What ``processed/`` holds of a session. Only the footer is read."""
        return self._lying(session)

    def _lying(self, session: dt.date) -> Found:
        """What lies there, whatever else there is."""
        key = self.key(session)
        path = self.store.partitions.path(key)
        try:
            certificate = self.store.partitions.certificate(key)
        except PlaceUnusable:
            raise
        except StorageError:  # a folder in its place, or no right to read it: of this session alone
            return Found(session, UNREADABLE, path)
        if certificate is not None:
            return Found(session, certificate.state, path, certificate)
        return Found(session, UNPROVEN if self.store.storage.exists(path) else self._why_missing(session), path)

    def as_of(self, session: dt.date, at: dt.datetime) -> Found:
        """What ``processed/`` held of a session at a time, from its revisions."""
        key = self.key(session)
        try:
            stood = self.store.revisions.stood(key, at)
        except NoSuchRevision:
            return Found(session, GONE)
        if stood is None or stood.certificate is None:
            return Found(session, NOT_YET)
        path = self.store.partitions.path(key) if stood.newest else revision_path(key, stood.number)
        return Found(session, stood.certificate.state, path, stood.certificate)

    def with_content(self, session: dt.date, content_hash: str) -> Found:
        """The file whose rows have that hash, whether they are the newest or not; MISSING if there is none left."""
        held = self._lying(session)
        if held.certificate is not None and held.certificate.content_hash == content_hash:
            return held
        for path, certificate in self.store.revisions.kept_certificates(self.key(session)):
            if certificate is not None and certificate.content_hash == content_hash:
                return Found(session, certificate.state, path, certificate)
        return Found(session, MISSING)

    def find(self, sessions: Sequence[dt.date], one: Callable[[dt.date], Found] | None = None) -> list[Found]:
        """What is there of each session, in their order.

        Of files here one by one: of 60 footers on two cores, that takes 5 ms, and two threads, which wait for each
        other, 12.
        """
        if self.store.storage.is_remote and len(sessions) > 1:
            return list(in_turn(one or self.held, sessions, self.workers))
        return list(map(one or self.held, sessions))

    @property
    def workers(self) -> int:
        """How many sessions are read at once: decoding is bound by the processors, what is remote by waiting."""
        storage = self.store.storage
        return storage.readers if storage.is_remote else min(storage.readers, os.cpu_count() or 1)

    def takes(self, found: Found, states: Iterable[str]) -> bool:
        """Whether a session's rows may be given to one who asked for those states."""
        is_empty = found.state == State.EMPTY and self.dataset.empty is not EmptyRule.REFUSED
        return found.certificate is not None and (is_empty or found.state in states)

    def _why_missing(self, session: dt.date) -> str:
        return MISSING if is_final(session, self.lake.now()) else PENDING
