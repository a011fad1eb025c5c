"""The main use case: one session of one ticker, from pages to a partition that proves itself."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import msgspec
import pyarrow as pa

from marketlake.errors import ComparisonLost, NotFinal, RawPagesUnusable, RefusedData, Retryable, StorageError
from marketlake.ingest.certify import certified, judged, numbered, renewed, rows_of
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.partitions.changes import Changes, changes
from marketlake.partitions.raw_pages import FETCH_INSTEAD
from marketlake.partitions.store import Held, Outcome, require_same_kind
from marketlake.polygon import aggregates
from marketlake.polygon.aggregates import require_echo
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.fetch import Fetch, Reference, raw_digest
from marketlake.polygon.hosts import is_vendor
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.quality.longer_bars import fetch_references, without_references
from marketlake.quality.reconciliation import NOT_FINAL, SWITCHED_OFF, Reconciliation
from marketlake.rows.bars import content_hash
from marketlake.sessions import final_from
from marketlake.storage.storage import Writer

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What became of one session; small enough to travel between tasks."""

    ticker: str
    session: str
    outcome: str
    state: str
    rows: int
    revision: int
    content_hash: str
    source_host: str
    suspect_because: tuple[str, ...] = ()
    changes: str = ""

    def as_dict(self) -> dict[str, str | int | list[str]]:
        """As plain JSON values."""
        return asdict(self) | {"suspect_because": list(self.suspect_because)}


def ingest(
    lake: Lake, ticker: str, session: dt.date, client: PolygonClient | None, *, allow_provisional: bool = False
) -> Report:
    """Fetch, judge and publish one session; without a client, rebuild it from its raw pages.

    Two callers on one session take turns. Raises Retryable, StopAndTell, RefusedData or
    StorageError; whatever is raised, the partition is the old one, whole.
    """
    request = lake.request(ticker, session)
    final = lake.calendar.require_final(session, lake.now(), allow_provisional=allow_provisional)
    host = client.host if client else None
    require_same_kind(lake.partitions, ticker, adjusted=request.adjusted, host=host, session=session)
    name = f"{ticker.lower()}-{session}"
    with lake.storage.exclusive(name, lake.settings.storage.lock_timeout_s) as writer:
        if client is None:
            return _rebuild(lake, writer, request)
        try:
            fetch, pages = client.fetch(request)
            final = final and _is_final_there(lake, request, fetch, allow_provisional=allow_provisional)
            fit = judged(lake, request, fetch, pages, final=final)
        except RefusedData as exc:
            _keep_evidence(lake, writer, request, exc, client.host)
            raise
        fetch = replace(fetch, references=_references(lake, client, request, final=final))
        return _publish(lake, writer, fit.bars, certified(lake, fit, fetch), fetch)


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


def _rebuild(lake: Lake, writer: Writer, request: BarRequest) -> Report:
    """The partition anew from its raw pages: whatever was made of revision N's pages is revision N."""
    held = lake.partitions.held(request.ticker, request.session)
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
    fit = judged(lake, request, fetch, pages, final=final)
    certificate = certified(lake, fit, fetch)
    if proven is not None:
        return _publish(lake, writer, fit.bars, certificate, fetch)
    certificate = numbered(certificate, stored.revision, lake.now())
    certificate = msgspec.structs.replace(certificate, published_at_ms=_published_at_ms(certificate, held))
    lake.partitions.publish(writer, fit.bars, certificate, held)
    return _told(Outcome.RENEWED if held else Outcome.CREATED, certificate)


def _last_pages(lake: Lake, request: BarRequest, held: Held | None) -> int:
    """The revision whose pages make the partition anew, where the file proves nothing: the last one published.

    Raises RawPagesUnusable where a later one is known: its pages were not kept, and older rows must not return.
    """
    newest = lake.raw_pages.last_revision(request.ticker, request.session)
    superseded = lake.partitions.last_revision(None, request.ticker, request.session)
    known = max(superseded + 1, held.claimed.revision if held and held.claimed else 0)
    if 0 < newest < known:
        raise RawPagesUnusable(
            f"{request}: the newest raw pages are of revision {newest}, but revision {known} was published since."
            f" {FETCH_INSTEAD}"
        )
    return newest or known


def _published_at_ms(certificate: Certificate, held: Held | None) -> int:
    """When rebuilt rows entered the lake: as their lost certificate says, or, without one, when they were fetched."""
    claimed = held.claimed if held else None
    if claimed is None:
        return certificate.fetched_at_ms
    same = claimed.content_hash == certificate.content_hash
    return claimed.published_at_ms if same else certificate.published_at_ms


