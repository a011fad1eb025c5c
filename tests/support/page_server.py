"""The coverage page and its JSON over a lake, without Airflow: for what is looked at in a browser alone."""

from __future__ import annotations

import datetime as dt
import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import msgspec

from marketlake.coverage_page.calendar import calendar_of
from marketlake.coverage_page.candles import candles
from marketlake.coverage_page.chain_map import chain_map
from marketlake.coverage_page.contract import contract_view
from marketlake.coverage_page.day import bars_of, day_of, hours_of
from marketlake.coverage_page.difference import difference
from marketlake.coverage_page.option_day import option_day_of
from marketlake.coverage_page.options import Options
from marketlake.coverage_page.static_files import StaticFile, static_files
from marketlake.coverage_page.subjects import Shown, index_for, rows_named, subject_named, subjects_of
from marketlake.errors import MarketLakeError
from marketlake.lake import Lake
from visitor import POLICY

Query = Mapping[str, str]


class PageServer:
    """What Airflow's server answers about one lake. ``sent``: how many bytes each path took, compressed."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.sent: dict[str, int] = {}
        self._files = static_files()
        self._answers: Mapping[str, Callable[[Query], msgspec.Struct]] = {
            "subjects": lambda _: subjects_of(self.lake),
            "coverage": self._coverage,
            "day": self._day,
            "bars": self._bars,
            "chain": lambda query: chain_map(self._options(query), _date(query)),
            "contract": self._contract,
            "difference": self._difference,
        }

    def answer(self, path: str, query: Query) -> tuple[int, StaticFile]:
        """Status, bytes and media type of an answer."""
        if path in {"", "index.html"}:
            return 200, self._files["page.html"]
        if path.startswith("static/"):
            file = self._files.get(path.removeprefix("static/"))
            return (200, file) if file else (404, StaticFile(b"", "text/plain"))
        try:
            made = self._answers[path.removeprefix("api/")](query)
        except MarketLakeError as exc:
            return 404, StaticFile(msgspec.json.encode({"detail": str(exc)}), "application/json")
        return 200, StaticFile(msgspec.json.encode(made), "application/json")

    def _subject(self, query: Query) -> Shown:
        return subject_named(self.lake, query.get("dataset"), query.get("ticker"))

    def _options(self, query: Query) -> Options:
        found = subject_named(self.lake, "options", query.get("ticker"))
        assert isinstance(found, Options)
        return found

    def _coverage(self, query: Query) -> msgspec.Struct:
        subject = self._subject(query)
        return calendar_of(subject, index_for(subject, keep=False).look(), {})

    def _day(self, query: Query) -> msgspec.Struct:
        subject = self._subject(query)
        if isinstance(subject, Options):
            return option_day_of(subject, index_for(subject, keep=False), _date(query), None)
        return day_of(subject, index_for(subject, keep=False), _date(query), None)

    def _bars(self, query: Query) -> msgspec.Struct:
        rows = rows_named(self.lake, query.get("dataset"), query.get("ticker"))
        window = (int(query["start_ms"]), int(query["end_ms"]))
        hours = hours_of(rows, _date(query))
        return candles(bars_of(rows, _date(query)), hours, rows.spec.bar_ms, window, int(query["most"]))

    def _contract(self, query: Query) -> msgspec.Struct:
        start, end = (int(query[name]) if name in query else None for name in ("start_ms", "end_ms"))
        most = int(query.get("most", 1_500))
        return contract_view(self._options(query), _date(query), query["contract"], (start, end), most)

    def _difference(self, query: Query) -> msgspec.Struct:
        rows = rows_named(self.lake, query.get("dataset"), query.get("ticker"))
        return difference(rows, _date(query), int(query["old"]), int(query["new"]))


@contextmanager
def served(lake: Lake) -> Iterator[tuple[str, PageServer]]:
    """The page's address while it is served, and who serves it."""
    pages = PageServer(lake)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(pages))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/coverage/", pages
    finally:
        server.shutdown()
        server.server_close()


def _date(query: Query) -> dt.date:
    return dt.date.fromisoformat(query["date"])


def _handler(pages: PageServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            path = asked.path.removeprefix("/coverage/")
            status, file = pages.answer(path, dict(parse_qsl(asked.query)))
            data = gzip.compress(file.data, 5)
            pages.sent[path] = len(data)
            self.send_response(status)
            for name, value in {
                "Content-Type": file.media_type, "Content-Encoding": "gzip", "Content-Security-Policy": POLICY,
                "Cache-Control": "no-cache", "Content-Length": str(len(data)),
            }.items():  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
