"""A manifest: which rows a training run or a paper read, by their hashes, to be read again years later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from marketlake.errors import BadArgument
from marketlake.research.selection import Chosen, Subject

VERSION = 1


class Pinned(msgspec.Struct, frozen=True):
    """The rows of one session: their hash is what counts, ``revision`` and ``rows`` are for people."""

    session: dt.date
    revision: int
    content_hash: str
    rows: int


class Manifest(msgspec.Struct, frozen=True):
    """What a range of sessions was when it was read. ``start`` and ``end``: the range, both included."""

    manifest: int
    dataset: str
    ticker: str
    start: dt.date
    end: dt.date
    sessions: list[Pinned]

    def within(self, first: dt.date, last: dt.date) -> list[Pinned]:
        """The sessions of a part of its range. Raises BadArgument if that is no part of it."""
        if first < self.start or last > self.end:
            raise BadArgument(
                f"manifest: it is of {self.start} to {self.end}, and {first} to {last} were asked for: give a part of"
                " its range."
            )
        return [one for one in self.sessions if first <= one.session <= last]


def written(subject: Subject, first: dt.date, last: dt.date, chosen: Sequence[Chosen]) -> dict[str, Any]:
    """The manifest of chosen files as plain dicts, lists, texts and numbers: JSON as it stands."""
    pinned = [
        Pinned(one.session, one.certificate.revision, one.certificate.content_hash, one.certificate.rows)
        for one in chosen
    ]
    whole = Manifest(VERSION, subject.spec.name, subject.ticker, first, last, pinned)
    plain: dict[str, Any] = msgspec.to_builtins(whole)
    return plain


def understood(given: object) -> Manifest:
    """A manifest that was written before. Raises BadArgument for what is none."""
    try:
        found = msgspec.convert(given, Manifest) if isinstance(given, Mapping) else None
    except msgspec.ValidationError as exc:
        raise BadArgument(f"manifest: {exc}. Give what lake.manifest(…) gave, as it was.") from exc
    if found is None or found.manifest != VERSION:
        raise BadArgument(
            f"manifest={str(given)[:40]!r} is none of version {VERSION}: give what lake.manifest(…) gave."
        )
    return found
