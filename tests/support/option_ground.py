"""Sessions of options in a lake, published as an ingest would leave them: chain, bars, selection and panel."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from conftest import KEY, NOW, a_client
from marketlake import settings
from marketlake.datasets import OF_OPTIONS
from marketlake.datasets.dataset import Dataset
from marketlake.datasets.option_answers import REST
from marketlake.datasets.option_bars import OPTION_BARS
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.datasets.option_panel import OPTION_PANEL
from marketlake.datasets.option_selection import OPTION_SELECTION
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.options.selection import SELECTED, FrozenRule, SelectionRule, select
from marketlake.partitions.certificate import Certificate, Hours, State
from marketlake.quality.reconciliation import Reconciliation
from marketlake.rows.option_bars import BARS
from marketlake.rows.option_panel import FLAGS, PANEL
from marketlake.rows.option_selection import ASKED_TWICE, EMPTY, NOT_SELECTED, PAGES, SELECTION, WITH_BARS
from polygon_simulator.options.contract import Contract
from polygon_simulator.options.market import OptionMarket
from polygon_simulator.options.pricing import Quote, quote
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

HOST = "127.0.0.1"
"""Whose answers these are said to be."""


SESSIONS = [dt.date(2024, 11, day) for day in (26, 27, 29)]
"""The last one closes at 13:00."""


@contextmanager
def an_option_ground(root: Path, contracts: str = "few") -> Iterator[tuple[Lake, OptionMarket]]:
    """A lake whose settings want options of SPY, with nothing in it, and the market that its vendor has."""
    with Simulator(SmoothDays(), KEY, contracts=contracts, now_s=NOW.timestamp) as simulator, pytest.MonkeyPatch.context() as patched:
        patched.setenv("POLYGON_BASE_URL", simulator.url)
        patched.setenv("MARKETLAKE_ENV_FILE", "")
        patched.setenv("MARKETLAKE__STORAGE__ROOT", str(root))
        patched.setenv("MARKETLAKE__OPTIONS__ENABLED", "true")
        patched.setenv("MARKETLAKE__HISTORY__START_DATE", "2024-11-25")
        patched.setenv("MARKETLAKE__HISTORY__END_DATE", "2024-12-03")
        yield Lake(settings.load(), now=lambda: NOW), simulator.options


@dataclass(frozen=True)
class Made:
    """The rows of one session, and by what they were made."""

    rows: Mapping[str, pa.Table]
    frozen: FrozenRule


def fill(
    lake: Lake,
    market: OptionMarket,
    session: dt.date,
    *,
    rule: SelectionRule | None = None,
    without: Sequence[str] = (),
    doubts: Mapping[str, str] | None = None,
    reference_usd: float | None = None,
) -> None:
    """Fetch the chain of a session, and publish what else there is of its options, all but the datasets ``without``.

    ``doubts``: why a dataset is suspect, by its name.
    """
    ingest(lake, OPTION_CHAIN, OPTION_CHAIN.spec.key("SPY", session), a_client(lake, []))
    made = _made(lake, market, session, rule or SelectionRule(), reference_usd)
    hashes = {name: OF_OPTIONS[name].spec.rows.content_hash(rows) for name, rows in made.rows.items()}
    basis = {
        "rule": made.frozen.canonical, "bar_size": "minute", "source": REST,
        "rates": "treasury yields of 2024-11-26", "dividends": "of the vendor",
    }  # fmt: skip
    inputs = {"option_chain": hashes["option_chain"], "frozen_rule": made.frozen.hash}
    for dataset, named, by in (
        (OPTION_BARS, inputs | {"option_selection": hashes["option_selection"]}, basis),
        (OPTION_SELECTION, inputs, {"rule": basis["rule"]}),
        (OPTION_PANEL, {"option_chain": hashes["option_chain"], "option_bars": hashes["option_bars"]},
         {"rates": "treasury", "dividends": "vendor", "model": "Black-76"}),
    ):  # fmt: skip
        if dataset.spec.name not in without:
            doubt = (doubts or {}).get(dataset.spec.name, "")
            put(lake, dataset, session, made.rows[dataset.spec.name], named, by, doubt=doubt)
    if OPTION_CHAIN.spec.name in without:
        file_of(lake, OPTION_CHAIN, session).unlink()


def file_of(lake: Lake, dataset: Dataset, session: dt.date):
    """The one file of a partition."""
    return (
        lake.storage.root / dataset.spec.prefix / "processed" / "spy" / f"date={session}" / dataset.spec.rows.file_name
    )


def put(
    lake: Lake,
    dataset: Dataset,
    session: dt.date,
    rows: pa.Table,
    inputs: Mapping[str, str],
    basis: Mapping[str, str],
    *,
    doubt: str = "",
) -> None:
    """Publish rows over whatever is held, with a certificate of them."""
    store, key, hours = lake.store(dataset.spec), dataset.spec.key("SPY", session), lake.calendar.hours(session)
    at_ms, facts = int(lake.now().timestamp() * 1000), dataset.spec.rows.facts(rows)
    held = store.partitions.inspect(key)
    certificate = Certificate(
        schema_version=1, ticker="SPY", session=session, state=State.SUSPECT if doubt else State.COMPLETE,
        adjusted=False, source_host=HOST, pages=1, request_ids=("an id",), raw_digest="", rows=rows.num_rows,
        first_timestamp=facts.first_timestamp, last_timestamp=facts.last_timestamp, volume=facts.volume,
        transactions=facts.transactions, content_hash=dataset.spec.rows.content_hash(rows), hours=Hours.of(hours),
        checks=tuple(dataset.check(rows, hours, None)), waivers=(), revision=held.revision + 1 if held else 1,
        fetched_at_ms=at_ms, published_at_ms=at_ms, certified_at_ms=at_ms, dataset=dataset.spec.name,
        reconciliation=Reconciliation(None, None, {}, {"made up": (doubt,)} if doubt else {}),
        inputs=dict(inputs), basis=dict(basis),
    )  # fmt: skip
    with store.exclusive(key) as writer:
        store.partitions.publish(writer, rows, certificate, held)


def _made(lake: Lake, market: OptionMarket, session: dt.date, rule: SelectionRule, reference_usd: float | None) -> Made:
    chain = lake.store(OPTION_CHAIN.spec).partitions.read(OPTION_CHAIN.spec.key("SPY", session))
    assert chain is not None
    before = lake.calendar.last_sessions(session, 2)[0]
    close_ms = lake.calendar.hours(before).regular_end_ms
    usd = reference_usd or round(float(market.underlying("SPY", before).at(np.array([close_ms]))[0]), 2)
    source = f"the last second bar of regular hours of {before} in the lake"
    content = OPTION_CHAIN.spec.rows.content_hash(chain)
    frozen = FrozenRule(rule, "SPY", session, usd, close_ms, source, content)
    reasons = select(chain, rule, usd, session).column("reason").to_pylist()
    bars = _bars(market, session, [name for name, why in zip(chain.column("contract").to_pylist(), reasons, strict=True)
                                   if why == SELECTED])  # fmt: skip
    counts = Counter(bars.column("contract").to_pylist())
    rows = {
        "option_chain": chain,
        "option_bars": bars,
        "option_selection": _selection(chain.column("contract").to_pylist(), reasons, counts),
        "option_panel": _panel(market, session, bars),
    }
    return Made(rows, frozen)


def _bars(market: OptionMarket, session: dt.date, contracts: Sequence[str]) -> pa.Table:
    """The minute bars that the simulated market has of some contracts."""
    keys = {"timestamp": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v", "vwap": "vw",
            "transactions": "n"}  # fmt: skip
    found = ((name, bar) for name in contracts for bar in market.bars(name, session, "minute"))
    rows = [{"contract": name} | {column: bar[key] for column, key in keys.items()} for name, bar in found]
    return pa.Table.from_pylist(rows, schema=BARS)


def _selection(contracts: Sequence[str], reasons: Sequence[str], counts: Mapping[str, int]) -> pa.Table:
    rows = [
        {"contract": name, "selected": True, "reason": why, "state": WITH_BARS if counts[name] else EMPTY,
         "evidence": PAGES if counts[name] else ASKED_TWICE, "bars": counts[name], "request_id": f"{name} asked"}
        if why == SELECTED
        else {"contract": name, "selected": False, "reason": why, "state": NOT_SELECTED, "evidence": None, "bars": 0,
              "request_id": None}
        for name, why in zip(contracts, reasons, strict=True)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SELECTION)


def _panel(market: OptionMarket, session: dt.date, bars: pa.Table) -> pa.Table:
    """The bars beside the underlying, with the vol that they were priced with, and greeks that mean nothing."""
    spots = market.underlying("SPY", session)
    parts = [PANEL.empty_table()]
    for name, own in _by_contract(bars):
        ends_ms = own.column("timestamp").to_numpy() + 60_000
        known = quote(_contract(name), session, ends_ms, spots.at(ends_ms))
        parts.append(_panel_rows(own, known))
    return pa.concat_tables(parts).combine_chunks()


def _panel_rows(own: pa.Table, known: Quote) -> pa.Table:
    solved = ~np.isnan(known.vol)
    figures = {
        "underlying": known.spot, "underlying_age_s": np.zeros(len(own)), "years_to_expiry": known.years,
        "rate": known.rate, "dividends_pv": known.dividends_pv, "forward": known.forward,
        "forward_parity": known.forward, "iv": known.vol, "delta": np.full(len(own), 0.5),
        "gamma": np.full(len(own), 0.01), "vega": np.full(len(own), 1.0), "theta": np.full(len(own), -0.1),
    }  # fmt: skip
    unsolved = {"iv", "delta", "gamma", "vega", "theta"}
    columns = [own.column(name) for name in BARS.names]
    columns += [pa.array(values, pa.float64(), mask=~solved if name in unsolved else None)
                for name, values in figures.items()]  # fmt: skip
    columns.append(pa.array([None if one else "expired" for one in solved], pa.string()))
    columns += [pa.array(np.zeros(len(own), np.bool_)) for _ in FLAGS]
    return pa.table(columns, schema=PANEL)


def _by_contract(bars: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    names = bars.column("contract")
    for name in pc.unique(names).to_pylist():
        yield name, bars.filter(pc.equal(names, name))


@cache
def _contract(name: str) -> Contract:
    found = Contract.of(name)
    assert found is not None
    return found


def seconds(lake: Lake, session: dt.date) -> None:
    """Fetch the underlying's second bars of a session."""
    ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", session), a_client(lake, []))
