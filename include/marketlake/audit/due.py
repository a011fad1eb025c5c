"""Which sessions are due for another look, and why."""

from __future__ import annotations

import datetime as dt
import enum
import logging
from collections import Counter
from dataclasses import dataclass

from marketlake.audit.visits import Visit, Visits
from marketlake.coverage.coverage import Coverage
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.rows.spec import DatasetSpec, PartitionKey
from marketlake.sessions import DateRange, final_from

_log = logging.getLogger(__name__)
_YOUNG_SESSIONS = 30


class AuditReason(enum.StrEnum):
    """Why a session is looked at again; the first that fits, which is also the order of urgency."""

    UNPROVEN = "unproven"
    PROVISIONAL = "provisional"
    REVISIT = "revisit"
    SUSPECT = "suspect"
    NOT_COMPARED = "not compared"
    ASKED = "asked for"


@dataclass(frozen=True)
class Due:
    """A session to look at again. ``looked_at_ms``: when it was fetched or visited last, ``failed_at_ms``: when
    a visit failed last; both Unix ms UTC.
    """

    session: dt.date
    reason: AuditReason
    looked_at_ms: int
    failed_at_ms: int = 0

    @property
    def has_failed(self) -> bool:
        """Whether the last visit failed."""
        return self.failed_at_ms > self.looked_at_ms


def sessions_due(lake: Lake, spec: DatasetSpec, ticker: str) -> list[Due]:
    """Every session that is due, most urgent first, then the one whose last look is longest ago.

    Those whose last visit failed come behind all others, so that what cannot be repaired holds nothing up.
    Skips sessions without a partition, which a run fetches, and those that are not final yet. Reads the
    footer of every partition.
    """
    held = Coverage(lake, spec, ticker).certificates()
    last, visits = lake.calendar.last_final(lake.now()), Visits(lake.store(spec).storage)
    known = lake.calendar.sessions(min(held), last) if held and last else []
    looks = [
        _due(lake, visits.last(ticker, session), held[session], known, position)
        for position, session in enumerate(known)
        if session in held
    ]
    order = list(AuditReason)
    return sorted(
        (due for due in looks if due is not None),
        key=lambda due: (
            due.has_failed,
            order.index(due.reason),
            max(due.looked_at_ms, due.failed_at_ms),
            due.session,
        ),
    )


def reason_for(lake: Lake, spec: DatasetSpec, key: PartitionKey) -> AuditReason:
    """Why one session is due; ASKED if it is not."""
    store, last = lake.store(spec), lake.calendar.last_final(lake.now())
    since = lake.calendar.sessions(key.session, last) if last else []
    if not since:
        return AuditReason.ASKED
    visit = Visits(store.storage).last(key.ticker, key.session)
    due = _due(lake, visit, store.partitions.certificate(key), since, 0)
    return due.reason if due else AuditReason.ASKED


def audit_plan(
    lake: Lake, spec: DatasetSpec, ticker: str, first: dt.date | None, last: dt.date | None
) -> list[dt.date]:
    """What one run looks at: the held sessions of a range that was asked for, else the most urgent of what is due."""
    if first is not None or last is not None:
        dates = DateRange(first, last)
        return sorted(day for day in lake.store(spec).partitions.sessions(ticker) if day in dates)
    waiting = sessions_due(lake, spec, ticker)
    taken = waiting[: lake.settings.audit.sessions_a_run]
    if len(taken) < len(waiting):
        _log.warning(
            "%s: %d sessions are due; %d are looked at now, the rest with the next runs (audit.sessions_a_run)",
            spec.title(ticker), len(waiting), len(taken),
        )  # fmt: skip
    for reason, count in Counter(due.reason for due in taken).items():
        _log.info("%s: %d due as %s", spec.title(ticker), count, reason.value)
    return [due.session for due in taken]


def _due(
    lake: Lake, visit: Visit | None, certificate: Certificate | None, known: list[dt.date], position: int
) -> Due | None:
    """Of the session at that position of ``known``, which are the sessions up to the last final one."""
    session = known[position]
    if not lake.settings.history.includes(session):
        return None
    looked_at_ms = max(visit.visited_at_ms if visit else 0, certificate.fetched_at_ms if certificate else 0)
    reason = _reason(lake, certificate, known, position, looked_at_ms)
    return Due(session, reason, looked_at_ms, visit.failed_at_ms if visit else 0) if reason else None


def _reason(
    lake: Lake, certificate: Certificate | None, known: list[dt.date], position: int, looked_at_ms: int
) -> AuditReason | None:
    """Why the session at that position of the known ones is due; None if it is not."""
    if certificate is None:
        return AuditReason.UNPROVEN
    if certificate.state is State.PROVISIONAL:
        return AuditReason.PROVISIONAL
    age = len(known) - 1 - position
    reached = [after for after in lake.settings.audit.revisit_after_sessions if after <= age]
    if reached and looked_at_ms < _final_ms(known[position + max(reached)]):
        return AuditReason.REVISIT
    # Daily while it is young, then now and then: what stays odd for a month is seldom put right later.
    pause = 0 if age <= _YOUNG_SESSIONS else _YOUNG_SESSIONS
    has_rested = looked_at_ms < _final_ms(known[len(known) - 1 - pause])
    if certificate.state is State.SUSPECT:
        return AuditReason.SUSPECT if has_rested else None
    compared = certificate.reconciliation
    if not lake.settings.reconcile.enabled or (compared and not compared.not_compared):
        return None
    never_answered = compared is None or compared.may_be_completed
    return AuditReason.NOT_COMPARED if never_answered or has_rested else None


def _final_ms(session: dt.date) -> int:
    return int(final_from(session).timestamp() * 1000)
