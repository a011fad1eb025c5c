"""What can go wrong with a chain and its bars, and what then happens: of the fault suite and of docs/options.md."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from marketlake.errors import (
    InvalidBars,
    MalformedPage,
    MarketLakeError,
    RateLimited,
    ServerTrouble,
    TransportTrouble,
    UndecodableBody,
)


class Place(Enum):
    """Which answer a fault is in: the listing of the session's contracts, or the bars of one contract."""

    CHAIN = "the chain"
    BARS = "a contract's bars"


class Then(Enum):
    """What happens, in the words of docs/options.md."""

    AGAIN = "asked again; if it stays, the task fails, and Airflow tries it later"
    REFUSED = "refused, the first offender named; the old partition stays"
    TWICE = "asked again after a pause; if it stays, refused, since the day bar says that it traded"
    KEPT = "kept, and counted among the checks"
    SUSPECT = "published as suspect, with the reason"


@dataclass(frozen=True)
class OptionFault:
    """A fault of an answer. ``served``: the simulator's name of it. ``error`` and ``words``: what it ends in while it
    stays; of what is kept, ``words`` are the name of its check, or the reason.
    """

    what: str
    place: Place
    served: str
    then: Then
    error: type[MarketLakeError] = MarketLakeError
    words: str = ""
    page: int | None = None

    def __str__(self) -> str:
        return f"{self.place.value}: {self.what}"


def _trouble(place: Place) -> tuple[OptionFault, ...]:
    def fault(what: str, served: str, error: type[MarketLakeError], words: str) -> OptionFault:
        return OptionFault(what, place, served, Then.AGAIN, error, words)

    return (
        fault("429", "429", RateLimited, "HTTP 429"),
        fault("500", "500", ServerTrouble, "HTTP 500"),
        fault("an error in a 200", "error_in_200", ServerTrouble, "an error in an HTTP 200"),
        fault("an HTML page with 200", "html", UndecodableBody, "it begins '<html>"),
        fault("a body cut in half", "truncated", UndecodableBody, "is no JSON"),
        fault("the connection reset amid the body", "reset", TransportTrouble, "no usable answer"),
    )


def _unfit(
    place: Place, what: str, served: str, error: type[MarketLakeError], words: str, page: int | None = None
) -> OptionFault:
    return OptionFault(what, place, served, Then.REFUSED, error, words, page)


def _of_chain(what: str, served: str, error: type[MarketLakeError], words: str, page: int | None = None) -> OptionFault:
    return _unfit(Place.CHAIN, what, served, error, words, page)


def _of_bars(what: str, served: str, error: type[MarketLakeError], words: str) -> OptionFault:
    return _unfit(Place.BARS, what, served, error, words)


OPTION_FAULTS = (
    *_trouble(Place.CHAIN),
    _of_chain("a page lost", "lost_page", MalformedPage, "lacks 26 of 126 contracts"),
    _of_chain("a page twice", "duplicated_page", InvalidBars, "duplicate_contract", 2),
    _of_chain("a repeated cursor", "repeated_cursor", MalformedPage, "repeats a cursor", 1),
    _of_chain("a contract twice", "duplicated_contract", InvalidBars, "duplicate_contract in 1 contract", 1),
    _of_chain("a contract of another root (SPYG)", "foreign_root", MalformedPage, r"has O:SPYG\w+, which is of SPYG"),
    _of_chain("a contract of the index (SPXW)", "foreign_root:SPXW", MalformedPage, r"has O:SPXW\w+, which is of SPX"),
    _of_chain("the filter forgotten on page two", "filter_lost", MalformedPage, "which is of"),
    _of_chain("`as_of` ignored", "as_of_ignored", MalformedPage, "among them all that expire on 2024-11-27"),
    _of_chain("an expired contract", "expired_contract", MalformedPage, "which had expired before 2024-11-27", 1),
    _of_chain("fields that are not the ticker's", "other_fields", InvalidBars, "ticker_disagrees in 1 contract", 1),
    _of_chain("neither call nor put", "without_type", MalformedPage, "contract_type"),
    _of_chain("no contract at all", "empty", InvalidBars, "3 times without a single contract"),
    OptionFault(
        "adjusted contracts (SPY1) of 103 shares", Place.CHAIN, "adjusted_contract", Then.KEPT,
        words="contracts_not_standard",
    ),
    OptionFault("a strike of 587.5", Place.CHAIN, "odd_strike", Then.KEPT, words="fractional_strikes"),
    OptionFault(
        "a call without its put", Place.CHAIN, "lost_contract:O:SPY241129C00605000", Then.SUSPECT, page=2,
        words="as many calls as puts are listed of every expiry but 2024-11-29",
    ),
    *_trouble(Place.BARS),
    OptionFault(
        "a contract that traded answers empty", Place.BARS, "empty", Then.TWICE, InvalidBars,
        "asked twice, the API has no bar of it, and a day bar in which contracts were traded",
    ),
    _of_bars("another contract's bars", "wrong_ticker", MalformedPage, "is of ticker 'QQQ'"),
    _of_bars("adjusted ones", "wrong_adjusted", MalformedPage, "says adjusted=True, asked was adjusted=False"),
    _of_bars("a count other than the bars'", "wrong_count", MalformedPage, "announces"),
    _of_bars("a bar off the minute", "off_minute", MalformedPage, "which is no whole minute"),
    _of_bars("unsorted bars", "unsorted", InvalidBars, "descending in 1 bar"),
    _of_bars("a duplicated bar", "duplicate", InvalidBars, "duplicate_bar in 1 bar"),
    _of_bars("a negative volume", "negative", InvalidBars, "negative_number in 1 bar"),
    _of_bars("a negative price", "negative_price", InvalidBars, "price_not_positive in 1 bar"),
    _of_bars("a price of zero", "free", InvalidBars, "price_not_positive in 1 bar"),
    _of_bars("low above high", "low_above_high", InvalidBars, "low_above_open in 1 bar"),
    _of_bars("a bar of another day", "other_day", InvalidBars, "outside_day in 1 bar"),
    _of_bars("a number as a string", "string_number", MalformedPage, "float"),
    _of_bars("a time with a fraction", "fractional_time", MalformedPage, "not a whole number"),
    OptionFault("a bar after 16:15", Place.BARS, "late_bar", Then.KEPT, words="outside_option_hours"),
)  # fmt: skip
