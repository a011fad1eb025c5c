"""What a session's rows were: its revisions, and reading one of them, or what stood at a time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa

from marketlake.errors import DamagedPartition, NoSuchRevision
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.layout import revision_path
from marketlake.partitions.parquet_file import certificate_in, rows_in
from marketlake.partitions.store import PartitionStore
from marketlake.rows.spec import PartitionKey
from marketlake.storage.storage import Storage


@dataclass(frozen=True)
class Revision:
    """One version of a session's rows. ``newest``: it is what ``processed/`` holds.

    ``certificate`` is None if the file has none of this dataset, ticker and session: it proves nothing.
    """

    number: int
    newest: bool
    certificate: Certificate | None

    @property
    def published_at(self) -> dt.datetime | None:
        """When these rows entered the lake, UTC; None if the certificate does not count."""
        if self.certificate is None:
            return None
        return dt.datetime.fromtimestamp(self.certificate.published_at_ms / 1000, dt.UTC)


class Revisions:
    """The versions of every session of one dataset. It only reads."""

    def __init__(self, storage: Storage, partitions: PartitionStore) -> None:
        self._storage = storage
        self._partitions = partitions

    def list_revisions(self, ticker: str, session: dt.date) -> list[Revision]:
        """Every revision that is kept, and the newest, ascending; none if the session has no partition."""
        key = self._partitions.spec.key(ticker, session)
        held = self._partitions.inspect(key)
        newest = [Revision(held.revision, newest=True, certificate=held.footer_certificate)] if held else []
        return [
            # A publication that was cut off may have kept a copy of what is still the newest.
            *(
                Revision(number, newest=False, certificate=self._kept_certificate(key, number))
                for number in self._partitions.kept_revisions(key)
                if held is None or number != held.revision
            ),
            *newest,
        ]

    def read_revision(self, ticker: str, session: dt.date, number: int) -> pa.Table:
        """The rows of one revision, in the schema of a partition.

        Raises NoSuchRevision, or DamagedPartition if the rows are not those that were certified.
        """
        key, known = self._partitions.spec.key(ticker, session), self.list_revisions(ticker, session)
        wanted = next((revision for revision in known if revision.number == number), None)
        if wanted is None:
            there = ", ".join(str(revision.number) for revision in known)
            kept = f"choose one of those that are kept: {there}" if there else "the lake holds nothing of that session"
            raise NoSuchRevision(f"{key}: there is no revision {number}; {kept}.")
        return self._rows(key, wanted)

    def read_as_of(self, ticker: str, session: dt.date, at: dt.datetime) -> pa.Table | None:
        """The rows that ``processed/`` held at a time; None if it held none yet.

        ``at`` needs a zone. Raises ValueError without one, and NoSuchRevision and DamagedPartition as ``stood`` and
        ``read_revision`` do.
        """
        if at.tzinfo is None:
            raise ValueError(f"{at} has no zone: give one, such as datetime.timezone.utc")
        key = self._partitions.spec.key(ticker, session)
        revision = self.stood(key, at)
        return self._rows(key, revision) if revision else None

    def stood(self, key: PartitionKey, at: dt.datetime) -> Revision | None:
        """The revision that ``processed/`` held at a time, by its footer; None if it held none yet.

        Raises NoSuchRevision if that one is no longer kept, or cannot be told: one stood until the next was published.
        """
        known = self._footers(key)
        before = [one for one in known if one.published_at is not None and one.published_at <= at]
        if not before:
            if not known or (known[0].number == 1 and known[0].certificate is not None):
                return None
            raise self._gone(key, at)
        last, after = before[-1], known[known.index(before[-1]) + 1 :]
        if last.newest or (after and after[0].number == last.number + 1 and after[0].certificate is not None):
            return last
        raise self._gone(key, at)

    def _footers(self, key: PartitionKey) -> list[Revision]:
        """Every revision that is kept, and the newest, ascending, by their footers."""
        held = self._partitions.certificate(key)
        kept = [
            Revision(number, newest=False, certificate=self._kept_certificate(key, number))
            for number in self._partitions.kept_revisions(key)
            if held is None or number != held.revision
        ]
        return [*kept, Revision(held.revision, newest=True, certificate=held)] if held else kept

    def _gone(self, key: PartitionKey, at: dt.datetime) -> NoSuchRevision:
        return NoSuchRevision(
            f"{key}: the rows that stood at {at} are no longer kept, or their file cannot be read. Take"
            f" {revision_path(key, 1).rpartition('/')[0]}/ from a backup."
        )

    def kept_certificates(self, key: PartitionKey) -> list[tuple[str, Certificate | None]]:
        """Each superseded file of a session, ascending by revision, with the certificate in its footer; None if that
        is not of the session. Rows are not looked at.
        """
        paths = [revision_path(key, number) for number in self._partitions.kept_revisions(key)]
        return [(path, self._certificate_at(path, key)) for path in paths]

    def _rows(self, key: PartitionKey, revision: Revision) -> pa.Table:
        paths = [revision_path(key, revision.number)]
        if revision.newest:  # and if it has been superseded since it was listed, it is kept by now
            paths.insert(0, self._partitions.path(key))
        for path in paths:
            rows = self._certified_rows(path, revision)
            if rows is not None:
                return rows
        raise DamagedPartition(
            f"{key}: the rows of revision {revision.number} ({paths[0]}) are not those of its"
            f" certificate. Take that file from a backup; its pages may be under raw/ as rev={revision.number}."
        )

    def _certified_rows(self, path: str, revision: Revision) -> pa.Table | None:
        """The rows of a file if they are those that the revision's certificate is of."""
        data = self._storage.get(path)
        row_format = self._partitions.spec.rows
        if data is None or revision.certificate is None:
            return None
        try:
            rows = rows_in(data, row_format)
            return rows if row_format.content_hash(rows) == revision.certificate.content_hash else None
        except (DamagedPartition, pa.ArrowException, KeyError):
            return None

    def _kept_certificate(self, key: PartitionKey, number: int) -> Certificate | None:
        return self._certificate_at(revision_path(key, number), key)

    def _certificate_at(self, path: str, key: PartitionKey) -> Certificate | None:
        file = self._storage.open(path)
        if file is None:
            return None
        with file:
            certificate = certificate_in(file)
        return certificate if certificate and certificate.key == key else None
