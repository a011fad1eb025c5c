"""Which sessions are due for another look, and why."""

from __future__ import annotations

import datetime as dt
import enum
import logging
from collections import Counter
from dataclasses import dataclass

from marketlake.audit.visits import Visit, Visits
from marketlake.coverage.coverage import Coverage
from marketlake.coverage.joint import Certificates, disagreements, state_of
from marketlake.dataset_names import OPTIONS, title
from marketlake.datasets import EVERY, foremost_of
from marketlake.ingest.collected import coverage_of
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.sessions import DateRange, final_from
from marketlake.settings import Settings

_log = logging.getLogger(__name__)
_YOUNG_SESSIONS = 30


class AuditReason(enum.StrEnum):
    """Why a session is looked at again; the first that fits, which is also the order of urgency."""

    UNPROVEN = "unproven"
    PROVISIONAL = "provisional"
    OUTDATED = "outdated"
    """A part of it is made of other rows than are held now."""
    REVISIT = "revisit"
    SUSPECT = "suspect"
    NOT_COMPARED = "not compared"
    REQUESTED = "asked for"


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


@dataclass(frozen=True)
class _Rule:
    """``ages``: how many sessions later each one is looked at again. ``daily``: whether what is suspect or was never
    compared is looked at in between.
    """

    ages: tuple[int, ...]
    daily: bool

    @classmethod
    def of(cls, configured: Settings, name: str) -> _Rule:
        if name == OPTIONS:  # a look may cost thousands of calls
            return cls(configured.options.revisit_after_sessions, daily=False)
        return cls(configured.audit.revisit_after_sessions, daily=True)


_PartsAndInputs = tuple[Certificates, Certificates]


@dataclass(frozen=True)
class _Held:
    """What a look at one session goes by. ``parts``: what is held of it, ``foremost`` the one of them that was fetched;
    ``made_of``: what is held of other datasets that they are made of. ``since``: the session and those after it up to
    the last final one.
    """

    lake: Lake
    rule: _Rule
    visit: Visit | None
    parts: Certificates
    foremost: Certificate | None
    made_of: Certificates
    since: list[dt.date]

    def due(self) -> Due | None:
        """Why and since when it is due; None if it is not."""
        if not self.lake.settings.history.includes(self.since[0]):
            return None
        reason = self._reason()
        failed_at_ms = self.visit.failed_at_ms if self.visit else 0
        return Due(self.since[0], reason, self._looked_at_ms, failed_at_ms) if reason else None

    @property
    def _looked_at_ms(self) -> int:
        visited_at_ms = self.visit.visited_at_ms if self.visit else 0
        return max(visited_at_ms, self.foremost.fetched_at_ms if self.foremost else 0)

    def _reason(self) -> AuditReason | None:
        state = state_of(self.parts)
        if state is None:
            return AuditReason.UNPROVEN
        if state is State.PROVISIONAL:
            return AuditReason.PROVISIONAL
        if disagreements({**self.made_of, **self.parts}):
            return AuditReason.OUTDATED
        reached = [after for after in self.rule.ages if after < len(self.since)]
        if reached and self._looked_at_ms < _final_ms(self.since[max(reached)]):
            return AuditReason.REVISIT
        return self._reason_of_a_day(state) if self.rule.daily else None

    def _reason_of_a_day(self, state: State) -> AuditReason | None:
        """Daily while it is young, then now and then: what stays odd for a month is seldom put right later."""
        age = len(self.since) - 1
        has_rested = self._looked_at_ms < _final_ms(
            self.since[age if age <= _YOUNG_SESSIONS else age - _YOUNG_SESSIONS]
        )
        if state is State.SUSPECT:
            return AuditReason.SUSPECT if has_rested else None
        compared = [certificate.reconciliation for certificate in self.parts.values() if certificate]
        lacking = [one for one in compared if one is None or one.not_compared]
        if not self.lake.settings.reconcile.enabled or not lacking:
            return None
        never_answered = any(one is None or one.may_be_completed for one in lacking)
        return AuditReason.NOT_COMPARED if never_answered or has_rested else None


