"""One contract of a session: its bars, those of the underlying at the same times, and its implied volatility."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from marketlake import commands
from marketlake.coverage_page.candles import Candles, bins_of, cut_to_day, folded, gaps_in, width_ms
from marketlake.coverage_page.chain_map import UNKNOWN
from marketlake.coverage_page.day import bars_of
from marketlake.coverage_page.option_day import bar_ms_of
from marketlake.coverage_page.option_session import OptionSession
from marketlake.coverage_page.option_words import EVIDENCE_WORDS, REASON_WORDS
from marketlake.coverage_page.options import Options
from marketlake.dataset_names import OPTION_BARS, OPTION_CHAIN, OPTION_PANEL
from marketlake.datasets import DATASETS
from marketlake.errors import BadArgument, DamagedPartition, NoSuchRevision
from marketlake.options.hours import trading_ms
from marketlake.research.selection import Subject
from marketlake.rows.option_selection import EMPTY, WITH_BARS


class VolatilityLine(msgspec.Struct, frozen=True):
    """Implied volatility, a fraction a year, and delta at the bars of ``times_ms``; None if there is none."""

    times_ms: list[int]
    iv: list[float | None]
    delta: list[float | None]


class ContractView(msgspec.Struct, frozen=True):
    """What is known of a contract on a session, in words, and its bars; candles of all parts are of one width.

    What is None is not held, for the reason beside it.
    """

    contract: str
    underlying: str
    date: dt.date
    expiration: dt.date
    days: int
    type: str
    strike: float
    standard: bool
    state: str
    words: list[str]
    start_ms: int
    end_ms: int
    bars: Candles | None
    bars_absent: str
    underlying_dataset: str
    underlying_bars: Candles | None
    underlying_absent: str
    volatility: VolatilityLine | None
    volatility_absent: str


@dataclass(frozen=True)
class _Looked:
    """What is looked at: a contract of a session, a window (Unix ms UTC, half-open), and candles of one width (ms)."""

    there: OptionSession
    contract: str
    window: tuple[int, int]
    width: int

    def rows_of(self, rows: pa.Table) -> pa.Table:
        """The contract's."""
        return rows.filter(pc.equal(rows.column("contract"), self.contract)).combine_chunks()


def contract_view(
    options: Options,
    session: dt.date,
    contract: str,
    window_ms: tuple[int | None, int | None] = (None, None),
    most: int = 1_500,
) -> ContractView:
    """One contract of a session's chain, over a window (default: the hours in which options trade).

    Raises BadArgument for a contract that is not in the chain, or an impossible window, and as ``chain_map`` does.
    """
    there = OptionSession(options, session)
    opens, closes = trading_ms(there.hours)
    first, last = window_ms
    window = cut_to_day(there.hours, (opens if first is None else first, closes if last is None else last))
    looked = _Looked(there, contract, window, width_ms(window[1] - window[0], bar_ms_of(there), most))
    listed = _listed(looked)
    state, words = _became(looked)
    bars, bars_absent = _bars(looked, None if state == WITH_BARS else words)
    dataset, underlying, underlying_absent = _underlying(looked)
    volatility, volatility_absent = _volatility(looked)
    return ContractView(
        contract,
        listed["underlying"],
        session,
        listed["expiration_date"],
        (listed["expiration_date"] - session).days,
        listed["contract_type"],
        listed["strike_price"],
        listed["standard"],
        state,
        [*_terms(listed), words],
        *window,
        bars,
        bars_absent,
        dataset,
        underlying,
        underlying_absent,
        volatility,
        volatility_absent,
    )


def _listed(looked: _Looked) -> Mapping[str, Any]:
    """The contract as the chain has it."""
    there = looked.there
    rows: list[Mapping[str, Any]] = looked.rows_of(there.rows(OPTION_CHAIN)).to_pylist()
    if not rows:
        raise BadArgument(
            f"contract={looked.contract[:40]!r} is none of the chain of {there.options.ticker} {there.session}: write"
            " it as O:SPY241220C00600000, one of  chain?date= ."
        )
    return rows[0]


