"""Answers of a vendor that are asked for once and given again: where the fault is in the disk, they are all the same.

To ask over a socket each time takes a third of a session, and shows what ``test_faults`` shows.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    """as it was sent, compressed"""


class KeptAnswers(HTTPAdapter):
    """The way of a ``requests`` session to a vendor that serves the same to everybody."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, _Answer] = {}

    def send(self, request: requests.PreparedRequest, **named: Any) -> requests.Response:  # type: ignore[override]
        """The kept answer, or else the vendor's own, which is kept."""
        url = str(request.url)
        if url not in self._kept:
            raw = super().send(request, **named).raw
            self._kept[url] = _Answer(raw.status, dict(raw.headers), raw.read(decode_content=False))
        kept = self._kept[url]
        again = HTTPResponse(io.BytesIO(kept.body), kept.headers, kept.status, preload_content=False)
        return self.build_response(request, again)
