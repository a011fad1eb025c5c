"""``make demo OPTIONS=1``: three sessions of a made-up market of options: chain, bars, and a panel with implied vol."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from itertools import groupby

import pyarrow as pa

from local_airflow.backfill.options import options_ahead
from local_airflow.backfill.range import backfill_range
from local_airflow.backfill.verdict import verdict
from local_airflow.client_of_tasks import client, source
from local_airflow.demo.folder import tickers_of
from local_airflow.demo.running import TICKER, Demo, a_demo
from marketlake import commands
from marketlake.console import say
from marketlake.coverage.joint import state_of
from marketlake.dataset_names import OPTION_BARS, OPTION_CHAIN, OPTION_PANEL, OPTION_SELECTION, OPTIONS, SECOND_BARS
from marketlake.datasets import OF_OPTIONS
from marketlake.ingest.collected import coverage_of
from marketlake.lake import Lake
from marketlake.research.lake import open_lake
from marketlake.rows.option_selection import EMPTY, WITH_BARS
from marketlake.sessions import NEW_YORK

FIRST, LAST = "2025-11-26", "2025-12-01"
"""Three sessions around Thanksgiving; that of the 28th closed at 13:00."""
REAL = (dt.date(2024, 11, 25), dt.date(2024, 11, 25))
"""What to go on with: one session."""
_NEAR = 0.005
_RECHECK_S = 2
_COLLECTED = {
    **tickers_of(SECOND_BARS),
    "MARKETLAKE__OPTIONS__ENABLED": "true",
    "MARKETLAKE__OPTIONS__EMPTY_RECHECK_S": str(_RECHECK_S),
}


def run(*, keep: bool) -> int:
    """The whole demo; exit code 0 if every session is complete in the end. Raises AirflowTrouble."""
    with a_demo(f"options of {TICKER}", _COLLECTED, {}, keep=keep, contracts="few") as demo:
        say(f"first {TICKER}'s seconds, beside which the options are laid ...")
        code = _backfill(demo, SECOND_BARS)
        say("now the options of a small chain: what they take is looked up before anything is fetched ...")
        code = max(code, _backfill(demo, OPTIONS))
        say(f"a contract that answered empty was asked again after {_RECHECK_S} s; options.empty_recheck_s is 300")
        for line in [*_table(demo.lake), *_vols(demo), f"{demo.seconds:.0f} s in all", *_next_steps(demo, keep=keep)]:
            say(line)
    return code


def _backfill(demo: Demo, name: str) -> int:
    """Backfill the three sessions of a dataset, or of options. The verdict's exit code."""
    wanted = backfill_range(demo.lake, FIRST, LAST, say, name)
    if name == OPTIONS:
        api = client(demo.home, demo.lake.settings)
        bars = source(demo.home, demo.lake.settings, api)
        for line in options_ahead(demo.lake, api, bars, TICKER, wanted, refetch=False):
            say(line)
    reasons, lines = demo.backfill(wanted), list[str]()
    code = verdict(coverage_of(demo.lake, name, TICKER), wanted, reasons, lines.append)
    for line in lines:
        say(line)
    return code


def _table(lake: Lake) -> Iterator[str]:
    """What is held of each session: contracts that were listed and asked for, bars, and rows with a vol."""
    yield (
        f"\n{'session':<14}  {'listed':>6}  {'asked for':>9}  {'empty':>5}  {'bars':>7}  {'in panel':>8}"
        f"  {'with iv':>7}  state"
    )
    for session, parts in coverage_of(lake, OPTIONS, TICKER).certificates().items():
        rows = {name: certificate.rows if certificate else 0 for name, certificate in parts.items()}
        chosen, panel = (_read(lake, name, session) for name in (OPTION_SELECTION, OPTION_PANEL))
        states = Counter(chosen.column("state").to_pylist())
        with_answer, with_iv = states[WITH_BARS] + states[EMPTY], panel.num_rows - panel.column("iv").null_count
        yield (
            f"{session:%Y-%m-%d %a}  {rows[OPTION_CHAIN]:>6,}  {with_answer:>9,}  {states[EMPTY]:>5,}"
            f"  {rows[OPTION_BARS]:>7,}  {rows[OPTION_PANEL]:>8,}  {with_iv:>7,}  {state_of(parts) or 'MISSING'}"
        )
    yield "no 2025-11-27: Thanksgiving. 2025-11-28 closed at 13:00, its options at 13:15."


def _read(lake: Lake, name: str, session: dt.date) -> pa.Table:
    spec = OF_OPTIONS[name].spec
    rows = lake.store(spec).partitions.read(spec.key(TICKER, session))
    return spec.rows.schema.empty_table() if rows is None else rows


def _vols(demo: Demo) -> Iterator[str]:
    """Of the last session, of each expiry: the vol of what last traded out of the money, near to it, by noon."""
    day = dt.date.fromisoformat(LAST)
    columns = ["contract", "timestamp", "expiry", "dte", "strike", "moneyness", "close", "underlying", "iv", "itm"]
    near = open_lake(demo.stage.path / "data").option_panel(
        day, moneyness=(-_NEAR, _NEAR), columns=columns, engine="arrow", missing="skip"
    )
    noon = dt.datetime.combine(day, dt.time(12), NEW_YORK)
    rows = [row for row in near.to_pylist() if not row["itm"] and row["iv"] is not None and row["timestamp"] < noon]
    yield f"\nimplied volatility on {day}, of the last trade out of the money and near to it before 12:00 New York:"
    for dte, of_expiry in groupby(sorted(rows, key=lambda row: row["dte"]), key=lambda row: row["dte"]):
        row = max(of_expiry, key=lambda bar: (bar["timestamp"], -abs(bar["moneyness"])))
        at = row["timestamp"].astimezone(NEW_YORK)
        yield (
            f"  {dte:>3} days  {row['contract']}  {row['close']:>6.2f} USD at {at:%H:%M},"
            f" {TICKER} {row['underlying']:.2f}: {row['iv']:.2%}"
        )


def _next_steps(demo: Demo, *, keep: bool) -> list[str]:
    """What to do now, as lines to copy."""
    lake = f"from marketlake import open_lake; lake = open_lake('{demo.data}')"
    return [
        "\nread it:",
        f"  .venv/bin/python -c \"{lake}; print(lake.option_chain('{LAST}', dte=(0, 7)).contracts)\"",
        f"  .venv/bin/python -c \"{lake}; print(lake.option_panel('{LAST}', moneyness=(-0.01, 0.01)))\"",
        *demo.looking(OPTIONS, "make demo OPTIONS=1 KEEP=1", keep=keep),
        "go on with a real key, whose plan has options (docs/options.md):",
        "  make env                                      # writes .env; put your key there as POLYGON_API_KEY",
        f"  {commands.fetching(SECOND_BARS, TICKER, *REAL, tickers=[TICKER], again=False)}",
        f"  {commands.fetching(OPTIONS, TICKER, *REAL, tickers=[], again=False)}",
    ]
