"""The four files of one session of options, as they stand or as they stood at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from marketlake.dataset_names import OPTION_BARS, OPTION_NAMES, OPTION_SELECTION
from marketlake.datasets import OF_OPTIONS
from marketlake.datasets.option_bars import CHAIN_INPUT
from marketlake.lake import Lake
from marketlake.research import missing as absence
from marketlake.research.lineage import subject_in
from marketlake.research.selection import MISSING, NOT_YET, OTHER_CHAIN, PENDING, Chosen, Found, Subject

_ABSENT = frozenset({MISSING, PENDING, NOT_YET})


@dataclass(frozen=True)
class SessionFiles:
    """``at``: as they stood then; None: as they stand. ``states``: those of a file that may be read."""

    lake: Lake
    ticker: str
    session: dt.date
    at: dt.datetime | None
    states: Sequence[str]

    @cached_property
    def subjects(self) -> dict[str, Subject]:
        """By dataset."""
        return {name: subject_in(self.lake, OF_OPTIONS[name], self.ticker) for name in OPTION_NAMES}

    @cached_property
    def found(self) -> dict[str, Found]:
        """What is there of each dataset, looked for once."""
        every = self.subjects.items()
        if self.at is None:
            return {name: subject.held(self.session) for name, subject in every}
        return {name: subject.as_of(self.session, self.at) for name, subject in every}

    def taken(self, name: str) -> Chosen | None:
        """The file of a dataset if it may be read."""
        found = self.found[name]
        return Chosen.of(found) if self.subjects[name].takes(found, self.states) else None

    def beside(self, chain: Chosen, missing: str) -> tuple[Chosen | None, Chosen | None]:
        """The selection of a chain, and the bars that it is of; None for what there is none of.

        Of a session of which there are neither, that is all. Of one that has one of them, or them of another chain,
        raises SessionsMissing, or warns and gives None: see ``missing``.
        """
        if {self.found[name].state for name in (OPTION_BARS, OPTION_SELECTION)} <= _ABSENT:
            return None, None
        bars, selection = self.taken(OPTION_BARS), self.taken(OPTION_SELECTION)
        if bars is None:
            self._tell(OPTION_BARS, self.found[OPTION_BARS], missing)
        elif bars.certificate.inputs.get(CHAIN_INPUT) != chain.certificate.content_hash:
            state = OTHER_CHAIN if self.at is None else NOT_YET
            self._tell(OPTION_SELECTION, Found(self.session, state), missing)
            return None, None
        elif selection is None:
            self._tell(OPTION_SELECTION, self.found[OPTION_SELECTION], missing)
        return selection if bars else None, bars

    def required(self, name: str) -> Chosen:
        """The file of a dataset. Raises SessionsMissing if it may not be read."""
        taken = self.taken(name)
        if taken is None:
            self._tell(name, self.found[name], absence.RAISE)
            raise AssertionError("what lacks is told")  # pragma: no cover
        return taken

    def _tell(self, name: str, found: Found, missing: str) -> None:
        absence.tell(self.subjects[name], [found], 1, missing, skipping="the chain without it")
