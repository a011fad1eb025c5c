"""What is said of sessions that cannot be given: all of them, and what fills them."""

from __future__ import annotations

import datetime as dt
import shlex
import sys
import warnings
from collections.abc import Iterable, Sequence

from marketlake import commands, settings
from marketlake.errors import SessionsMissing
from marketlake.partitions.certificate import State
from marketlake.research.selection import (
    GONE,
    MISSING,
    NOT_NOTED,
    OTHER_CHAIN,
    UNNAMED,
    UNPROVEN,
    UNREADABLE,
    Found,
    Subject,
)

RAISE, SKIP = "raise", "skip"
_SPELLED_OUT = 20
_TO_FETCH = (MISSING, OTHER_CHAIN, UNNAMED, UNPROVEN, UNREADABLE, State.PROVISIONAL)


def tell(
    subject: Subject, lacking: Sequence[Found], expected: int, missing: str, *, skipping: str = "the others"
) -> None:
    """Raise SessionsMissing, or with ``missing`` "skip" warn with the same text. Nothing, if nothing lacks.

    ``skipping``: what there is then.
    """
    if not lacking:
        return
    text = _text(subject, lacking, expected, skipping)
    if missing == SKIP:
        warnings.warn(text, stacklevel=_calls_within())
    else:
        raise SessionsMissing(text, tuple(found.session for found in lacking))


def require_rows(subject: Subject, gone: Sequence[dt.date]) -> None:
    """Raise SessionsMissing if rows that a manifest names are no longer kept."""
    if gone:
        raise SessionsMissing(
            f"{subject.title}: the rows that the manifest names are no longer kept of {_listed(map(str, gone))}:"
            f" neither below processed/ nor below revisions/ of {subject.store.storage.where}. Take those files from a"
            " backup.",
            tuple(gone),
        )


def _text(subject: Subject, lacking: Sequence[Found], expected: int, skipping: str) -> str:
    summary = f"{subject.title}: {len(lacking)} of {expected} sessions cannot be given: {_by_state(lacking)}."
    if all(found.state == NOT_NOTED for found in lacking):
        return f"{summary} Make a manifest anew if they are to be in it."
    return f"{summary} {_remedy(subject, lacking)}missing='skip' gives {skipping}, with this as a warning."


def _by_state(lacking: Sequence[Found]) -> str:
    """The first of them, by what they are, and how many more there are."""
    shown = lacking[:_SPELLED_OUT]
    states = dict.fromkeys(found.state for found in shown)
    parts = [f"{state} {', '.join(str(one.session) for one in shown if one.state == state)}" for state in states]
    more = len(lacking) - len(shown)
    return "; ".join(parts) + (f"; and {more} more" if more else "")


def _listed(words: Iterable[str]) -> str:
    every = list(words)
    more = len(every) - _SPELLED_OUT
    return ", ".join(every[:_SPELLED_OUT]) + (f" and {more} more" if more > 0 else "")


def _remedy(subject: Subject, lacking: Sequence[Found]) -> str:
    """What to do about it: fetch what is not there, ask for what is."""
    words = []
    absent = [one for one in lacking if one.state in _TO_FETCH]
    if absent:
        again = any(one.state != MISSING for one in absent)
        lead = "What is left" if subject.spec.live else "Fetch them"
        words.append(f"{lead}:  {fetching(subject, absent[0].session, absent[-1].session, again=again)}  .")
    there = sorted({str(one.state) for one in lacking if one.certificate is not None})
    if there:
        words.append(f"To take what is held: states=(…, {', '.join(map(repr, there))}).")
    if any(one.state == GONE for one in lacking):
        words.append("Take revisions/ from a backup.")
    return " ".join([*words, ""])


def fetching(subject: Subject, first: dt.date, last: dt.date, *, again: bool) -> str:
    """The command that fetches a subject's sessions into the lake that is read; of what is live, where they may be."""
    if subject.spec.live:
        return commands.from_a_backup(subject.ticker, first, last)
    here = subject.lake.settings
    tickers = here.tickers_of(subject.spec.name)
    command = commands.fetching(subject.spec.name, subject.ticker, first, last, tickers=tickers, again=again)
    if commands.in_a_checkout() and here.storage_root != settings.load().storage_root:
        return f"MARKETLAKE__STORAGE__ROOT={shlex.quote(str(here.storage_root))} {command}"
    return command


def _calls_within() -> int:
    """How many calls lie between the warning and whoever called this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("marketlake."):
        frame, level = frame.f_back, level + 1
    return level
