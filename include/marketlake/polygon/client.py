"""The vendor's bars: every page of a question, asked again while the answer is empty. Knows no Airflow."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Generic

from marketlake.polygon import aggregates, listing
from marketlake.polygon.endpoint import Endpoint, PageT, RequestT
from marketlake.polygon.fetch import Fetch, Listing
from marketlake.polygon.request import BarRequest
from marketlake.polygon.transport import Calls, Transport

_CLOCK_TOLERANCE_S = 60
"""``Date`` counts whole seconds, and clocks differ by some: only a clock that is wrong is mentioned."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer(Generic[PageT]):
    """The listing of one request, its pages decoded, and when it was asked for, as in ``Fetch``."""

    listing: Listing
    pages: tuple[PageT, ...]
    asked_at_ms: int
    clock_ahead_s: float

    def as_fetch(self, name: str, host: str) -> Fetch:
        """A fetch of this listing alone."""
        return Fetch({name: self.listing}, host, self.asked_at_ms, self.clock_ahead_s)


class PolygonClient:
    """Fetches a session's bars over a transport, which bounds every call."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __str__(self) -> str:
        return str(self.transport)

    @property
    def host(self) -> str:
        """Host and port of the API, as a certificate records them."""
        return self.transport.host

    def fetch(self, request: BarRequest, *, while_empty: int = 1) -> Answer[aggregates.Page]:
        """The bars of a request: as ``ask``."""
        return self.ask(aggregates, request, while_empty=while_empty)

    def ask(self, endpoint: Endpoint[RequestT, PageT], request: RequestT, *, while_empty: int = 1) -> Answer[PageT]:
        """Every page of a request, in order; asked for ``while_empty`` times at most while no page holds a row.

        The vendor has given empty answers in error: how often one has to come to be believed, and what it means then,
        is for the dataset to say. Raises Retryable, StopAndTell or RefusedData (which carries the bodies).
        """
        calls = Calls()
        kept: list[tuple[bytes, PageT]] = []
        for attempt in range(1, while_empty + 1):
            asked_at_s = self.transport.now_s()
            calls.dates_s.clear()
            answered = list(zip(*listing.collect(self.transport, endpoint, request, calls), strict=True))
            if any(page.rows.num_rows for _, page in answered):
                kept = answered
                break
            kept += answered
            if while_empty > 1:  # else nothing is thought of it
                _log.warning("%s: the answer holds nothing (asked %d of %d times)", request, attempt, while_empty)
            if attempt < while_empty:
                self._pause(attempt, calls)
        if waits_s := calls.waits_s:
            _log.info("%s: fetched after waiting %d times, %.1f s in all", request, len(waits_s), sum(waits_s))
        bodies, pages = zip(*kept, strict=True)
        ahead_s = self._clock_ahead_s(asked_at_s, calls, request)
        return Answer(Listing(bodies, attempts=attempt), pages, int((asked_at_s - ahead_s) * 1000), ahead_s)

    def _pause(self, attempt: int, calls: Calls) -> None:
        api = self.transport.api
        self.transport.wait(min(api.backoff_base_s * 2**attempt, api.backoff_cap_s), calls)

    def probe(self, request: BarRequest) -> int:
        """Ask for one bar of a session and return how many came. Raises as ``fetch`` does."""
        return int(self.first(aggregates, request).rows.num_rows)

    def first(self, endpoint: Endpoint[RequestT, PageT], request: RequestT) -> PageT:
        """A page of one row at most, in one cheap call. Raises as ``fetch`` does."""
        url = self.transport.base_url + endpoint.first_path(request, limit=1)
        page, _ = self.transport.page(url, f"{request}: page 1", Calls(), endpoint.decode)
        return page

    def _clock_ahead_s(self, asked_at_s: float, calls: Calls, request: object) -> float:
        """By how much this machine's clock is ahead of what the answers say of their own time; 0 within a minute."""
        ahead_s = asked_at_s - min(calls.dates_s, default=asked_at_s)
        if ahead_s <= _CLOCK_TOLERANCE_S:
            return 0.0
        _log.warning(
            "%s: this machine's clock is %.0f s ahead of %s, whose time counts: set it", request, ahead_s, self.host
        )
        return ahead_s
