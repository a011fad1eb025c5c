"""Rows of option bars and panels: only the columns that were asked for, of the contracts that were asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marketlake.dataset_names import OPTION_PANEL
from marketlake.errors import BadArgument
from marketlake.options.symbol import terms
from marketlake.partitions.parquet_file import certified_columns, certified_rows
from marketlake.research.arguments import some_of
from marketlake.research.engines import as_asked
from marketlake.research.options.basis import frozen_rule
from marketlake.research.options.contract_filter import ContractFilter
from marketlake.research.pandas_frame import TIME
from marketlake.research.reading import damaged, file_rows
from marketlake.research.selection import Chosen, Subject
from marketlake.research.threads import in_turn

CONTRACT, UNDERLYING = "contract", "underlying"
SESSION, EXPIRY, TYPE, STRIKE, DTE, MONEYNESS = "session", "expiry", "type", "strike", "dte", "moneyness"
SAID_BY_TICKER = (EXPIRY, TYPE, STRIKE)

BESIDE = pa.schema(
    [
        pa.field(SESSION, pa.date32()),
        pa.field(EXPIRY, pa.date32()),
        pa.field(TYPE, pa.string()),
        pa.field(STRIKE, pa.float64()),
        pa.field(DTE, pa.int64(), nullable=False),
        pa.field(MONEYNESS, pa.float64()),
    ]
)
"""Columns beside those of the files. ``expiry``, ``type`` (call or put) and ``strike`` (USD) are the ticker's; ``dte``:
calendar days from the session to the expiry; ``moneyness``: strike / price - 1, NaN without a price.
"""


@dataclass(frozen=True)
class OptionCut:
    """What is taken of each file: columns, ``timestamp`` first, of the contracts that a filter takes."""

    schema: pa.Schema
    wanted: ContractFilter

    @classmethod
    def of(cls, subject: Subject, columns: Sequence[str] | None, wanted: ContractFilter) -> OptionCut:
        """``columns`` None: those of the file, and what the ticker says. Raises BadArgument."""
        own = subject.spec.rows.schema
        names = (*own.names, *SAID_BY_TICKER) if columns is None else columns
        every = pa.schema([*own, *BESIDE])
        ordered = [TIME, *(name for name in some_of("columns", names, every.names) if name != TIME)]
        return cls(pa.schema([every.field(name) for name in ordered]), wanted)

    @property
    def needs_prices(self) -> bool:
        """Whether strikes are held against a price."""
        return self.wanted.is_of_prices or MONEYNESS in self.schema.names


def option_rows(subject: Subject, chosen: Sequence[Chosen], cut: OptionCut, engine: str) -> Any:
    """The rows of all sessions, one after the other, each by contract and time, as an engine has them."""
    tables = in_turn(lambda one: session_rows(subject, one, cut), chosen, subject.workers)
    return as_asked(tables, cut.schema, sum(one.certificate.rows for one in chosen), engine)


def session_rows(subject: Subject, chosen: Chosen, cut: OptionCut) -> pa.Table:
    """One session's rows, by contract and time. Raises DamagedPartition."""
    rows = file_rows(subject, chosen, _of_file(subject, cut), _reading(chosen.session, cut.wanted))
    contracts = _encoded(rows.column(CONTRACT))
    try:
        terms_of_contracts = terms(contracts.dictionary)
    except BadArgument as exc:
        raise damaged(subject, chosen.path, chosen, f"{exc} Fetch it again.") from exc
    terms_of_rows = terms_of_contracts.take(contracts.indices)
    prices = _prices(subject, chosen, rows) if cut.needs_prices else None
    mask = cut.wanted.takes(contracts.dictionary, terms_of_contracts, chosen.session)[contracts.indices.to_numpy()]
    if cut.wanted.is_of_prices and prices is not None:
        mask &= cut.wanted.near(terms_of_rows.column(STRIKE).to_numpy(), prices)
    beside = {name: terms_of_rows.column(name) for name in SAID_BY_TICKER} | facts_beside(
        chosen.session, terms_of_rows, prices
    )
    columns = {**beside, **{name: rows.column(name) for name in rows.column_names}}
    columns[CONTRACT] = contracts.cast(pa.string())
    whole = pa.table([columns[name] for name in cut.schema.names], schema=cut.schema)
    return whole if mask.all() else whole.filter(pa.array(mask))


def _of_file(subject: Subject, cut: OptionCut) -> list[str]:
    """The columns to read: those that were asked for, and what the others are made of."""
    own = [name for name in cut.schema.names if name in subject.spec.rows.schema.names]
    prices = [UNDERLYING] if cut.needs_prices and subject.spec.name == OPTION_PANEL else []
    return list(dict.fromkeys([CONTRACT, *own, *prices]))


def _reading(session: dt.date, wanted: ContractFilter) -> Any:
    """How a file is read: of its row groups, those with a row of a contract that is wanted."""
    if not wanted.is_of_contracts:
        return certified_columns

    def takes(contracts: pa.Array) -> pa.Array:
        return pa.array(wanted.takes(contracts, terms(contracts), session))

    return partial(certified_rows, key=CONTRACT, takes=takes)


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Tickers as a dictionary, whichever way they were read."""
    whole = column.combine_chunks()
    return whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()


def _prices(subject: Subject, chosen: Chosen, rows: pa.Table) -> NDArray[np.float64]:
    """What the strike of each row is held against, USD: the panel's own underlying, NaN if it has none; of bars the
    price that the session's contracts were selected by.
    """
    if subject.spec.name == OPTION_PANEL:
        return np.asarray(rows.column(UNDERLYING).to_numpy())
    return np.full(rows.num_rows, frozen_rule(subject, chosen).reference_usd)


def facts_beside(session: dt.date, terms_of_rows: pa.Table, prices: NDArray[np.float64] | None) -> dict[str, pa.Array]:
    """The other columns beside those of the files."""
    days = (
        terms_of_rows.column(EXPIRY).cast(pa.int32()).to_numpy().astype(np.int64) - (session - dt.date(1970, 1, 1)).days
    )
    none = np.full(terms_of_rows.num_rows, np.nan)
    moneyness = terms_of_rows.column(STRIKE).to_numpy() / (none if prices is None else prices) - 1
    return {
        SESSION: pa.repeat(pa.scalar(session, pa.date32()), terms_of_rows.num_rows),
        DTE: pa.array(days, pa.int64()),
        MONEYNESS: pa.array(moneyness, pa.float64(), from_pandas=True),
    }
