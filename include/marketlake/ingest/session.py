"""The main use case: one session of one ticker, from pages to a partition that proves itself."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import replace

from marketlake.errors import NotFinal, RefusedData, StorageError
from marketlake.ingest.certify import certify, judge
from marketlake.ingest.one_kind import require_same_kind
from marketlake.ingest.publish import publish
from marketlake.ingest.report import Report
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.fetch import Fetch, Reference
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.quality.longer_bars import fetch_references, without_references
from marketlake.quality.reconciliation import NOT_FINAL, SWITCHED_OFF
from marketlake.storage.storage import Writer

_log = logging.getLogger(__name__)


def ingest(
    lake: Lake, ticker: str, session: dt.date, client: PolygonClient, *, allow_provisional: bool = False
) -> Report:
    """Fetch, judge, compare and publish one session.

    Two callers on one session take turns. Raises Retryable, StopAndTell, RefusedData or
    StorageError; whatever is raised, the partition is the old one, whole.
    """
    request = lake.request(ticker, session)
    final = lake.calendar.require_final(session, lake.now(), allow_provisional=allow_provisional)
    require_same_kind(lake.partitions, ticker, adjusted=request.adjusted, host=client.host, session=session)
    with lake.exclusive(ticker, session) as writer:
        try:
            fetch, pages = client.fetch(request)
            final = final and _is_final_there(lake, request, fetch, allow_provisional=allow_provisional)
            judged = judge(lake, request, fetch, pages, final=final)
        except RefusedData as exc:
            _keep_evidence(lake, writer, request, exc, client.host)
            raise
        fetch = replace(fetch, references=_references(lake, client, request, final=final))
        return publish(lake, writer, judged.bars, certify(lake, judged, fetch), fetch)


def _is_final_there(lake: Lake, request: BarRequest, fetch: Fetch, *, allow_provisional: bool) -> bool:
    """Whether the session is final by the answer's own clock, too. Raises NotFinal where it is not and must be."""
    there = lake.now() - dt.timedelta(seconds=fetch.clock_ahead_s)
    try:
        return lake.calendar.require_final(request.session, there, allow_provisional=allow_provisional)
    except NotFinal as exc:
        ahead = f"{fetch.clock_ahead_s / 3600:.1f} h ahead of {fetch.source_host}"
        raise NotFinal(
            f"{request}: this machine's clock is {ahead}, by whose clock {exc} Set the clock, and clear the task."
        ) from None


def _references(lake: Lake, client: PolygonClient, request: BarRequest, *, final: bool) -> Mapping[Timespan, Reference]:
    if not lake.settings.reconcile.enabled:
        return without_references(SWITCHED_OFF)
    return fetch_references(client, request) if final else without_references(NOT_FINAL)


def _keep_evidence(lake: Lake, writer: Writer, request: BarRequest, refusal: RefusedData, host: str) -> None:
    """Store the refused pages. Where that fails, the refusal is still what is told."""
    if not refusal.bodies or not lake.settings.storage.keep_raw_pages:
        return
    fetch = Fetch(refusal.bodies, host, int(lake.now().timestamp() * 1000))
    try:
        lake.raw_pages.put_rejected(
            writer, request.ticker, request.session, adjusted=request.adjusted, fetch=fetch, because=str(refusal)
        )
    except StorageError as exc:
        _log.warning("%s: the refused pages could not be kept: %s", request, exc)
