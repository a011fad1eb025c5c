"""The panel of a made-up day: rows a second against QuantLib in a plain loop, and what a session takes in the lake."""

from __future__ import annotations

import datetime as dt
import io
import math
import time
from bisect import bisect_right
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import QuantLib
import requests

from benchmark.airflow_runs import environment
from benchmark.dense_days import DenseDays
from benchmark.figures import Figure
from benchmark.research import most_mib
from benchmark.vendor import KEY
from marketlake import settings
from marketlake.datasets import OF_OPTIONS
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.options.derived import publish_derived
from marketlake.ingest.options.panel import build_panel
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.options.dividends import ConstantDividends
from marketlake.options.hours import expiry_ms
from marketlake.options.panel import panel_rows
from marketlake.options.rates import ConstantRate
from marketlake.options.symbol import TYPES, Contract, strike_milli
from marketlake.partitions.certificate import Certificate
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from marketlake.rows.option_bars import BARS
from marketlake.rows.option_chain import CHAIN
from marketlake.rows.option_selection import PAGES, SELECTION, WITH_BARS
from polygon_simulator.options import black76
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

SESSION = dt.date(2024, 11, 27)
RATE, DIVIDEND_USD = 0.045, 1.8
_EXPIRIES, _STRIKES, _WITHIN = 17, 67, 0.05
_MINUTES, _MINUTE_MS, _DAILY, _LAST_DAYS = 405, 60_000, 12, 45
_KINDS = {"call": QuantLib.Option.Call, "put": QuantLib.Option.Put}
_AGREED = 1e-6
_SETTINGS = {
    "MARKETLAKE_ENV_FILE": "",
    "MARKETLAKE__OPTIONS__ENABLED": "true",
    "MARKETLAKE__OPTIONS__RATES__SOURCE": "constant",
    "MARKETLAKE__OPTIONS__RATES__CONSTANT": str(RATE),
    "MARKETLAKE__OPTIONS__DIVIDENDS__SOURCE": "constant",
    "MARKETLAKE__OPTIONS__DIVIDENDS__CONSTANT_USD": str(DIVIDEND_USD),
}


@dataclass(frozen=True)
class Day:
    """What a panel is made of."""

    bars: pa.Table
    seconds: pa.Table
    chain: pa.Table


def panel(folder: Path, *, bars_a_contract: int = 110, plain_rows: int = 5_000, runs: int = 5) -> list[Figure]:
    """A day of 17 expirations and 67 strikes within 5 %, calls and puts: 2,278 contracts."""
    with environment(_SETTINGS | {"MARKETLAKE__STORAGE__ROOT": str(folder)}):
        lake = Lake(settings.load())
    day = _filled(lake, bars_a_contract)
    rows, contracts = day.bars.num_rows, day.chain.num_rows
    plain, chosen = Plain(lake, day), np.linspace(0, rows - 1, min(plain_rows, rows)).astype(int)
    some, ours, theirs = day.bars.take(chosen).to_pylist(), [], []
    for _ in range(runs):
        started_s = time.process_time()
        made = _ours(lake, day)
        ours.append(rows / (time.process_time() - started_s))
        started_s = time.process_time()
        found = [plain.row(bar) for bar in some]
        theirs.append(len(found) / (time.process_time() - started_s))
        _require_the_same(made.take(chosen).to_pylist(), found)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        took_s, peak_mib = pool.submit(_built, folder).result()
    name, peer = f"panel of {rows:,} option bars, {contracts:,} contracts", "QuantLib in a plain loop, object by object"
    note = "the same iv and greeks, and no parity, no flag"
    return [
        Figure(f"{name}: rows a CPU-second", "/s", ours, peer, theirs, 3, more_is_better=True, note=note),
        Figure("the same: from the lake into the lake", "s", [took_s], note="read, valued, judged, published"),
        Figure("the same: memory of its process over an idle one", "MiB", [peak_mib], limit=300),
        _size(lake, rows),
    ]


def _size(lake: Lake, rows: int) -> Figure:
    dataset = OF_OPTIONS["option_panel"]
    partitions = lake.store(dataset.spec).partitions
    key = dataset.spec.key("SPY", SESSION)
    plain, held = io.BytesIO(), partitions.read(key)
    assert held is not None
    held.to_pandas().to_parquet(plain)
    ours = [partitions.size_bytes(key) / rows]
    return Figure("the same: size", "bytes a row", ours, "pandas' default", [len(plain.getvalue()) / rows], 0.7)


