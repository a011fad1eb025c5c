"""What the lake holds of sessions that several datasets make together, such as those of options."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from marketlake.coverage.coverage import Coverage
from marketlake.dataset_names import title
from marketlake.partitions.certificate import Certificate, State

Certificates = Mapping[str, Certificate | None]
"""What is held of one session, by dataset: those without a partition file are left out, None does not count."""

GRAVEST_FIRST = (State.PROVISIONAL, State.SUSPECT, State.EMPTY, State.COMPLETE)
"""In which state a session is whose parts are in several."""


class JointCoverage:
    """The sessions of one ticker, each made of a partition of every one of ``parts``; of one dataset, of its own alone.

    ``name``: a dataset's, or that of several together. Made from one listing each, as ``Coverage``.
    """

    def __init__(self, name: str, parts: Sequence[Coverage]) -> None:
        self.name = name
        self.parts = tuple(parts)
        self.ticker = parts[0].ticker

    @property
    def title(self) -> str:
        """What it is the coverage of, in words."""
        return title(self.name, self.ticker)

    @property
    def where(self) -> str:
        """Where it lies, for people."""
        return self.parts[0].where if len(self.parts) == 1 else self.parts[0].lake_where

    def missing(self, sessions: Iterable[dt.date]) -> list[dt.date]:
        """Those of ``sessions`` that lack a partition file, in their order."""
        return [session for session in sessions if any(session not in part.present for part in self.parts)]

    def certificates(self, sessions: Iterable[dt.date] | None = None) -> dict[dt.date, Certificates]:
        """What is held of each session, of ``sessions`` or of all, that has a file of every part, ascending. Footers
        alone are read.
        """
        whole = frozenset.intersection(*(part.present for part in self.parts))
        whole = whole if sessions is None else whole.intersection(sessions)
        held = {part.spec.name: part.certificates(whole) for part in self.parts}
        return {session: {name: found[session] for name, found in held.items()} for session in sorted(whole)}

    def unfinished(self, sessions: list[dt.date]) -> list[dt.date]:
        """Those of ``sessions`` of which a part is missing, does not count (see ``Coverage.unfinished``), or is made of
        other rows of another part than are held. In their order.
        """
        held = {part.spec.name: part.certificates(sessions) for part in self.parts}

        def is_finished(session: dt.date) -> bool:
            of_session = {name: found[session] for name, found in held.items() if session in found}
            is_whole = all(part.is_finished(of_session.get(part.spec.name)) for part in self.parts)
            return is_whole and not disagreements(of_session)

        return [session for session in sessions if not is_finished(session)]


def state_of(held: Certificates) -> State | None:
    """The gravest state of the parts of one session; None if one of them does not count."""
    states = {certificate.state if certificate else None for certificate in held.values()}
    return None if None in states else next(state for state in GRAVEST_FIRST if state in states)


def suspect_because(held: Certificates) -> tuple[str, ...]:
    """Why the parts of a session are suspect, a line each, once: not that one is since another one is."""
    reasons = (one.suspect_because for one in held.values() if one and one.state is State.SUSPECT)
    consequences = {f"{name} is suspect" for name in held}
    return tuple(dict.fromkeys(reason for part in reasons for reason in part if reason not in consequences))


def disagreements(held: Certificates) -> dict[str, str]:
    """Of the parts of one session: those that are made of other rows than are held, and of which dataset."""
    hashes = {name: certificate.content_hash for name, certificate in held.items() if certificate}
    found = {}
    for name, certificate in held.items():
        for made_of, digest in certificate.inputs.items() if certificate else ():
            if hashes.get(made_of, digest) != digest:
                found[name] = made_of
    return found
