"""The API's pages as they came: an archive a fetch, enough to rebuild a partition without a call.

``raw/{ticker}/date=D/rev=N/pages-{digest}.tar`` holds ``manifest.json`` and the pages of each listing, by its name: of
second bars ``second-0001.json.zst`` and so on, and what they were held against, ``minute-0001.json.zst`` and
``day-0001.json.zst``. An archive is written once, under a name of its own: rows that were fetched again, and certified
anew, have several. Refused pages go to ``raw-rejected/{ticker}/date=D/pages.tar``, the last ones only.

Older archives stay readable for ever: ``pages.tar``, of second bars alone, whose pages are ``page-0001.json.zst``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from marketlake.dataset_names import SECOND_BARS
from marketlake.errors import RawPagesUnusable
from marketlake.partitions.layout import RAW, REJECTED, pages_folder
from marketlake.polygon.fetch import Fetch, Listing, raw_digest
from marketlake.polygon.request import Timespan
from marketlake.rows.spec import PartitionKey
from marketlake.storage.storage import Storage, Writer

_LEVEL = 1  # of three real sessions' pages and of made-up ones, level 3 takes more time and makes larger archives
_PAGE = "page"
_NAME_DIGITS = 12
_ARCHIVE = re.compile(r"pages(-[0-9a-f]+)?\.tar")
_ARCHIVE_OF = re.compile(rf"rev=(\d+)/{_ARCHIVE.pattern}")
FETCH_INSTEAD = "Fetch it anew: trigger with source=api and refetch."


class _KeptListing(msgspec.Struct, frozen=True):
    digest: str
    page_bytes: tuple[int, ...]
    absent_because: str = ""
    attempts: int = msgspec.field(default=1, name="asked")  # as archives have it

    @classmethod
    def of(cls, listing: Listing) -> _KeptListing:
        sizes = tuple(len(body) for body in listing.bodies)
        return cls(raw_digest(listing.bodies), sizes, listing.absent_because, listing.attempts)


class _Manifest(msgspec.Struct, frozen=True):
    """``digest``, ``page_bytes`` and ``references`` are of older archives, which have no ``listings``."""

    ticker: str
    session: dt.date
    adjusted: bool
    source_host: str
    fetched_at_ms: int
    refused_because: str = ""
    dataset: str = SECOND_BARS
    listings: dict[str, _KeptListing] = {}
    digest: str = ""
    page_bytes: tuple[int, ...] = ()
    references: dict[str, _KeptListing] = {}

    @property
    def key(self) -> PartitionKey:
        return PartitionKey(self.dataset, self.ticker, self.session)

    @property
    def members(self) -> Mapping[str, tuple[str, _KeptListing]]:
        """By name of the listing: what its pages are called in the archive, and what is known of them."""
        if self.listings:
            return {name: (name, kept) for name, kept in self.listings.items()}
        seconds = {Timespan.SECOND.value: (_PAGE, _KeptListing(self.digest, self.page_bytes))}
        return {**seconds, **{name: (name, kept) for name, kept in self.references.items()}}


@dataclass(frozen=True)
class StoredPages:
    """The pages of one revision, as they were fetched."""

    fetch: Fetch
    adjusted: bool
    revision: int


class RawPages:
    """The raw pages of every session of one dataset."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def keep(self, writer: Writer, key: PartitionKey, revision: int, *, adjusted: bool, fetch: Fetch) -> None:
        """Store the pages that a revision was made of, beside those of earlier fetches of the same rows."""
        data = _pack(key, adjusted, fetch, "")
        digest = hashlib.sha256(data).hexdigest()[:_NAME_DIGITS]
        writer.create(f"{_folder(key, revision)}/pages-{digest}.tar", data)

    def put_rejected(self, writer: Writer, key: PartitionKey, *, adjusted: bool, fetch: Fetch, because: str) -> None:
        """Store the pages of a refused fetch, of which only the last is kept."""
        writer.put(f"{pages_folder(REJECTED, key)}/pages.tar", _pack(key, adjusted, fetch, because))

    def last_revision(self, key: PartitionKey) -> int:
        """The highest revision that pages are stored of; 0 without any. A folder without an archive counts for none."""
        found = (_ARCHIVE_OF.fullmatch(path) for path in self._storage.tree(pages_folder(RAW, key)))
        return max((int(match[1]) for match in found if match), default=0)

    def archive_bytes(self, key: PartitionKey, revision: int) -> int:
        """How large the archives of a revision's pages are together; 0 without any. None is opened."""
        folder = _folder(key, revision)
        names = [name for name in self._storage.files(folder) if _ARCHIVE.fullmatch(name)]
        return sum(self._storage.size_bytes(f"{folder}/{name}") for name in names)

    def pages_of(self, key: PartitionKey, revision: int) -> list[StoredPages]:
        """The pages of every fetch of a revision, the oldest first; at least one.

        Raises RawPagesUnusable if there are none, or none that is whole and of this key.
        """
        folder = _folder(key, revision)
        names = [name for name in self._storage.files(folder) if _ARCHIVE.fullmatch(name)]
        archives: list[StoredPages] = []
        unusable = None
        for data in (self._storage.get(f"{folder}/{name}") for name in names):
            try:
                archives += [StoredPages(*_unpack(data, key), revision=revision)] if data is not None else []
            except RawPagesUnusable as exc:
                unusable = exc
        if archives:
            return sorted(archives, key=lambda stored: stored.fetch.fetched_at_ms)
        raise unusable or RawPagesUnusable(
            f"{key}: no raw pages of revision {revision} are stored (storage.keep_raw_pages). {FETCH_INSTEAD}"
        )


