"""The vendor's REST API over a ``requests`` session that somebody else made. Knows no Airflow."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception_type, retry_if_not_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from marketlake.errors import (
    BudgetSpent,
    InvalidBars,
    MalformedPage,
    MarketLakeError,
    RateLimited,
    RefusedData,
    Retryable,
    TransportTrouble,
)
from marketlake.polygon import aggregates
from marketlake.polygon.aggregates import Page, require_echo
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.body import read_within
from marketlake.polygon.fetch import Fetch
from marketlake.polygon.hosts import VENDOR_HOSTS
from marketlake.polygon.refusals import Answer, meaning
from marketlake.polygon.request import BarRequest
from marketlake.redaction import redacted_url, without_secret, without_secret_bytes, without_url_secrets
from marketlake.settings.sections import Api

_GOOD_STATUSES = frozenset({"OK", "DELAYED"})
_MOST_PAGES = 1_000
_EMPTY_ASKED = 3
_CLOCK_TOLERANCE_S = 60
"""``Date`` counts whole seconds, and clocks differ by some: only a clock that is wrong is told."""
_log = logging.getLogger(__name__)


class _Bearer(AuthBase):
    """The key in the Authorization header. As an auth object it also keeps ``requests`` from using a netrc."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key.value}"
        return request


class PolygonClient:
    """Fetches bars, page by page, with bounded retries.

    The key travels only in the Authorization header and only to the host of ``base_url``.
    ``sleep`` and ``now_s`` are injected, so that a test waits for nothing. ``take_turn`` is asked before
    every single call, with what is called for; it returns the seconds that it waited.
    """

    def __init__(
        self,
        http: requests.Session,
        key: ApiKey,
        api: Api,
        *,
        base_url: str | None = None,
        take_turn: Callable[[str], float] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._key = key
        self._auth = _Bearer(key)
        self._api = api
        self._base_url = (base_url or api.base_url).rstrip("/")
        self._take_turn = take_turn
        self._sleep = sleep
        self._now_s = now_s
        self._waits: list[float] = []
        self._dates_s: list[float] = []

    def __str__(self) -> str:
        return f"{self._base_url} with API key {self._key}"

    @property
    def host(self) -> str:
        """Host and port of the API, as a certificate records them."""
        return urlsplit(self._base_url).netloc

    def fetch(self, request: BarRequest) -> tuple[Fetch, list[Page]]:
        """Every page of one session's seconds, in order.

        An answer without any bar is asked for again before it is refused: the vendor has given empty
        answers in error. Raises Retryable, StopAndTell or RefusedData (which carries the bodies).
        """
        fetch, pages = self._asked(request)
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
        """Every page body of one request, in order; one without bars where the vendor gives none however often asked.

        Raises as ``fetch`` does.
        """
        fetch, _ = self._asked(request)
        return fetch.bodies

    def probe(self, request: BarRequest) -> int:
        """Ask for one bar of a session and return how many came. Raises as ``fetch`` does."""
        page, _ = self._page(self._first_url(request, limit=1), request, 1)
        return int(page.bars.num_rows)

    def _asked(self, request: BarRequest) -> tuple[Fetch, list[Page]]:
        """Every page; asked for again, a few times, while none of them holds a bar."""
        self._waits = []
        for asked in range(1, _EMPTY_ASKED + 1):
            asked_at_s, self._dates_s = self._now_s(), []
            bodies, pages = self._all_pages(request)
            if any(page.bars.num_rows for page in pages):
                break
            _log.warning("%s: the answer holds no bar (asked %d of %d times)", request, asked, _EMPTY_ASKED)
            if asked < _EMPTY_ASKED:
                self._wait(min(self._api.backoff_base_s * 2**asked, self._api.backoff_cap_s))
        self._tell_waits(request)
        ahead_s = self._clock_ahead_s(asked_at_s, request)
        return Fetch(bodies, self.host, int((asked_at_s - ahead_s) * 1000), clock_ahead_s=ahead_s), pages

    def _clock_ahead_s(self, asked_at_s: float, request: BarRequest) -> float:
        """By how much this machine's clock is ahead of what the answers say of their own time; 0 within a minute."""
        ahead_s = asked_at_s - min(self._dates_s, default=asked_at_s)
        if ahead_s <= _CLOCK_TOLERANCE_S:
            return 0.0
        _log.warning(
            "%s: this machine's clock is %.0f s ahead of %s, whose time counts: set it", request, ahead_s, self.host
        )
        return ahead_s

    def _all_pages(self, request: BarRequest) -> tuple[tuple[bytes, ...], list[Page]]:
        bodies: list[bytes] = []
        pages: list[Page] = []
        try:
            for page, body in self._pages(request):
                pages.append(page)
                bodies.append(body)
        except RefusedData as exc:
            exc.bodies = (*bodies, *exc.bodies)
            raise
        return tuple(bodies), pages

    def _pages(self, request: BarRequest) -> Iterator[tuple[Page, bytes]]:
        url: str | None = self._first_url(request, limit=self._api.page_limit)
        seen: set[str] = set()
        while url:
            if url in seen:
                raise MalformedPage(
                    f"{request}: page {len(seen) + 1} repeats a cursor: the listing does not end. Fetch again later."
                )
            if len(seen) >= _MOST_PAGES:
                raise MalformedPage(
                    f"{request}: the listing goes on after {_MOST_PAGES} pages. Fetch again later, with a higher"
                    f" api.page_limit than {self._api.page_limit}."
                )
            seen.add(url)
            page, body = self._page(url, request, len(seen))
            try:
                require_echo(page, request, len(seen))
                url = self._followed(page.next_url, request)
            except RefusedData as exc:
                exc.bodies = (body,)
                raise
            yield page, body

    def _first_url(self, request: BarRequest, limit: int) -> str:
        hours = request.hours
        query = {"adjusted": str(request.adjusted).lower(), "sort": "asc", "limit": limit}
        path = f"{_path(request)}/{hours.day_start_ms}/{hours.day_end_ms - 1}"
        return f"{self._base_url}{path}?{urlencode(query)}"

    def _followed(self, next_url: str | None, request: BarRequest) -> str | None:
        """``next_url`` on the configured host: path and query only, so that the key never leaves it."""
        if not next_url:
            return None
        try:
            parts = urlsplit(next_url)
        except ValueError:  # whose text may hold the address
            raise MalformedPage(f"{request}: next_url is no address. Fetch again later.") from None
        if parts.netloc != self.host and parts.hostname not in VENDOR_HOSTS:
            raise MalformedPage(
                f"{request}: next_url points to the foreign host {parts.hostname!r} ({self._shown(next_url)});"
                " it was not followed. Check api.base_url, and who answers for it."
            )
        if not parts.path.startswith(f"{_path(request)}/"):
            raise MalformedPage(f"{request}: next_url leads elsewhere: {self._shown(next_url)}. Fetch again later.")
        query = urlencode(
            [
                (name, value)
                for name, value in parse_qsl(parts.query, keep_blank_values=True)
                if name.lower() != "apikey"
            ]
        )
        return f"{self._base_url}{parts.path}?{query}"

    def _page(self, url: str, request: BarRequest, number: int) -> tuple[Page, bytes]:
        where = f"{request}: page {number}"
        retrying = Retrying(
            stop=stop_after_attempt(self._api.attempts),
            wait=self._backoff,
            retry=retry_if_exception_type(Retryable) & retry_if_not_exception_type(BudgetSpent),
            sleep=self._wait,
            before_sleep=self._tell,
            reraise=True,
        )
        return retrying(self._page_once, url, where)

    def _page_once(self, url: str, where: str) -> tuple[Page, bytes]:
        response, body = self._get(url, where)
        # The key is in no answer that has been seen; should the vendor echo it, it is not kept.
        body = without_secret_bytes(body, self._key.value)
        about = f"{where}: HTTP {response.status_code} from {self._shown(url)}"
        try:
            page = aggregates.decode(body)
        except MarketLakeError as exc:
            if response.status_code != requests.codes.ok:
                raise self._meaning(response, "", "", about) from exc
            request_id = self._request_id(response)
            way_on = (
                "It is asked again."
                if isinstance(exc, Retryable)
                else "Fetch again later; if it stays, ask the vendor."
            )
            told = type(exc)(f"{about} (request id {request_id}): {exc}. {way_on}")
            if isinstance(told, RefusedData):
                told.bodies = (body,)
            raise told from exc
        if response.status_code != requests.codes.ok or page.status not in _GOOD_STATUSES:
            request_id = page.request_id or self._request_id(response)
            raise self._meaning(response, page.status, page.said, f"{about} (request id {request_id})")
        return page, body

    def _get(self, url: str, where: str) -> tuple[requests.Response, bytes]:
        if self._take_turn and (waited_s := self._take_turn(where)):
            self._waits.append(waited_s)
        timeout = (self._api.connect_timeout_s, self._api.read_timeout_s)
        try:
            with self._http.get(url, auth=self._auth, timeout=timeout, allow_redirects=False, stream=True) as response:
                with suppress(ValueError, TypeError):  # no such header, or none that is a date
                    self._dates_s.append(parsedate_to_datetime(response.headers.get("Date", "")).timestamp())
                return response, read_within(response, self._api.answer_timeout_s)
        except (requests.exceptions.RequestException, ValueError) as exc:
            cause = without_url_secrets(without_secret(_cause(exc), self._key.value))
            # Without the chain: the libraries' own texts can hold a proxy's password, and logs print every link.
            raise TransportTrouble(
                f"{where}: no usable answer from {self._shown(url)} ({cause})."
                " Check the network, its proxy and api.base_url."
            ) from None

    def _shown(self, url: str) -> str:
        return without_secret(redacted_url(url), self._key.value)

    def _request_id(self, response: requests.Response) -> str:
        return without_secret(response.headers.get("X-Request-Id", "none"), self._key.value)

    def _meaning(self, response: requests.Response, status: str, said: str, about: str) -> MarketLakeError:
        answer = Answer(response.status_code, status, said, response.headers.get("Retry-After", ""))
        return meaning(answer, about, self._key, self._now_s())

    def _backoff(self, state: RetryCallState) -> float:
        """Seconds before the next attempt: what the vendor asks for, else exponential with jitter; capped."""
        api = self._api
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, RateLimited) and failure.retry_after_s is not None:
            return min(failure.retry_after_s, api.backoff_cap_s)
        jittered = wait_exponential_jitter(
            multiplier=api.backoff_base_s, max=api.backoff_cap_s, jitter=api.backoff_base_s
        )
        return float(jittered(state))

    def _wait(self, seconds: float) -> None:
        self._waits.append(seconds)
        self._sleep(seconds)

    def _tell(self, state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0.0
        _log.warning(
            "attempt %d of %d failed, waiting %.1f s: %s",
            state.attempt_number,
            self._api.attempts,
            wait_s,
            failure,
        )

    def _tell_waits(self, request: BarRequest) -> None:
        if self._waits:
            _log.info("%s: fetched after waiting %d times, %.1f s in all", request, len(self._waits), sum(self._waits))


def _path(request: BarRequest) -> str:
    return f"/v2/aggs/ticker/{request.ticker}/range/1/{request.timespan.value}"


def _cause(exc: requests.exceptions.RequestException | ValueError) -> str:
    """What is below the layers of the HTTP libraries: a name that does not resolve, a refused connection."""
    if isinstance(exc, ValueError):  # its text may quote any part of the address; ours was checked before
        return f"{type(exc).__name__}: an address is malformed, that of a proxy (HTTPS_PROXY) perhaps"
    found = getattr(exc.args[0], "reason", None) if exc.args else None
    return f"{type(found or exc).__name__}: {' '.join(str(found or exc).split())}"
