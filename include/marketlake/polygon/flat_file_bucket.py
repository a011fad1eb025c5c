"""The vendor's flat files: a look at one, and all of it, streamed, whole and of one edition."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from marketlake.errors import MalformedPage, NotPublished, Republished, TransportTrouble
from marketlake.polygon.flat_file_sieve import Sieve
from marketlake.polygon.flat_files import FileFacts, decode, key_of
from marketlake.polygon.patience import trying
from marketlake.polygon.s3_bucket import ObjectFacts, Part, S3Bucket
from marketlake.settings.sections import Api

_log = logging.getLogger(__name__)


class FlatFileBucket:
    """Fetches files of minute bars. ``sleep`` and ``now_s`` (Unix s) are injected, so that a test waits for nothing."""

    def __init__(
        self,
        bucket: S3Bucket,
        api: Api,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._bucket, self.now_s = bucket, now_s
        self._trying = trying(api, sleep, but_not=(NotPublished, Republished))

    def __str__(self) -> str:
        return str(self._bucket)

    @property
    def host(self) -> str:
        """Host and port, as a certificate records them."""
        return self._bucket.host

    def announced(self, session: dt.date) -> ObjectFacts:
        """A session's file as it is now, by one call for its first byte: only a GET says whether one may have it.

        Raises NotPublished, NotEntitled, KeyRefused and the like.
        """
        return self._trying(self._look, session, _name(session))

    def fetch(self, session: dt.date, underlying: str) -> tuple[FileFacts, bytes]:
        """The facts of a session's file, and its lines of an underlying's contracts, header included.

        A download that breaks off goes on where it broke. One whose file is replaced meanwhile is begun anew, once.
        Raises Retryable, StopAndTell, or MalformedPage for a file that is cut short or is none.
        """
        try:
            return self._edition(session, underlying)
        except Republished as exc:
            _log.warning("%s", exc)
            return self._edition(session, underlying)

    def _look(self, session: dt.date, about: str) -> ObjectFacts:
        with self._bucket.part(key_of(session), about, last=0) as part:
            next(part.pieces, None)  # an answer that was read leaves its connection to the next one
            return part.facts

    def _edition(self, session: dt.date, underlying: str) -> tuple[FileFacts, bytes]:
        started_s = time.monotonic()
        about = _name(session, underlying)
        announced = self._trying(self._look, session, about)
        download = Download(self._bucket, key_of(session), about, announced, Sieve(underlying))
        self._trying(download.go_on)
        facts, lines = download.facts, download.lines()
        _log.info(
            "%s: %.1f MB with %d rows, of which %.1f MB of %s unpacked, in %.1f s",
            *(download, facts.size_bytes / 1e6, facts.rows, len(lines) / 1e6, underlying),
            time.monotonic() - started_s,
        )
        return facts, lines


@dataclass
class Download:
    """One edition of a file, as far as it has come.

    ``about``: ticker and session, for messages; ``received_bytes``: packed, as they were sent.
    """

    bucket: S3Bucket
    key: str
    about: str
    announced: ObjectFacts
    sieve: Sieve
    received_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.about} ({self.bucket.where(self.key)}, ETag {self.announced.etag})"

    def go_on(self) -> None:
        """Read from where it stands to the end. Raises Retryable if it breaks off: what was read by then is kept."""
        first, etag = self.received_bytes, self.announced.etag
        if first == self._size:  # it broke off behind the last byte
            return
        if first:
            _log.info("%s: it goes on at byte %d", self, first)
        with self.bucket.part(self.key, self.about, first=first, etag=etag) as part:
            self._require_same(part)
            for piece in part.pieces:
                self._take(piece)
        if self.received_bytes < self.announced.size_bytes:
            raise TransportTrouble(f"{self}: the answer ended behind byte {self.received_bytes} of {self._size}.")

    @property
    def facts(self) -> FileFacts:
        """What is known of the file by now."""
        about = self.announced
        return FileFacts(self.key, about.etag, about.modified_ms, about.size_bytes, max(0, self.sieve.rows))

    def lines(self) -> bytes:
        """What was asked for, once all has come. Raises MalformedPage for a file that is not whole."""
        try:
            lines = self.sieve.lines()
            decode(lines)  # what cannot be read is refused with the file's name, before anybody keeps it
        except MalformedPage as exc:
            raise self._refused(exc) from None
        return lines

    @property
    def _size(self) -> int:
        return self.announced.size_bytes

    def _require_same(self, part: Part) -> None:
        """Raise Republished for another edition, TransportTrouble for other bytes than were asked for."""
        if part.facts.etag != self.announced.etag:
            raise Republished(f"{self}: the answer is of another edition, {part.facts.etag}. It is fetched anew.")
        if (part.first_byte, part.facts.size_bytes) != (self.received_bytes, self._size):
            raise TransportTrouble(
                f"{self}: bytes from {self.received_bytes} on of {self._size} were asked for, the answer has those from"
                f" {part.first_byte} on of {part.facts.size_bytes}."
            )

    def _take(self, piece: bytes) -> None:
        self.received_bytes += len(piece)
        try:
            if self.received_bytes > self._size:
                raise MalformedPage(f"it has more bytes than the {self._size} that were announced")
            self.sieve.take(piece)
        except MalformedPage as exc:
            raise self._refused(exc) from None

    def _refused(self, why: MalformedPage) -> MalformedPage:
        """With the file's name and the next step; its facts are the evidence that is kept."""
        return MalformedPage(
            f"{self}: after {self.received_bytes} of {self._size} bytes: {why}. Nothing of it is used. Fetch again"
            " later; if it stays, ask the vendor.",
            bodies=(msgspec.json.encode(self.facts),),
        )


def _name(session: dt.date, underlying: str = "") -> str:
    return f"{underlying} {session} flat file".lstrip()