def _folder(key: PartitionKey, revision: int) -> str:
    return f"{pages_folder(RAW, key)}/rev={revision}"


def _pack(key: PartitionKey, adjusted: bool, fetch: Fetch, because: str) -> bytes:
    manifest = _Manifest(
        key.ticker,
        key.session,
        adjusted,
        fetch.source_host,
        fetch.fetched_at_ms,
        because,
        key.dataset,
        {name: _KeptListing.of(listing) for name, listing in fetch.listings.items()},
    )
    codec = pa.Codec("zstd", compression_level=_LEVEL)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        _add(archive, "manifest.json", msgspec.json.encode(manifest), fetch.fetched_at_ms)
        for name, listing in fetch.listings.items():
            for number, body in enumerate(listing.bodies, 1):
                _add(archive, _member_name(name, number), codec.compress(body, asbytes=True), fetch.fetched_at_ms)
    return buffer.getvalue()


def _member_name(name: str, number: int) -> str:
    return f"{name}-{number:04d}.json.zst"


def _add(archive: tarfile.TarFile, name: str, data: bytes, at_ms: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mtime = at_ms // 1000
    archive.addfile(info, io.BytesIO(data))


def _unpack(data: bytes, key: PartitionKey) -> tuple[Fetch, bool]:
    """The fetch of an archive, and whether it was asked for adjusted prices."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            manifest = msgspec.json.decode(_member(archive, "manifest.json"), type=_Manifest)
            listings = {
                name: Listing(_bodies(archive, pages, kept.page_bytes), kept.absent_because, kept.attempts)
                for name, (pages, kept) in manifest.members.items()
            }
    except (tarfile.TarError, KeyError, ValueError, msgspec.DecodeError, OSError, pa.ArrowException) as exc:
        raise RawPagesUnusable(f"{key}: the raw pages are damaged ({exc}). {FETCH_INSTEAD}") from exc
    as_kept = all(raw_digest(listings[name].bodies) == kept.digest for name, (_, kept) in manifest.members.items())
    if not as_kept or manifest.key != key:
        raise RawPagesUnusable(f"{key}: the raw pages do not match their manifest. {FETCH_INSTEAD}")
    return Fetch(listings, manifest.source_host, manifest.fetched_at_ms), manifest.adjusted


def _bodies(archive: tarfile.TarFile, name: str, page_bytes: tuple[int, ...]) -> tuple[bytes, ...]:
    return tuple(
        pa.decompress(_member(archive, _member_name(name, number)), size, codec="zstd", asbytes=True)
        for number, size in enumerate(page_bytes, 1)
    )


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()
