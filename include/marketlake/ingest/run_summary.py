"""What became of the sessions of one run, in words that can be logged and sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from marketlake.partitions.certificate import State

_MOST_NAMED = 20


@dataclass(frozen=True)
class RunSummary:
    """The sessions of one run, as ``YYYY-MM-DD``.

    ``planned`` is None if the plan itself failed. ``states`` has the certificate's state of each session
    that succeeded: whatever is planned and not in it has failed. ``missing`` are those without a finished
    partition among the last ``window_sessions``; None if nobody looked, for the reason in ``not_looked``.
    ``not_summarised``: why the state of the whole lake could not be written down, if it was to be.
    ``reasons``: why a session is suspect. ``known``: sessions about which nothing is new, so that being
    suspect still is no news.
    """

    subject: str
    planned: Sequence[str] | None
    states: Mapping[str, str]
    missing: Sequence[str] | None = None
    window_sessions: int = 0
    not_looked: str = ""
    not_summarised: str = ""
    next_step: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()

    @property
    def failed(self) -> list[str]:
        """The planned sessions that did not arrive, in the plan's order."""
        return [session for session in self.planned or () if session not in self.states]

    @property
    def suspect(self) -> list[str]:
        """The sessions that were published with doubts on record, and are news."""
        return [
            session for session, state in self.states.items() if state == State.SUSPECT and session not in self.known
        ]

    @property
    def has_failed(self) -> bool:
        """Whether a date failed, or the plan."""
        return self.planned is None or bool(self.failed)

    @property
    def is_trouble(self) -> bool:
        """Whether a person should look: something failed, is suspect, or is missing, or could not be looked at."""
        return self.has_failed or bool(self.suspect) or bool(self.missing or self.not_looked or self.not_summarised)

    @property
    def headline(self) -> str:
        """One line: what ran, and what failed of it."""
        if self.planned is None:
            return f"{self.subject}: the plan failed, so nothing was fetched"
        if self.failed:
            return f"{self.subject}: {len(self.failed)} of {_counted(self.planned)} failed: {_named(self.failed)}"
        if not self.planned:
            return f"{self.subject}: nothing was to be fetched"
        return f"{self.subject}: {_counted(self.planned)} fetched, none failed"

    @property
    def text(self) -> str:
        """The whole message: a line a fact, and what to do if there is trouble."""
        lines = [self.headline]
        if self.suspect:
            lines.append(f"suspect: {_named(self.suspect, self.reasons)}")
        if self.missing:
            lines.append(f"missing or unfinished among the last {self.window_sessions}: {_named(self.missing)}")
        if self.not_looked:
            lines.append(f"what the lake still misses is not known: {self.not_looked}")
        if self.not_summarised:
            lines.append(f"the lake's summary could not be written: {self.not_summarised}")
        if self.is_trouble and self.next_step:
            lines.append(self.next_step)
        return "\n".join(lines)


def _counted(sessions: Sequence[str]) -> str:
    return f"{len(sessions)} session{'' if len(sessions) == 1 else 's'}"


def _named(sessions: Sequence[str], reasons: Mapping[str, str] | None = None) -> str:
    """The sessions, ascending, with the reasons that are known; of many, the first ones."""
    left = len(sessions) - _MOST_NAMED
    named = [f"{day} ({reasons[day]})" if reasons and day in reasons else day for day in sorted(sessions)[:_MOST_NAMED]]
    return ", ".join(named) + (f" and {left} more" if left > 0 else "")
