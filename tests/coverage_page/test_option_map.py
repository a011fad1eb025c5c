"""A day of options in the browser: the map by pointer and by keyboard, a contract beside it, and what is not there."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from browser import axe, browser, new_page, page, screenshot, troubles
from marketlake.coverage_page.static_files import static_files
from option_ground import EARLY, WEDNESDAY, OptionGround, an_option_ground, fill
from option_lake import CHAIN, held, selection_of
from page_server import PageServer, served

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

__all__ = ["browser", "new_page", "page", "troubles"]  # fixtures

A_CALL, A_PUT = "O:SPY241129C00605000", "O:SPY241129P00600000"
NOT_HELD = dt.date(2024, 12, 2)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OptionGround]:
    """Two sessions are whole; the second has adjusted contracts; of the 29th there is no panel, nor the underlying."""
    with an_option_ground(tmp_path_factory.mktemp("options") / "lake") as made:
        fill(made)
        yield made


@pytest.fixture(scope="module")
def site(ground: OptionGround) -> Iterator[tuple[str, PageServer]]:
    with served(ground.lake) as (address, pages):
        yield f"{address}?dataset=options&ticker=SPY", pages


@pytest.fixture
def address(site: tuple[str, PageServer]) -> str:
    return site[0]


def opened(page: Page, address: str, session: dt.date = WEDNESDAY, contract: str = "") -> Page:
    """The map of a day, drawn; with a contract also that."""
    page.goto(f"{address}&date={session}" + (f"&contract={contract}" if contract else ""))
    page.locator("#chain-grid [data-contract]").wait_for(state="attached")
    if contract:
        page.locator(f'#contract[data-drawn="{contract}"]').wait_for()
    return page


def current(page: Page) -> Locator:
    """The cell of the map that the keyboard is at."""
    return page.locator("#chain-grid [role=gridcell]")


def focused(page: Page) -> str:
    """The contract that has the keyboard."""
    return str(page.evaluate("document.activeElement.dataset.contract"))


def pressed(page: Page, key: str) -> str:
    """Where a key leads to; empty if it leads nowhere."""
    before = focused(page)
    page.keyboard.press(key)
    return "" if focused(page) == before else focused(page)


def legend(page: Page) -> dict[str, str]:
    """What the legend of the map says, by name."""
    found = page.locator(".chain-legend [data-legend]").evaluate_all(
        "all => all.map(one => [one.dataset.legend, one.innerText.replace(/\\s+/g, ' ').trim()])"
    )
    return dict(found)


def colours(page: Page, where: str) -> set[str]:
    """The colours of a canvas that are there at all."""
    return set(
        page.locator(where).evaluate("""canvas => {
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const seen = new Set();
        for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) seen.add(data.slice(at, at + 3).join());
        return [...seen];
    }""")
    )


DARKEST, ADJUSTED_MARK, REFERENCE = "8,29,88", "184,0,78", "184,0,78"
"""The colours of most bars, of an adjusted contract and of the reference price on a light page."""


def test_the_map_shows_the_chain_and_a_click_a_contract_beside_its_underlying(
    ground: OptionGround, address: str, page: Page
) -> None:
    opened(page, address)
    rows = selection_of(ground.lake)
    calls = {name: row for name, row in rows.items() if name[-9] == "C"}
    counts = Counter(row["state"] for row in calls.values())
    assert page.locator("#chain-counts").inner_text() == f"{len(calls)} calls, {counts['bars']} with bars"
    said = legend(page)
    assert said["empty"] == f"empty, with evidence {counts['empty']}"
    assert (
        said["not_selected-moneyness"]
        == f"not selected, strike too far from the reference price {counts['not_selected']}"
    )
    assert said["adjusted"] == "adjusted 2"
    assert page.locator(".map-price").inner_text() == "604.97"
    assert {DARKEST, REFERENCE} <= colours(page, "#chain canvas")

    current(page).hover()
    name = str(current(page).get_attribute("data-contract"))
    bars = rows[name]["bars"]
    assert page.get_by_role("tooltip").inner_text().split("\n")[1:] == ["expires on the day", f"{bars:,} bars"]
    current(page).click()
    page.locator(f'#contract[data-drawn="{name}"]').wait_for()
    page.wait_for_url(f"**&contract={name.replace(':', '%3A')}")
    assert page.locator(".pane").count() == 3
    assert page.locator(".pane-title").all_inner_texts() == [
        "USD a share of the underlying, contracts", "SPY, USD", "Implied volatility, a year",
    ]  # fmt: skip
    assert f"{bars} bars, shown by pages of bars." in page.locator("#contract").inner_text()
    told = str(page.locator("#contract-chart").get_attribute("aria-label"))
    assert told.startswith(f"{name}: 09:30:00 to 16:15:00 New York: open ")
    assert f"; {bars} candles of 1 min" in told
    assert "; implied volatility " in told

    over = page.locator(".pane .u-over").first.bounding_box()
    assert over
    with page.expect_response("**/api/contract?*start_ms*") as answered:
        page.mouse.move(over["x"] + over["width"] * 0.5, over["y"] + 60)
        page.mouse.down()
        page.mouse.move(over["x"] + over["width"] * 0.6, over["y"] + 60, steps=4)
        page.mouse.up()
    part = answered.value.json()
    assert part["end_ms"] - part["start_ms"] == pytest.approx(405 * 60_000 / 10, rel=0.05)

    current(page).dispatch_event("click")  # as a screen reader does, which has no pointer
    page.locator(f'#contract[data-drawn="{name}"]').wait_for()
    page.keyboard.press("Escape")  # lets go of the contract
    page.locator("#contract").wait_for(state="hidden")
    assert "contract=" not in page.url
    page.keyboard.press("Escape")  # and then of the day
    page.locator("#overview").wait_for()


def test_by_the_keyboard_every_contract_is_reached_and_said(ground: OptionGround, address: str, page: Page) -> None:
    opened(page, address, contract=A_CALL)
    rows = selection_of(ground.lake)
    current(page).focus()
    assert current(page).get_attribute("data-contract") == A_CALL
    assert current(page).get_attribute("aria-label") == (
        f"SPY 605 call, 29 Nov 2024: 2 days, {rows[A_CALL]['bars']} bars"
    )
    steps = {
        "ArrowUp": "O:SPY241129C00610000", "ArrowDown": A_CALL, "p": "O:SPY241129P00605000", "c": A_CALL,
        "ArrowLeft": "O:SPY241127C00605000", "Home": "O:SPY241127C00605000",
    }  # fmt: skip
    for key, name in steps.items():
        pressed(page, key)
        assert focused(page) == name
    assert page.get_by_role("radio", name="Calls").is_checked()
    headers = page.locator("#chain-grid [role=columnheader], #chain-grid [role=rowheader]").all_inner_texts()
    assert headers == ["Wednesday, 27 November 2024", "605"]
    page.keyboard.press("ArrowDown")
    name = focused(page)
    page.keyboard.press("Enter")
    page.locator(f'#contract[data-drawn="{name}"]').wait_for()
    page.get_by_role("radio", name="Whole chain").check()
    current(page).focus()
    while pressed(page, "PageUp"):
        pass
    seen = [focused(page)]
    while following := pressed(page, "ArrowDown"):
        seen.append(following)
    chain = held(ground.lake, CHAIN)[1].column("contract").to_pylist()
    assert seen == sorted((one for one in chain if one.startswith("O:SPY241127C")), reverse=True)
    assert page.url.endswith(f"contract={name.replace(':', '%3A')}")  # and the session is still the same


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nobody_is_kept_out_of_the_map_and_a_narrow_window_has_all_of_it(
    ground: OptionGround, site: tuple[str, PageServer], new_page: Callable[..., Page], theme: str
) -> None:
    address, pages = site
    page = opened(new_page(color_scheme=theme), address, contract=A_PUT)
    assert page.get_by_role("radio", name="Puts").is_checked()
    assert axe(page) == []
    screenshot(page, f"coverage-options-{theme}")
    for part in page.locator("details.part").all():
        part.locator("> summary").click()
    assert page.locator("details.part").count() == 4
    assert "All " in page.locator("[data-part=option_bars]").inner_text()
    assert axe(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.querySelector('#chain canvas').clientWidth < 390")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert axe(page) == []
    screenshot(page, f"coverage-options-narrow-{theme}", full_page=True)
    loaded = {path: size for path, size in pages.sent.items() if not path.startswith("api/")}
    assert {f"static/{name}" for name in ("page.js", "option_day.js", "pane.js", "options.css")} <= loaded.keys()
    assert sum(loaded.values()) < 500_000
    assert pages.sent["api/chain"] < 150_000


def test_what_is_not_there_is_said_in_its_place(ground: OptionGround, address: str, page: Page) -> None:
    rows = selection_of(ground.lake)
    empty = next(name for name, row in rows.items() if row["state"] == "empty")
    opened(page, address, contract=empty)
    assert "Empty: it did not trade, shown by two answers without a bar" in page.locator("#contract").inner_text()
    assert page.locator(".pane-title").all_inner_texts() == ["SPY, USD"]
    assert current(page).get_attribute("data-state") == "empty"

    page.get_by_role("link", name="Next session").click()  # the same contract on the next day, which has no panel
    page.get_by_role("heading", name="Friday, 29 November 2024").wait_for()
    page.locator("#day-reasons", has_text="not held: option_panel").wait_for()
    assert page.locator("[data-part=option_panel]").get_attribute("data-state") == "missing"
    name = next(name for name, row in selection_of(ground.lake, EARLY).items() if row["state"] == "bars")
    opened(page, address, EARLY, name)
    assert "Fetch them with make backfill FROM=2024-11-29" in page.locator("#contract").inner_text()
    assert page.locator(".pane").count() == 1

    page.goto(f"{address}&date={NOT_HELD}")
    page.locator("#chain-message", has_text="No chain of this session is held").wait_for()
    assert page.locator("#chain").is_hidden()
    opened(page, f"{address}&contract=%3Cimg%20src=x%3E")
    page.locator("#contract h3", has_text="<img src=x>").wait_for()
    assert "It is not in the chain of this session" in page.locator("#contract").inner_text()
    page.get_by_role("button", name="Close").click()
    page.locator("#contract").wait_for(state="hidden")


def test_every_script_and_style_of_the_map_is_one_that_may_be_sent() -> None:
    names = static_files()
    assert {"option_day.js", "chain_map.js", "contract_chart.js", "options.css"} <= names.keys()
