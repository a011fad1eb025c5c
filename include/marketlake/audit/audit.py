"""Looking again at what is held: what came of it, session by session, and how the whole lake stands."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from marketlake.audit.due import AuditReason, reason_for, sessions_due
from marketlake.audit.visits import Visit, Visits
from marketlake.coverage.joint import state_of, suspect_because
from marketlake.dataset_names import SECOND_BARS, title
from marketlake.datasets import foremost_of
from marketlake.datasets.dataset import ListedDataset
from marketlake.errors import MarketLakeError, StorageError
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.report import Report
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import State
from marketlake.partitions.dataset_store import DatasetStore
from marketlake.partitions.layout import audit_path
from marketlake.polygon.client import PolygonClient
from marketlake.rows.spec import PartitionKey

_log = logging.getLogger(__name__)


class Audit(msgspec.Struct, frozen=True):
    """One run's findings, and the states of every partition of the ticker; ``audit/{ticker}/audit.json``.

    ``left_over``: sessions that are due and were not planned. ``suspect``: every one that is held, with why.
    """

    ticker: str
    at_ms: int
    planned: tuple[str, ...]
    failed: tuple[str, ...]
    visits: tuple[Visit, ...]
    left_over: int
    states: dict[str, int]
    suspect: dict[str, tuple[str, ...]]
    dataset: str = SECOND_BARS


def audit_session(lake: Lake, dataset: ListedDataset, key: PartitionKey, client: PolygonClient) -> Visit:
    """Fetch a session again, publish what differs, and note the visit, or that it failed. Raises as ``ingest`` does."""
    return look_again(lake, dataset.spec.name, key, lambda _reason: (ingest(lake, dataset, key, client), ""))


def look_again(lake: Lake, name: str, key: PartitionKey, fetch: Callable[[AuditReason], tuple[Report, str]]) -> Visit:
    """Have a session fetched again, and note the visit, or that it failed. Raises as ``fetch`` does.

    ``name``: what it is a session of, a dataset or options; ``key``: of its foremost part. ``fetch`` gives what came of
    it, and the edition of what it was fetched from.
    """
    store = lake.store(foremost_of(name).spec)
    reason = reason_for(lake, name, key.ticker, key.session)
    try:
        report, edition = fetch(reason)
    except MarketLakeError:
        _note_failure(lake, store, key, reason)
        raise
    visit = Visit(
        key.session,
        reason.value,
        report.outcome,
        report.state,
        report.revision,
        int(lake.now().timestamp() * 1000),
        report.changes,
        report.suspect_because,
        edition=edition,
    )
    _note(store, key, visit)
    return visit


def _note_failure(lake: Lake, store: DatasetStore, key: PartitionKey, reason: AuditReason) -> None:
    """So that the next run takes others first. If that fails, the failure itself is still what is reported."""
    last = Visits(store.storage).last(key.ticker, key.session)
    visit = last or Visit(key.session, reason.value, "failed", "", 0, visited_at_ms=0)
    try:
        _note(store, key, msgspec.structs.replace(visit, failed_at_ms=int(lake.now().timestamp() * 1000)))
    except StorageError as exc:
        _log.warning("%s: that the visit failed could not be noted: %s", key, exc)


def _note(store: DatasetStore, key: PartitionKey, visit: Visit) -> None:
    with store.writer(f"audit-{key.ticker.lower()}-{visit.session}") as writer:
        Visits(store.storage).note(writer, key.ticker, visit)


def summarise(lake: Lake, name: str, ticker: str, planned: Sequence[str], visits: Sequence[Visit]) -> Audit:
    """Write ``audit.json`` and tell the same as a table in the log. A planned session without a visit failed."""
    seen = {str(visit.session) for visit in visits}
    held = coverage_of(lake, name, ticker).certificates()
    states = {session: state_of(parts) for session, parts in held.items()}
    audit = Audit(
        ticker,
        int(lake.now().timestamp() * 1000),
        tuple(planned),
        tuple(sorted(day for day in planned if day not in seen)),
        tuple(sorted(visits, key=lambda visit: visit.session)),
        len({str(due.session) for due in sessions_due(lake, name, ticker)} - set(planned)),
        dict(Counter(state.value if state else "unproven" for state in states.values())),
        {str(day): suspect_because(held[day]) for day, state in states.items() if state is State.SUSPECT},
        name,
    )
    with lake.store(foremost_of(name).spec).writer(f"audit-{ticker.lower()}") as writer:
        writer.put(audit_path(ticker), msgspec.json.encode(audit))
    _log_audit(audit, title(name, ticker))
    return audit


def _log_audit(audit: Audit, subject: str) -> None:
    _log.info("%-10s  %-12s  %-9s  %8s  %s", "session", "because", "outcome", "revision", "state")
    for visit in audit.visits:
        remarks = "; ".join(text for text in (visit.changes, *visit.suspect_because) if text)
        _log.info(
            "%-10s  %-12s  %-9s  %8d  %s%s",
            visit.session, visit.because, visit.outcome, visit.revision, visit.state, f": {remarks}" if remarks else "",
        )  # fmt: skip
    for day in audit.failed:
        _log.error("%-10s  FAILED: see the log of its task", day)
    states = ", ".join(f"{count} {state}" for state, count in sorted(audit.states.items())) or "no partition"
    _log.info(
        "%s: %d of %d looked at; the lake holds %s; %d more are due",
        subject, len(audit.visits), len(audit.planned), states, audit.left_over,
    )  # fmt: skip
    for day, reasons in audit.suspect.items():
        _log.warning("%s %s is suspect: %s", subject, day, "; ".join(reasons))
