"""The API's pages as they came: one archive a fetch, enough to rebuild a partition without a call.

``raw/{ticker}/date=D/rev=N/pages.tar`` holds ``manifest.json``, ``page-0001.json.zst`` and so on, and what
the seconds were held against: ``minute-0001.json.zst``, ``day-0001.json.zst``. One file, so that it is
replaced in one step. Refused pages go to ``raw-rejected/{ticker}/date=D/``.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from marketlake.errors import RawPagesUnusable
from marketlake.partitions.layout import RAW, REJECTED, pages_folder
from marketlake.polygon.fetch import Fetch, Reference, raw_digest
from marketlake.polygon.request import Timespan
from marketlake.storage.storage import Storage, Writer

_LEVEL = 1  # of three real sessions' pages and of made-up ones, level 3 takes more time and makes larger archives
_FILE = "pages.tar"
FETCH_INSTEAD = "Fetch it anew: trigger with source=api and refetch."


class _KeptReference(msgspec.Struct, frozen=True):
    digest: str
    page_bytes: tuple[int, ...]
    absent_because: str


class _Manifest(msgspec.Struct, frozen=True):
    ticker: str
    session: dt.date
    adjusted: bool
    source_host: str
    fetched_at_ms: int
    digest: str
    page_bytes: tuple[int, ...]
    refused_because: str = ""
    references: dict[str, _KeptReference] = {}


@dataclass(frozen=True)
class Stored:
    """The pages of one revision, as they were fetched."""

    fetch: Fetch
    adjusted: bool
    revision: int


class RawPages:
    """The raw pages of every session of one lake."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def put(
        self, writer: Writer, ticker: str, session: dt.date, revision: int, *, adjusted: bool, fetch: Fetch
    ) -> None:
        """Store the pages that a revision was made of, replacing those of an attempt that was cut off."""
        key = f"{pages_folder(RAW, ticker, session)}/rev={revision}/{_FILE}"
        writer.put(key, _packed(ticker, session, adjusted, fetch, ""))

    def put_rejected(
        self, writer: Writer, ticker: str, session: dt.date, *, adjusted: bool, fetch: Fetch, because: str
    ) -> None:
        """Store the pages of a refused fetch, of which only the last is kept."""
        writer.put(
            f"{pages_folder(REJECTED, ticker, session)}/{_FILE}", _packed(ticker, session, adjusted, fetch, because)
        )

    def last_revision(self, ticker: str, session: dt.date) -> int:
        """The highest revision that pages are stored of; 0 without any."""
        return max(self._revisions(ticker, session), default=0)

    def _revisions(self, ticker: str, session: dt.date) -> list[int]:
        names = self._storage.folders(pages_folder(RAW, ticker, session))
        return [int(name[4:]) for name in names if re.fullmatch(r"rev=\d+", name)]

    def get(self, ticker: str, session: dt.date, revision: int) -> Stored:
        """The pages of a revision. Raises RawPagesUnusable where they are absent, damaged or another session's."""
        data = self._storage.get(f"{pages_folder(RAW, ticker, session)}/rev={revision}/{_FILE}")
        if data is None:
            raise RawPagesUnusable(
                f"{ticker} {session}: no raw pages of revision {revision} are stored (storage.keep_raw_pages)."
                f" {FETCH_INSTEAD}"
            )
        return Stored(*_unpacked(data, ticker, session), revision=revision)


def _packed(ticker: str, session: dt.date, adjusted: bool, fetch: Fetch, because: str) -> bytes:
    manifest = _Manifest(
        ticker,
        session,
        adjusted,
        fetch.source_host,
        fetch.fetched_at_ms,
        raw_digest(fetch.bodies),
        tuple(len(body) for body in fetch.bodies),
        because,
        {
            span.value: _KeptReference(
                raw_digest(kept.bodies), tuple(len(body) for body in kept.bodies), kept.absent_because
            )
            for span, kept in fetch.references.items()
        },
    )
    codec = pa.Codec("zstd", compression_level=_LEVEL)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        _add(archive, "manifest.json", msgspec.json.encode(manifest), fetch.fetched_at_ms)
        for name, body in _named(fetch):
            _add(archive, name, codec.compress(body, asbytes=True), fetch.fetched_at_ms)
    return buffer.getvalue()


def _named(fetch: Fetch) -> Iterator[tuple[str, bytes]]:
    """Every body with its name in the archive."""
    parts = [("page", fetch.bodies), *((span.value, kept.bodies) for span, kept in fetch.references.items())]
    for name, bodies in parts:
        for number, body in enumerate(bodies, 1):
            yield f"{name}-{number:04d}.json.zst", body


def _add(archive: tarfile.TarFile, name: str, data: bytes, at_ms: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mtime = at_ms // 1000
    archive.addfile(info, io.BytesIO(data))


def _unpacked(data: bytes, ticker: str, session: dt.date) -> tuple[Fetch, bool]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            manifest = msgspec.json.decode(_member(archive, "manifest.json"), type=_Manifest)
            bodies = _bodies(archive, "page", manifest.page_bytes)
            references = {
                Timespan(name): Reference(_bodies(archive, name, kept.page_bytes), kept.absent_because)
                for name, kept in manifest.references.items()
            }
    except (tarfile.TarError, KeyError, ValueError, msgspec.DecodeError, OSError, pa.ArrowException) as exc:
        raise RawPagesUnusable(f"{ticker} {session}: the raw pages are damaged ({exc}). {FETCH_INSTEAD}") from exc
    kept_as_told = raw_digest(bodies) == manifest.digest and all(
        raw_digest(references[Timespan(name)].bodies) == kept.digest for name, kept in manifest.references.items()
    )
    if not kept_as_told or (manifest.ticker, manifest.session) != (ticker, session):
        raise RawPagesUnusable(f"{ticker} {session}: the raw pages do not match their manifest. {FETCH_INSTEAD}")
    return Fetch(bodies, manifest.source_host, manifest.fetched_at_ms, references), manifest.adjusted


def _bodies(archive: tarfile.TarFile, name: str, page_bytes: tuple[int, ...]) -> tuple[bytes, ...]:
    return tuple(
        pa.decompress(_member(archive, f"{name}-{number:04d}.json.zst"), size, codec="zstd", asbytes=True)
        for number, size in enumerate(page_bytes, 1)
    )


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()
