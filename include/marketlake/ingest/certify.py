"""From accepted pages to what they prove: the bars of a session, judged, and their certificate."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from marketlake.errors import RefusedData
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, Check, Hours, State
from marketlake.polygon import aggregates
from marketlake.polygon.fetch import Fetch, raw_digest
from marketlake.polygon.request import BarRequest
from marketlake.quality.checks import CheckResult, require_acceptable, run_checks, totals
from marketlake.quality.reconciliation import Reconciliation, reconcile
from marketlake.rows.bars import BARS, STOCK_BARS


@dataclass(frozen=True)
class JudgedRows:
    """The bars of one fetch that may enter the lake. ``waived``: the failed checks that a person accepts."""

    request: BarRequest
    bars: pa.Table
    request_ids: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    waived: tuple[str, ...]
    final: bool


def judge(lake: Lake, request: BarRequest, fetch: Fetch, pages: list[aggregates.Page], *, final: bool) -> JudgedRows:
    """Judge the pages of a fetch. Raises InvalidBars, with the bodies, on bars that must not enter."""
    bars = rows_of(pages, request.ticker)
    checks = run_checks(bars, request, lake.settings.quality.max_silence_s if final else None)
    try:
        waived = require_acceptable(checks, request, lake.settings.waivers(request.ticker, request.session))
    except RefusedData as exc:
        exc.bodies = fetch.bodies
        raise
    return JudgedRows(request, bars, tuple(page.request_id for page in pages), tuple(checks), tuple(waived), final)


def certify(lake: Lake, judged: JudgedRows, fetch: Fetch) -> Certificate:
    """The certificate of judged bars, held against the fetch's longer bars; without a revision yet."""
    compared = reconcile(judged.bars, fetch.references, judged.request, lake.settings.reconcile)
    request, seconds = judged.request, judged.bars.column("timestamp")
    volume, transactions = totals(judged.bars)
    return Certificate(
        schema_version=STOCK_BARS.version,
        ticker=request.ticker,
        session=request.session,
        state=_state(compared, final=judged.final, waived=bool(judged.waived)),
        adjusted=request.adjusted,
        source_host=fetch.source_host,
        pages=len(judged.request_ids),
        request_ids=judged.request_ids,
        raw_digest=raw_digest(fetch.bodies),
        rows=judged.bars.num_rows,
        first_timestamp=seconds[0].as_py(),
        last_timestamp=seconds[-1].as_py(),
        volume=volume,
        transactions=transactions,
        content_hash=STOCK_BARS.content_hash(judged.bars),
        hours=Hours.of(request.hours),
        checks=tuple(Check(check.name, check.ok, check.blocking, check.count, check.detail) for check in judged.checks),
        waivers=judged.waived,
        revision=0,
        fetched_at_ms=fetch.fetched_at_ms,
        published_at_ms=0,
        reconciliation=compared,
    )


def renew(certificate: Certificate, held: Certificate, at: dt.datetime) -> Certificate:
    """A certificate of rows that are held already: their revision, publication and history stay theirs.

    Longer bars that could not be had this time leave standing what the same rows were compared with before.
    """
    compared = certificate.reconciliation
    if compared is not None:
        compared = compared.completed_by(held.reconciliation)
    final, waived = certificate.state is not State.PROVISIONAL, bool(certificate.waivers)
    return msgspec.structs.replace(
        certificate,
        state=_state(compared, final=final, waived=waived) if compared else certificate.state,
        reconciliation=compared,
        revision=held.revision,
        published_at_ms=held.published_at_ms,
        certified_at_ms=_ms(at),
        changes=held.changes,
    )


def with_revision(certificate: Certificate, revision: int, at: dt.datetime) -> Certificate:
    """A certificate of rows that are new to the lake."""
    return msgspec.structs.replace(certificate, revision=revision, published_at_ms=_ms(at), certified_at_ms=_ms(at))


def _state(compared: Reconciliation, *, final: bool, waived: bool) -> State:
    if not final:
        return State.PROVISIONAL
    return State.SUSPECT if waived or compared.is_suspicious else State.COMPLETE


def rows_of(pages: list[aggregates.Page], ticker: str) -> pa.Table:
    """The bars of all pages of a listing, in the schema of a partition."""
    bars = pa.concat_tables([page.bars for page in pages]).combine_chunks()
    column = pa.DictionaryArray.from_arrays(np.zeros(bars.num_rows, np.int32), [ticker]).cast(pa.string())
    return bars.add_column(BARS.get_field_index("ticker"), BARS.field("ticker"), column).cast(BARS)


def _ms(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)
