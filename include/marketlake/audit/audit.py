"""Looking again at what is held: what came of it, session by session, and how the whole lake stands."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Sequence

import msgspec

from marketlake.audit.due import Because, because, due
from marketlake.audit.visits import Visit, Visits
from marketlake.coverage.coverage import Coverage
from marketlake.errors import MarketLakeError, StorageError
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import State
from marketlake.polygon.client import PolygonClient

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


def audit_session(lake: Lake, ticker: str, session: dt.date, client: PolygonClient) -> Visit:
    """Fetch a session again, publish what differs, and note the visit, or that it failed. Raises as ``ingest`` does."""
    reason = because(lake, ticker, session)
    try:
        report = ingest(lake, ticker, session, client)
    except MarketLakeError:
        _note_failure(lake, ticker, session, reason)
        raise
    visit = Visit(
        session,
        reason.value,
        report.outcome,
        report.state,
        report.revision,
        int(lake.now().timestamp() * 1000),
        report.changes,
        report.suspect_because,
    )
    _note(lake, ticker, visit)
    return visit


def _note_failure(lake: Lake, ticker: str, session: dt.date, reason: Because) -> None:
    """So that the next run takes others first. Where that fails, the failure itself is still what is told."""
    last = Visits(lake.storage).last(ticker, session) or Visit(session, reason.value, "failed", "", 0, visited_at_ms=0)
    try:
        _note(lake, ticker, msgspec.structs.replace(last, failed_at_ms=int(lake.now().timestamp() * 1000)))
    except StorageError as exc:
        _log.warning("%s %s: that the visit failed could not be noted: %s", ticker, session, exc)


def _note(lake: Lake, ticker: str, visit: Visit) -> None:
    name = f"audit-{ticker.lower()}-{visit.session}"
    with lake.storage.exclusive(name, lake.settings.storage.lock_timeout_s) as writer:
        Visits(lake.storage).note(writer, ticker, visit)


def summarise(lake: Lake, ticker: str, planned: Sequence[str], visits: Sequence[Visit]) -> Audit:
    """Write ``audit.json`` and tell the same as a table in the log. A planned session without a visit failed."""
    seen = {str(visit.session) for visit in visits}
    held = Coverage(lake, ticker).certificates()
    audit = Audit(
        ticker,
        int(lake.now().timestamp() * 1000),
        tuple(planned),
        tuple(sorted(day for day in planned if day not in seen)),
        tuple(sorted(visits, key=lambda visit: visit.session)),
        len({str(one.session) for one in due(lake, ticker)} - set(planned)),
        dict(Counter(one.state.value if one else "unproven" for one in held.values())),
        {str(day): one.suspect_because for day, one in sorted(held.items()) if one and one.state is State.SUSPECT},
    )
    name = f"audit-{ticker.lower()}"
    with lake.storage.exclusive(name, lake.settings.storage.lock_timeout_s) as writer:
        writer.put(f"audit/{ticker.lower()}/audit.json", msgspec.json.encode(audit))
    _tell(audit)
    return audit


def _tell(audit: Audit) -> None:
    _log.info("%-10s  %-12s  %-9s  %8s  %s", "session", "because", "outcome", "revision", "state")
    for visit in audit.visits:
        told = "; ".join(text for text in (visit.changes, *visit.suspect_because) if text)
        _log.info(
            "%-10s  %-12s  %-9s  %8d  %s%s",
            visit.session, visit.because, visit.outcome, visit.revision, visit.state, f": {told}" if told else "",
        )  # fmt: skip
    for day in audit.failed:
        _log.error("%-10s  FAILED: see the log of its task", day)
    states = ", ".join(f"{count} {state}" for state, count in sorted(audit.states.items())) or "no partition"
    _log.info(
        "%s: %d of %d looked at; the lake holds %s; %d more are due",
        audit.ticker, len(audit.visits), len(audit.planned), states, audit.left_over,
    )  # fmt: skip
    for day, reasons in audit.suspect.items():
        _log.warning("%s %s is suspect: %s", audit.ticker, day, "; ".join(reasons))
