"""From four files to the chain of a session: the contracts, what became of each, and the panel beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.dataset_names import OPTION_BARS, OPTION_CHAIN, OPTION_PANEL, OPTION_SELECTION
from marketlake.errors import BadArgument
from marketlake.options.selection import FrozenRule
from marketlake.research.arguments import some_of
from marketlake.research.missing import fetching
from marketlake.research.options.basis import bar_ms, frozen_rule
from marketlake.research.options.chain import SessionChain
from marketlake.research.options.contract_filter import ContractFilter
from marketlake.research.options.rows import (
    BESIDE,
    CONTRACT,
    DTE,
    EXPIRY,
    MONEYNESS,
    SAID_BY_TICKER,
    STRIKE,
    TYPE,
    OptionCut,
    facts_beside,
    session_rows,
)
from marketlake.research.options.session_files import SessionFiles
from marketlake.research.reading import file_rows
from marketlake.research.selection import Chosen
from marketlake.rows.option_chain import CHAIN
from marketlake.rows.option_panel import PANEL
from marketlake.rows.option_selection import SELECTION

_OF_SELECTION = [field.with_nullable(True) for field in SELECTION if field.name != CONTRACT]
_EVERY = pa.schema([*CHAIN, *_OF_SELECTION, *BESIDE])
_USUAL = [name for name in (*CHAIN.names, *SELECTION.names[1:]) if name not in {"underlying", "request_id"}]


@dataclass(frozen=True)
class ChainCut:
    """Which columns of which contracts."""

    schema: pa.Schema
    wanted: ContractFilter

    @classmethod
    def of(cls, columns: Sequence[str] | None, wanted: ContractFilter) -> ChainCut:
        """``columns`` None: those of the chain and what became of each contract. Raises BadArgument."""
        names = some_of("columns", _USUAL if columns is None else columns, _EVERY.names)
        return cls(pa.schema([_EVERY.field(name) for name in names]), wanted)


def chain_of(files: SessionFiles, cut: ChainCut, missing: str, engine: str) -> SessionChain:
    """The chain of a session. Raises SessionsMissing, DamagedPartition, and BadArgument for a moneyness of no price."""
    chain = files.required(OPTION_CHAIN)
    selection, bars = files.beside(chain, missing)
    rule = frozen_rule(files.subjects[OPTION_BARS], bars) if bars else None
    if rule is None and cut.wanted.is_of_prices:
        raise _without_price(files)
    rows = _contracts(files, chain, selection, rule, cut.wanted)
    panel = _Panel(files, tuple(rows.column(CONTRACT).to_pylist()))
    hours = files.lake.calendar.hours(files.session)
    return SessionChain(files.ticker, hours, rows, columns=cut.schema.names, engine=engine, rule=rule, panel=panel)


def _without_price(files: SessionFiles) -> BadArgument:
    subject = files.subjects[OPTION_BARS]
    command = fetching(subject, files.session, files.session, again=True)
    return BadArgument(
        f"moneyness: strikes are held against the price that the session's contracts were selected by, and there are no"
        f" option bars of {files.ticker} {files.session} that name one. Filter by strike, or fetch them:  {command}"
    )


def _contracts(
    files: SessionFiles, chain: Chosen, selection: Chosen | None, rule: FrozenRule | None, wanted: ContractFilter
) -> pa.Table:
    """The contracts that are wanted, with every column that there is."""
    rows = file_rows(files.subjects[OPTION_CHAIN], chain, CHAIN.names)
    terms_of_rows = pa.table([rows.column(name) for name in ("expiration_date", "contract_type", "strike_price")],
                    names=SAID_BY_TICKER)  # fmt: skip
    prices = np.full(rows.num_rows, rule.reference_usd if rule else np.nan)
    mask = wanted.takes(rows.column(CONTRACT).combine_chunks(), terms_of_rows, files.session)
    if wanted.is_of_prices:
        mask &= wanted.near(terms_of_rows.column(STRIKE).to_numpy(), prices)
    beside = {name: terms_of_rows.column(name) for name in SAID_BY_TICKER} | facts_beside(
        files.session, terms_of_rows, prices
    )
    columns = {
        **{name: rows.column(name) for name in CHAIN.names},
        **_became(files, selection, rows.column(CONTRACT)),
        **beside,
    }
    return pa.table([columns[name] for name in _EVERY.names], schema=_EVERY).filter(pa.array(mask))


def _became(files: SessionFiles, selection: Chosen | None, contracts: pa.ChunkedArray) -> dict[str, Any]:
    """What became of each contract; nulls without a selection."""
    names = SELECTION.names[1:]
    if selection is None:
        return {name: pa.nulls(len(contracts), SELECTION.field(name).type) for name in names}
    rows = file_rows(files.subjects[OPTION_SELECTION], selection, SELECTION.names)
    own = rows.take(pc.index_in(contracts, value_set=rows.column(CONTRACT).combine_chunks()))
    return {name: own.column(name) for name in names}


@dataclass(frozen=True)
class _Panel:
    """The panel of some contracts of a session, read when it is called."""

    files: SessionFiles
    contracts: tuple[str, ...]

    def __call__(self) -> tuple[pa.Table, int]:
        """Its rows, with what the ticker says, and how long a bar is. Raises SessionsMissing or DamagedPartition."""
        chosen = self.files.required(OPTION_PANEL)
        bars = Chosen.of(self.files.found[OPTION_BARS])  # which the panel is of
        subject = self.files.subjects[OPTION_PANEL]
        names = [*PANEL.names, EXPIRY, TYPE, STRIKE, DTE, MONEYNESS]
        cut = OptionCut.of(subject, names, ContractFilter(contracts=self.contracts))
        return session_rows(subject, chosen, cut), bar_ms(self.files.subjects[OPTION_BARS], bars)
