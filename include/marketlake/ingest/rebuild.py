"""A partition anew from its raw pages, without a call."""

from __future__ import annotations

import datetime as dt

import msgspec

from marketlake.errors import RawPagesUnusable
from marketlake.ingest.certify import certify, judge, with_revision
from marketlake.ingest.one_kind import require_same_kind
from marketlake.ingest.publish import publish, reported
from marketlake.ingest.report import Outcome, Report
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.raw_pages import FETCH_INSTEAD
from marketlake.partitions.store import HeldPartition
from marketlake.polygon import aggregates
from marketlake.polygon.aggregates import require_echo
from marketlake.polygon.fetch import raw_digest
from marketlake.polygon.request import BarRequest
from marketlake.sessions import final_from
from marketlake.storage.storage import Writer


def rebuild(lake: Lake, ticker: str, session: dt.date, *, allow_provisional: bool = False) -> Report:
    """Judge and publish the stored pages of one session.

    Takes turns with ``ingest`` on the same session. Raises RawPagesUnusable if they are absent, damaged or
    superseded, StopAndTell, RefusedData or StorageError; whatever is raised, the partition is the old one, whole.
    """
    request = lake.request(ticker, session)
    lake.calendar.require_final(session, lake.now(), allow_provisional=allow_provisional)
    require_same_kind(lake.partitions, ticker, adjusted=request.adjusted, session=session)
    with lake.exclusive(ticker, session) as writer:
        return _rebuild(lake, writer, request)


def _rebuild(lake: Lake, writer: Writer, request: BarRequest) -> Report:
    """The partition anew from its raw pages: whatever was made of revision N's pages is revision N."""
    held = lake.partitions.inspect(request.ticker, request.session)
    proven = held.certificate if held else None
    revision = proven.revision if proven else _last_pages(lake, request, held)
    stored = lake.raw_pages.get(request.ticker, request.session, revision)
    fetch = stored.fetch
    require_same_kind(
        lake.partitions,
        request.ticker,
        adjusted=request.adjusted,
        host=fetch.source_host,
        session=request.session,
    )
    if stored.adjusted is not request.adjusted:
        raise RawPagesUnusable(f"{request}: the raw pages are adjusted={stored.adjusted}. {FETCH_INSTEAD}")
    if proven and proven.raw_digest != raw_digest(fetch.bodies):
        raise RawPagesUnusable(
            f"{request}: the raw pages are of another fetch than the partition, which stays. {FETCH_INSTEAD}"
        )
    pages = [aggregates.decode(body) for body in fetch.bodies]
    for number, page in enumerate(pages, 1):
        require_echo(page, request, number)
    final = fetch.fetched_at_ms >= final_from(request.session).timestamp() * 1000
    judged = judge(lake, request, fetch, pages, final=final)
    certificate = certify(lake, judged, fetch)
    if proven is not None:
        return publish(lake, writer, judged.bars, certificate, fetch)
    certificate = with_revision(certificate, stored.revision, lake.now())
    certificate = msgspec.structs.replace(certificate, published_at_ms=_published_at_ms(certificate, held))
    lake.partitions.publish(writer, judged.bars, certificate, held)
    return reported(Outcome.RENEWED if held else Outcome.CREATED, certificate)


def _last_pages(lake: Lake, request: BarRequest, held: HeldPartition | None) -> int:
    """The revision whose pages make the partition anew, where the file proves nothing: the last one published.

    Raises RawPagesUnusable where a later one is known: its pages were not kept, and older rows must not return.
    """
    newest = lake.raw_pages.last_revision(request.ticker, request.session)
    superseded = lake.partitions.last_revision(None, request.ticker, request.session)
    known = max(superseded + 1, held.footer_certificate.revision if held and held.footer_certificate else 0)
    if 0 < newest < known:
        raise RawPagesUnusable(
            f"{request}: the newest raw pages are of revision {newest}, but revision {known} was published since."
            f" {FETCH_INSTEAD}"
        )
    return newest or known


def _published_at_ms(certificate: Certificate, held: HeldPartition | None) -> int:
    """When rebuilt rows entered the lake: as their lost certificate says, or, without one, when they were fetched."""
    footer = held.footer_certificate if held else None
    if footer is None:
        return certificate.fetched_at_ms
    same = footer.content_hash == certificate.content_hash
    return footer.published_at_ms if same else certificate.published_at_ms
