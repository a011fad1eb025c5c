"""The calendar as one page to send to somebody: opened as a file, it needs nothing and nobody."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser import PROJECT, axe, browser, new_page, page, screenshot, troubles
from calendar_page import cell, cells, counted, dates, focused
from research_lake import EARLY, Ground, made_up
from touched import MARKUP, hostile, made

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["browser", "made_up", "new_page", "page", "troubles"]  # fixtures

SUSPECT, CORRUPT = dt.date(2024, 11, 26), dt.date(2024, 12, 2)
SHOWN = {"complete": 4, "suspect": 1, "failed": 1, "missing": 2, "closed": 5}


@pytest.fixture(scope="module")
def file(made_up: Ground, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of eight sessions, one of them damaged, one with markup in its certificate; and of a ticker that is markup."""
    written = tmp_path_factory.mktemp("standalone") / "coverage.html"
    data = made_up.partition(CORRUPT).read_bytes()
    made_up.partition(CORRUPT).write_bytes(data[:-100])
    variables = {
        "MARKETLAKE__STORAGE__ROOT": str(made_up.root),
        "MARKETLAKE__HISTORY__START_DATE": "2024-11-22",
        "MARKETLAKE__HISTORY__END_DATE": "2024-12-04",
        "MARKETLAKE_ENV_FILE": "",
    }
    command = [sys.executable, "-m", "marketlake", "coverage", "--html", str(written)]
    with hostile(made_up.partition(SUSPECT)), made(made_up.root / "processed" / MARKUP):
        subprocess.run(
            command, cwd=PROJECT, env=os.environ | variables, stdout=subprocess.DEVNULL, timeout=60, check=True
        )
    return written


def test_the_file_shows_the_calendar_and_asks_nobody(file: Path, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    assert counted(page) == SHOWN
    assert dates(cells(page)) == [str(dt.date(2024, 11, 22) + dt.timedelta(days=number)) for number in range(13)]
    assert page.locator("[data-date]:not([role=gridcell])").count() == 0
    assert dates(page.locator("[data-date].early")) == [str(EARLY)]
    cell(page, "2024-11-28").hover()
    assert page.get_by_role("tooltip").inner_text() == "Thursday, 28 November 2024\nclosed, Thanksgiving Day"
    assert page.get_by_role("button").count() == 0  # there is nobody to fetch anything
    assert asked == [file.as_uri()]


def test_by_the_keyboard_alone_every_day_of_the_file_is_reached(file: Path, page: Page) -> None:
    page.goto(file.as_uri())
    for _ in range(5):  # past the choosers
        page.keyboard.press("Tab")
        if focused(page):
            break
    assert focused(page) == "2024-12-04"
    for key, session in {"Home": "2024-11-22", "ArrowDown": "2024-11-25", "ArrowRight": "2024-12-02"}.items():
        page.keyboard.press(key)
        assert focused(page) == session


def test_a_link_of_the_file_leads_to_the_day(file: Path, page: Page) -> None:
    page.goto(file.as_uri())
    page.locator("[data-group=failed] a").click()
    page.wait_for_function("document.activeElement.dataset.date === '2024-12-02'")


def test_nothing_of_the_lake_reaches_the_file_as_markup(file: Path, page: Page) -> None:
    page.goto(file.as_uri())
    assert page.locator("[data-group=suspect]").inner_text().count(MARKUP) == 1
    page.get_by_label("Ticker").select_option(MARKUP.upper())
    assert counted(page) == {"missing": 8, "closed": 5}
    assert page.locator("#what-first").inner_text().startswith("Nothing is held yet.")
    assert page.locator("img, iframe").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nobody_is_kept_out_of_the_file(file: Path, new_page: Callable[..., Page], theme: str) -> None:
    page = new_page(color_scheme=theme)
    page.goto(file.as_uri())
    assert counted(page) == SHOWN
    assert axe(page) == []
    screenshot(page, f"coverage-file-{theme}")
