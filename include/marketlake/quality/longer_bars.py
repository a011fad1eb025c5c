"""The longer bars that a session's bars are held against: asked for, never insisted on."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from marketlake.errors import MarketLakeError, NotEntitled, RefusedData, Retryable, StopAndTell
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.fetch import Listing
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.quality.reconciliation import FAILED, NOT_INCLUDED

_log = logging.getLogger(__name__)
_ATTEMPTS_WHILE_EMPTY = 3


def without_longer_bars(spans: Iterable[Timespan], because: str) -> dict[str, Listing]:
    """No longer bars at all, for one reason."""
    return {span.value: Listing(absent_because=because) for span in spans}


def fetch_longer_bars(client: PolygonClient, request: BarRequest, spans: Iterable[Timespan]) -> dict[str, Listing]:
    """The bars of those lengths of a session. What fails is recorded as such and fails nothing else."""
    return {span.value: _fetch(client, request, span) for span in spans}


def _fetch(client: PolygonClient, request: BarRequest, span: Timespan) -> Listing:
    try:
        return client.fetch(request.of(span), while_empty=_ATTEMPTS_WHILE_EMPTY).listing
    except NotEntitled as exc:
        return _absent(request, span, NOT_INCLUDED, exc)
    except (Retryable, StopAndTell, RefusedData) as exc:
        return _absent(request, span, f"{FAILED} ({type(exc).__name__})", exc)


def _absent(request: BarRequest, span: Timespan, reason: str, cause: MarketLakeError) -> Listing:
    _log.warning("%s: the %ss are not compared with them: %s", request.of(span), request.timespan, cause)
    return Listing(absent_because=reason)
