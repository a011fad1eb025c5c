"""The day of a full chain on the coverage page: what its answers take, and how long a browser draws the map."""

from __future__ import annotations

import datetime as dt
import gzip
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from playwright.sync_api import sync_playwright

from benchmark.drawn import PAINTED
from benchmark.figures import Figure
from browser import FLAGS, absent, chromium
from marketlake.coverage_page.chain_map import chain_map
from marketlake.coverage_page.contract import contract_view
from marketlake.coverage_page.option_day import option_day_of
from marketlake.coverage_page.options import OptionIndex, Options
from marketlake.lake import Lake
from option_ground import TUESDAY, WEDNESDAY, an_option_ground
from option_lake import BARS, held
from page_server import served

_CONTRACT = "O:SPY241129C00610000"
_SWITCH = """type => {
    const started = performance.now();
    document.querySelector(`input[value=${type}]`).click();
    return performance.now() - started;
}"""


def option_map(folder: Path, runs: int, contracts: str = "full") -> list[Figure]:
    """Of one session that is fetched from the simulator. Files are in the system's cache."""
    with an_option_ground(folder, contracts) as ground:
        ground.seconds(TUESDAY, WEDNESDAY)
        ground.fetch(WEDNESDAY)
        options = Options(ground.lake, "SPY")
        index, answer = OptionIndex(options, keep=False), chain_map(options, WEDNESDAY)
        bars = held(ground.lake, BARS)[0].rows
        day_s, map_s, contract_s = [], [], []
        for _ in range(runs):
            day_s.append(_took(lambda: option_day_of(options, index, WEDNESDAY, None)))
            map_s.append(_took(lambda: chain_map(options, WEDNESDAY)))
            contract_s.append(_took(lambda: contract_view(options, WEDNESDAY, _CONTRACT)))
        name = f"a chain of {answer.contracts:,} contracts and {bars:,} bars"
        sent = len(gzip.compress(msgspec.json.encode(answer), 5)) / 1000
        return [
            Figure(f"{name}: its day, every file held against its certificate", "s", day_s, limit=2),
            Figure(f"{name}: its map as JSON", "s", map_s, limit=0.5),
            Figure(f"{name}: its map, compressed", "kB", [sent], limit=150),
            Figure(f"{name}: one contract beside its underlying, as JSON", "s", contract_s, limit=2),
            *_drawn(ground.lake, WEDNESDAY, name, runs),
        ]


def _drawn(lake: Lake, session: dt.date, name: str, runs: int) -> list[Figure]:
    """Seconds in a new context each time, so that nothing is cached; nothing without a browser on this machine."""
    if absent():
        return []
    whole_s, switched_s = [], []
    with served(lake) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for _ in range(runs):
            context = browser.new_context()
            page = context.new_page()
            page.goto(f"{address}?dataset=options&ticker=SPY&date={session}")
            page.wait_for_selector("#chain-grid [data-contract]")
            whole_s.append(page.evaluate(PAINTED) / 1000)
            page.get_by_role("radio", name="Whole chain").check()
            switched_s += [page.evaluate(_SWITCH, kind) / 1000 for kind in ("put", "call")]
            context.close()
        browser.close()
    return [
        Figure(f"{name}: drawn in Chromium, from its address on", "s", whole_s, limit=2),
        Figure(f"{name}: the whole of it, calls exchanged for puts", "s", switched_s, limit=0.2),
    ]


def _took(act: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    msgspec.json.encode(act())
    return time.perf_counter() - started_s
