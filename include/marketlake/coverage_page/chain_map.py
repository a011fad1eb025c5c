"""The chain of a session as a map of strikes by expiry: how many bars each contract has, or why it has none."""

from __future__ import annotations

import datetime as dt
from itertools import groupby

import msgspec
import pyarrow as pa

from marketlake.coverage_page.option_session import OptionSession
from marketlake.coverage_page.options import Options
from marketlake.dataset_names import OPTION_CHAIN

MOST_CONTRACTS = 50_000
"""More than any chain has: of one that has more, the contracts that expire last are left out."""

UNKNOWN = "unknown"
"""The state of a contract of which nobody knows what became."""
_NAME_AFTER_ROOT = len("yymmddC00480000")


class ContractKind(msgspec.Struct, frozen=True):
    """What is the same of many contracts. ``state``: as the selection has it, or ``unknown`` without one.

    ``standard``: not adjusted; ``listed_before``: on the session before, None if that is not known. ``contracts``: how
    many are of this kind.
    """

    state: str
    reason: str
    evidence: str | None
    standard: bool
    listed_before: bool | None
    contracts: int


class MapRow(msgspec.Struct, frozen=True):
    """The contracts of one root, expiry and type, ascending by strike (USD): each one's bars, and the place of its kind
    in ``kinds``. ``days``: calendar days from the session to the expiry.

    A contract's ticker: ``O:``, the root, the expiry as ``yymmdd``, ``C`` or ``P``, thousandths of the strike in eight
    digits.
    """

    root: str
    expiration: dt.date
    days: int
    type: str
    strikes: list[float]
    bars: list[int]
    kinds: list[int]


class ChainMap(msgspec.Struct, frozen=True):
    """Every contract of a chain, row by row. ``because``: why states are not known; empty if they are.

    ``reference_usd``: the price that contracts were selected by, and where it is from. ``more``: how many contracts are
    left out.
    """

    dataset: str
    ticker: str
    date: dt.date
    reference_usd: float | None
    reference_source: str
    because: str
    contracts: int
    more: int
    kinds: list[ContractKind]
    rows: list[MapRow]


def chain_map(options: Options, session: dt.date, most: int = MOST_CONTRACTS) -> ChainMap:
    """The chain that is held, with what became of each contract if that is known.

    Raises NoSuchRevision if no chain is held, DamagedPartition if it proves nothing, or NotASession.
    """
    there = OptionSession(options, session)
    chain, frozen = there.rows(OPTION_CHAIN), there.frozen()
    selection, because = there.selection()
    shown = chain.slice(0, most) if chain.num_rows <= most else _earliest(chain, most)
    kinds, numbers, bars = _kinds(shown, selection)
    return ChainMap(
        options.name,
        options.ticker,
        session,
        frozen.reference_usd if frozen else None,
        frozen.reference_source if frozen else "",
        because,
        chain.num_rows,
        chain.num_rows - shown.num_rows,
        kinds,
        _rows(shown, session, bars, numbers),
    )


def _earliest(chain: pa.Table, most: int) -> pa.Table:
    """The contracts that expire first, ascending by contract."""
    return chain.sort_by("expiration_date").slice(0, most).sort_by("contract")


def _kinds(chain: pa.Table, selection: pa.Table | None) -> tuple[list[ContractKind], list[int], list[int]]:
    """Every kind that occurs; and of each contract of the chain the place of its kind, and how many bars it has."""
    names = chain.column("contract").to_pylist()
    became = _became(selection)
    unknown = (UNKNOWN, "", None, 0)
    answers = [became.get(name, unknown) for name in names]
    traits = zip(chain.column("standard").to_pylist(), chain.column("listed_before").to_pylist(), strict=True)
    facts = [(*answer[:3], *trait) for answer, trait in zip(answers, traits, strict=True)]
    places: dict[tuple[str, str, str | None, bool, bool | None], int] = {}
    numbers = [places.setdefault(fact, len(places)) for fact in facts]
    kinds = [ContractKind(*fact, contracts=numbers.count(place)) for fact, place in places.items()]
    return kinds, numbers, [answer[3] for answer in answers]


def _became(selection: pa.Table | None) -> dict[str, tuple[str, str, str | None, int]]:
    """State, reason, evidence and bars by contract."""
    if selection is None:
        return {}
    columns = (selection.column(name).to_pylist() for name in ("contract", "state", "reason", "evidence", "bars"))
    return {name: (state, reason, evidence, bars) for name, state, reason, evidence, bars in zip(*columns, strict=True)}


def _rows(chain: pa.Table, session: dt.date, bars: list[int], numbers: list[int]) -> list[MapRow]:
    """Contracts ascend by root, expiry, type and strike, so that neighbours share all but the last."""
    columns = (
        chain.column(name).to_pylist() for name in ("contract", "expiration_date", "contract_type", "strike_price")
    )
    every = zip(*columns, bars, numbers, strict=True)
    rows = []
    for (root, expiry, kind), group in groupby(every, key=lambda one: (one[0][2:-_NAME_AFTER_ROOT], one[1], one[2])):
        _, _, _, strikes, counts, places = (list(column) for column in zip(*group, strict=True))
        rows.append(MapRow(root, expiry, (expiry - session).days, kind, strikes, counts, places))
    return rows
