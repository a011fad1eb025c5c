"""A lake of options on a simulated market of few contracts: what fetches a chain and its bars in one line."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pyarrow as pa

from conftest import a_client
from marketlake.datasets import OF_OPTIONS
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.ingest.options.bars import fetch_bars
from marketlake.ingest.options.rest import RestSource
from marketlake.ingest.report import Report
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate
from polygon_simulator.server import Simulator

TUESDAY, WEDNESDAY, FRIDAY = (dt.date(2024, 11, day) for day in (26, 27, 29))
SETTINGS = {
    "MARKETLAKE__OPTIONS__ENABLED": "true",
    "MARKETLAKE__OPTIONS__RATES__SOURCE": "constant",
    "MARKETLAKE__OPTIONS__DIVIDENDS__SOURCE": "none",
}
FEW = {
    f"MARKETLAKE__OPTIONS__SELECTION__{name}": value
    for name, value in {"DTE_MIN": "2", "DTE_MAX": "2", "MONEYNESS_BELOW": "0.03", "MONEYNESS_ABOVE": "0"}.items()
}
"""Of Wednesday ten contracts, of which two have not traded: enough where it is not about many."""
CHAIN, SELECTION, BARS, PANEL = OF_OPTIONS


def chain_of(lake: Lake, session: dt.date = WEDNESDAY) -> Report:
    return ingest(lake, OPTION_CHAIN, OPTION_CHAIN.spec.key("SPY", session), a_client(lake, []))


def bars_of(
    lake: Lake, session: dt.date = WEDNESDAY, *, waits: list[float] | None = None, concurrency: int = 8
) -> Report:
    """Fetch a session's bars by REST. ``waits``: gets the seconds that it would have waited."""
    client = a_client(lake, [] if waits is None else waits)
    recheck_s = lake.settings.options.empty_recheck_s
    return fetch_bars(lake, "SPY", session, client, RestSource(client, concurrency=concurrency, recheck_s=recheck_s))


def held(lake: Lake, name: str, session: dt.date = WEDNESDAY) -> tuple[Certificate, pa.Table]:
    """The proven certificate and the rows of one of the four datasets."""
    spec = OF_OPTIONS[name].spec
    partitions = lake.store(spec).partitions
    partition = partitions.inspect(spec.key("SPY", session))
    assert partition is not None
    assert partition.certificate is not None
    return partition.certificate, partitions.rows_of(partition)


def is_held(lake: Lake, name: str, session: dt.date = WEDNESDAY) -> bool:
    spec = OF_OPTIONS[name].spec
    return lake.store(spec).partitions.certificate(spec.key("SPY", session)) is not None


def selection_of(lake: Lake, session: dt.date = WEDNESDAY) -> dict[str, dict[str, object]]:
    """The rows of the selection, by contract."""
    return {row["contract"]: row for row in held(lake, SELECTION, session)[1].to_pylist()}


def asked_for(simulator: Simulator, since: int = 0) -> Counter[tuple[str, str]]:
    """How often the bars of each contract were asked for, by contract and timespan."""
    requests = [one for one in list(simulator.requests)[since:] if str(one.get("ticker", "")).startswith("O:")]
    return Counter((one["ticker"], one["timespan"]) for one in requests)
