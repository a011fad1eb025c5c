"""One session: what is held of it, the evidence, its revisions, and the pages it came from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import msgspec
import pyarrow as pa

from marketlake.coverage.index import CoverageIndex
from marketlake.coverage_page.attempts import Attempt, TaskLine
from marketlake.coverage_page.calendar import SessionCell, cell
from marketlake.coverage_page.subjects import Shown
from marketlake.coverage_page.words import (
    CheckLine,
    Comparison,
    checks_in_words,
    comparisons_in_words,
    in_words,
)
from marketlake.errors import DamagedPartition, NoSuchRevision, NotASession, RawPagesUnusable
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.revisions import Revision
from marketlake.partitions.store import HeldPartition
from marketlake.quality.comparison import ShortMinute
from marketlake.research.selection import Subject
from marketlake.sessions import EXTENDED_HOURS, FIRST_SESSION, SessionHours


class Hours(msgspec.Struct, frozen=True):
    """The session's hours, Unix ms UTC, half-open."""

    day_start_ms: int
    day_end_ms: int
    extended_start_ms: int
    extended_end_ms: int
    regular_start_ms: int
    regular_end_ms: int


class RevisionLine(msgspec.Struct, frozen=True):
    """One revision of the session's rows; all but its number None if its certificate does not count."""

    revision: int
    newest: bool
    published_at_ms: int | None = None
    rows: int | None = None
    state: str | None = None
    changes: str | None = None


class RevisionList(msgspec.Struct, frozen=True):
    """Every revision of a session that is kept, and the newest, ascending."""

    revisions: list[RevisionLine]


class PageLine(msgspec.Struct, frozen=True):
    """One listing of a fetch that is kept: how many pages, of how many bytes, or why there are none."""

    listing: str
    pages: int
    bytes: int
    fetched_at_ms: int
    revision: int
    note: str = ""


class ShortMinuteMark(msgspec.Struct, frozen=True):
    """A minute whose bars hold fewer trades than the minute bar, and by how many."""

    start_ms: int
    trades: int

    @classmethod
    def of(cls, minute: ShortMinute) -> ShortMinuteMark:
        """As a certificate has it."""
        return cls(minute.start_ms, minute.trades)


class DayPart(msgspec.Struct, frozen=True):
    """What is said of one of several datasets that a session is made of; as in ``Day``."""

    dataset: str
    state: str
    readable: bool
    reasons: tuple[str, ...] = ()
    words: list[str] = []
    checks: list[CheckLine] = []
    compared: list[Comparison] = []
    revisions: list[RevisionLine] = []
    pages: list[PageLine] = []
    task: TaskLine | None = None


class Day(msgspec.Struct, frozen=True):
    """Everything that is said of one session but its bars. ``readable``: its rows are those that are certified.

    ``parts``: of options, each of the datasets that the session is made of; else none.
    """

    dataset: str
    ticker: str
    date: dt.date
    title: str
    state: str
    reasons: tuple[str, ...]
    early_close: bool
    previous: dt.date | None
    next: dt.date | None
    hours: Hours
    bar_s: int
    readable: bool
    words: list[str] = []
    checks: list[CheckLine] = []
    compared: list[Comparison] = []
    missing_minutes_ms: tuple[int, ...] = ()
    short_minutes: list[ShortMinuteMark] = []
    revisions: list[RevisionLine] = []
    pages: list[PageLine] = []
    task: TaskLine | None = None
    parts: list[DayPart] = []


