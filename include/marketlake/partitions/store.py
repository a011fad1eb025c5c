"""Partitions: one Parquet file a session, whose footer carries the certificate of its rows."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import pyarrow as pa

from marketlake.errors import DamagedPartition
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.layout import (
    PARTITION_FILE,
    PROCESSED,
    partition_key,
    place_of,
    revision_key,
    revisions_folder,
    ticker_folder,
)
from marketlake.partitions.parquet_file import certificate_in, encoded, rows_in
from marketlake.partitions.seal import Seal, seal_of
from marketlake.rows.format import RowFormat
from marketlake.storage.storage import Storage, Writer


@dataclass(frozen=True)
class HeldPartition:
    """What a partition file holds now.

    ``certificate``: the footer's, or None if it does not match this path and these rows. ``sealed``: the seal covers
    the whole file. ``footer_certificate``: the one of this ticker and session in the footer, even if it does not match.
    """

    certificate: Certificate | None
    revision: int
    sealed: bool = False
    footer_certificate: Certificate | None = None


def _is_of(certificate: Certificate, ticker: str, session: dt.date) -> bool:
    return (certificate.ticker, certificate.session) == (ticker, session)


class PartitionStore:
    """The partitions of one lake, and their revisions."""

    def __init__(self, storage: Storage, row_format: RowFormat, compression: str, compression_level: int) -> None:
        self.row_format = row_format
        self._storage = storage
        self._compression = compression
        self._level = compression_level

    @staticmethod
    def key(ticker: str, session: dt.date) -> str:
        """Where the partition lies."""
        return partition_key(ticker, session)

    def sessions(self, ticker: str) -> set[dt.date]:
        """The sessions that have a partition folder. One listing; the files are not opened."""
        names = self._storage.folders(ticker_folder(ticker))
        places = [place_of(f"{ticker.lower()}/{name}") for name in names]
        return {place[1] for place in places if place is not None}

    def present(self, ticker: str) -> set[dt.date]:
        """The sessions that have a partition file. One listing, of which an object store gives 1,000 keys a call."""
        names = self._storage.folders_with(ticker_folder(ticker), PARTITION_FILE)
        places = [place_of(f"{ticker.lower()}/{name}") for name in names]
        return {place[1] for place in places if place is not None}

    def certificate(self, ticker: str, session: dt.date) -> Certificate | None:
        """The certificate in a partition's footer, if it is of this ticker and session; else None.

        Only the footer is looked at: whether the rows still match is for ``inspect`` to say.
        """
        file = self._storage.open(self.key(ticker, session))
        if file is None:
            return None
        with file:
            certificate = certificate_in(file)
        return certificate if certificate and _is_of(certificate, ticker, session) else None

    def size_bytes(self, ticker: str, session: dt.date) -> int:
        """How large the partition's file is; 0 without one."""
        return self._storage.size_bytes(self.key(ticker, session))

    def read(self, ticker: str, session: dt.date) -> pa.Table | None:
        """The rows of one partition, without the certificate in their metadata; None without one."""
        data = self._storage.get(self.key(ticker, session))
        return rows_in(data, self.row_format) if data is not None else None

    def inspect(self, ticker: str, session: dt.date) -> HeldPartition | None:
        """What the partition holds: its certificate if it matches path and rows, and its revision."""
        data = self._storage.get(self.key(ticker, session))
        if data is None:
            return None
        seal = seal_of(data)
        footer = certificate_in(io.BytesIO(data))
        certificate = footer if footer and _is_of(footer, ticker, session) else None
        if certificate is None or seal is Seal.BROKEN:
            return HeldPartition(None, self._last_kept(ticker, session) + 1, footer_certificate=certificate)
        try:
            matches = self.row_format.content_hash(rows_in(data, self.row_format)) == certificate.content_hash
        except (DamagedPartition, pa.ArrowException, KeyError):
            matches = False
        return HeldPartition(certificate if matches else None, certificate.revision, seal is Seal.HOLDS, certificate)

    def tickers(self) -> list[str]:
        """The tickers that have a folder."""
        return [name.upper() for name in self._storage.folders(PROCESSED)]

    def newest(self, ticker: str) -> Certificate | None:
        """The certificate of a ticker's last session that has one; None where the lake holds none."""
        return self.newest_of(ticker, self.sessions(ticker))

    def newest_of(self, ticker: str, sessions: AbstractSet[dt.date]) -> Certificate | None:
        """The certificate of the last one of ``sessions`` that has one; None if none has."""
        for session in sorted(sessions, reverse=True):
            certificate = self.certificate(ticker, session)
            if certificate is not None:
                return certificate
        return None

    def last_revision(self, held: HeldPartition | None, ticker: str, session: dt.date) -> int:
        """The highest revision that is held or kept; 0 without any."""
        return max(held.revision if held else 0, self._last_kept(ticker, session))

    def kept_revisions(self, ticker: str, session: dt.date) -> list[int]:
        """The numbers of the superseded revisions whose file is kept, ascending."""
        names = self._storage.files(revisions_folder(ticker, session))
        return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"rev=(\d+)\.parquet", name)))

    def kept_key(self, ticker: str, session: dt.date, revision: int) -> str:
        """Where the file of a superseded revision lies."""
        return revision_key(ticker, session, revision)

    def publish(self, writer: Writer, bars: pa.Table, certificate: Certificate, held: HeldPartition | None) -> None:
        """Replace the partition in one step, keeping the rows of an older revision."""
        key = self.key(certificate.ticker, certificate.session)
        if held is not None and held.revision != certificate.revision and (seen := self._storage.read(key)):
            writer.keep(key, self.kept_key(certificate.ticker, certificate.session, held.revision), seen)
        writer.put(key, encoded(bars, certificate, self.row_format, self._compression, self._level))

    def _last_kept(self, ticker: str, session: dt.date) -> int:
        return max(self.kept_revisions(ticker, session), default=0)

    @staticmethod
    def _revisions(ticker: str, session: dt.date) -> str:
        return f"revisions/{ticker.lower()}/date={session}"
