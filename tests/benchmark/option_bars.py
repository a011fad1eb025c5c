"""A session of option bars by REST: requests a second against a bare loop of the vendor's client, bytes and memory."""

from __future__ import annotations

import datetime as dt
import resource
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import requests

from benchmark.airflow_runs import environment
from benchmark.figures import Figure
from benchmark.option_vendor import prepare, served
from benchmark.vendor import KEY
from marketlake import settings
from marketlake.datasets.option_bars import OPTION_BARS
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.datasets.option_selection import OPTION_SELECTION
from marketlake.ingest.options.bars import fetch_bars
from marketlake.ingest.options.freezing import frozen, held_chain, reasons_of
from marketlake.ingest.options.rest import RestSource
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.options.selection import SELECTED
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from marketlake.rows.option_selection import EMPTY, WITH_BARS
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

SESSION = dt.date(2024, 11, 27)
_KIB, _MIB = 1 << 10, 1 << 20
_SETTINGS = {
    "MARKETLAKE_ENV_FILE": "",
    "MARKETLAKE__OPTIONS__ENABLED": "true",
    "MARKETLAKE__OPTIONS__EMPTY_RECHECK_S": "0",
    "MARKETLAKE__OPTIONS__RATES__SOURCE": "constant",
    "MARKETLAKE__OPTIONS__DIVIDENDS__SOURCE": "none",
}


def option_bars(folder: Path, *, latencies_ms: Sequence[float], chain: str = "full") -> list[Figure]:
    """A day of the default selection: within 5 %, 0 to 45 days to expiry. Both sides once for each latency."""
    folder.mkdir(parents=True)
    with environment(_SETTINGS | {"MARKETLAKE__STORAGE__ROOT": str(folder / "chain")}):
        contracts = _made_ready(folder, chain)
    figures: list[Figure] = []
    for latency_ms in latencies_ms:
        with served(folder / "answers", latency_ms) as url:
            bars, peer_s = _vendors_client(url, contracts)
            root = folder / f"lake of {latency_ms:g} ms"
            ours = _in_a_process(folder / "chain", root, url)
        assert ours.bars == bars
        name = f"option bars of {len(contracts):,} contracts, {latency_ms:g} ms a request"
        rates = [ours.requests / ours.took_s], "the vendor's client in a loop", [len(contracts) / peer_s]
        limit = 4 if latency_ms else None
        whole = f"{ours.took_s:.1f} s for {ours.requests:,} requests, judged and published"
        figures.append(Figure(name, "requests/s", *rates, limit, more_is_better=True, note=whole))
    return [
        *figures,
        Figure("the same, memory of the process at most", "MiB", [ours.memory_bytes / _MIB]),
        Figure("the same, bytes a bar", "B", [ours.file_bytes / ours.bars], note=f"{ours.bars:,} bars"),
    ]


def _made_ready(folder: Path, chain: str) -> list[str]:
    """A lake with the session's chain, and the answers of the contracts that it selects."""
    lake = Lake(settings.load())
    before, hours = (lake.calendar.hours(session) for session in lake.calendar.last_sessions(SESSION, 2))
    key = OPTION_CHAIN.spec.key("SPY", SESSION)
    with Simulator(SmoothDays(), KEY, contracts=chain) as simulator:
        client = _client(lake, simulator.url)
        ingest(lake, OPTION_CHAIN, key, client)
        held = held_chain(lake, "SPY", SESSION)
        reasons = reasons_of(held, frozen(lake, client, key, held, []))
        contracts = [contract for contract, reason in reasons.items() if reason == SELECTED]
        prepare(simulator, contracts, hours, before, folder / "answers")
    return contracts


def _client(lake: Lake, url: str) -> PolygonClient:
    return PolygonClient(Transport(requests.Session(), ApiKey(KEY, "a benchmark"), lake.settings.api, base_url=url))


def _vendors_client(url: str, contracts: Sequence[str]) -> tuple[int, float]:
    """One contract after the other, as the vendor's documentation shows it: how many bars, and seconds."""
    from massive import RESTClient

    client, started_s, bars = RESTClient(KEY, base=url), time.perf_counter(), 0
    for contract in contracts:
        day = str(SESSION)
        bars += len(list(client.list_aggs(contract, 1, "minute", day, day, adjusted=False, limit=50_000)))
    return bars, time.perf_counter() - started_s


@dataclass(frozen=True)
class Done:
    """What a fetch of our own came to. ``requests`` without those for the reference price."""

    requests: int
    took_s: float
    bars: int
    file_bytes: int
    memory_bytes: int


def _in_a_process(chain: Path, root: Path, url: str) -> Done:
    """Fetch the session into a copy of the lake with its chain, in a process whose memory is nobody else's."""
    shutil.copytree(chain, root)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_fetch, root, url).result()


def _fetch(root: Path, url: str) -> Done:
    with environment(_SETTINGS | {"MARKETLAKE__STORAGE__ROOT": str(root)}):
        lake = Lake(settings.load())
    lake.calendar.hours(SESSION)  # which loads the calendar library
    configured = lake.settings.options
    source = RestSource(_client(lake, url), concurrency=configured.concurrency, recheck_s=configured.empty_recheck_s)
    started_s = time.perf_counter()
    report = fetch_bars(lake, "SPY", SESSION, _client(lake, url), source)
    took_s = time.perf_counter() - started_s
    assert (report.outcome, report.state) == ("created", "complete"), report
    partitions = lake.store(OPTION_SELECTION.spec).partitions
    states = partitions.read(OPTION_SELECTION.spec.key("SPY", SESSION)).column("state").to_pylist()
    asked = states.count(WITH_BARS) + 3 * states.count(EMPTY)
    file_bytes = lake.store(OPTION_BARS.spec).partitions.size_bytes(OPTION_BARS.spec.key("SPY", SESSION))
    memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
    return Done(asked, took_s, report.rows, file_bytes, memory_bytes)
