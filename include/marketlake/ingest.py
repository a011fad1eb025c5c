"""The main use case: one session of one ticker, from pages to a partition that proves itself."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import asdict, dataclass

import msgspec
import numpy as np
import pyarrow as pa

from marketlake import parse, validate
from marketlake.certificate import Certificate, Check, Hours, raw_digest
from marketlake.client import PolygonClient
from marketlake.errors import RawPagesUnusable, RefusedData, StorageError
from marketlake.lake import Lake
from marketlake.model import BarRequest, CheckResult, Fetch, State, is_vendor
from marketlake.partitions import Outcome, require_same_kind
from marketlake.schema import BARS, SCHEMA_VERSION, content_hash
from marketlake.sessions import final_from
from marketlake.storage import Writer

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

    def as_dict(self) -> dict[str, str | int]:
        """As plain JSON values."""
        return asdict(self)


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
            bars, certificate = _accepted(lake, request, fetch, pages, final=final)
        except RefusedData as exc:
            _keep_evidence(lake, writer, request, exc, client.host)
            raise
        return _publish(lake, writer, bars, certificate, fetch)


def _rebuild(lake: Lake, writer: Writer, request: BarRequest) -> Report:
    """The partition anew from its raw pages: whatever was made of revision N's pages is revision N."""
    held = lake.partitions.held(request.ticker, request.session)
    stored = lake.raw_pages.get(request.ticker, request.session, held.revision if held else None)
    fetch = stored.fetch
    require_same_kind(
        lake.partitions,
        request.ticker,
        adjusted=request.adjusted,
        host=fetch.source_host,
        session=request.session,
    )
    if stored.adjusted is not request.adjusted:
        raise RawPagesUnusable(f"{request}: the raw pages are adjusted={stored.adjusted}. Fetch with source=api.")
    if held and held.certificate and held.certificate.raw_digest != raw_digest(fetch.bodies):
        raise RawPagesUnusable(
            f"{request}: the raw pages are of another fetch than the partition, which stays. Fetch with source=api."
        )
    pages = [parse.decode(body) for body in fetch.bodies]
    for number, page in enumerate(pages, 1):
        validate.require_echo(page, request, number)
    final = fetch.fetched_at_ms >= final_from(request.session).timestamp() * 1000
    bars, certificate = _accepted(lake, request, fetch, pages, final=final)
    if held is not None and held.certificate is not None:
        return _publish(lake, writer, bars, certificate, fetch)
    certificate = _numbered(certificate, stored.revision, lake.now())
    lake.partitions.publish(writer, bars, certificate, held)
    return _told(Outcome.RENEWED if held else Outcome.CREATED, certificate)


def _accepted(
    lake: Lake, request: BarRequest, fetch: Fetch, pages: list[parse.Page], *, final: bool
) -> tuple[pa.Table, Certificate]:
    """The bars with what they prove. Raises InvalidBars, with the bodies, on bars that must not enter."""
    bars = _with_ticker(pages, request.ticker)
    checks = validate.judge(bars, request, lake.settings.quality.max_silence_s if final else None)
    try:
        waived = validate.require_acceptable(checks, request, lake.settings.waivers(request.ticker, request.session))
    except RefusedData as exc:
        exc.bodies = fetch.bodies
        raise
    state = State.PROVISIONAL if not final else State.SUSPECT if waived else State.COMPLETE
    return bars, _certificate(request, fetch, pages, bars, checks=checks, waived=waived, state=state)


def _publish(lake: Lake, writer: Writer, bars: pa.Table, certificate: Certificate, fetch: Fetch) -> Report:
    """The three cases of fetching again, and the first time."""
    ticker, session = certificate.ticker, certificate.session
    held = lake.partitions.held(ticker, session)
    old = held.certificate if held else None
    if held is not None and old is not None and old.content_hash == certificate.content_hash:
        certificate = _numbered(certificate, held.revision, lake.now())
        if old.claims_the_same(certificate):
            return _told(Outcome.UNCHANGED, old)
        outcome = Outcome.RENEWED
    else:
        last = max(lake.partitions.last_revision(held, ticker, session), lake.raw_pages.last_revision(ticker, session))
        certificate = _numbered(certificate, last + 1, lake.now())
        outcome = Outcome.REVISED if held else Outcome.CREATED
    if lake.settings.storage.keep_raw_pages:
        lake.raw_pages.put(writer, ticker, session, certificate.revision, adjusted=certificate.adjusted, fetch=fetch)
    lake.partitions.publish(writer, bars, certificate, held)
    return _told(outcome, certificate)


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


def _with_ticker(pages: list[parse.Page], ticker: str) -> pa.Table:
    bars = pa.concat_tables([page.bars for page in pages]).combine_chunks()
    column = pa.DictionaryArray.from_arrays(np.zeros(bars.num_rows, np.int32), [ticker]).cast(pa.string())
    return bars.add_column(BARS.get_field_index("ticker"), BARS.field("ticker"), column).cast(BARS)


def _certificate(
    request: BarRequest,
    fetch: Fetch,
    pages: list[parse.Page],
    bars: pa.Table,
    *,
    checks: list[CheckResult],
    waived: list[str],
    state: State,
) -> Certificate:
    volume, transactions = validate.totals(bars)
    seconds = bars.column("timestamp")
    return Certificate(
        schema_version=SCHEMA_VERSION,
        ticker=request.ticker,
        session=request.session,
        state=state,
        adjusted=request.adjusted,
        source_host=fetch.source_host,
        pages=len(pages),
        request_ids=tuple(page.request_id for page in pages),
        raw_digest=raw_digest(fetch.bodies),
        rows=bars.num_rows,
        first_timestamp=seconds[0].as_py(),
        last_timestamp=seconds[-1].as_py(),
        volume=volume,
        transactions=transactions,
        content_hash=content_hash(bars),
        hours=Hours.of(request.hours),
        checks=tuple(Check(check.name, check.ok, check.blocking, check.count, check.detail) for check in checks),
        waivers=tuple(waived),
        reconciled_against=(),
        revision=0,
        fetched_at_ms=fetch.fetched_at_ms,
        published_at_ms=0,
    )


def _numbered(certificate: Certificate, revision: int, at: dt.datetime) -> Certificate:
    return msgspec.structs.replace(certificate, revision=revision, published_at_ms=int(at.timestamp() * 1000))


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
    )
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
