"""Debian's Chromium, seen through Playwright: it reaches this machine alone, and every complaint of a page counts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Frame, Page, Request

PROJECT = Path(__file__).resolve().parents[2]
AXE = PROJECT / ".ci" / "javascript" / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = PROJECT / "test-results" / "screenshots"
_NOT_USED = (
    # The browser's own popups, for each window two pages that nobody sees: half of what a page costs.
    "WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup",
    # What Playwright leaves out by itself: of two lists the browser takes the last.
    "AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay", "MediaRouter",
    "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding", "PreconnectToSearch", "TcpPortRandomizationWin",
    "ThirdPartyStoragePartitioning",
)  # fmt: skip
FLAGS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    # Whatever is not on this machine goes to a proxy that is not there. Routes of Playwright would do the same to
    # names, and turn the browser's cache off.
    "--proxy-server=http://127.0.0.1:9",
    f"--disable-features={','.join(_NOT_USED)}",
)  # fmt: skip
_HERE = {"127.0.0.1", "localhost"}
_ANSWER_MS = 15_000


def chromium() -> str | None:
    """The browser that the variable ``CHROMIUM`` names, or else the first on the path."""
    names = (
        [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else ["chromium", "chromium-browser", "google-chrome"]
    )
    return next(filter(None, map(shutil.which, names)), None)


def absent() -> str:
    """What a test in a browser lacks on this machine, and how to get it; empty if nothing."""
    if chromium() is None:
        return "Chromium is absent: apt-get install chromium, or name one by the variable CHROMIUM"
    if not AXE.is_file():
        return "axe-core is absent: apt-get install npm (with Node 20.19 or newer), then make test"
    return ""


def skip_or_fail() -> None:
    """For a test in a browser, where there is none: it is skipped, and fails in CI."""
    lacking = absent()
    if lacking and os.environ.get("CI"):
        pytest.fail(lacking, pytrace=False)
    if lacking:
        pytest.skip(lacking)


class Troubles:
    """What pages complained of: errors on the console (a policy's among them), exceptions, requests that leave here."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", lambda one: self.lines.append(f"exception: {one.error.message}"))
        context.on("request", self._request)

    def expected(self, pattern: str) -> list[str]:
        """Take back the lines that match, one at least. For a test that provokes them."""
        found = [line for line in self.lines if re.search(pattern, line)]
        assert found, f"no {pattern!r} among {self.lines}"
        self.lines = [line for line in self.lines if line not in found]
        return found

    def none(self) -> None:
        assert not self.lines, "\n".join(["a page complained:", *self.lines])

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "assert"}:
            self.lines.append(f"console: {message.text} {message.location['url']}".rstrip())

    def _request(self, request: Request) -> None:
        where = urlsplit(request.url)
        if where.scheme not in {"about", "blob", "data", "file"} and where.hostname not in _HERE:
            self.lines.append(f"left this machine: {request.url}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """It ends with its module: while it is open, asyncio takes Playwright's loop for one that runs in this thread."""
    from playwright.sync_api import sync_playwright

    skip_or_fail()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def troubles() -> Troubles:
    return Troubles()


@pytest.fixture
def new_page(browser: Browser, troubles: Troubles) -> Iterator[Callable[..., Page]]:
    """Opens a page in a context of its own, of Playwright's options; all complaints together are none at the end."""
    contexts: list[BrowserContext] = []

    def opened(**options: Any) -> Page:
        # Far from New York, so that a page which shows hours of the reader's zone is wrong here.
        options = {"viewport": {"width": 1280, "height": 800}, "timezone_id": "Asia/Tokyo"} | options
        context = browser.new_context(service_workers="block", **options)
        context.set_default_timeout(_ANSWER_MS)
        troubles.watch(context)
        contexts.append(context)
        return context.new_page()

    yield opened
    for context in contexts:
        for page in context.pages:
            page.wait_for_function("true", timeout=_ANSWER_MS)  # what was said before arrives before its answer
        context.close()
    troubles.none()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    return new_page()


def axe(where: Page | Frame) -> list[str]:
    """What axe-core finds serious or critical in a page, or in a frame of it; a line each. A policy stays in force."""
    where.evaluate(AXE.read_text(encoding="utf-8"))
    found = where.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['impact']}: {rule['id']}: {rule['help']}: {' '.join(map(str, node['target']))}"
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


def screenshot(page: Page, name: str, **options: Any) -> Path:
    """Kept under ``test-results/screenshots``, to be looked at after the tests."""
    assert re.fullmatch(r"[a-z0-9_-]+", name)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, animations="disabled", **options)
    return path