def _built(folder: Path) -> tuple[float, float]:
    """How long one panel takes in a process that made none before, and the most that it holds meanwhile, MiB."""
    with environment(_SETTINGS | {"MARKETLAKE__STORAGE__ROOT": str(folder)}):
        lake = Lake(settings.load())
    lake.calendar.hours(SESSION)
    before_mib, started_s = most_mib(), time.perf_counter()
    report = build_panel(lake, "SPY", SESSION)
    assert (report.outcome, report.state) == ("created", "complete"), report
    return time.perf_counter() - started_s, most_mib() - before_mib


# --- the two sides --------------------------------------------------------------------------------------------------


def _ours(lake: Lake, day: Day) -> pa.Table:
    return panel_rows(
        day.bars,
        day.seconds,
        day.chain,
        session=SESSION,
        calendar=lake.calendar,
        bar_ms=_MINUTE_MS,
        rates=ConstantRate(RATE),
        dividends=ConstantDividends(DIVIDEND_USD, lake.calendar),
    )


class Plain:
    """QuantLib as its documentation shows it: one row after the other, an object for the greeks of each."""

    def __init__(self, lake: Lake, day: Day) -> None:
        listed = day.chain.to_pylist()
        self._contracts = {row["contract"]: row for row in listed}
        self._expiries_ms = {day: expiry_ms(day, lake.calendar) for day in {row["expiration_date"] for row in listed}}
        self._ends_ms = [start + 1_000 for start in day.seconds.column("timestamp").to_pylist()]
        self._closes = day.seconds.column("close").to_pylist()
        ahead = ConstantDividends(DIVIDEND_USD, lake.calendar).ahead(SESSION, max(self._expiries_ms))
        self._paid = [(one.ex_date, one.amount_usd) for one in ahead]

    def row(self, bar: dict[str, Any]) -> dict[str, float] | None:
        """The iv and the greeks of a bar; None if it has none."""
        contract, end_ms = self._contracts[bar["contract"]], bar["timestamp"] + _MINUTE_MS
        expiration, spot = contract["expiration_date"], self._closes[bisect_right(self._ends_ms, end_ms) - 1]
        years = (self._expiries_ms[expiration] - end_ms) / 31_536_000_000
        if years <= 0:
            return None
        held = [(day, amount) for day, amount in self._paid if day <= expiration]
        worth = sum(amount * math.exp(-RATE * (day - SESSION).days / 365) for day, amount in held)
        growth = math.exp(RATE * years)
        forward, kind = (spot - worth) * growth, _KINDS[contract["contract_type"]]
        try:
            deviation = QuantLib.blackFormulaImpliedStdDev(
                kind, contract["strike_price"], forward, bar["close"], 1 / growth, 0.0, QuantLib.nullDouble(), 1e-12
            )
        except RuntimeError:
            return None
        if not deviation > 0:
            return None
        payoff = QuantLib.PlainVanillaPayoff(kind, contract["strike_price"])
        black = QuantLib.BlackCalculator(payoff, forward, deviation, 1 / growth)
        return {
            "iv": deviation / math.sqrt(years),
            "delta": black.deltaForward() * growth,
            "gamma": black.gammaForward() * growth**2,
            "vega": black.vega(years),
            "theta": black.thetaPerDay(spot, years),
        }


def _require_the_same(ours: list[dict[str, Any]], theirs: list[dict[str, float] | None]) -> None:
    """Every row of a price that has an iv. QuantLib's theta is of a stock without dividends, and left out."""
    assert sum(row is not None for row in theirs) > 0.9 * len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        for name in ("iv", "delta", "gamma", "vega"):
            known = mine[name] is not None and other is not None
            assert not known or math.isclose(mine[name], other[name], rel_tol=_AGREED, abs_tol=_AGREED), (mine, other)


# --- the day ----------------------------------------------------------------------------------------------------------


