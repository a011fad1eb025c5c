"""One question for rows: of which sessions, as they stand, as they stood, or as a manifest has them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from marketlake import commands
from marketlake.dataset_names import OPTION_BARS, OPTION_CHAIN, OPTION_PANEL, OPTION_SELECTION, OPTION_SNAPSHOTS
from marketlake.datasets import DATASETS, OF_OPTIONS
from marketlake.errors import BadArgument
from marketlake.lake import Lake
from marketlake.partitions.certificate import State
from marketlake.research import missing as absence
from marketlake.research.arguments import days, moment, one_of, some_of
from marketlake.research.frequency import length_ms
from marketlake.research.lineage import readable, subject_in
from marketlake.research.manifest import Manifest, understood
from marketlake.research.reading import SESSION, Cut
from marketlake.research.selection import MISSING, NOT_NOTED, Chosen, Found, Subject
from marketlake.rows.bars import SECONDS
from marketlake.sessions import REGULAR_HOURS, WINDOWS

STATES = [str(state) for state in State]


_READ_BY = {
    OPTION_CHAIN: "option_chain",
    OPTION_SELECTION: "option_chain",
    OPTION_BARS: "option_bars",
    OPTION_PANEL: "option_panel",
    OPTION_SNAPSHOTS: "scan",
}
"""The method that reads a dataset whose rows are no bars of a ticker."""


def subject_of(lake: Lake, ticker: str, dataset: str) -> Subject:
    """One ticker of one dataset. Raises BadArgument if there is no such dataset, or the lake holds nothing of it."""
    chosen = readable()[one_of("dataset", dataset, readable())]
    partitions = lake.store(chosen.spec).partitions
    held = [one for one in partitions.tickers() if partitions.present(one)]
    if not held:
        fetching = f" Fetch it:  {commands.fetching_any(dataset)}" if dataset in OF_OPTIONS else ""
        raise BadArgument(f"dataset={dataset!r}: the lake at {lake.storage.where} holds nothing of it yet.{fetching}")
    return subject_in(lake, chosen, one_of("ticker", ticker.upper() if isinstance(ticker, str) else ticker, held))


def stock_subject_of(lake: Lake, ticker: str, dataset: str) -> Subject:
    """One ticker of a dataset of stock bars. Raises BadArgument as ``subject_of``; of options, with who reads them."""
    if dataset in _READ_BY:
        raise BadArgument(f"dataset={dataset!r} is of options: lake.{_READ_BY[dataset]}(…) reads it.")
    return subject_of(lake, ticker, one_of("dataset", dataset, DATASETS))


def cut_of(
    subject: Subject,
    columns: Sequence[str] | None,
    hours: str,
    frequency: str | None = None,
    *,
    closing_print: bool = False,
) -> Cut:
    """Which columns and hours, in bars of which length. Raises BadArgument."""
    names = subject.spec.rows.schema.names
    wanted = [name for name in names if name != "ticker"] if columns is None else columns
    bar_ms = subject.spec.bar_ms
    step_ms = None if frequency is None else length_ms("frequency", frequency, bar_ms)
    _require_fit(closing_print, hours, bar_ms)
    chosen = some_of("columns", wanted, [*names, SESSION])
    return Cut(chosen, one_of("hours", hours, WINDOWS), bar_ms, step_ms, closing_print)


def grid_of(subject: Subject, fields: Sequence[str] | str, step: str | None, *, closing_print: bool) -> Cut:
    """Which columns of numbers, on steps of which length: None, the bars' own. Raises BadArgument."""
    schema, bar_ms = subject.spec.rows.schema, subject.spec.bar_ms
    numbers = [one.name for one in schema if one.name != "timestamp" and not pa.types.is_string(one.type)]
    given = [fields] if isinstance(fields, str) else fields
    names = some_of("fields", given, numbers)
    if len(names) != len(given):
        raise BadArgument(f"fields={given!r} names one twice: give each once.")
    _require_fit(closing_print, REGULAR_HOURS, bar_ms)
    step_ms = bar_ms if step is None else length_ms("step", step, bar_ms)
    return Cut(names, REGULAR_HOURS, bar_ms, step_ms, closing_print)