def day_of(
    subject: Subject, index: CoverageIndex, session: dt.date, attempt: Attempt | None, task: TaskLine | None = None
) -> Day:
    """What is known of a session. Raises NotASession, in words, for any other date.

    The whole file is read: damage that its footer does not show is noted in ``index``.
    """
    hours = hours_of(subject, session)
    index.look()
    held = subject.store.partitions.inspect(subject.key(session))
    if held is not None and held.certificate is None and held.footer_certificate is not None:
        index.doubt(session, DAMAGED)
    shown = cell(session, index.look().get(session), attempt, early_close=hours.early_close)
    certificate = held.certificate if held else None
    bare = bare_day(subject, shown, hours, readable=certificate is not None, bar_s=subject.spec.bar_ms // 1000)
    return _with_evidence(msgspec.structs.replace(bare, task=task), subject, certificate)


def bars_of(subject: Subject, session: dt.date, revision: int | None = None) -> pa.Table:
    """The rows of a session, or of one of its revisions. Raises DamagedPartition, NoSuchRevision or NotASession."""
    hours_of(subject, session)
    if revision is not None:
        return subject.store.revisions.read_revision(subject.ticker, session, revision)
    return subject.store.partitions.rows_of(proven(subject, session, _inspected(subject, session))[0])


def certificate_of(subject: Subject, session: dt.date) -> Certificate:
    """The certificate of a session, if the rows are those that it is of. Raises as ``bars_of``."""
    hours_of(subject, session)
    return proven(subject, session, _inspected(subject, session))[1]


def proven(subject: Subject, session: dt.date, held: HeldPartition | None) -> tuple[HeldPartition, Certificate]:
    """What is held of a session, if it counts. Raises NoSuchRevision if nothing is held, else DamagedPartition."""
    if held is None:
        raise NoSuchRevision(f"{subject.key(session)}: the lake holds nothing of it. Fetch it first.")
    if held.certificate is None:
        raise DamagedPartition(f"{subject.key(session)}: {DAMAGED}.")
    return held, held.certificate


def _inspected(subject: Subject, session: dt.date) -> HeldPartition | None:
    return subject.store.partitions.inspect(subject.key(session))


def hours_of(subject: Shown, session: dt.date) -> SessionHours:
    """The hours of a session. Raises NotASession for any other date, with what it is."""
    calendar = subject.lake.calendar
    if calendar.is_session(session):
        return calendar.hours(session)
    if not FIRST_SESSION <= session <= calendar.last:
        raise NotASession(f"{session}: the calendar of sessions is from {FIRST_SESSION} to {calendar.last}.")
    why = calendar.closings(session, session).get(session, "a weekend")
    raise NotASession(f"{session:%A, %-d %B %Y} is no session of the New York Stock Exchange: {why}.")


def revisions_of(subject: Subject, session: dt.date) -> list[RevisionLine]:
    """Every revision that is kept, and the newest, ascending."""
    hours_of(subject, session)
    listed = subject.store.revisions.list_revisions(subject.ticker, session)
    return [revision_line(revision) for revision in listed]


DAMAGED = (
    "what lies in its file is not what was certified: bytes have changed since it was written. Fetch it again, or take"
    " the file from a backup"
)


def bare_day(subject: Shown, shown: SessionCell, hours: SessionHours, *, readable: bool, bar_s: int) -> Day:
    """A session without its evidence."""
    calendar, session = subject.lake.calendar, hours.session
    week = dt.timedelta(days=10)  # no two sessions are farther apart
    before = calendar.sessions(session - week, session - dt.timedelta(days=1))
    after = calendar.sessions(session + dt.timedelta(days=1), session + week)
    final = calendar.last_final(subject.lake.now())
    extended = hours.window_ms(EXTENDED_HOURS)
    return Day(
        dataset=subject.name,
        ticker=subject.ticker,
        date=session,
        title=f"{session:%A, %-d %B %Y}",
        state=shown.state,
        reasons=shown.reasons,
        early_close=hours.early_close,
        previous=before[-1] if before else None,
        next=after[0] if after and final is not None and after[0] <= final else None,
        hours=Hours(hours.day_start_ms, hours.day_end_ms, *extended, hours.regular_start_ms, hours.regular_end_ms),
        bar_s=bar_s,
        readable=readable,
    )


def _with_evidence(day: Day, subject: Subject, certificate: Certificate | None) -> Day:
    revisions = revisions_of(subject, day.date)
    if certificate is None:
        return msgspec.structs.replace(day, revisions=revisions)
    minutes = certificate.reconciliation.minutes if certificate.reconciliation else None
    return msgspec.structs.replace(
        day,
        words=in_words(certificate),
        checks=checks_in_words(certificate),
        compared=comparisons_in_words(certificate),
        missing_minutes_ms=minutes.missing_starts_ms if minutes else (),
        short_minutes=[ShortMinuteMark.of(minute) for minute in minutes.short_minutes] if minutes else [],
        revisions=revisions,
        pages=list(pages_of(subject, certificate, [line.revision for line in revisions])),
    )


def revision_line(revision: Revision) -> RevisionLine:
    """One revision as it is told."""
    certificate = revision.certificate
    if certificate is None:
        return RevisionLine(revision.number, revision.newest)
    return RevisionLine(
        revision.number,
        revision.newest,
        certificate.published_at_ms,
        certificate.rows,
        certificate.state,
        str(certificate.changes) if certificate.changes else None,
    )


def pages_of(subject: Subject, certificate: Certificate, revisions: Iterable[int]) -> Iterator[PageLine]:
    """The pages of every revision, as far as they are kept, the newest first."""
    for number in sorted(revisions, reverse=True):
        try:
            stored = subject.store.raw_pages.pages_of(certificate.key, number)
        except RawPagesUnusable as exc:
            yield PageLine("none", 0, 0, certificate.fetched_at_ms, number, str(exc))
            continue
        for kept in reversed(stored):
            for name, listing in kept.fetch.listings.items():
                size_bytes = sum(len(body) for body in listing.bodies)
                yield PageLine(
                    name, len(listing.bodies), size_bytes, kept.fetch.fetched_at_ms, number, listing.absent_because
                )
