"""A day of a simulated option market as tables of the lake, without a lake: what a panel is made of."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa

from marketlake.options.dividends import Dividend, Dividends, KnownDividends
from marketlake.options.panel import panel_rows
from marketlake.options.rates import TENORS, TreasuryCurve
from marketlake.rows.option_bars import BARS
from panels import CALENDAR, MINUTE_MS, chain_of, seconds_of
from polygon_simulator.options import dividends, yields
from polygon_simulator.server import Simulator

_KEYS = ("t", "o", "h", "l", "c", "v", "vw", "n")


@dataclass(frozen=True)
class SimulatedDay:
    """What a panel of a session is made of."""

    session: dt.date
    bars: pa.Table
    seconds: pa.Table
    chain: pa.Table
    rates: TreasuryCurve
    dividends: Dividends

    def panel(self) -> pa.Table:
        return panel_rows(
            self.bars,
            self.seconds,
            self.chain,
            session=self.session,
            calendar=CALENDAR,
            bar_ms=MINUTE_MS,
            rates=self.rates,
            dividends=self.dividends,
        )


def simulated_day(
    simulator: Simulator, session: dt.date, *, moneyness: float = 0.05, dte_max: int = 45
) -> SimulatedDay:
    """Minute bars of the contracts near the money, and what the vendor would say of rates and dividends."""
    seconds = seconds_of((bar["t"], float(bar["c"])) for bar in simulator.bars("SPY", session))
    middle = seconds.column("close")[seconds.num_rows // 2].as_py()
    last = str(session + dt.timedelta(days=dte_max))
    chosen = [
        str(record["ticker"])
        for record in simulator.options.chain.records("SPY", session)
        if abs(record["strike_price"] / middle - 1) <= moneyness and record["expiration_date"] <= last
    ]
    columns: dict[str, list[object]] = {name: [] for name in BARS.names}
    for ticker in sorted(chosen):
        for bar in simulator.options.bars(ticker, session, "minute"):
            for name, value in zip(BARS.names, (ticker, *(bar[key] for key in _KEYS)), strict=True):
                columns[name].append(value)
    return SimulatedDay(
        session, pa.table(columns, schema=BARS), seconds, chain_of(chosen), _curve(session), _dividends()
    )


def _curve(session: dt.date) -> TreasuryCurve:
    day = session - dt.timedelta(days=1)
    while not yields.is_published(day):
        day -= dt.timedelta(days=1)
    return TreasuryCurve(day, {name: value for name, value in yields.row(day).items() if name in TENORS})


def _dividends() -> Dividends:
    """The vendor's rows, amounts of later ones and all: what could be known of them is for the lake to say."""
    rows = [row for row in dividends.rows(dt.date(2026, 11, 20)) if row["ticker"] == "SPY"]
    date = dt.date.fromisoformat
    history = [
        Dividend(date(row["ex_dividend_date"]), row["cash_amount"], date(row["declaration_date"])) for row in rows
    ]
    return KnownDividends(history, CALENDAR)
