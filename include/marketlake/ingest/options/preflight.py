"""What is asked before sessions of options are fetched: does this key give what the settings want? What is lacking?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from marketlake import commands
from marketlake.coverage.coverage import Coverage
from marketlake.dataset_names import OPTIONS, title
from marketlake.errors import BadArgument, RefusedData, Retryable
from marketlake.ingest.one_kind import require_same_kind
from marketlake.ingest.options.market_inputs import dividends_text, rates_text
from marketlake.ingest.options.source import OptionSource
from marketlake.lake import Lake
from marketlake.polygon import contracts
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.contracts import ChainRequest
from marketlake.polygon.request import Timespan
from marketlake.rows.bars import SECONDS


def probe_options(
    lake: Lake, client: PolygonClient, source: OptionSource, ticker: str, sessions: Sequence[dt.date]
) -> list[str]:
    """Ask for a little of the first and of the last session, and for what is known of rates and dividends: a line for
    each session that something cannot be had of just now. Creates nothing.

    Raises what source and client raise on a key, or a plan, that cannot serve them, and SettingsError if the lake holds
    rows of another kind of host.
    """
    for host in (client.host, source.host):
        require_same_kind(lake, host=host)
    ends = list(dict.fromkeys([*sessions[:1], *sessions[-1:]]))
    lines = []
    for session in ends:
        try:
            _ask(lake, client, source, ticker, session)
            if session == ends[0]:
                rates_text(lake, client, session)
                dividends_text(lake, client, ticker, session)
        except (Retryable, RefusedData, BadArgument) as exc:
            subject = title(OPTIONS, f"{ticker} {session}")
            lines.append(f"{subject}: {str(exc).rstrip('.')}. Unless that changes, it will fail.")
    return lines


def without_underlying(lake: Lake, ticker: str, sessions: Sequence[dt.date]) -> str:
    """A line of the sessions whose panel cannot be made yet, and the command that mends it; empty if there are none."""
    lacking = Coverage(lake, SECONDS, ticker).missing(sessions)
    if not lacking or not lake.settings.options.panel.enabled:
        return ""
    tickers = lake.settings.tickers_of(SECONDS.name)
    command = commands.fetching(SECONDS.name, ticker, lacking[0], lacking[-1], tickers=tickers, again=False)
    return (
        f"{title(OPTIONS, ticker)}: the lake has no second bars of {len(lacking)} of {len(sessions)} sessions, and no"
        f" panel is made without them. First:  {command}  or set options.panel.enabled: false"
    )


def _ask(lake: Lake, client: PolygonClient, source: OptionSource, ticker: str, session: dt.date) -> None:
    """Ask for one contract, and for one of its bars, or for the first byte of the file."""
    listed = client.first(contracts, ChainRequest(ticker, session)).rows.column("contract").to_pylist()
    if listed:
        source.probe(listed[0], lake.calendar.hours(session), Timespan(lake.settings.options.timespan))
