"""A lake of options written by hand, row by row: what is read of it can be said beforehand.

Of 2024-11-27 there are 18 contracts, selected by 600 USD, ±5 %, to 45 days; of 2024-11-29, which closes at 13:00,
three; of 2024-11-26 the chain alone.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from conftest import NOW
from marketlake import open_lake, settings
from marketlake.datasets import OF_OPTIONS
from marketlake.ingest.one_kind import record_kind
from marketlake.lake import Lake
from marketlake.options.selection import FrozenRule, SelectionRule
from marketlake.partitions.certificate import Certificate, Hours, State
from marketlake.quality.reconciliation import Reconciliation
from marketlake.research.lake import ResearchLake
from marketlake.rows.option_bars import BARS
from marketlake.rows.option_chain import CHAIN
from marketlake.rows.option_panel import FLAGS, PANEL
from marketlake.rows.option_selection import SELECTION
from marketlake.sessions import new_york_ms

TUESDAY, WEDNESDAY, FRIDAY = (dt.date(2024, 11, day) for day in (26, 27, 29))
BETWEEN, DECEMBER, MARCH = dt.date(2024, 12, 13), dt.date(2024, 12, 27), dt.date(2025, 3, 21)
NAMES = ("option_chain", "option_selection", "option_bars", "option_panel")


def ticker(expiry: dt.date, kind: str, strike: float, root: str = "SPY") -> str:
    return f"O:{root}{expiry:%y%m%d}{kind}{round(strike * 1000):08}"


C600, C606, P590, P600 = (ticker(FRIDAY, kind, strike) for kind, strike in
                          (("C", 600), ("C", 606), ("P", 590), ("P", 600)))  # fmt: skip
FAR_C600, FAR_C606 = ticker(DECEMBER, "C", 600), ticker(DECEMBER, "C", 606)
ADJUSTED = ticker(BETWEEN, "C", 600, root="SPY1")
TOO_FAR = ticker(MARCH, "C", 600)
OF_FRIDAY = ticker(FRIDAY, "C", 602)

CONTRACTS: Mapping[dt.date, Sequence[str]] = {
    TUESDAY: [ticker(FRIDAY, kind, 600) for kind in "CP"],
    WEDNESDAY: sorted(
        [
            ADJUSTED,
            TOO_FAR,
            *(
                ticker(expiry, kind, strike)
                for expiry in (FRIDAY, DECEMBER)
                for kind in "CP"
                for strike in (590, 600, 606, 660)
            ),
        ]
    ),
    FRIDAY: [OF_FRIDAY, ticker(FRIDAY, "P", 602), FAR_C600],
}
REFERENCES = {WEDNESDAY: 600.0, FRIDAY: 602.0}

Row = tuple[str, str, float, int, float | None, float | None, float | None]
"""Contract, when its bar starts (New York), close, volume, underlying, iv and delta."""

ROWS: Mapping[dt.date, Sequence[Row]] = {
    WEDNESDAY: [
        (C600, "09:30", 3.0, 10, None, None, None),
        (C600, "09:31", 3.1, 20, 600.0, 0.12, 0.52),
        (C600, "10:00", 3.3, 30, 602.0, 0.13, 0.60),
        (C606, "09:31", 0.5, 5, 600.0, 0.11, 0.20),
        (C606, "10:00", 0.6, 6, 602.0, 0.115, 0.28),
        (P590, "09:45", 0.2, 7, 601.0, 0.15, -0.10),
        (P600, "09:31", 2.5, 8, 600.0, 0.12, -0.48),
        (P600, "16:00", 2.0, 9, 603.0, 0.10, -0.30),
        (FAR_C600, "10:00", 9.0, 3, 602.0, 0.14, 0.55),
        (FAR_C606, "09:59", 6.0, 4, 602.0, 0.135, 0.42),
        (ADJUSTED, "10:00", 1.0, 1, None, None, None),
    ],
    FRIDAY: [
        (OF_FRIDAY, "09:30", 1.0, 40, 602.5, 0.2, 0.55),
        (OF_FRIDAY, "12:59", 1.5, 50, 603.5, None, None),
        (FAR_C600, "09:30", 8.0, 2, 602.5, 0.14, 0.56),
    ],
}  # fmt: skip


def chain_rows(session: dt.date) -> pa.Table:
    rows = []
    for name in CONTRACTS[session]:
        root, tail = name[2:-15], name[-15:]
        rows.append({
            "contract": name, "underlying": "SPY", "expiration_date": dt.date.fromisoformat(f"20{tail[:6]}"),
            "contract_type": {"C": "call", "P": "put"}[tail[6]], "strike_price": int(tail[7:]) / 1000,
            "exercise_style": "american", "shares_per_contract": 100, "primary_exchange": "BATO", "cfi": None,
            "additional_underlyings": None, "standard": root == "SPY",
            "listed_before": None if root == "SPY1" else True,
        })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=CHAIN)


def start_ms(session: dt.date, time: str) -> int:
    return new_york_ms(session, dt.time.fromisoformat(time))


def bar_rows(session: dt.date, rows: Sequence[Row] | None = None) -> pa.Table:
    made = [
        {"contract": name, "timestamp": start_ms(session, time), "open": close, "high": close, "low": close,
         "close": close, "volume": volume, "vwap": close, "transactions": None if volume == 9 else 1}
        for name, time, close, volume, *_ in sorted(ROWS[session] if rows is None else rows)
    ]  # fmt: skip
    return pa.Table.from_pylist(made, schema=BARS)


def panel_rows(session: dt.date, rows: Sequence[Row] | None = None) -> pa.Table:
    every = sorted(row for row in (ROWS[session] if rows is None else rows) if row[0] != ADJUSTED)
    bars = bar_rows(session, every).to_pylist()
    made = []
    for bar, (_, time, _, _, underlying, iv, delta) in zip(bars, every, strict=True):
        greeks = dict.fromkeys(("gamma", "vega", "theta"), None if iv is None else 0.01)
        no_iv = ("missing" if underlying is None else "below_intrinsic") if iv is None else None
        flags = dict.fromkeys(FLAGS, False) | {
            "stale_underlying": underlying is None, "below_intrinsic": no_iv == "below_intrinsic",
            "after_close": time >= "16:00",
        }  # fmt: skip
        made.append(bar | greeks | flags | {
            "underlying": underlying, "underlying_age_s": None if underlying is None else 0.0, "years_to_expiry": 0.01,
            "rate": 0.04, "dividends_pv": 0.0, "forward": underlying, "forward_parity": None, "iv": iv, "delta": delta,
            "no_iv": no_iv,
        })  # fmt: skip
    return pa.Table.from_pylist(made, schema=PANEL)


def selection_rows(session: dt.date, bars: pa.Table) -> pa.Table:
    counts = Counter(bars.column("contract").to_pylist())
    rows = []
    for name in CONTRACTS[session]:
        near, has = abs(int(name[-8:]) / 1000 / REFERENCES[session] - 1) < 0.06, counts[name]
        selected = near and name != TOO_FAR
        rows.append({
            "contract": name, "selected": selected,
            "reason": "selected" if selected else "dte" if near else "moneyness",
            "state": ("bars" if has else "empty") if selected else "not_selected", "bars": has,
            "evidence": ("pages" if has else "asked_twice_and_day_bar") if selected else None,
            "request_id": f"of {name}" if selected else None,
        })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SELECTION)


class OptionGround:
    """A lake that is written by hand and read through ``open_lake``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        configured = settings.load()
        storage = configured.storage.model_copy(update={"root": root})
        self.written = Lake(configured.model_copy(update={"storage": storage}), now=lambda: NOW)

    @property
    def lake(self) -> ResearchLake:
        return open_lake(self.root)

    def file(self, name: str, session: dt.date) -> Path:
        spec = OF_OPTIONS[name].spec
        return self.root / spec.prefix / "processed" / "spy" / f"date={session}" / spec.rows.file_name

    def fill(
        self, session: dt.date, rows: Sequence[Row] | None = None, *, without: Sequence[str] = (),
        at: dt.datetime = NOW, state: State = State.COMPLETE, bar_size: str = "minute",
    ) -> None:  # fmt: skip
        """Publish the four tables of a session, as an ingest would."""
        record_kind(self.written, "127.0.0.1")
        chain, bars = chain_rows(session), bar_rows(session, rows)
        tables = {"option_chain": chain, "option_bars": bars, "option_selection": selection_rows(session, bars),
                  "option_panel": panel_rows(session, rows)}  # fmt: skip
        hashes = {name: OF_OPTIONS[name].spec.rows.content_hash(table) for name, table in tables.items()}
        rule = FrozenRule(SelectionRule(), "SPY", session, REFERENCES[session], 0, "by hand", hashes["option_chain"])
        basis = {"rule": rule.canonical, "bar_size": bar_size, "source": "rest", "rates": "", "dividends": ""}
        of_bars = {"option_chain": hashes["option_chain"], "frozen_rule": rule.hash}
        inputs: dict[str, dict[str, str]] = {
            "option_chain": {},
            "option_bars": of_bars | {"option_selection": hashes["option_selection"]},
            "option_selection": of_bars,
            "option_panel": {"option_bars": hashes["option_bars"], "option_chain": hashes["option_chain"]},
        }
        for name in ("option_chain", "option_bars", "option_selection", "option_panel"):
            if name not in without:
                self.publish(name, session, tables[name], inputs[name], basis, at=at,
                             state=State.COMPLETE if name == "option_chain" else state)  # fmt: skip

    def publish(
        self, name: str, session: dt.date, rows: pa.Table, inputs: Mapping[str, str] | None = None,
        basis: Mapping[str, str] | None = None, *, at: dt.datetime = NOW, state: State = State.COMPLETE,
    ) -> Certificate:  # fmt: skip
        """Publish rows over what is held, with a certificate of them: without a word, made of and by the same."""
        dataset, at_ms = OF_OPTIONS[name], int(at.timestamp() * 1000)
        store, key, hours = self.written.store(dataset.spec), dataset.spec.key("SPY", session), _hours(session)
        held = store.partitions.inspect(key)
        old, facts = held.footer_certificate if held else None, dataset.spec.rows.facts(rows)
        if not rows.num_rows and state is State.COMPLETE:
            state = State.EMPTY
        certificate = Certificate(
            schema_version=1, ticker="SPY", session=session, state=state, adjusted=False, source_host="127.0.0.1",
            pages=0, request_ids=(), raw_digest="", rows=rows.num_rows, first_timestamp=facts.first_timestamp,
            last_timestamp=facts.last_timestamp, volume=facts.volume, transactions=facts.transactions,
            content_hash=dataset.spec.rows.content_hash(rows), hours=Hours.of(hours),
            checks=tuple(dataset.check(rows, hours, None)), waivers=(),
            revision=held.revision + 1 if held else 1, fetched_at_ms=at_ms, published_at_ms=at_ms,
            certified_at_ms=at_ms, reconciliation=Reconciliation(None, None, {}, {}), dataset=name,
            inputs=dict(inputs if inputs is not None else old.inputs if old else {}),
            basis=dict(basis if basis is not None else old.basis if old else {}),
        )  # fmt: skip
        with store.exclusive(key) as writer:
            store.partitions.publish(writer, rows, certificate, held)
        return certificate

    def amend(self, name: str, session: dt.date, **changed: Any) -> None:
        """Write another certificate over the same rows, sealed."""
        store = self.written.store(OF_OPTIONS[name].spec)
        held = store.partitions.inspect(store.spec.key("SPY", session))
        assert held is not None
        assert held.certificate is not None
        certificate = msgspec.structs.replace(held.certificate, **changed)
        with store.exclusive(certificate.key) as writer:
            store.partitions.publish(writer, store.partitions.rows_of(held), certificate, held)


def _hours(session: dt.date) -> Any:
    return Lake(settings.load(), now=lambda: NOW).calendar.hours(session)


def fill_all(ground: OptionGround) -> None:
    ground.fill(WEDNESDAY)
    ground.fill(FRIDAY)
    ground.publish("option_chain", TUESDAY, chain_rows(TUESDAY), {}, {})


@pytest.fixture(scope="module")
def prepared_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OptionGround]:
    """All of it, not to be changed."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MARKETLAKE_ENV_FILE", "")
        ground = OptionGround(tmp_path_factory.mktemp("options") / "lake")
        fill_all(ground)
        yield ground


@pytest.fixture
def option_ground(prepared_options: OptionGround, tmp_path: Path) -> OptionGround:
    """A copy, to be changed."""
    shutil.copytree(prepared_options.root, tmp_path / "copied")
    return OptionGround(tmp_path / "copied")
