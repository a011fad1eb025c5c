"""From accepted pages to what they prove: the rows of a session, judged, and their certificate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from marketlake.datasets.dataset import Dataset, Decoded, EmptyRule, FetchedDataset
from marketlake.errors import InvalidBars
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, Hours, State
from marketlake.polygon.fetch import Fetch, raw_digest
from marketlake.quality.checks import Check, require_acceptable
from marketlake.quality.reconciliation import Reconciliation
from marketlake.rows.spec import PartitionKey


@dataclass(frozen=True)
class JudgedRows:
    """The rows of one fetch that may enter the lake. ``waived``: the failed checks that a person accepts."""

    key: PartitionKey
    rows: pa.Table
    request_ids: tuple[str, ...]
    checks: tuple[Check, ...]
    waived: tuple[str, ...]
    final: bool


@dataclass(frozen=True)
class Origin:
    """The answers that rows were made of, and how rows are made of such answers."""

    fetch: Fetch
    decode: Callable[[Fetch], Decoded]


@dataclass(frozen=True)
class CertifiedRows:
    """What may be published: rows, and their certificate, still without a revision. ``origin``: None of rows that are
    derived from other partitions.
    """

    rows: pa.Table
    certificate: Certificate
    origin: Origin | None = None


def judge(
    lake: Lake, dataset: FetchedDataset, key: PartitionKey, fetch: Fetch, decoded: Decoded, *, final: bool
) -> JudgedRows:
    """Judge the rows of a fetch. Raises InvalidBars on rows that must not enter, or on none if there must be some."""
    if not decoded.rows.num_rows:
        _require_believable(dataset, key, fetch, decoded)
    max_silence_s = lake.settings.quality.max_silence_s if final else None
    checks = dataset.check(decoded.rows, lake.calendar.hours(key.session), max_silence_s)
    waived = require_acceptable(checks, key, lake.settings.waivers(key.ticker, key.session), _noun(dataset))
    return JudgedRows(key, decoded.rows, decoded.request_ids, tuple(checks), tuple(waived), final)


def _require_believable(dataset: FetchedDataset, key: PartitionKey, fetch: Fetch, decoded: Decoded) -> None:
    """Raise InvalidBars if the answers do not show that the session is empty, by the dataset's rule."""
    attempts = dataset.own_pages(fetch).attempts
    request_id = (decoded.request_ids or ("",))[-1] or "none"
    seen = f"{key}: the API answered {attempts} times without a single {_noun(dataset)} (request id {request_id})"
    if dataset.empty is EmptyRule.REFUSED:
        raise InvalidBars(
            f"{seen}, but the exchange traded on that date. Nothing is stored as 'no data'. Clear the task later; if"
            f" the exchange was closed, add {key.session} to calendar.closures."
        )
    if attempts < dataset.empty.attempts:
        raise InvalidBars(f"{seen}; that is believed once it has come {dataset.empty.attempts} times. Fetch it anew.")


def _noun(dataset: Dataset) -> str:
    return dataset.spec.rows.noun.removesuffix("s")


def certify(lake: Lake, dataset: FetchedDataset, judged: JudgedRows, fetch: Fetch) -> CertifiedRows:
    """Judged rows with their certificate, held against the fetch's longer bars.

    Raises InvalidBars for a session without rows if the longer bars say that it traded.
    """
    compared = dataset.reconcile(lake, judged.rows, fetch, judged.key)
    is_empty = not judged.rows.num_rows
    if is_empty and (longer := [part for part, bars in (("minute", compared.minutes), ("day", compared.day)) if bars]):
        raise InvalidBars(
            f"{judged.key}: the API has no bar of it, but {' and '.join(longer)} bars in which shares were traded."
            " Clear the task later."
        )
    own_pages = dataset.own_pages(fetch)
    facts = dataset.spec.rows.facts(judged.rows)
    certificate = Certificate(
        schema_version=dataset.spec.rows.version,
        ticker=judged.key.ticker,
        session=judged.key.session,
        state=_state(compared, final=judged.final, waived=bool(judged.waived), is_empty=is_empty),
        adjusted=lake.settings.bars.adjusted,
        source_host=fetch.source_host,
        pages=len(own_pages.bodies),
        request_ids=judged.request_ids,
        raw_digest=raw_digest(own_pages.bodies),
        rows=judged.rows.num_rows,
        first_timestamp=facts.first_timestamp,
        last_timestamp=facts.last_timestamp,
        volume=facts.volume,
        transactions=facts.transactions,
        content_hash=dataset.spec.rows.content_hash(judged.rows),
        hours=Hours.of(lake.calendar.hours(judged.key.session)),
        checks=judged.checks,
        waivers=judged.waived,
        revision=0,
        fetched_at_ms=fetch.fetched_at_ms,
        published_at_ms=0,
        reconciliation=compared,
        dataset=judged.key.dataset,
        empty_answers=own_pages.attempts if is_empty else 0,
        inputs=dict(dataset.inputs(fetch, judged.rows)),
        basis=dict(dataset.basis(fetch)),
    )
    origin = Origin(fetch, lambda stored: dataset.decode(lake, stored, judged.key))
    return CertifiedRows(judged.rows, certificate, origin)


def renew(certificate: Certificate, held: Certificate, at: dt.datetime) -> Certificate:
    """A certificate of rows that are held already: their revision, publication and history stay theirs.

    Longer bars that could not be had this time leave standing what the same rows were compared with before.
    """
    compared = certificate.reconciliation
    if compared is not None:
        compared = compared.completed_by(held.reconciliation)
    final, waived = certificate.state is not State.PROVISIONAL, bool(certificate.waivers)
    state = certificate.state
    if compared is not None:
        state = _state(compared, final=final, waived=waived, is_empty=not certificate.rows)
    return msgspec.structs.replace(
        certificate,
        state=state,
        reconciliation=compared,
        revision=held.revision,
        published_at_ms=held.published_at_ms,
        certified_at_ms=_ms(at),
        changes=held.changes,
    )


def with_revision(certificate: Certificate, revision: int, at: dt.datetime) -> Certificate:
    """A certificate of rows that are new to the lake."""
    return msgspec.structs.replace(certificate, revision=revision, published_at_ms=_ms(at), certified_at_ms=_ms(at))


def _state(compared: Reconciliation, *, final: bool, waived: bool, is_empty: bool) -> State:
    if not final:
        return State.PROVISIONAL
    if is_empty:
        return State.EMPTY
    return State.SUSPECT if waived or compared.is_suspicious else State.COMPLETE


def _ms(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)
