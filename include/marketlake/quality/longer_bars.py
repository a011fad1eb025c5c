"""The longer bars that a session's seconds are held against: asked for, never insisted on."""

from __future__ import annotations

import logging

from marketlake.errors import MarketLakeError, NotEntitled, RefusedData, Retryable, StopAndTell
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.fetch import Reference
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.quality.reconciliation import FAILED, NOT_INCLUDED

_log = logging.getLogger(__name__)
LONGER = (Timespan.MINUTE, Timespan.DAY)


def without_references(because: str) -> dict[Timespan, Reference]:
    """No longer bars at all, for one reason."""
    return {span: Reference(absent_because=because) for span in LONGER}


def fetch_references(client: PolygonClient, request: BarRequest) -> dict[Timespan, Reference]:
    """Minute bars and day bar of a session. What fails is recorded as such and fails nothing else."""
    return {span: _asked(client, request.of(span)) for span in LONGER}


def _asked(client: PolygonClient, request: BarRequest) -> Reference:
    try:
        return Reference(client.listing(request))
    except NotEntitled as exc:
        return _absent(request, NOT_INCLUDED, exc)
    except (Retryable, StopAndTell, RefusedData) as exc:
        return _absent(request, f"{FAILED} ({type(exc).__name__})", exc)


def _absent(request: BarRequest, reason: str, cause: MarketLakeError) -> Reference:
    _log.warning("%s: the seconds are not compared with them: %s", request, cause)
    return Reference(absent_because=reason)
