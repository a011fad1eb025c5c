"""The vendor's bars: every page of a session, asked for again while the answer is empty. Knows no Airflow."""

from __future__ import annotations

import logging

from marketlake.errors import InvalidBars
from marketlake.polygon import listing
from marketlake.polygon.aggregates import Page, first_path
from marketlake.polygon.fetch import Fetch
from marketlake.polygon.request import BarRequest
from marketlake.polygon.transport import Calls, Transport

_EMPTY_ASKED = 3
_CLOCK_TOLERANCE_S = 60
"""``Date`` counts whole seconds, and clocks differ by some: only a clock that is wrong is told."""
_log = logging.getLogger(__name__)


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

    def fetch(self, request: BarRequest) -> tuple[Fetch, list[Page]]:
        """Every page of one session's seconds, in order.

        An answer without any bar is asked for again before it is refused: the vendor has given empty
        answers in error. Raises Retryable, StopAndTell or RefusedData (which carries the bodies).
        """
        fetch, pages = self._fetch_until_not_empty(request)
        if any(page.bars.num_rows for page in pages):
            return fetch, pages
        refusal = InvalidBars(
            f"{request}: the API answered {_EMPTY_ASKED} times without a single bar (request id"
            f" {pages[-1].request_id or 'none'}), but the exchange traded on that date. Nothing is stored as 'no"
            f" data'. Clear the task later; if the exchange was closed, add {request.session} to calendar.closures."
        )
        refusal.bodies = fetch.bodies
        raise refusal

    def listing(self, request: BarRequest) -> tuple[bytes, ...]:
        """Every page body of one request, in order; one without bars if the vendor gives none however often asked.

        Raises as ``fetch`` does.
        """
        fetch, _ = self._fetch_until_not_empty(request)
        return fetch.bodies

    def probe(self, request: BarRequest) -> int:
        """Ask for one bar of a session and return how many came. Raises as ``fetch`` does."""
        url = self.transport.base_url + first_path(request, limit=1)
        page, _ = self.transport.page(url, f"{request}: page 1", Calls())
        return int(page.bars.num_rows)

    def _fetch_until_not_empty(self, request: BarRequest) -> tuple[Fetch, list[Page]]:
        """Every page; asked for again, a few times, while none of them holds a bar."""
        api, calls = self.transport.api, Calls()
        for asked in range(1, _EMPTY_ASKED + 1):
            asked_at_s = self.transport.now_s()
            calls.dates_s.clear()
            bodies, pages = listing.collect(self.transport, request, calls)
            if any(page.bars.num_rows for page in pages):
                break
            _log.warning("%s: the answer holds no bar (asked %d of %d times)", request, asked, _EMPTY_ASKED)
            if asked < _EMPTY_ASKED:
                self.transport.wait(min(api.backoff_base_s * 2**asked, api.backoff_cap_s), calls)
        if waits_s := calls.waits_s:
            _log.info("%s: fetched after waiting %d times, %.1f s in all", request, len(waits_s), sum(waits_s))
        ahead_s = self._clock_ahead_s(asked_at_s, calls, request)
        return Fetch(bodies, self.host, int((asked_at_s - ahead_s) * 1000), clock_ahead_s=ahead_s), pages

    def _clock_ahead_s(self, asked_at_s: float, calls: Calls, request: BarRequest) -> float:
        """By how much this machine's clock is ahead of what the answers say of their own time; 0 within a minute."""
        ahead_s = asked_at_s - min(calls.dates_s, default=asked_at_s)
        if ahead_s <= _CLOCK_TOLERANCE_S:
            return 0.0
        _log.warning(
            "%s: this machine's clock is %.0f s ahead of %s, whose time counts: set it", request, ahead_s, self.host
        )
        return ahead_s
