"""What is found out before a backfill of options: what the plan of the key lacks, and what the rest takes."""

from __future__ import annotations

from collections.abc import Iterator

from local_airflow.backfill.range import Range, span_of, to_fetch
from marketlake.dataset_names import OPTIONS
from marketlake.datasets import parts_of
from marketlake.ingest import preflight
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.options.affordable import to_ask_for
from marketlake.ingest.options.estimate import estimate, require_affordable
from marketlake.ingest.options.look_ahead import look_ahead
from marketlake.ingest.options.preflight import probe_options, without_underlying
from marketlake.ingest.options.source import OptionSource
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient


def options_ahead(
    lake: Lake, client: PolygonClient, source: OptionSource, ticker: str, wanted: Range, *, refetch: bool
) -> Iterator[str]:
    """A line for what cannot be had just now, and one for what the range takes.

    Raises what a key or a plan that cannot serve it brings about, SettingsError if it takes too much, and StorageError
    if the lake lacks room for it.
    """
    coverage = coverage_of(lake, OPTIONS, ticker)
    fetched = to_fetch(coverage, wanted, refetch=refetch)
    sessions = to_ask_for(lake, ticker, fetched, refetch=refetch)
    span = span_of(coverage, wanted, len(fetched), refetch=refetch)
    if line := without_underlying(lake, ticker, fetched):
        yield line
    if not sessions:
        yield f"{span}: no request"
        return
    yield from probe_options(lake, client, source, ticker, sessions)
    found = estimate(lake, ticker, sessions, look_ahead(lake, client, ticker, sessions), refetch=refetch)
    yield f"{span}: {found}"
    require_affordable(lake, found)
    preflight.require_place(lake, parts_of(OPTIONS, lake.settings), len(sessions), found.bytes)
