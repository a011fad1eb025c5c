"""A vendor whose lists hold the rows that a test gives it, without a socket: filtered, sorted and in pages."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from conftest import KEY, NOW
from marketlake.lake import Lake
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport

Row = dict[str, Any]
_TESTS = {"": str.__eq__, "gte": str.__ge__, "lte": str.__le__}


class ListedRows(HTTPAdapter):
    """``rows``: what there is, by path. ``asked``: paths and queries, in order."""

    def __init__(self, rows: Mapping[str, Sequence[Row]]) -> None:
        super().__init__()
        self.rows = rows
        self.asked: list[str] = []

    def client(self, lake: Lake) -> PolygonClient:
        http = requests.Session()
        http.mount("http://", self)
        return PolygonClient(
            Transport(http, ApiKey(KEY, "a test"), lake.settings.api, sleep=lambda _: None, now_s=NOW.timestamp)
        )

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(str(request.url))
        query = dict(parse_qsl(parts.query))
        self.asked.append(f"{parts.path}?{parts.query}")
        start, limit = int(query.pop("start", 0)), int(query["limit"])
        rows = self._of(parts.path, query)
        answer: Row = {"status": "OK", "request_id": "abc", "results": rows[start : start + limit]}
        if start + limit < len(rows):
            base = f"{parts.scheme}://{parts.netloc}{parts.path}"
            answer["next_url"] = f"{base}?{parts.query.partition('&start=')[0]}&start={start + limit}"
        body = io.BytesIO(json.dumps(answer).encode())
        return self.build_response(request, HTTPResponse(body, {}, 200, preload_content=False))

    def _of(self, path: str, query: Row) -> list[Row]:
        rows = list(self.rows[path])
        for name, value in query.items():
            field, _, operator = name.partition(".")
            if field not in {"limit", "sort"}:
                rows = [row for row in rows if _TESTS[operator](row[field], value)]
        field = query["sort"].removesuffix(".asc")
        return sorted(rows, key=lambda row: str(row[field]))
