"""One call to the vendor's API over a ``requests`` session that somebody else made: key, turn, timeouts, retries."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from marketlake.errors import BudgetSpent, MarketLakeError, RefusedData, Retryable, TransportTrouble
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.body import read_within
from marketlake.polygon.endpoint import PageT
from marketlake.polygon.patience import trying
from marketlake.polygon.refusals import Answer, error_for
from marketlake.redaction import redacted_url, without_secret, without_secret_bytes, without_url_secrets
from marketlake.settings.sections import Api

_GOOD_STATUSES = frozenset({"OK", "DELAYED"})
_MOST_THREADS = 64


class _Bearer(AuthBase):
    """The key in the Authorization header. As an auth object it also keeps ``requests`` from using a netrc."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key.value}"
        return request


@dataclass
class Calls:
    """What happened on the way to an answer: every wait in seconds, and every answer's own time, Unix s."""

    waits_s: list[float] = field(default_factory=list)
    dates_s: list[float] = field(default_factory=list)


class Transport:
    """Asks for one page at a time, with bounded retries.

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
        self.api = api
        self.base_url = (base_url or api.base_url).rstrip("/")
        self.now_s = now_s
        self._http = http
        _keep_connections(http)
        self._key = key
        self._auth = _Bearer(key)
        self._take_turn = take_turn
        self._sleep = sleep

    def __str__(self) -> str:
        return f"{self.base_url} with API key {self._key}"

    @property
    def host(self) -> str:
        """Host and port of the API, as a certificate records them."""
        return urlsplit(self.base_url).netloc

    def shown(self, url: str) -> str:
        """An address as it may be shown."""
        return without_secret(redacted_url(url), self._key.value)

    def wait(self, seconds: float, calls: Calls) -> None:
        """Wait, on record."""
        calls.waits_s.append(seconds)
        self._sleep(seconds)

    def page(self, url: str, where: str, calls: Calls, decode: Callable[[bytes], PageT]) -> tuple[PageT, bytes]:
        """One page and its body. ``where`` names ticker, session and page in messages.

        Raises Retryable once the attempts are used up, StopAndTell or RefusedData (which carries the body).
        """
        retrying = trying(self.api, lambda seconds: self.wait(seconds, calls), but_not=(BudgetSpent,))
        return retrying(self._page_once, url, where, calls, decode)

    def _page_once(self, url: str, where: str, calls: Calls, decode: Callable[[bytes], PageT]) -> tuple[PageT, bytes]:
        response, body = self._get(url, where, calls)
        # The key is in no answer that has been seen; should the vendor echo it, it is not kept.
        body = without_secret_bytes(body, self._key.value)
        about = f"{where}: HTTP {response.status_code} from {self.shown(url)}"
        try:
            page = decode(body)
        except MarketLakeError as exc:
            if response.status_code != requests.codes.ok:
                raise self._error(response, "", "", about) from exc
            request_id = self._request_id(response)
            way_on = (
                "It is asked again."
                if isinstance(exc, Retryable)
                else "Fetch again later; if it stays, ask the vendor."
            )
            message = f"{about} (request id {request_id}): {exc}. {way_on}"
            if isinstance(exc, RefusedData):
                raise type(exc)(message, bodies=(body,)) from exc
            raise type(exc)(message) from exc
        if response.status_code != requests.codes.ok or page.status not in _GOOD_STATUSES:
            request_id = page.request_id or self._request_id(response)
            raise self._error(response, page.status, page.message, f"{about} (request id {request_id})")
        return page, body

    def _get(self, url: str, where: str, calls: Calls) -> tuple[requests.Response, bytes]:
        if self._take_turn and (waited_s := self._take_turn(where)):
            calls.waits_s.append(waited_s)
        timeout = (self.api.connect_timeout_s, self.api.read_timeout_s)
        try:
            with self._http.get(url, auth=self._auth, timeout=timeout, allow_redirects=False, stream=True) as response:
                with suppress(ValueError, TypeError):  # no such header, or none that is a date
                    calls.dates_s.append(parsedate_to_datetime(response.headers.get("Date", "")).timestamp())
                return response, read_within(response, self.api.answer_timeout_s)
        except (requests.exceptions.RequestException, ValueError) as exc:
            cause = without_url_secrets(without_secret(_cause(exc), self._key.value))
            # Without the chain: the libraries' own texts can hold a proxy's password, and logs print every link.
            raise TransportTrouble(
                f"{where}: no usable answer from {self.shown(url)} ({cause})."
                " Check the network, its proxy and api.base_url."
            ) from None

    def _request_id(self, response: requests.Response) -> str:
        return without_secret(response.headers.get("X-Request-Id", "none"), self._key.value)

    def _error(self, response: requests.Response, status: str, message: str, about: str) -> MarketLakeError:
        retry_after, path = response.headers.get("Retry-After", ""), unquote(urlsplit(response.url).path)
        answer = Answer(response.status_code, status, message, retry_after, path)
        return error_for(answer, about, self._key, self.now_s())


def _keep_connections(http: requests.Session) -> None:
    """Have a session keep as many connections open as threads may use at a time, instead of ten."""
    for adapter in http.adapters.values():
        if isinstance(adapter, HTTPAdapter):
            adapter.poolmanager.connection_pool_kw["maxsize"] = _MOST_THREADS


def _cause(exc: requests.exceptions.RequestException | ValueError) -> str:
    """What is below the layers of the HTTP libraries: a name that does not resolve, a refused connection."""
    if isinstance(exc, ValueError):  # its text may quote any part of the address; ours was checked before
        return f"{type(exc).__name__}: an address is malformed, that of a proxy (HTTPS_PROXY) perhaps"
    reason = getattr(exc.args[0], "reason", None) if exc.args else None
    return f"{type(reason or exc).__name__}: {' '.join(str(reason or exc).split())}"
