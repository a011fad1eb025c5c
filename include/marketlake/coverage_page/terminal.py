"""The coverage as lines for a terminal: a row a year, and what needs attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from marketlake.coverage_page.attempts import FAILED
from marketlake.coverage_page.calendar import CoverageCalendar, SessionCell
from marketlake.partitions.certificate import State
from marketlake.research.selection import MISSING

_STATES = (*State, MISSING, FAILED)
_ATTENTION = (FAILED, MISSING, State.SUSPECT, State.PROVISIONAL)
_SHOWN = 10
_WIDTH = 13


def table_of(calendar: CoverageCalendar) -> Iterator[str]:
    """One ticker of one dataset."""
    summary = calendar.summary
    yield (
        f"{calendar.title}, {calendar.first} to {calendar.last}: {summary.complete:,} of {summary.expected:,} sessions"
        f" complete, {summary.bars:,} bars, {summary.bytes / 1e6:,.1f} MB"
    )
    if calendar.what_first is not None:
        yield calendar.what_first
        return
    yield from _years(calendar.sessions)
    for state in _ATTENTION:
        yield from _attention(state, calendar.sessions)


def _years(cells: Iterable[SessionCell]) -> Iterator[str]:
    yield f"year  sessions{''.join(state.rjust(_WIDTH) for state in _STATES)}"
    for year, of_year in groupby(cells, key=lambda cell: cell.date.year):
        states = Counter(cell.state for cell in of_year)
        counts = "".join(str(states[state] or "-").rjust(_WIDTH) for state in _STATES)
        yield f"{year}  {states.total():>8}{counts}"


def _attention(state: str, cells: Iterable[SessionCell]) -> Iterator[str]:
    """The sessions of one state, neighbours of one reason in one line, the newest first."""
    neighbours = groupby(cells, key=lambda cell: (cell.state, cell.reasons))
    runs = [(reasons, list(run)) for (found, reasons), run in neighbours if found == state]
    if not runs:
        return
    yield f"{state}:"
    for reasons, run in reversed(runs[-_SHOWN:]):
        span = str(run[0].date) if len(run) == 1 else f"{run[0].date} to {run[-1].date}, {len(run):,} sessions"
        yield ": ".join([f"  {span}", *(["; ".join(reasons)] if reasons else [])])
    if len(runs) > _SHOWN:
        yield f"  and {len(runs) - _SHOWN:,} more, with --json"
