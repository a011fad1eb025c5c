"""What tests look at in the coverage page, and in its calendar as a file."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Locator, Page


HERE = "coverage/?dataset=second_bars&ticker=SPY"


def calendar(visitor: Visitor, page: Page, address: str = HERE) -> Page:
    """The calendar, drawn."""
    visitor.opens(page, address)
    cells(page).first.wait_for()
    return page


def day(visitor: Visitor, page: Page, session: dt.date | str) -> Page:
    """A day with its chart, or with words in its place."""
    visitor.opens(page, f"{HERE}&date={session}")
    page.locator("#chart-width:not(:empty), .chart-message:not([hidden])").wait_for()
    return page


def cells(where: Page | FrameLocator) -> Locator:
    """Every day."""
    return where.locator("[data-date]")


def cell(where: Page | FrameLocator, day: dt.date | str, state: str = "") -> Locator:
    """One day; or one in a state, to be waited for."""
    return where.locator(f'[data-date="{day}"]' + (f'[data-state="{state}"]' if state else ""))


def counted(where: Page | FrameLocator) -> dict[str, int]:
    """How many days there are of each state, once there are some."""
    cells(where).first.wait_for()
    return dict(Counter(cells(where).evaluate_all("all => all.map(one => one.dataset.state)")))


def dates(found: Locator) -> list[str]:
    """The dates of cells, ascending."""
    return sorted(found.evaluate_all("all => all.map(one => one.dataset.date)"))


def focused(page: Page) -> str | None:
    """The date of the cell that has the keyboard."""
    found: str | None = page.evaluate("document.activeElement.dataset.date")
    return found


def watched(page: Page, sessions: list[str]) -> Callable[[], dict[str, list[str]]]:
    """Notes from now on which states some cells go through."""
    page.evaluate(
        """days => {
            globalThis.seen = Object.fromEntries(days.map(day => [day, []]));
            for (const day of days) {
                const cell = document.querySelector(`[data-date="${day}"]`);
                new MutationObserver(() => {
                    if (seen[day].at(-1) !== cell.dataset.state) seen[day].push(cell.dataset.state);
                }).observe(cell, {attributeFilter: ["data-state"]});
            }
        }""",
        sessions,
    )
    return lambda: dict(page.evaluate("seen"))


ROSE, FELL = "0,114,178", "194,77,0"
"""The colours of candles on a light page."""


def drawn(page: Page) -> list[str]:
    """Which of the two colours of candles the chart has drawn."""
    found: list[str] = page.locator("#chart canvas").evaluate(
        """(canvas, colours) => {
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const seen = new Set();
            for (let at = 0; at < data.length; at += 4) seen.add(data.slice(at, at + 3).join());
            return colours.filter(colour => seen.has(colour));
        }""",
        [ROSE, FELL],
    )
    return found