def sessions_due(lake: Lake, name: str, ticker: str) -> list[Due]:
    """Every session of a dataset, or of options, that is due: most urgent first, then that of the oldest last look.

    Those whose last visit failed come behind all others, so that what cannot be repaired holds nothing up.
    Skips sessions without a partition, which a run fetches, and those that are not final yet. Reads the
    footer of every partition.
    """
    held, last = _held(lake, name, ticker), lake.calendar.last_final(lake.now())
    known = lake.calendar.sessions(min(held), last) if held and last else []
    visits = Visits(lake.store(foremost_of(name).spec).storage).every(ticker, held)
    looks = [
        _look(lake, name, held[session], known[position:], visits.get(session))
        for position, session in enumerate(known)
        if session in held
    ]
    order = list(AuditReason)
    return sorted(
        (due for due in (look.due() for look in looks) if due is not None),
        key=lambda due: (
            due.has_failed,
            order.index(due.reason),
            max(due.looked_at_ms, due.failed_at_ms),
            due.session,
        ),
    )


def reason_for(lake: Lake, name: str, ticker: str, session: dt.date) -> AuditReason:
    """Why one session is due; REQUESTED if it is not."""
    last = lake.calendar.last_final(lake.now())
    since = lake.calendar.sessions(session, last) if last else []
    if not since:
        return AuditReason.REQUESTED
    nothing: _PartsAndInputs = ({foremost_of(name).spec.name: None}, {})
    visit = Visits(lake.store(foremost_of(name).spec).storage).last(ticker, session)
    due = _look(lake, name, _held(lake, name, ticker, [session]).get(session, nothing), since, visit).due()
    return due.reason if due else AuditReason.REQUESTED


def audit_plan(lake: Lake, name: str, ticker: str, first: dt.date | None, last: dt.date | None) -> list[dt.date]:
    """What one run looks at: the held sessions of a range that was asked for, else the most urgent of what is due."""
    if first is not None or last is not None:
        dates = DateRange(first, last)
        return sorted(day for day in lake.store(foremost_of(name).spec).partitions.present(ticker) if day in dates)
    waiting = sessions_due(lake, name, ticker)
    taken = waiting[: lake.settings.audit.sessions_a_run]
    if len(taken) < len(waiting):
        _log.warning(
            "%s: %d sessions are due; %d are looked at now, the rest with the next runs (audit.sessions_a_run)",
            title(name, ticker), len(waiting), len(taken),
        )  # fmt: skip
    for reason, count in Counter(due.reason for due in taken).items():
        _log.info("%s: %d due as %s", title(name, ticker), count, reason.value)
    return [due.session for due in taken]


def _look(lake: Lake, name: str, held: _PartsAndInputs, since: list[dt.date], visit: Visit | None) -> _Held:
    (parts, made_of), foremost = held, foremost_of(name).spec
    return _Held(lake, _Rule.of(lake.settings, name), visit, parts, parts[foremost.name], made_of, since)


def _held(lake: Lake, name: str, ticker: str, sessions: list[dt.date] | None = None) -> dict[dt.date, _PartsAndInputs]:
    """What is held of each session, and of the other datasets that its parts are made of."""
    held = coverage_of(lake, name, ticker).certificates(sessions)
    made_of = {made_of for parts in held.values() for one in parts.values() if one for made_of in one.inputs}
    others = made_of.intersection(EVERY) - {part for parts in held.values() for part in parts}
    found = {other: Coverage(lake, EVERY[other].spec, ticker).certificates(held) for other in others}
    return {
        session: (parts, {other: inputs[session] for other, inputs in found.items() if session in inputs})
        for session, parts in held.items()
    }


def _final_ms(session: dt.date) -> int:
    return int(final_from(session).timestamp() * 1000)
