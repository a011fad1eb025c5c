"""One session of options as it is held: each dataset's partition, what it proves, and whether they belong together."""

from __future__ import annotations

import datetime as dt
from functools import cache

import pyarrow as pa

from marketlake.coverage_page.day import hours_of, proven
from marketlake.coverage_page.options import Options
from marketlake.dataset_names import OPTION_BARS, OPTION_CHAIN, OPTION_SELECTION
from marketlake.datasets.option_bars import CHAIN_INPUT, SELECTION_INPUT
from marketlake.errors import BadArgument, DamagedPartition, NoSuchRevision
from marketlake.options.selection import FrozenRule
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.store import HeldPartition

_NAMED = {OPTION_CHAIN: CHAIN_INPUT, OPTION_SELECTION: SELECTION_INPUT}


class OptionSession:
    """What is held of one session; each file is read whole, once. Raises NotASession for any other date."""

    def __init__(self, options: Options, session: dt.date) -> None:
        self.options = options
        self.session = session
        self.hours = hours_of(options, session)
        self.held = cache(self._held)

    def certificate(self, name: str) -> Certificate | None:
        """A dataset's certificate, if the rows are those that it is of."""
        held = self.held(name)
        return held.certificate if held else None

    def claimed(self, name: str) -> Certificate | None:
        """The certificate in a dataset's footer. Rows are not looked at, which of bars takes a while."""
        part = self.options.parts[name]
        return part.store.partitions.certificate(part.key(self.session))

    def rows(self, name: str) -> pa.Table:
        """A dataset's rows. Raises NoSuchRevision if nothing is held, DamagedPartition if it proves nothing."""
        part = self.options.parts[name]
        return part.store.partitions.rows_of(proven(part, self.session, self.held(name))[0])

    def selection(self) -> tuple[pa.Table | None, str]:
        """What became of each contract of the chain, or None and why: only what the bars' certificate names counts."""
        bars = self.claimed(OPTION_BARS)
        if bars is None:
            return None, "no option bars are held: nobody knows yet which contracts have any."
        for name, input_name in _NAMED.items():
            held = self.certificate(name)
            if held is None or held.content_hash != bars.inputs.get(input_name):
                return (
                    None,
                    f"the {name} that the bars were fetched with is not the one that is held: fetch them again.",
                )
        return self.rows(OPTION_SELECTION), ""

    def frozen(self) -> FrozenRule | None:
        """The rule by which contracts were selected, as the bars' certificate has it; None without one."""
        bars = self.claimed(OPTION_BARS)
        try:
            return FrozenRule.from_canonical(bars.basis["rule"]) if bars else None
        except (KeyError, BadArgument):
            return None

    def why_without(self, name: str) -> str:
        """Why nothing of a dataset can be shown; empty if its rows can."""
        try:
            proven(self.options.parts[name], self.session, self.held(name))
        except (NoSuchRevision, DamagedPartition) as exc:
            return str(exc)
        return ""

    def _held(self, name: str) -> HeldPartition | None:
        part = self.options.parts[name]
        return part.store.partitions.inspect(part.key(self.session))
