"""How long a browser takes to draw the calendar of twenty years: from the address to painted cells."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import msgspec
from playwright.sync_api import sync_playwright

from benchmark.figures import Figure
from browser import FLAGS, absent, chromium
from marketlake.coverage_page.calendar import CoverageCalendar
from marketlake.coverage_page.static_files import StaticFile, static_files
from marketlake.coverage_page.subjects import SubjectEntry, SubjectList

PAINTED = "() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0)))"


def drawn(calendar: CoverageCalendar, runs: int) -> list[Figure]:
    """Seconds in a new context each time, so that nothing is cached; nothing without a browser on this machine."""
    if absent():
        return []
    with _served(calendar) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        took_s = []
        for _ in range(runs):
            context = browser.new_context()
            page = context.new_page()
            page.goto(url)
            page.wait_for_selector(f'[data-date="{calendar.last}"]')
            took_s.append(page.evaluate(PAINTED) / 1000)
            cells = page.locator("[data-date]").count()
            context.close()
        browser.close()
    assert cells == (calendar.last - calendar.first).days + 1, cells
    return [Figure(f"a drawn calendar of {cells:,} days, in Chromium, from its address on", "s", took_s, limit=1.5)]


@contextmanager
def _served(calendar: CoverageCalendar) -> Iterator[str]:
    """The page's files and one answer, by Python's own server: slower than Airflow's."""
    entry = SubjectEntry(
        calendar.dataset, calendar.ticker, calendar.dag_id, "an audit", calendar.title, held=True, configured=True
    )
    files = {f"/coverage/static/{name}": file for name, file in static_files().items()}
    answers = {"subjects": SubjectList([entry], "a lake", "nobody"), "coverage": calendar}
    files |= {
        f"/coverage/api/{name}": StaticFile(msgspec.json.encode(answer), "application/json")
        for name, answer in answers.items()
    }
    files["/coverage/"] = files["/coverage/static/page.html"]
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(files))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/coverage/"
    finally:
        server.shutdown()
        server.server_close()


def _handler(files: Mapping[str, StaticFile]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = files.get(urlsplit(self.path).path)
            self.send_response(200 if file else 404)
            if file:
                self.send_header("Content-Type", file.media_type)
            self.end_headers()
            self.wfile.write(file.data if file else b"")

        def log_message(self, *_: object) -> None:
            pass

    return Handler