def _filled(lake: Lake, bars_a_contract: int) -> Day:
    """A lake with the session's seconds, chain, bars and selection, under certificates that name each other."""
    with Simulator(DenseDays(), KEY) as simulator:
        transport = Transport(
            requests.Session(), ApiKey(KEY, "the benchmark"), lake.settings.api, base_url=simulator.url
        )
        ingest(lake, SECOND_BARS, spy(SESSION), PolygonClient(transport))
    partitions = kept_by(lake).partitions
    certificate, seconds = partitions.certificate(spy(SESSION)), partitions.read(spy(SESSION))
    assert certificate is not None
    assert seconds is not None
    chain = _chain(lake, float(np.median(seconds.column("close").to_numpy())))
    day = Day(_bars(lake, chain, seconds, bars_a_contract), seconds, chain)
    selection = _selection(day)
    hashes = {
        name: OF_OPTIONS[name].spec.rows.content_hash(rows)
        for name, rows in (("option_chain", chain), ("option_selection", selection))
    }
    basis = {"bar_size": "minute", "rates": "", "dividends": ""}
    for name, rows in (("option_chain", chain), ("option_selection", selection), ("option_bars", day.bars)):
        _publish(lake, name, rows, hashes if name == "option_bars" else {}, basis, certificate)
    return day


def _publish(
    lake: Lake, name: str, rows: pa.Table, inputs: dict[str, str], basis: dict[str, str], of: Certificate
) -> None:
    dataset = OF_OPTIONS[name]
    key = dataset.spec.key("SPY", SESSION)
    publish_derived(lake, dataset, key, rows, inputs=inputs, basis=basis, of=[of])


def _chain(lake: Lake, middle: float) -> pa.Table:
    days = lake.calendar.sessions(SESSION, SESSION + dt.timedelta(days=_LAST_DAYS))
    expiries = [*days[:_DAILY], *days[_DAILY :: (len(days) - _DAILY) // (_EXPIRIES - _DAILY)]][:_EXPIRIES]
    strikes = [round(middle * (1 + share), 2) for share in np.linspace(-_WITHIN, _WITHIN, _STRIKES)]
    contracts = [
        Contract("SPY", expiration, kind, strike_milli(strike))
        for expiration in expiries
        for kind in TYPES
        for strike in strikes
    ]
    rows = [
        {
            "contract": one.ticker, "underlying": "SPY", "expiration_date": one.expiration, "contract_type": one.type,
            "strike_price": one.strike, "exercise_style": "american", "shares_per_contract": 100, "standard": True,
        }
        for one in contracts
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=CHAIN).sort_by("contract")


def _bars(lake: Lake, chain: pa.Table, seconds: pa.Table, bars_a_contract: int) -> pa.Table:
    """Minutes at random, of prices by a smile, in whole cents."""
    chance, opens_ms = np.random.default_rng(1), lake.calendar.hours(SESSION).regular_start_ms
    ends_ms, closes = seconds.column("timestamp").to_numpy() + 1_000, seconds.column("close").to_numpy()
    parts = []
    for row in chain.to_pylist():
        starts = opens_ms + np.sort(chance.choice(_MINUTES, bars_a_contract, replace=False)) * _MINUTE_MS
        spot = closes[np.searchsorted(ends_ms, starts + _MINUTE_MS, side="right") - 1]
        years = np.maximum(expiry_ms(row["expiration_date"], lake.calendar) - starts - _MINUTE_MS, 0) / 31_536_000_000
        vol = 0.15 + 0.02 * np.exp(-years * 20) - 0.6 * (row["strike_price"] / spot - 1)
        price = black76.price(
            call=row["contract_type"] == "call", forward=spot * np.exp(RATE * years), strike=row["strike_price"],
            years=years, rate=np.full(len(spot), RATE), vol=vol,
        )  # fmt: skip
        cents = np.maximum(np.rint(price * 100), 1) / 100
        count = np.full(len(starts), 3)
        parts.append(
            pa.table([[row["contract"]] * len(starts), starts, *[cents] * 4, count, cents, count], schema=BARS)
        )
    return pa.concat_tables(parts).combine_chunks()


def _selection(day: Day) -> pa.Table:
    names = day.chain.column("contract").to_pylist()
    count = day.bars.num_rows // len(names)
    rows = {"selected": True, "reason": "selected", "state": WITH_BARS, "evidence": PAGES, "bars": count}
    return pa.Table.from_pylist(
        [rows | {"contract": name, "request_id": "made up"} for name in names], schema=SELECTION
    )
