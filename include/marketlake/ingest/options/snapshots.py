"""The snapshot of a session: what the vendor shows of an underlying's options now, and never again.

It belongs to the session of the New York date, from its open until midnight, by the vendor's clock. Before the open the
vendor goes over from one session's open interest to the next one's, around 06:30; after midnight it takes off what has
expired, and clears the day's figures; on a day without a session nothing says which day it shows. At such times nothing
is collected, rather than under a date that may be wrong. The newest figure that is shown must be of that date, too.

A snapshot of when trading had ended (16:30, or 13:30 on an early close) is left as it is, without a call. Any other is
superseded by a later one of the same session, and kept as a revision.
"""

from __future__ import annotations

import datetime as dt

from marketlake.datasets.finality import settled_ms
from marketlake.datasets.option_snapshot import LISTING, OPTION_SNAPSHOT
from marketlake.errors import InvalidBars, NotASession, NotEntitled, NotFinal, RefusedData
from marketlake.ingest.certify import CertifiedRows, certify, judge
from marketlake.ingest.one_kind import require_same_kind
from marketlake.ingest.publish import publish, report_on
from marketlake.ingest.refused import keep_refused
from marketlake.ingest.report import Outcome, Report
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate, State
from marketlake.partitions.dataset_store import DatasetStore
from marketlake.polygon import snapshots
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.fetch import Fetch, Listing
from marketlake.polygon.snapshots import SnapshotRequest
from marketlake.rows.spec import PartitionKey
from marketlake.sessions import NEW_YORK, SessionCalendar, clock_time


def session_shown(calendar: SessionCalendar, at: dt.datetime) -> dt.date:
    """The session that a snapshot is of if it is asked for at a moment.

    Raises NotASession on a day without one, NotFinal before the open: by then the market day cannot be told.
    """
    day = at.astimezone(NEW_YORK).date()
    if not calendar.is_session(day):
        raise NotASession(
            f"{day} is no session of the New York Stock Exchange: which day is shown then cannot be told. A snapshot is"
            f" collected from a session's open until midnight New York; next on {calendar.next_session(day)}."
        )
    opens_ms = calendar.hours(day).regular_start_ms
    if at.timestamp() * 1000 < opens_ms:
        raise NotFinal(
            f"{day} has not opened: until then what is shown may be of the session before, its open interest above all."
            f" A snapshot is collected from {clock_time(opens_ms)} until midnight New York; best after 16:30."
        )
    return day


def collect_snapshot(lake: Lake, ticker: str, client: PolygonClient) -> Report:
    """Collect, judge and publish the snapshot of the session that is under way or just over.

    Raises as ``session_shown``, Retryable, StopAndTell, RefusedData or StorageError; whatever is raised, what is held
    stays, whole.
    """
    session = session_shown(lake.calendar, lake.now())
    key = OPTION_SNAPSHOT.spec.key(ticker, session)
    require_same_kind(lake, host=client.host, key=key)
    store = lake.store(OPTION_SNAPSHOT.spec)
    with store.exclusive(key) as writer:
        complete = _complete(store, key)
        if complete is not None:
            return report_on(Outcome.UNCHANGED, complete)
        fetch: Fetch | None = None
        try:
            fetch = _shown_now(client, ticker)
            certified = _certified(lake, key, fetch)
        except RefusedData as refusal:
            pages = OPTION_SNAPSHOT.own_pages(fetch) if fetch else Listing(refusal.bodies)
            keep_refused(lake, store, writer, key, bodies=pages.bodies, host=client.host, because=str(refusal))
            raise
        return publish(lake, OPTION_SNAPSHOT, writer, certified)


def _complete(store: DatasetStore, key: PartitionKey) -> Certificate | None:
    """The certificate that is held, if nothing is to be added to it."""
    held = store.partitions.inspect(key)
    if held is None or held.certificate is None or not held.sealed:
        return None
    return held.certificate if held.certificate.state is State.COMPLETE else None


def _shown_now(client: PolygonClient, ticker: str) -> Fetch:
    request = SnapshotRequest(ticker)
    try:
        answer = client.ask(snapshots, request, while_empty=OPTION_SNAPSHOT.empty.attempts)
    except NotEntitled as exc:
        raise NotEntitled(
            f"{request}: the plan of this key does not include it: snapshots need Options Starter or a higher one. Use"
            " a key whose plan has them, or set options.snapshots.enabled: false."
        ) from exc
    return answer.as_fetch(LISTING, client.host)


def _certified(lake: Lake, key: PartitionKey, fetch: Fetch) -> CertifiedRows:
    """What may be published. Raises RefusedData for what is not of this session or cannot be true."""
    _require_of(lake, key, fetch)
    decoded = OPTION_SNAPSHOT.decode(lake, fetch, key)
    final = fetch.fetched_at_ms >= settled_ms(OPTION_SNAPSHOT.spec, lake.calendar.hours(key.session))
    judged = judge(lake, OPTION_SNAPSHOT, key, fetch, decoded, final=final)
    return certify(lake, OPTION_SNAPSHOT, judged, fetch)


def _require_of(lake: Lake, key: PartitionKey, fetch: Fetch) -> None:
    """Raise InvalidBars if by the vendor's clock it was another day when the answer ended. When it began is checked."""
    ended = lake.now() - dt.timedelta(seconds=fetch.clock_ahead_s)
    if ended.astimezone(NEW_YORK).date() != key.session:
        at = f"{ended.astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York"
        raise InvalidBars(
            f"{key}: by the clock of {fetch.source_host} it was {at} when the answer was whole, so that its day cannot"
            " be told. Set this machine's clock if it is wrong, and collect the next one well before midnight."
        )
