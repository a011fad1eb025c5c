"""Option bars, chains and seconds in few words, and the panel of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from marketlake.options.dividends import Dividends, NoDividends
from marketlake.options.panel import panel_rows
from marketlake.options.rates import ConstantRate, TreasuryCurve
from marketlake.options.symbol import parse
from marketlake.rows.option_bars import BARS
from marketlake.rows.option_chain import CHAIN
from marketlake.sessions import SessionCalendar

CALENDAR = SessionCalendar(dt.date(2026, 11, 20))
MINUTE_MS, SECOND_MS = 60_000, 1_000
SECONDS = pa.schema([pa.field("timestamp", pa.int64()), pa.field("close", pa.float64())])


def bars_of(rows: Iterable[tuple[str, int, float]]) -> pa.Table:
    """Of rows with contract, start (Unix ms UTC) and close (USD), ascending as a partition's are."""
    columns = list(zip(*sorted(rows), strict=True)) or [(), (), ()]
    names, starts, closes = (list(column) for column in columns)
    count = len(names)
    return pa.table(
        [names, starts, *[closes] * 4, [3] * count, pa.nulls(count, pa.float64()), [2] * count], schema=BARS
    )


def chain_of(contracts: Iterable[str], **changed: dict[str, Any]) -> pa.Table:
    """Standard contracts of SPY, each once; ``changed``: fields of some of them, by ticker without its ``O:``."""
    rows = []
    for ticker in sorted(set(contracts)):
        contract = parse(ticker)
        row = {
            "contract": ticker,
            "underlying": "SPY",
            "expiration_date": contract.expiration,
            "contract_type": contract.type,
            "strike_price": contract.strike,
            "exercise_style": "american",
            "shares_per_contract": 100,
            "standard": not contract.adjusted,
            "listed_before": True,
        }
        rows.append(row | changed.get(ticker.removeprefix("O:"), {}))
    return pa.Table.from_pylist(rows, schema=CHAIN)


def seconds_of(rows: Iterable[tuple[int, float]]) -> pa.Table:
    """Of rows with start (Unix ms UTC) and close (USD)."""
    columns: Sequence[Any] = list(zip(*sorted(rows), strict=True)) or [(), ()]
    return pa.table([list(column) for column in columns], schema=SECONDS)


def panel_of(
    bars: Iterable[tuple[str, int, float]],
    seconds: Iterable[tuple[int, float]],
    session: dt.date,
    *,
    chain: pa.Table | None = None,
    bar_ms: int = MINUTE_MS,
    rates: ConstantRate | TreasuryCurve | None = None,
    dividends: Dividends | None = None,
) -> pa.Table:
    """The panel of a few bars; at 4 % and without dividends if nothing else is said."""
    rows = list(bars)
    return panel_rows(
        bars_of(rows),
        seconds_of(seconds),
        chain_of(ticker for ticker, *_ in rows) if chain is None else chain,
        session=session,
        calendar=CALENDAR,
        bar_ms=bar_ms,
        rates=rates or ConstantRate(0.04),
        dividends=dividends or NoDividends(),
    )
