"""What is asked before anything is created: does the lake take data, and does the key give it?"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from marketlake.errors import StorageError
from marketlake.ingest.one_kind import require_same_kind
from marketlake.lake import Lake
from marketlake.polygon.call_budget import MARGIN_S, MINUTE_S
from marketlake.polygon.client import PolygonClient
from marketlake.quality.longer_bars import LONGER

# Of a dense session (46,800 bars): partition and raw pages, measured on simulated ones. A day of 2013 takes half.
_BYTES_A_SESSION = 1_500_000
_BYTES_A_SESSION_WITHOUT_RAW = 600_000


@dataclass(frozen=True)
class Estimate:
    """What a range will cost. ``requests`` assumes one page of seconds a session, and as many for what it is
    held against. ``least_min`` is how long they take at ``api.requests_per_minute``; None without a limit.
    """

    sessions: int
    requests: int
    bytes: int
    least_min: float | None


def estimate(lake: Lake, sessions: int) -> Estimate:
    """The cost of fetching that many dense sessions."""
    size = _BYTES_A_SESSION if lake.settings.storage.keep_raw_pages else _BYTES_A_SESSION_WITHOUT_RAW
    pages = -(-46_800 // lake.settings.api.page_limit)
    compared = len(LONGER) if lake.settings.reconcile.enabled else 0
    requests, a_minute = sessions * (pages + compared), lake.settings.api.requests_per_minute
    least_min = requests / a_minute * (MINUTE_S + MARGIN_S) / 60 if a_minute else None
    return Estimate(sessions, requests, sessions * size, least_min)


def require_lake(lake: Lake, ticker: str, sessions: int = 0) -> None:
    """Raise StorageError where the lake cannot be written, lacks room, or holds the other adjustment."""
    lake.storage.require_writable()
    free = lake.storage.free_bytes()
    floor = lake.settings.storage.min_free_bytes
    needed = floor + estimate(lake, sessions).bytes
    if free < needed:
        raise StorageError(
            f"storage.root {lake.storage.root} has {free / 1e9:.1f} GB free; {needed / 1e9:.1f} GB are needed"
            f" (storage.min_free_bytes = {floor}, and {sessions} sessions). Free some, or move storage.root."
        )
    require_same_kind(lake.partitions, ticker, adjusted=lake.settings.bars.adjusted)


def require_served(lake: Lake, client: PolygonClient, ticker: str, first: dt.date, last: dt.date) -> list[dt.date]:
    """Ask the API for one bar of the first and of the last session; those it has none of.

    Raises what ``PolygonClient`` raises on a key or plan that cannot serve them. A session without bars
    is no such thing: it will fail by itself, in the open. Raises SettingsError where the lake holds bars
    of another kind of host.
    """
    require_same_kind(lake.partitions, ticker, adjusted=lake.settings.bars.adjusted, host=client.host)
    return [day for day in sorted({first, last}) if not client.probe(lake.request(ticker, day))]