def _terms(listed: Mapping[str, Any]) -> Iterator[str]:
    """What the contract is, beyond its type, strike and expiry."""
    if not listed["standard"]:
        beside = f", and {listed['additional_underlyings']}" if listed["additional_underlyings"] else ""
        yield f"Not a standard contract: it delivers {listed['shares_per_contract']:,} shares{beside}."
    if listed["listed_before"] is False:
        yield "New: it was not listed on the session before."


def _became(looked: _Looked) -> tuple[str, str]:
    """The contract's state, and what shows it."""
    selection, because = looked.there.selection()
    if selection is None:
        return UNKNOWN, because[:1].upper() + because[1:]
    (row,) = looked.rows_of(selection).to_pylist()
    state, evidence = row["state"], EVIDENCE_WORDS.get(row["evidence"], row["evidence"])
    if state == WITH_BARS:
        return state, f"{row['bars']:,} bars, shown {evidence}."
    if state == EMPTY:
        return state, f"Empty: it did not trade, shown {evidence}."
    return state, f"Not selected: {REASON_WORDS.get(row['reason'], row['reason'])} ({row['reason']})."


def _bars(looked: _Looked, why_none: str | None) -> tuple[Candles | None, str]:
    """The contract's candles; without bars the reason."""
    absent = why_none or looked.there.why_without(OPTION_BARS)
    if absent:
        return None, absent
    own = looked.rows_of(looked.there.rows(OPTION_BARS))
    exact = own.append_column("volume_exact", own.column("volume").cast(pa.float64()))
    return folded(exact, looked.there.hours, looked.window, looked.width), ""


def _underlying(looked: _Looked) -> tuple[str, Candles | None, str]:
    """The candles of the underlying, of the first dataset of bars that has the session; else how to get it."""
    options, session = looked.there.options, looked.there.session
    for name, dataset in DATASETS.items():
        part = Subject(options.lake, dataset, options.ticker)
        with suppress(NoSuchRevision, DamagedPartition):
            return name, _stock_candles(looked, part, bars_of(part, session)), ""
    name = next(iter(DATASETS))
    configured = options.lake.settings.tickers_of(name)
    command = commands.fetching(name, options.ticker, session, session, tickers=configured, again=False)
    return name, None, f"The lake holds no bars of {options.ticker} on {session}. Fetch them with  {command}"


def _stock_candles(looked: _Looked, part: Subject, rows: pa.Table) -> Candles:
    hours, (start_ms, end_ms) = looked.there.hours, looked.window
    gaps = [gap for gap in gaps_in(rows, hours, part.spec.bar_ms) if gap[0] < end_ms and gap[1] > start_ms]
    drawn = folded(rows, hours, looked.window, max(looked.width, part.spec.bar_ms))
    return msgspec.structs.replace(drawn, gaps=gaps)


def _volatility(looked: _Looked) -> tuple[VolatilityLine | None, str]:
    """The last implied volatility of each candle."""
    absent = looked.there.why_without(OPTION_PANEL)
    if absent:
        return None, absent
    own = looked.rows_of(looked.there.rows(OPTION_PANEL).select(["contract", "timestamp", "iv", "delta"]))
    starts = bins_of(looked.there.hours, looked.width).starts_ms(own.column("timestamp").to_numpy()).tolist()
    values = zip(own.column("iv").to_pylist(), own.column("delta").to_pylist(), strict=True)
    last = dict(zip(starts, values, strict=True))
    first_ms, end_ms = looked.window
    shown = {start: value for start, value in last.items() if first_ms <= start < end_ms}
    return VolatilityLine(list(shown), [iv for iv, _ in shown.values()], [delta for _, delta in shown.values()]), ""
