"""Partitions: one Parquet file a session, whose footer carries the certificate of its rows."""

from __future__ import annotations

import datetime as dt
import enum
import io
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from marketlake.errors import DamagedPartition, SettingsError
from marketlake.partitions.certificate import Certificate, State
from marketlake.partitions.seal import SEAL_KEY, UNSEALED, Seal, seal_of, sealed
from marketlake.polygon.hosts import is_vendor, source_kind
from marketlake.rows.bars import BARS, content_hash
from marketlake.storage.storage import Storage, Writer

CERTIFICATE_KEY = b"marketlake.certificate"
PROCESSED = "processed"
_FILE = "bars.parquet"

# Measured on three real sessions of 2013 (63,474 bars), bytes a bar: pandas' default 20.6; these encodings with
# zstd level 3 10.1, level 4 9.7, level 6 9.5, which takes half as long again as level 4. Prices repeat (dictionary),
# seconds step by small amounts (delta), a vwap hardly ever repeats (plain beats dictionary and byte-stream-split),
# and of a volume that is mostly whole, the lower bytes are mostly zeros (byte-stream-split).
_ENCODINGS = {"timestamp": "DELTA_BINARY_PACKED", "vwap": "PLAIN", "volume_exact": "BYTE_STREAM_SPLIT"}
_DICTIONARY = ["open", "high", "low", "close", "volume", "ticker", "transactions"]


