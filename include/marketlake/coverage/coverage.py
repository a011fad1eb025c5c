"""What the lake holds of a ticker's sessions, by listings and footers: planner, report and audit go by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial

from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.polygon.hosts import source_kind

# Of 3,000 partitions on two cores, one reader takes 0.9 s and eight half of that; an object store gains more.
_READERS = 8


class Coverage:
    """The sessions of one ticker that have a partition, and what their certificates claim.

    Made from one listing, when it is first needed, and kept: for a later look, make another one. Rows are not read:
    whether they still match their certificate is for ``PartitionStore.inspect`` to say.
    """

    def __init__(self, lake: Lake, ticker: str) -> None:
        self._partitions = lake.partitions
        self._ticker = ticker

    @cached_property
    def present(self) -> frozenset[dt.date]:
        """The sessions that have a partition file. Raises StorageError if they cannot be listed."""
        return frozenset(self._partitions.present(self._ticker))

    def missing(self, sessions: Iterable[dt.date]) -> list[dt.date]:
        """Those of ``sessions`` without a partition file, in their order."""
        return [session for session in sessions if session not in self.present]

    def certificates(self, sessions: Iterable[dt.date] | None = None) -> dict[dt.date, Certificate | None]:
        """The certificate in each footer, of ``sessions`` or of all, ascending; None if it does not count.

        Sessions without a partition file are left out. Footers are read by several threads.
        """
        wanted = sorted(self.present if sessions is None else self.present.intersection(sessions))
        with ThreadPoolExecutor(_READERS) as readers:
            found = readers.map(partial(self._partitions.certificate, self._ticker), wanted)
            return dict(zip(wanted, found, strict=True))

    def unfinished(self, sessions: list[dt.date]) -> list[dt.date]:
        """Those of ``sessions`` without a partition, or with one that is provisional, proves nothing, or is of
        another source than the ticker's last one. In their order.
        """
        newest = self._partitions.newest_of(self._ticker, self.present)
        kind = source_kind(newest.source_host) if newest else None
        certificates = self.certificates(sessions)
        return [session for session in sessions if not _is_finished(certificates.get(session), kind)]


def _is_finished(certificate: Certificate | None, kind: str | None) -> bool:
    return (
        certificate is not None
        and certificate.state is not State.PROVISIONAL
        and source_kind(certificate.source_host) == kind
    )
