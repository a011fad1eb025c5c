"""Option bars by REST: a request a contract and session, several at a time, and the evidence of those without any."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from marketlake.datasets.option_answers import REST, Question, day_listing
from marketlake.errors import InvalidBars
from marketlake.ingest.options.journal import Answer, Journal
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.polygon.transport import Calls
from marketlake.sessions import SessionHours

_TWICE = 2
_TOLD_EVERY = 500
_log = logging.getLogger(__name__)


class RestSource:
    """The vendor's aggregates. ``concurrency``: requests at a time; ``recheck_s``: how long after an empty answer the
    contract is asked for again.
    """

    name = REST

    def __init__(self, client: PolygonClient, *, concurrency: int, recheck_s: float) -> None:
        self._client = client
        self._concurrency = concurrency
        self._recheck_s = recheck_s

    @property
    def host(self) -> str:
        """Host and port of the API."""
        return self._client.host

    def collect(self, question: Question, hours: SessionHours, journal: Journal) -> None:
        """Ask for every selected contract, for those without a bar again after a pause, and then for their day bar.

        Raises InvalidBars for contracts that have a day bar and no other ones; they are asked for again next time.
        """
        size = Timespan(question.basis.bar_size)
        requests = [BarRequest(contract, hours, adjusted=False, timespan=size) for contract in question.selected]
        first = [one for one in requests if one.ticker not in journal.answers]
        self._ask_all(
            first, lambda request: self._ask(request, journal), f"{question.frozen.underlying} {hours.session}"
        )
        once = [one for one in requests if _is_empty(journal.answers[one.ticker], attempts=1)]
        self._pause(once, journal)
        self._ask_all(once, lambda request: self._ask(request, journal), "empty contracts, once more")
        empty = [one for one in requests if _is_empty(journal.answers[one.ticker], attempts=_TWICE)]
        days = [one for one in empty if day_listing(one.ticker) not in journal.answers]
        self._ask_all(days, lambda request: self._ask_day(request, journal), "day bars of empty contracts")
        self._require_agreement(empty, journal)

    def probe(self, contract: str, hours: SessionHours, size: Timespan) -> None:
        """Ask for one bar of a contract, whether it has any or not. Raises as ``PolygonClient.fetch``."""
        self._client.probe(BarRequest(contract, hours, adjusted=False, timespan=size))

    def edition(self, session: dt.date) -> str:  # noqa: ARG002
        """Unknown: the vendor says nothing of it."""
        return ""

    def _ask(self, request: BarRequest, journal: Journal) -> None:
        """Ask, and keep the answer; an empty one beside the empty one before it."""
        answer = self._client.fetch(request)
        rows = sum(page.rows.num_rows for page in answer.pages)
        before = journal.answers.get(request.ticker)
        bodies, attempts = answer.listing.bodies, 1 + (before.attempts if before else 0)
        if before is not None and not rows:
            bodies = (*before.bodies, *bodies)
        journal.add(request.ticker, bodies, answer.asked_at_ms, rows=rows, attempts=attempts)

    def _ask_day(self, request: BarRequest, journal: Journal) -> None:
        answer = self._client.fetch(request.of(Timespan.DAY))
        rows = sum(page.rows.num_rows for page in answer.pages)
        journal.add(day_listing(request.ticker), answer.listing.bodies, answer.asked_at_ms, rows=rows)

    def _pause(self, empty: Sequence[BarRequest], journal: Journal) -> None:
        """Wait until the last empty answer is old enough: the vendor has given some in error, for a while."""
        asked_at_ms = max((journal.answers[one.ticker].asked_at_ms for one in empty), default=0)
        wait_s = min(self._recheck_s, asked_at_ms / 1000 + self._recheck_s - self._client.transport.now_s())
        if empty and wait_s > 0:
            _log.info("%d contracts answered without a bar: they are asked again in %.0f s", len(empty), wait_s)
            self._client.transport.wait(wait_s, Calls())

    def _ask_all(self, requests: Sequence[BarRequest], ask: Callable[[BarRequest], None], what: str) -> None:
        """Several at a time. After a failure nothing more is asked, and what is under way is awaited and kept."""
        stopped = threading.Event()

        def unless_stopped(request: BarRequest) -> None:
            if stopped.is_set():
                return
            try:
                ask(request)
            except BaseException:
                stopped.set()
                raise

        with ThreadPoolExecutor(self._concurrency) as threads:
            try:
                futures = [threads.submit(unless_stopped, request) for request in requests]
                for number, future in enumerate(as_completed(futures), 1):
                    future.result()
                    if number % _TOLD_EVERY == 0 or number == len(futures):
                        _log.info("%s: %d of %d requests answered", what, number, len(futures))
            finally:
                stopped.set()  # also if this thread is told to end

    def _require_agreement(self, empty: Sequence[BarRequest], journal: Journal) -> None:
        """Raise InvalidBars if a contract traded by its day bar, and has no other one."""
        traded = [one for one in empty if journal.answers[day_listing(one.ticker)].rows]
        for one in traded:
            journal.drop(one.ticker)
            journal.drop(day_listing(one.ticker))
        if traded:
            raise InvalidBars(
                f"{traded[0]}: asked twice, the API has no bar of it, and a day bar in which contracts were traded; so"
                f" it is with {len(traded)} of {len(empty)} that answered empty. Nothing is published. Clear the task"
                " later: those alone are asked for again."
            )


def _is_empty(answer: Answer, *, attempts: int) -> bool:
    return not answer.rows and answer.attempts == attempts