def _publish(lake: Lake, writer: Writer, bars: pa.Table, certificate: Certificate, fetch: Fetch) -> Report:
    """The three cases of fetching again, and the first time."""
    ticker, session = certificate.ticker, certificate.session
    held = lake.partitions.held(ticker, session)
    old = held.certificate if held else None
    if held is not None and old is not None and old.content_hash == certificate.content_hash:
        certificate = renewed(certificate, old, lake.now())
        if held.sealed and old.claims_the_same(certificate):
            return _told(Outcome.UNCHANGED, old)
        outcome = Outcome.RENEWED
    else:
        certificate = numbered(certificate, _next_revision(lake, held, certificate), lake.now())
        certificate = msgspec.structs.replace(certificate, changes=_changes(lake, held, ticker, session, bars))
        _require_comparison(certificate, old)
        outcome = Outcome.REVISED if held else Outcome.CREATED
    if lake.settings.storage.keep_raw_pages:
        lake.raw_pages.put(writer, ticker, session, certificate.revision, adjusted=certificate.adjusted, fetch=fetch)
    lake.partitions.publish(writer, bars, certificate, held)
    return _told(outcome, certificate)


def _next_revision(lake: Lake, held: Held | None, certificate: Certificate) -> int:
    """The number of rows that are new to ``processed/``.

    Pages of a later revision than any that is known were left by a publication that failed behind them, or their
    partition is lost. Made of the same rows, they are of this revision: failing again and again adds none.
    """
    ticker, session = certificate.ticker, certificate.session
    known = lake.partitions.last_revision(held, ticker, session)
    left = lake.raw_pages.last_revision(ticker, session)
    if left <= known:
        return known + 1
    return left if _hash_of_pages(lake, ticker, session, left) == certificate.content_hash else left + 1


def _hash_of_pages(lake: Lake, ticker: str, session: dt.date, revision: int) -> str | None:
    """The content hash of the rows that stored pages hold; None if they cannot be read."""
    try:
        bodies = lake.raw_pages.get(ticker, session, revision).fetch.bodies
        return content_hash(rows_of([aggregates.decode(body) for body in bodies], ticker))
    except (RefusedData, Retryable, pa.ArrowException):
        return None


def _require_comparison(certificate: Certificate, old: Certificate | None) -> None:
    """Raise ComparisonLost for rows that could not be held against longer bars, where those they would replace were."""
    lost = certificate.reconciliation.lost_since(old.reconciliation) if old and certificate.reconciliation else {}
    if old and lost:
        told = "; ".join(f"the {part} bars: {why}" for part, why in lost.items())
        raise ComparisonLost(
            f"{certificate.ticker} {certificate.session}: other rows came than those of revision {old.revision}"
            f" ({certificate.changes}), which were compared with longer bars; these could not be ({told}). Nothing is"
            " replaced. It is tried again; clear the task later if it stays."
        )


def _changes(lake: Lake, held: Held | None, ticker: str, session: dt.date, bars: pa.Table) -> Changes | None:
    """What the rows change in those that are held; None where none are, or they prove nothing."""
    if held is None or held.certificate is None:
        return None
    old = lake.partitions.read(ticker, session)
    return changes(old, bars, held.revision) if old is not None else None


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


def _told(outcome: Outcome, certificate: Certificate) -> Report:
    report = Report(
        ticker=certificate.ticker,
        session=str(certificate.session),
        outcome=outcome.value,
        state=certificate.state.value,
        rows=certificate.rows,
        revision=certificate.revision,
        content_hash=certificate.content_hash,
        source_host=certificate.source_host,
        suspect_because=certificate.suspect_because if certificate.state is State.SUSPECT else (),
        changes=str(certificate.changes or "") if outcome is Outcome.REVISED else "",
    )
    _tell_comparison(report, certificate.reconciliation)
    if report.changes:
        _log.warning("%s %s: %s", report.ticker, report.session, report.changes)
    _log.info(
        "%s %s: %s, %s, %d bars, revision %d, content %s, from %s",
        report.ticker,
        report.session,
        report.outcome,
        report.state,
        report.rows,
        report.revision,
        report.content_hash[:12],
        report.source_host if is_vendor(report.source_host) else f"{report.source_host} (NOT THE VENDOR)",
    )
    return report


def _tell_comparison(report: Report, compared: Reconciliation | None) -> None:
    name = f"{report.ticker} {report.session}"
    for reason in report.suspect_because:
        _log.warning("%s: suspect: %s", name, reason)
    if compared is None:
        return
    if compared.minutes:
        found = compared.minutes
        _log.info(
            "%s: against the minute bars: %d minutes agree, %d short (by %d trades), %d missing, %d extra;"
            " %s of their trades, %s of their volume",
            name, found.agreeing, found.short, found.short_trades, found.missing, found.extra,
            _percent(found.trades_share), _percent(found.volume_share),
        )  # fmt: skip
    if compared.day:
        _log.info("%s: %s of the day bar's volume", name, _percent(compared.day.volume_ratio))
    for part, reason in compared.not_compared.items():
        _log.info("%s: not compared with %s bars: %s", name, part, reason)


def _percent(share: float | None) -> str:
    return "an unknown share" if share is None else f"{share:.3%}"
