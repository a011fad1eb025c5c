"""The eyes of the tests of the page: what they must see, they see, under the page's own policy."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser import PROJECT, SCREENSHOTS, Troubles, axe, browser, new_page, page, screenshot, troubles

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["browser", "new_page", "page", "troubles"]

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
GOOD = """<!doctype html>
<html lang="en">
<head><title>A page</title><link rel="stylesheet" href="page.css"><script src="page.js" defer></script></head>
<body><main><h1>A page</h1><p>Not yet.</p></main></body>
</html>
"""
FILES = {
    "/page.js": ("text/javascript", "document.querySelector('p').textContent = 'Drawn.';"),
    "/page.css": ("text/css", "body { color: black; background: white } .pale { color: #ddd }"),
}


class Pages(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        kind, text = FILES.get(self.path, ("text/html", GOOD))
        self.send_response(404 if self.path == "/absent" else 200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_good_page_has_no_troubles_and_is_kept_as_a_picture(page: Page, address: str, troubles: Troubles) -> None:
    page.goto(address)
    page.get_by_text("Drawn.").wait_for()
    assert axe(page) == []
    picture = SCREENSHOTS / "a-page.png"
    picture.unlink(missing_ok=True)
    assert screenshot(page, "a-page") == picture
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    troubles.none()


NOTICED = {
    "() => console.error('no good')": "^console: no good",
    "() => { setTimeout(() => { throw new Error('broke') }, 0) }": "^exception: broke$",
    "() => fetch('absent')": "^console: .* 404 .*/absent$",
    "() => document.body.setAttribute('style', 'color: red')": "^console: .*inline style violates .*style-src 'self'",
    "() => document.body.append(Object.assign(document.createElement('script'), {textContent: '1'}))": (
        "^console: .*inline script violates .*script-src 'self'"
    ),
    "() => fetch('http://example.invalid/').catch(() => 0)": "^console: .*[Cc]onnect.*Content Security Policy",
}


@pytest.mark.parametrize("code", NOTICED)
def test_what_a_page_complains_of_is_noticed(page: Page, address: str, troubles: Troubles, code: str) -> None:
    page.goto(address)
    page.evaluate(code)
    page.evaluate("() => new Promise(done => setTimeout(done, 0))")
    with pytest.raises(AssertionError):
        troubles.none()
    assert troubles.expected(NOTICED[code])


@pytest.mark.parametrize("foreign", ["http://example.invalid/x", "https://192.0.2.1/x", "http://[2001:db8::1]/x"])
def test_a_request_that_leaves_this_machine_is_refused_and_noticed(
    new_page: Callable[..., Page], address: str, troubles: Troubles, foreign: str
) -> None:
    page = new_page(bypass_csp=True)  # or else the policy were first
    page.goto(address)
    assert page.evaluate("there => fetch(there).then(() => 'came', () => 'refused')", foreign) == "refused"
    assert troubles.expected("^left this machine: ") == [f"left this machine: {foreign}"]
    assert troubles.expected("ERR_PROXY_CONNECTION_FAILED")


def test_axe_names_what_is_serious_and_leaves_out_what_is_not(page: Page, address: str) -> None:
    page.goto(address)
    page.evaluate("""() => {
        document.querySelector("p").className = "pale";
        document.querySelector("main").append(document.createElement("button"));
        document.querySelector("h1").replaceWith("no heading, which is moderate");
    }""")
    assert [line.split(":")[:2] for line in sorted(axe(page))] == [
        ["critical", " button-name"],
        ["serious", " color-contrast"],
    ]
    assert any(line.endswith(": button") for line in axe(page))


def test_the_readers_zone_and_colours_are_those_asked_for(new_page: Callable[..., Page], address: str) -> None:
    page = new_page(color_scheme="dark")
    page.goto(address)
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") is True
    assert page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone") == "Asia/Tokyo"


BROWSING = """
from browser import browser, new_page, page, troubles
def test_quiet(page): assert page.evaluate("1") == 1
def test_loud(page): page.evaluate("console.error('too loud')")
"""
LATER = """
import asyncio
def test_asyncio_is_free(): assert asyncio.run(asyncio.sleep(0, 5)) == 5
"""


@pytest.mark.browser
def test_a_page_that_complains_fails_its_test_and_asyncio_works_after_the_browser(tmp_path: Path) -> None:
    files = {"test_browsing.py": BROWSING, "test_later.py": LATER}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-c", PROJECT / "pyproject.toml", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *files], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "3 passed, 1 error in" in done.stdout
    assert "a page complained:\nE       console: too loud" in done.stdout
