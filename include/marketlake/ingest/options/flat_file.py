"""Option bars out of the vendor's file of the day, which has every contract that traded: any other had no bar."""

from __future__ import annotations

import datetime as dt

import msgspec

from marketlake.datasets.option_answers import FILE, FLAT_FILE, Question
from marketlake.errors import SettingsError
from marketlake.ingest.options.journal import Journal
from marketlake.partitions.certificate import Certificate
from marketlake.polygon.flat_file_bucket import FlatFileBucket
from marketlake.polygon.request import Timespan
from marketlake.sessions import SessionHours


class FlatFileSource:
    """The vendor's flat files: one answer for all contracts of a session, selected or not."""

    name = FLAT_FILE

    def __init__(self, bucket: FlatFileBucket) -> None:
        self._bucket = bucket

    @property
    def host(self) -> str:
        """Host and port of the files."""
        return self._bucket.host

    def collect(self, question: Question, hours: SessionHours, journal: Journal) -> None:
        """Fetch the session's file, whole, unless the journal has it: its facts, and the underlying's lines.

        Raises SettingsError for bars that no file has, and as ``FlatFileBucket.fetch`` does.
        """
        if question.basis.bar_size != Timespan.MINUTE:
            raise SettingsError(
                f"flat files have bars of a minute, none of a {question.basis.bar_size}: set options.bar_size to"
                " 1 minute, or options.source to rest."
            )
        if FILE in journal.answers:
            return
        asked_at_ms = int(self._bucket.now_s() * 1000)
        facts, lines = self._bucket.fetch(hours.session, question.frozen.underlying)
        bodies = (msgspec.json.encode(facts), lines)
        journal.add(FILE, bodies, asked_at_ms, rows=lines.count(b"\n") - 1)

    def probe(self, contract: str, hours: SessionHours, size: Timespan) -> None:  # noqa: ARG002 (a file has them all)
        """Ask for a session's file, by its first byte. Raises as ``FlatFileBucket.announced`` does."""
        self._bucket.announced(hours.session)

    def edition(self, session: dt.date) -> str:
        """The ETag of a session's file as it is now, by one small call: other than ``etag_of``, it is another edition.

        Raises as ``FlatFileBucket.announced`` does.
        """
        return self._bucket.announced(session).etag


def etag_of(bars: Certificate) -> str | None:
    """Which edition of a file the bars of a certificate are from; None if they came by REST."""
    return bars.request_ids[-1] if bars.basis.get("source") == FLAT_FILE and bars.request_ids else None
