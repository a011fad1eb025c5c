"""What the footers of a ticker's partitions say, kept so that it need not be read out of thousands of files again.

The index lies at ``{prefix}/index/{ticker}.json``. It is nobody's truth: an entry counts only for the file whose stamp
it has, what is missing or of another stamp is read from the footer, and an index that is lost, damaged or of another
version is made anew. A place that cannot be written has none.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import msgspec

from marketlake.errors import PlaceUnusable, StorageError
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.partitions.layout import index_path
from marketlake.rows.spec import DatasetSpec
from marketlake.storage.storage import Stamp

_VERSION = 1
_WORTH_WRITING = 32  # so many footers are read in a few milliseconds; while a lake is filled, each look finds some
_HASH_DIGITS = 16  # enough to tell one from another, of thousands of sessions
_UNSEEN = Stamp(0, "")
_log = logging.getLogger(__name__)


class HeldFacts(msgspec.Struct, frozen=True, array_like=True):
    """What a partition's footer claims of it. ``version`` is its file's stamp, ``bytes`` how large that is.

    ``state`` is None if nothing in the file can be believed, for the reason in ``reasons``; which else says why the
    session is suspect. ``volume``: shares, exact. ``reconciled``: the share of the minute bars' volume that is in the
    bars, else of the day bar's; None if they were never compared. ``certified_at_ms``: Unix ms UTC. ``content``: the
    beginning of the rows' hash; ``inputs``: the beginnings of those that the rows were made of, by name.
    """

    version: str
    bytes: int
    state: State | None = None
    rows: int = 0
    volume: float = 0.0
    reconciled: float | None = None
    revision: int = 0
    certified_at_ms: int = 0
    reasons: tuple[str, ...] = ()
    content: str = ""
    inputs: dict[str, str] = {}

    @classmethod
    def of(cls, stamp: Stamp, certificate: Certificate | None) -> HeldFacts:
        """What a certificate claims; None: there is none that counts."""
        if certificate is None:
            return cls(stamp.version, stamp.size_bytes, reasons=(NO_CERTIFICATE,))
        return cls(
            stamp.version,
            stamp.size_bytes,
            certificate.state,
            certificate.rows,
            certificate.volume,
            _reconciled(certificate),
            certificate.revision,
            certificate.certified_at_ms or certificate.published_at_ms,
            certificate.suspect_because,
            certificate.content_hash[:_HASH_DIGITS],
            {name: digest[:_HASH_DIGITS] for name, digest in certificate.inputs.items()},
        )


NO_CERTIFICATE = "no certificate of this session can be read from its file, which is damaged or not of this lake"


def _reconciled(certificate: Certificate) -> float | None:
    compared = certificate.reconciliation
    if compared is None:
        return None
    if compared.minutes is not None and compared.minutes.volume_share is not None:
        return compared.minutes.volume_share
    return compared.day.volume_ratio if compared.day is not None else None


class _Written(msgspec.Struct, frozen=True):
    version: int
    sessions: dict[dt.date, HeldFacts]


# Now, and not at the first decoding: see ``certificate``.
_DECODER = msgspec.json.Decoder(_Written)


class CoverageIndex:
    """The facts of one ticker of a dataset, as they were seen last; ``look`` brings them up to what is there now.

    ``keep``: write the index beside the lake, if that can be done. For several threads at once: one of them looks, and
    what a look returned stays as it is.
    """

    def __init__(self, lake: Lake, spec: DatasetSpec, ticker: str, *, keep: bool) -> None:
        self._spec, self._ticker, self._keep = spec, ticker, keep
        self._store = lake.store(spec)
        self._path = index_path(ticker)
        self._known: dict[dt.date, HeldFacts] | None = None
        self._unwritten = 0
        self._looking = Lock()

    def look(self) -> Mapping[dt.date, HeldFacts]:
        """Of each session that has a partition file now: what its footer says. Raises StorageError."""
        with self._looking:
            return self._look()

    def doubt(self, session: dt.date, reason: str) -> None:
        """Note that a partition's rows are damaged, which its footer does not show, until its file is another one.

        It is written at once: no later look would find it out again.
        """
        with self._looking:
            held = (self._known or {}).get(session)
            if self._known is None or held is None or held.reasons == (reason,):
                return
            self._known = self._known | {session: HeldFacts(held.version, held.bytes, reasons=(reason,))}
            if self._keep:
                self._write(self._known)

    def _look(self) -> Mapping[dt.date, HeldFacts]:
        stamps = self._stamps()
        known = self._written() if self._known is None else self._known
        changed = [day for day, stamp in stamps.items()
                   if day not in known or known[day].version != stamp.version or not stamp.version]  # fmt: skip
        if not changed and len(known) == len(stamps):
            self._known = known
            return known
        read = self._read(changed, stamps)
        self._known = {day: read.get(day) or known[day] for day in sorted(stamps)}
        self._unwritten += len(changed)
        if self._keep and self._unwritten >= _WORTH_WRITING:
            self._write(self._known)
        return self._known

    def _stamps(self) -> Mapping[dt.date, Stamp]:
        """Of each partition file: its stamp. One that the file system does not give hides no other."""
        partitions = self._store.partitions
        try:
            return partitions.stamps(self._ticker)
        except PlaceUnusable:
            raise
        except StorageError:
            seen = ((session, self._stamp(session)) for session in partitions.sessions(self._ticker))
            return {session: stamp for session, stamp in seen if stamp is not None}

    def _stamp(self, session: dt.date) -> Stamp | None:
        """Of one file, if it is there; without a version, so that it is read at each look."""
        partitions = self._store.partitions
        try:
            size_bytes = partitions.size_bytes(self._spec.key(self._ticker, session))
        except PlaceUnusable:
            raise
        except StorageError:
            return _UNSEEN
        return _UNSEEN._replace(size_bytes=size_bytes) if size_bytes else None

    def _read(self, sessions: Iterable[dt.date], stamps: Mapping[dt.date, Stamp]) -> dict[dt.date, HeldFacts]:
        """What the footers of some sessions say. A file that is replaced meanwhile keeps the stamp of before, so that
        it is read again.
        """

        def facts(session: dt.date) -> tuple[dt.date, HeldFacts]:
            try:
                certificate = self._store.partitions.certificate(self._spec.key(self._ticker, session))
            except PlaceUnusable:
                raise
            except StorageError as exc:
                return session, HeldFacts(stamps[session].version, stamps[session].size_bytes, reasons=(str(exc),))
            return session, HeldFacts.of(stamps[session], certificate)

        with ThreadPoolExecutor(self._store.storage.readers) as readers:
            return dict(readers.map(facts, sessions))

    def _written(self) -> dict[dt.date, HeldFacts]:
        """What an earlier look wrote down; nothing if it cannot be read, or is of another version."""
        try:
            data = self._store.storage.get(self._path)
            written = _DECODER.decode(data) if data else None
        except (StorageError, msgspec.DecodeError) as exc:
            _log.info("%s is made anew: %s", self._path, exc)
            return {}
        return written.sessions if written and written.version == _VERSION else {}

    def _write(self, facts: dict[dt.date, HeldFacts]) -> None:
        self._unwritten = 0
        data = msgspec.json.encode(_Written(_VERSION, facts))
        try:
            with self._store.storage.exclusive(f"index-{self._ticker.lower()}", 0) as writer:
                writer.put(self._path, data)
        except StorageError as exc:  # nothing is lost: the next look reads the footers again
            _log.info("%s is not kept: %s", self._path, exc)
