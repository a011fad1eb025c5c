"""A listing: every page of one question, in order, by following ``next_url`` on the configured host alone."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

from marketlake.errors import MalformedPage, RefusedData
from marketlake.polygon.endpoint import Endpoint, PageT, RequestT
from marketlake.polygon.hosts import API_HOSTS
from marketlake.polygon.transport import Calls, Transport

_MOST_PAGES = 1_000


def collect(
    transport: Transport, endpoint: Endpoint[RequestT, PageT], request: RequestT, calls: Calls
) -> tuple[tuple[bytes, ...], list[PageT]]:
    """The bodies and pages of a listing. Raises as ``Transport.page``; RefusedData carries the bodies up to then."""
    bodies: list[bytes] = []
    pages: list[PageT] = []
    try:
        for page, body in _pages(transport, endpoint, request, calls):
            bodies.append(body)
            endpoint.require_echo(page, request, len(bodies))
            pages.append(page)
    except RefusedData as exc:
        raise type(exc)(str(exc), bodies=(*bodies, *exc.bodies)) from exc
    return tuple(bodies), pages


def _pages(
    transport: Transport, endpoint: Endpoint[RequestT, PageT], request: RequestT, calls: Calls
) -> Iterator[tuple[PageT, bytes]]:
    url: str | None = transport.base_url + endpoint.first_path(request, transport.api.page_limit)
    seen: set[str] = set()
    while url:
        if url in seen:
            raise MalformedPage(
                f"{request}: page {len(seen) + 1} repeats a cursor: the listing does not end. Fetch again later."
            )
        if len(seen) >= _MOST_PAGES:
            raise MalformedPage(
                f"{request}: the listing goes on after {_MOST_PAGES} pages. Fetch again later, with a higher"
                f" api.page_limit than {transport.api.page_limit}."
            )
        seen.add(url)
        page, body = transport.page(url, f"{request}: page {len(seen)}", calls, endpoint.decode)
        yield page, body
        url = next_page_url(transport, endpoint, page.next_url, request)


def next_page_url(
    transport: Transport, endpoint: Endpoint[RequestT, PageT], next_url: str | None, request: RequestT
) -> str | None:
    """``next_url`` on the configured host: path and query only, so that the key never leaves it.

    Raises MalformedPage for one that leads elsewhere.
    """
    if not next_url:
        return None
    try:
        parts = urlsplit(next_url)
    except ValueError:  # whose text may hold the address
        raise MalformedPage(f"{request}: next_url is no address. Fetch again later.") from None
    if parts.netloc != transport.host and parts.hostname not in API_HOSTS:
        raise MalformedPage(
            f"{request}: next_url points to the foreign host {parts.hostname!r} ({transport.shown(next_url)});"
            " it was not followed. Check api.base_url, and who answers for it."
        )
    if not endpoint.leads_on(request, parts.path):
        raise MalformedPage(f"{request}: next_url leads elsewhere: {transport.shown(next_url)}. Fetch again later.")
    query = [
        (name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name.lower() != "apikey"
    ]
    return f"{transport.base_url}{parts.path}?{urlencode(query)}"