class Outcome(enum.StrEnum):
    """What publishing a fetch did."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    RENEWED = "renewed"
    REVISED = "revised"


@dataclass(frozen=True)
class Held:
    """What a partition file holds now. ``certificate`` is None where it does not count; ``sealed`` is false
    of a file that proves its rows and no more. ``claimed``: what its footer says of this ticker and session,
    whether that counts or not.
    """

    certificate: Certificate | None
    revision: int
    sealed: bool = False
    claimed: Certificate | None = None


class PartitionStore:
    """The partitions of one lake, and their revisions."""

    def __init__(self, storage: Storage, compression: str, compression_level: int) -> None:
        self._storage = storage
        self._compression = compression
        self._level = compression_level if compression in {"zstd", "gzip"} else None

    @staticmethod
    def key(ticker: str, session: dt.date) -> str:
        """Where the partition lies."""
        return f"{PROCESSED}/{ticker.lower()}/date={session}/{_FILE}"

    def sessions(self, ticker: str) -> set[dt.date]:
        """The sessions that have a partition folder. One listing; the files are not opened."""
        names = self._storage.folders(f"{PROCESSED}/{ticker.lower()}")
        places = [place_of(f"{ticker.lower()}/{name}") for name in names]
        return {place[1] for place in places if place is not None}

    def present(self, ticker: str) -> set[dt.date]:
        """The sessions that have a partition file. One listing, of which an object store gives 1,000 keys a call."""
        folder = ticker.lower()
        names = self._storage.folders_with(f"{PROCESSED}/{folder}", _FILE)
        places = [place_of(f"{folder}/{name}") for name in names]
        return {place[1] for place in places if place is not None}

    def unfinished(self, ticker: str, sessions: list[dt.date], present: set[dt.date] | None = None) -> list[dt.date]:
        """Those of ``sessions`` without a partition, or with one that is provisional, proves nothing, or is
        of another source than the ticker's last one. ``present`` spares the listing, where it was made before.
        """
        present = self.present(ticker) if present is None else present
        newest = self._newest_of(ticker, present)
        return [day for day in sessions if day not in present or not self._is_finished(ticker, day, newest)]

    def _is_finished(self, ticker: str, session: dt.date, newest: Certificate | None) -> bool:
        certificate = self.certificate(ticker, session)
        return (
            certificate is not None
            and newest is not None
            and certificate.state is not State.PROVISIONAL
            and source_kind(certificate.source_host) == source_kind(newest.source_host)
        )

    def certificate(self, ticker: str, session: dt.date) -> Certificate | None:
        """The certificate in a partition's footer, if it is of this ticker and session; else None.

        Only the footer is looked at: whether the rows still match is for ``held`` to say.
        """
        file = self._storage.open(self.key(ticker, session))
        if file is None:
            return None
        with file:
            certificate = certificate_in(file)
        return certificate if certificate and _is_of(certificate, ticker, session) else None

    def certificates(self, ticker: str) -> dict[dt.date, Certificate | None]:
        """The certificate of every session that has a partition file, ascending; None where it does not count."""
        return {day: self.certificate(ticker, day) for day in sorted(self.present(ticker))}

    def size_bytes(self, ticker: str, session: dt.date) -> int:
        """How large the partition's file is; 0 without one."""
        return self._storage.size_bytes(self.key(ticker, session))

    def read(self, ticker: str, session: dt.date) -> pa.Table | None:
        """The rows of one partition, without the certificate in their metadata; None without one."""
        data = self._storage.get(self.key(ticker, session))
        return rows_in(data) if data is not None else None

    def held(self, ticker: str, session: dt.date) -> Held | None:
        """What the partition holds: its certificate if it matches path and rows, and its revision."""
        data = self._storage.get(self.key(ticker, session))
        if data is None:
            return None
        seal = seal_of(data)
        footer = certificate_in(io.BytesIO(data))
        certificate = footer if footer and _is_of(footer, ticker, session) else None
        if certificate is None or seal is Seal.BROKEN:
            return Held(None, self._last_kept(ticker, session) + 1, claimed=certificate)
        try:
            matches = content_hash(rows_in(data)) == certificate.content_hash
        except (DamagedPartition, pa.ArrowException, KeyError):
            matches = False
        return Held(certificate if matches else None, certificate.revision, seal is Seal.HOLDS, certificate)

    def tickers(self) -> list[str]:
        """The tickers that have a folder."""
        return [name.upper() for name in self._storage.folders(PROCESSED)]

    def newest(self, ticker: str) -> Certificate | None:
        """The certificate of a ticker's last session that has one; None where the lake holds none."""
        return self._newest_of(ticker, self.sessions(ticker))

    def _newest_of(self, ticker: str, sessions: set[dt.date]) -> Certificate | None:
        for session in sorted(sessions, reverse=True):
            certificate = self.certificate(ticker, session)
            if certificate is not None:
                return certificate
        return None

    def last_revision(self, held: Held | None, ticker: str, session: dt.date) -> int:
        """The highest revision that is held or kept; 0 without any."""
        return max(held.revision if held else 0, self._last_kept(ticker, session))

    def kept_revisions(self, ticker: str, session: dt.date) -> list[int]:
        """The numbers of the superseded revisions whose file is kept, ascending."""
        names = self._storage.files(self._revisions(ticker, session))
        return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"rev=(\d+)\.parquet", name)))

    def kept_key(self, ticker: str, session: dt.date, revision: int) -> str:
        """Where the file of a superseded revision lies."""
        return f"{self._revisions(ticker, session)}/rev={revision}.parquet"

    def publish(self, writer: Writer, bars: pa.Table, certificate: Certificate, held: Held | None) -> None:
        """Replace the partition in one step, keeping the rows of an older revision."""
        key = self.key(certificate.ticker, certificate.session)
        if held is not None and held.revision != certificate.revision:
            writer.keep(key, self.kept_key(certificate.ticker, certificate.session, held.revision))
        writer.put(key, self._encoded(bars, certificate))

    def _encoded(self, bars: pa.Table, certificate: Certificate) -> bytes:
        buffer = io.BytesIO()
        with pq.ParquetWriter(
            buffer,
            bars.schema.remove_metadata(),
            compression=self._compression,
            compression_level=self._level,
            use_dictionary=_DICTIONARY,
            column_encoding=_ENCODINGS,
            write_page_checksum=True,
        ) as writer:
            writer.write_table(bars.replace_schema_metadata(None), row_group_size=max(1, bars.num_rows))
            writer.add_key_value_metadata({CERTIFICATE_KEY: certificate.encode(), SEAL_KEY: UNSEALED})
        return sealed(buffer.getvalue())

    def _last_kept(self, ticker: str, session: dt.date) -> int:
        return max(self.kept_revisions(ticker, session), default=0)

    @staticmethod
    def _revisions(ticker: str, session: dt.date) -> str:
        return f"revisions/{ticker.lower()}/date={session}"


