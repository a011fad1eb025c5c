"""Partitions: one Parquet file a session, whose footer carries the certificate of its rows."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import pyarrow as pa

from marketlake.errors import DamagedPartition, Overtaken, StorageError
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.layout import (
    PROCESSED,
    partition_folder,
    place_of,
    revision_path,
    revisions_folder,
    ticker_folder,
)
from marketlake.partitions.parquet_file import certificate_in, encoded, rows_in
from marketlake.partitions.seal import Seal, seal_of
from marketlake.rows.spec import DatasetSpec, PartitionKey
from marketlake.storage.storage import Seen, Stamp, Storage, Writer


@dataclass(frozen=True)
class HeldPartition:
    """What a partition file holds now. ``seen``: its bytes as they were read, which a publication replaces.

    ``certificate``: the footer's, or None if it does not match this path and these rows. ``sealed``: the seal covers
    the whole file. ``footer_certificate``: the one of this key in the footer, even if the rows do not match it.
    """

    seen: Seen
    certificate: Certificate | None
    revision: int
    sealed: bool = False
    footer_certificate: Certificate | None = None


class PartitionStore:
    """The partitions of one dataset, and their superseded files. ``storage`` begins where the dataset does."""

    def __init__(self, storage: Storage, spec: DatasetSpec, compression: str, compression_level: int) -> None:
        self.spec = spec
        self._rows = spec.rows
        self._storage = storage
        self._compression = compression
        self._level = compression_level

    def path(self, key: PartitionKey) -> str:
        """Where the partition's file lies."""
        return f"{partition_folder(key)}/{self._rows.file_name}"

    def sessions(self, ticker: str) -> set[dt.date]:
        """The sessions that have a partition folder. One listing; the files are not opened."""
        return _sessions(ticker, self._storage.folders(ticker_folder(ticker)))

    def present(self, ticker: str) -> set[dt.date]:
        """The sessions that have a partition file. One listing, of which an object store gives 1,000 keys a call."""
        return set(self.stamps(ticker))

    def stamps(self, ticker: str) -> dict[dt.date, Stamp]:
        """The sessions that have a partition file, and its stamp. One listing; the files are not opened."""
        listed = self._storage.stamps(ticker_folder(ticker), self._rows.file_name)
        places = {place_of(f"{ticker.lower()}/{folder}"): stamp for folder, stamp in listed.items()}
        return {place[1]: stamp for place, stamp in places.items() if place is not None}

    def certificate(self, key: PartitionKey) -> Certificate | None:
        """The certificate in a partition's footer, if it is of this key; else None.

        Only the footer is looked at: whether the rows still match is for ``inspect`` to say.
        """
        file = self._storage.open(self.path(key))
        if file is None:
            return None
        with file:
            return _own(certificate_in(file), key)

    def size_bytes(self, key: PartitionKey) -> int:
        """How large the partition's file is; 0 without one."""
        return self._storage.size_bytes(self.path(key))

    def read(self, key: PartitionKey) -> pa.Table | None:
        """The rows of one partition, without the certificate in their metadata; None without one."""
        data = self._storage.get(self.path(key))
        return rows_in(data, self._rows) if data is not None else None

    def inspect(self, key: PartitionKey) -> HeldPartition | None:
        """What the partition holds: its certificate if it matches path and rows, and its revision."""
        seen = self._storage.read(self.path(key))
        if seen is None:
            return None
        seal = seal_of(seen.data)
        certificate = _own(certificate_in(io.BytesIO(seen.data)), key)
        if certificate is None or seal is Seal.BROKEN:
            return HeldPartition(seen, None, self._last_kept(key) + 1, footer_certificate=certificate)
        proven = _own(self._proven(seen.data), key)
        return HeldPartition(seen, proven, certificate.revision, seal is Seal.HOLDS, certificate)

    def _proven(self, data: bytes) -> Certificate | None:
        """The certificate of a file if it is that of its rows."""
        certificate = certificate_in(io.BytesIO(data))
        try:
            matches = certificate and self._rows.content_hash(rows_in(data, self._rows)) == certificate.content_hash
        except (DamagedPartition, pa.ArrowException, KeyError):
            return None
        return certificate if matches else None

    def rows_of(self, held: HeldPartition) -> pa.Table:
        """The rows that were read. Raises DamagedPartition if there are none in the file."""
        return rows_in(held.seen.data, self._rows)

    def tickers(self) -> list[str]:
        """The tickers that have a folder."""
        return [name.upper() for name in self._storage.folders(PROCESSED)]

    def newest(self, ticker: str) -> Certificate | None:
        """The certificate of a ticker's last session that has one; None if the lake holds none."""
        return self.newest_of(ticker, self.sessions(ticker))

    def newest_of(self, ticker: str, sessions: AbstractSet[dt.date]) -> Certificate | None:
        """The certificate of the last one of ``sessions`` that has one; None if none has."""
        for session in sorted(sessions, reverse=True):
            certificate = self.certificate(self.spec.key(ticker, session))
            if certificate is not None:
                return certificate
        return None

    def last_revision(self, held: HeldPartition | None, key: PartitionKey) -> int:
        """The highest revision that is held or kept; 0 without any."""
        return max(held.revision if held else 0, self._last_kept(key))

    def kept_revisions(self, key: PartitionKey) -> list[int]:
        """The numbers of the superseded revisions whose file is kept, ascending."""
        names = self._storage.files(revisions_folder(key))
        return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"rev=(\d+)\.parquet", name)))

    def publish(self, writer: Writer, rows: pa.Table, certificate: Certificate, held: HeldPartition | None) -> None:
        """Replace the partition that is held in one step, keeping its file if the rows are of another revision.

        Raises Overtaken if something else is held by now.
        """
        path, data = self.path(certificate.key), self._encoded(rows, certificate)
        if held is None:
            writer.create(path, data)
            return
        if held.revision != certificate.revision:
            self._keep(writer, certificate.key, held)
        writer.replace(path, data, held.seen)

    def _encoded(self, rows: pa.Table, certificate: Certificate) -> bytes:
        return encoded(rows, certificate, self._rows, self._compression, self._level)

    def _keep(self, writer: Writer, key: PartitionKey, held: HeldPartition) -> None:
        """Keep the file that was read, as its revision.

        A publication that was cut off may have kept it already, with the certificate of that time. Raises StorageError
        if a file of other rows has its name.
        """
        kept = revision_path(key, held.revision)
        try:
            writer.keep(self.path(key), kept, held.seen)
        except Overtaken:
            there = self._storage.read(kept)
            if there is not None and self._holds_other_rows(there.data, held):
                raise StorageError(
                    f"{key}: {kept} is to keep revision {held.revision}, but holds other rows than that. Nothing was"
                    " overwritten: move that file elsewhere, then clear the task."
                ) from None
            if there is None:
                raise
            writer.replace(kept, held.seen.data, there)

    def _holds_other_rows(self, data: bytes, held: HeldPartition) -> bool:
        """Whether a file holds rows that it proves, and that are not those of the partition."""
        certificate = self._proven(data)
        return certificate is not None and (
            held.certificate is None or certificate.content_hash != held.certificate.content_hash
        )

    def _last_kept(self, key: PartitionKey) -> int:
        return max(self.kept_revisions(key), default=0)


def _own(certificate: Certificate | None, key: PartitionKey) -> Certificate | None:
    """The certificate if it is of that key."""
    return certificate if certificate is not None and certificate.key == key else None


def _sessions(ticker: str, folders: Iterable[str]) -> set[dt.date]:
    places = (place_of(f"{ticker.lower()}/{name}") for name in folders)
    return {place[1] for place in places if place is not None}
