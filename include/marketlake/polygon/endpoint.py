"""What a file of one endpoint gives: where its pages lie, how they are decoded, and whether they answer the question.

``aggregates`` and ``contracts`` are such files: the modules themselves are handed over.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import pyarrow as pa


class AnsweredPage(Protocol):
    """One decoded page. ``status``, ``message``: how it went, in the vendor's words. ``rows``: what it holds."""

    @property
    def status(self) -> str: ...  # noqa: D102 (said above)
    @property
    def message(self) -> str: ...  # noqa: D102
    @property
    def request_id(self) -> str:
        """By which the vendor finds this answer."""

    @property
    def next_url(self) -> str | None:
        """Where the listing goes on; None at its end."""

    @property
    def rows(self) -> pa.Table: ...  # noqa: D102


RequestT = TypeVar("RequestT", contravariant=True)  # noqa: PLC0105 (read as a word)
PageT = TypeVar("PageT", bound=AnsweredPage)


class Endpoint(Protocol[RequestT, PageT]):
    """One endpoint of the API. A request's text names what is asked for, in messages."""

    def first_path(self, request: RequestT, limit: int) -> str:
        """Path and query of the first page, of at most ``limit`` rows."""

    def leads_on(self, request: RequestT, path: str) -> bool:
        """Whether a further page of a request may lie at a path."""

    def decode(self, body: bytes) -> PageT:
        """Decode one response body. Raises UndecodableBody or MalformedPage."""

    def require_echo(self, page: PageT, request: RequestT, number: int) -> None:
        """Raise MalformedPage for a page that answers another question, or does not hold what it says it holds."""