def located(path: str) -> tuple[str, dt.date] | None:
    """Ticker and session of a path below ``processed/``; None where it is no partition's."""
    folder, _, name = path.rpartition("/")
    return place_of(folder) if name == _FILE else None


def place_of(folder: str) -> tuple[str, dt.date] | None:
    """Ticker and session of a folder below ``processed/``; None where no partition belongs into it."""
    ticker, _, name = folder.partition("/")
    match = re.fullmatch(r"date=(\d{4}-\d\d-\d\d)", name)
    with suppress(ValueError):  # a date that no calendar has
        return (ticker.upper(), dt.date.fromisoformat(match[1])) if match and is_of_a_ticker(ticker) else None
    return None


def is_of_a_ticker(folder: str) -> bool:
    """Whether a folder's name below ``processed/`` is a ticker's."""
    return re.fullmatch(r"[a-z][a-z0-9.]{0,9}", folder) is not None


def certificate_in(file: BinaryIO) -> Certificate | None:
    """The certificate in the footer of a Parquet file; None where there is none that can be read."""
    try:
        metadata = pq.read_metadata(file).metadata or {}
        return Certificate.decode(metadata[CERTIFICATE_KEY])
    except (pa.ArrowException, OSError, ValueError, KeyError, msgspec.DecodeError):  # ValueError: a name is no UTF-8
        return None


def table_in(data: bytes) -> pa.Table:
    """A Parquet file's table as it stands: every column, and the metadata. Raises DamagedPartition."""
    try:
        # In this thread alone: a process that ends while a thread of Arrow still holds its file is aborted by C++.
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False, page_checksum_verification=True)
        table = file.read(use_threads=False)
        _ = table.column_names  # a name that is no UTF-8 raises only here
        return table
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise DamagedPartition(f"no table can be read from it ({' '.join(str(exc).split())}). Fetch it again.") from exc


def _is_of(certificate: Certificate, ticker: str, session: dt.date) -> bool:
    return (certificate.ticker, certificate.session) == (ticker, session)


def rows_in(data: bytes) -> pa.Table:
    """The rows of a partition file. Raises DamagedPartition, or KeyError where a column is not there."""
    return table_in(data).replace_schema_metadata(None).select(BARS.names)


def require_same_kind(
    store: PartitionStore, ticker: str, *, adjusted: bool, host: str | None = None, session: dt.date | None = None
) -> None:
    """Raise SettingsError where the lake holds bars adjusted otherwise, or of another source than ``host``:
    the vendor's bars never stand beside those of a simulator or mirror. What is looked at is the last
    partition of each ticker, and that of ``session``.
    """
    last = [(name, store.newest(name)) for name in {ticker, *store.tickers()}]
    own = [(ticker, store.certificate(ticker, session))] if session else []
    for name, held in (*last, *own):
        if held is None:
            continue
        if name == ticker and held.adjusted is not adjusted:
            raise SettingsError(
                f"bars.adjusted = {str(adjusted).lower()}, but the lake holds {ticker} with adjusted ="
                f" {str(held.adjusted).lower()}. One lake holds one kind: set it back, or choose another storage.root."
            )
        if host is not None and source_kind(held.source_host) != source_kind(host):
            raise SettingsError(
                f"{host} is {'' if is_vendor(host) else 'not '}the vendor's, but the lake holds {name} {held.session}"
                f" from {held.source_host}. One lake holds one kind: choose another storage.root or api.base_url, or"
                f" remove {store.key(name, held.session)} if it does not belong there."
            )