def _require_fit(closing_print: object, hours: str, bar_ms: int) -> None:
    if not isinstance(closing_print, bool):
        raise BadArgument(f"closing_print={closing_print!r} is neither True nor False.")
    if closing_print and (hours != REGULAR_HOURS or bar_ms != SECONDS.bar_ms):
        raise BadArgument(
            "closing_print=True is of second bars in regular hours: it folds the second in which those end into their"
            " last bar. Leave it out."
        )


@dataclass(frozen=True)
class Question:
    """Rows of one subject. ``as_of`` and ``manifest`` as in ``ResearchLake.bars``; not both."""

    subject: Subject
    as_of: dt.datetime | None = None
    manifest: Mapping[str, Any] | None = None
    missing: str = absence.RAISE
    states: Sequence[str] = ()

    def sessions(self, start: object, end: object) -> list[dt.date]:
        """The sessions of the range. Raises BadArgument if there is none."""
        first, last = days(start, end)
        calendar = self.subject.lake.calendar
        if last > calendar.last:
            raise BadArgument(f"{last} is past {calendar.last}, where the calendar ends: give an earlier end.")
        found = calendar.sessions(first, last)
        if not found:
            raise BadArgument(f"start={start!s}: the exchange is closed on every day from {first} to {last}.")
        return found

    def found(self, start: object, end: object) -> list[Found]:
        """What is there of every session of the range."""
        sessions = self.sessions(start, end)
        at = moment("as_of", self.as_of) if self.as_of is not None else None
        return self.subject.find(sessions, (lambda session: self.subject.as_of(session, at)) if at else None)

    def held(self) -> list[dt.date]:
        """Every session that the lake holds in one of ``states``, ascending."""
        states = some_of("states", self.states, STATES)
        present = sorted(self.subject.store.partitions.present(self.subject.ticker))
        return [one.session for one in self.subject.find(present) if self.subject.takes(one, states)]

    def chosen(self, start: object, end: object) -> list[Chosen]:
        """The files to read, ascending. What cannot be given raises SessionsMissing, or warns: see ``missing``."""
        missing = one_of("missing", self.missing, (absence.RAISE, absence.SKIP))
        states = some_of("states", self.states, STATES)
        if self.manifest is not None:
            return self._pinned(self.manifest, start, end)
        found = self.found(start, end)
        lacking = [one for one in found if not self.subject.takes(one, states)]
        absence.tell(self.subject, lacking, len(found), missing)
        return [Chosen.of(one) for one in found if self.subject.takes(one, states)]

    def _pinned(self, given: Mapping[str, Any], start: object, end: object) -> list[Chosen]:
        if self.as_of is not None:
            raise BadArgument("as_of and manifest both say which rows are meant: give one of them.")
        manifest = understood(given)
        self._require_same_subject(manifest)
        sessions = self.sessions(start, end)
        wanted = {one.session: one.content_hash for one in manifest.within(*days(start, end))}
        absent = [Found(session, NOT_NOTED) for session in sessions if session not in wanted]
        # It was made without them, and says so: whoever reads by it is told, and not kept from reading.
        absence.tell(self.subject, absent, len(sessions), absence.SKIP)
        found = self.subject.find(list(wanted), lambda session: self.subject.with_content(session, wanted[session]))
        absence.require_rows(self.subject, [one.session for one in found if one.state == MISSING])
        return [Chosen.of(one, pinned=True) for one in found]

    def _require_same_subject(self, manifest: Manifest) -> None:
        for argument, given, noted in (
            ("dataset", self.subject.spec.name, manifest.dataset),
            ("ticker", self.subject.ticker, manifest.ticker),
        ):
            if given != noted:
                raise BadArgument(f"{argument}={given!r}, but the manifest is of {noted!r}: ask for that.")
