"""What can be shown: tickers of the settings and of the lake."""

from __future__ import annotations

import pytest

from conftest import NOW
from marketlake import settings
from marketlake.coverage_page.subjects import subject_named, subjects_named, subjects_of
from marketlake.errors import BadArgument
from marketlake.lake import Lake
from research_lake import Ground, ground, prepared

__all__ = ["ground", "prepared"]  # fixtures


@pytest.fixture
def lake(prepared: Ground, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """It holds SPY of both datasets; the settings want QQQ and SPY of second bars."""
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(prepared.root))
    monkeypatch.setenv("MARKETLAKE__TICKERS", '["QQQ", "SPY"]')
    return Lake(settings.load(), now=lambda: NOW)


def test_tickers_of_the_settings_come_first_then_what_only_the_lake_has(lake: Lake) -> None:
    found = [(one.dataset, one.ticker, one.held, one.configured) for one in subjects_of(lake).subjects]
    assert found == [
        ("second_bars", "QQQ", False, True),
        ("second_bars", "SPY", True, True),
        ("minute_bars", "SPY", True, False),
    ]


@pytest.mark.parametrize(
    ("dataset", "ticker", "found"),
    [
        (None, None, ("second_bars", "QQQ")),
        (None, "spy", ("second_bars", "SPY")),
        ("minute_bars", None, ("minute_bars", "SPY")),
    ],
)
def test_what_is_not_named_is_the_first(
    lake: Lake, dataset: str | None, ticker: str | None, found: tuple[str, str]
) -> None:
    subject = subject_named(lake, dataset, ticker)
    assert (subject.spec.name, subject.ticker) == found


@pytest.mark.parametrize(
    ("dataset", "ticker", "words"),
    [
        ("bars", None, "dataset='bars' is none of second_bars, minute_bars"),
        (None, "../../etc", "(?i)ticker='../../etc' is none of QQQ, SPY"),
        ("minute_bars", "QQQ", "ticker='QQQ' is none of SPY"),
        ("../x", "SPY", "dataset='../x' is none of"),
    ],
)
def test_what_there_is_none_of_is_told(lake: Lake, dataset: str | None, ticker: str | None, words: str) -> None:
    for look in (subject_named, subjects_named):
        with pytest.raises(BadArgument, match=words):
            look(lake, dataset, ticker)


@pytest.mark.parametrize(
    ("dataset", "ticker", "found"),
    [
        (None, None, [("second_bars", "QQQ"), ("second_bars", "SPY"), ("minute_bars", "SPY")]),
        (None, "SPY", [("second_bars", "SPY"), ("minute_bars", "SPY")]),
        ("second_bars", None, [("second_bars", "QQQ"), ("second_bars", "SPY")]),
        ("minute_bars", "SPY", [("minute_bars", "SPY")]),
    ],
)
def test_a_command_takes_every_one_that_fits(
    lake: Lake, dataset: str | None, ticker: str | None, found: list[tuple[str, str]]
) -> None:
    assert [(one.spec.name, one.ticker) for one in subjects_named(lake, dataset, ticker)] == found


def test_a_dataset_without_any_ticker_says_how_it_gets_one(ground: Ground) -> None:
    for look in (subject_named, subjects_named):
        with pytest.raises(BadArgument, match=r"have a ticker of it. Give datasets.minute_bars.tickers one"):
            look(ground.written, "minute_bars", None)
