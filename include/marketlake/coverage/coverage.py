"""What the lake holds of a ticker's sessions: what planner, report, audit, verification and verdict go by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import groupby

from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.partitions.lake_file import recorded_kind
from marketlake.partitions.store import HeldPartition
from marketlake.polygon.hosts import source_kind
from marketlake.rows.spec import DatasetSpec


class Coverage:
    """The sessions of one ticker of a dataset that have a partition, and what their certificates claim.

    Made from one listing, when it is first needed, and kept: for a later look, make another one. ``present``: what such
    a listing gave already. Rows are read by ``inspect_all`` alone; everything else believes the footers.
    """

    def __init__(
        self, lake: Lake, spec: DatasetSpec, ticker: str, *, present: frozenset[dt.date] | None = None
    ) -> None:
        self._given = present
        self._root = lake.storage
        self._store = lake.store(spec)
        self._partitions = self._store.partitions
        self.spec = spec
        self.ticker = ticker

    @property
    def title(self) -> str:
        """What it is the coverage of, in words."""
        return self.spec.title(self.ticker)

    @property
    def where(self) -> str:
        """Where the dataset lies, for people."""
        return self._store.storage.where

    @property
    def lake_where(self) -> str:
        """Where the whole lake lies, for people."""
        return self._root.where

    @cached_property
    def present(self) -> frozenset[dt.date]:
        """The sessions that have a partition file. Raises StorageError if they cannot be listed."""
        return frozenset(self._partitions.present(self.ticker)) if self._given is None else self._given

    def missing(self, sessions: Iterable[dt.date]) -> list[dt.date]:
        """Those of ``sessions`` without a partition file, in their order."""
        return [session for session in sessions if session not in self.present]

    def gaps(self, sessions: Iterable[dt.date]) -> list[list[dt.date]]:
        """Each run of neighbours among ``sessions`` that have no partition file, in their order."""
        runs = groupby(sessions, key=self.present.__contains__)
        return [list(run) for is_present, run in runs if not is_present]

    def certificates(self, sessions: Iterable[dt.date] | None = None) -> dict[dt.date, Certificate | None]:
        """The certificate in each footer, of ``sessions`` or of all, ascending; None if it does not count.

        Sessions without a partition file are left out. Footers are read by several threads.
        """
        wanted = sorted(self.present if sessions is None else self.present.intersection(sessions))
        keys = [self.spec.key(self.ticker, session) for session in wanted]
        with ThreadPoolExecutor(self._store.storage.readers) as readers:
            certificates = readers.map(self._partitions.certificate, keys)
            return dict(zip(wanted, certificates, strict=True))

    def inspect_all(self, sessions: Iterable[dt.date]) -> dict[dt.date, HeldPartition | None]:
        """Inspect the partitions of ``sessions``, in their order: each file is read whole, by several threads, and
        held against its certificate. None for a session without a partition file.
        """
        wanted = list(sessions)
        keys = [self.spec.key(self.ticker, session) for session in wanted]
        with ThreadPoolExecutor(self._store.storage.readers) as readers:
            return dict(zip(wanted, readers.map(self._partitions.inspect, keys), strict=True))

    def unfinished(self, sessions: list[dt.date]) -> list[dt.date]:
        """Those of ``sessions`` without a partition, or with one that is provisional, proves nothing, or is of
        another source than the lake's. In their order.
        """
        certificates = self.certificates(sessions)
        return [session for session in sessions if not self.is_finished(certificates.get(session))]

    def is_finished(self, certificate: Certificate | None) -> bool:
        """Whether what a certificate is of need not be fetched any more."""
        return (
            certificate is not None
            and certificate.state is not State.PROVISIONAL
            and source_kind(certificate.source_host) == self._source
        )

    @cached_property
    def _source(self) -> str | None:
        """Whose rows the lake holds; of one of an earlier version, those of the ticker's last session."""
        recorded = recorded_kind(self._root)
        if recorded is not None:
            return recorded.source
        newest = self._partitions.newest_of(self.ticker, self.present)
        return source_kind(newest.source_host) if newest else None
