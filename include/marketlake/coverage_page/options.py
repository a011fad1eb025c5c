"""Options on the page: the four datasets of an underlying as one, whose sessions stand as a whole or not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

from marketlake.coverage.index import CoverageIndex, HeldFacts
from marketlake.coverage.joint import GRAVEST_FIRST
from marketlake.dataset_names import OPTION_BARS, OPTION_PANEL, OPTIONS
from marketlake.datasets import OF_OPTIONS
from marketlake.lake import Lake
from marketlake.research.selection import Subject


class Options:
    """The options of one underlying, for those who look at them. ``parts``: each of the datasets, by name."""

    def __init__(self, lake: Lake, ticker: str) -> None:
        self.lake = lake
        self.ticker = ticker
        self.name = OPTIONS
        self.parts = {name: Subject(lake, dataset, ticker) for name, dataset in OF_OPTIONS.items()}

    @property
    def needed(self) -> tuple[str, ...]:
        """The datasets that a session must have to be complete: the panel only if the settings want it."""
        wants_panel = self.lake.settings.options.panel.enabled
        return tuple(name for name in self.parts if name != OPTION_PANEL or wants_panel)


class PartlyHeld(HeldFacts, frozen=True):
    """What is held of a session that lacks one of its datasets."""


class OptionIndex:
    """What the lake holds of each session of an underlying's options: ``CoverageIndex`` of the datasets together."""

    def __init__(self, options: Options, *, keep: bool) -> None:
        self._needed = options.needed
        self.parts = {
            name: CoverageIndex(options.lake, part.spec, part.ticker, keep=keep)
            for name, part in options.parts.items()
            if name in options.needed
        }

    def look(self) -> Mapping[dt.date, HeldFacts]:
        """Of each session that has a partition of any of the datasets: what they are together. Raises StorageError."""
        looks = {name: index.look() for name, index in self.parts.items()}
        days = sorted(set[dt.date]().union(*looks.values()))
        return {day: whole({name: look[day] for name, look in looks.items() if day in look}, self._needed)
                for day in days}  # fmt: skip


def whole(parts: Mapping[str, HeldFacts], needed: Iterable[str]) -> HeldFacts:
    """What the datasets of one session are together; one at least is held. Figures are those of the bars.

    Damaged if one is, or if one was made of another than the one that is held beside it; else ``PartlyHeld`` if one is
    not there; else in the gravest state.
    """
    size, bars = sum(part.bytes for part in parts.values()), parts.get(OPTION_BARS)
    wrong = [*_damaged(parts), *disagreements(parts)]
    if wrong:
        return HeldFacts("", size, reasons=tuple(wrong))
    absent = [name for name in needed if name not in parts]
    if absent:
        reason = f"not held: {', '.join(absent)}; held: {', '.join(parts)}"
        return PartlyHeld("", size, rows=bars.rows if bars else 0, reasons=(reason,))
    states = {part.state for part in parts.values()}
    return HeldFacts(
        "",
        size,
        next(state for state in GRAVEST_FIRST if state in states),
        bars.rows if bars else 0,
        bars.volume if bars else 0.0,
        None,
        bars.revision if bars else 0,
        max(part.certified_at_ms for part in parts.values()),
        tuple(f"{name}: {reason}" for name, part in parts.items() for reason in part.reasons),
    )


def disagreements(parts: Mapping[str, HeldFacts]) -> Iterator[str]:
    """Each dataset that others were made of another version of than the one that is held, and those, in words."""
    for name, held in parts.items():
        stale = [other for other, part in parts.items() if part.inputs.get(name, held.content) != held.content]
        if held.state is not None and stale:
            were = "were" if len(stale) > 1 else "was"
            yield f"{', '.join(stale)} {were} made of another {name} than the one that is held: fetch the session again"


def _damaged(parts: Mapping[str, HeldFacts]) -> Iterator[str]:
    return (f"{name}: {reason}" for name, part in parts.items() if part.state is None for reason in part.reasons)
