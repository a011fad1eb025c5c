"""What can go wrong and what then happens: the one table of the fault suite and of the README."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from marketlake.errors import (
    BadRequest,
    InvalidBars,
    MalformedPage,
    MarketLakeError,
    RateLimited,
    ServerTrouble,
    TransportTrouble,
    UndecodableBody,
)


class Then(Enum):
    """What happens, in the README's words."""

    AGAIN = "asked again; if it stays, the task fails and Airflow tries it later"
    EMPTY = "asked again; if it stays, refused, and never stored as no data"
    REFUSED = "refused at once, the pages kept under `raw-rejected/`"
    STOPPED = "not followed; the task fails at once"
    FAILS = "the task fails and Airflow tries it later"
    GOES_ON = "the task fails, or goes on and publishes whole"
    KILLED = "nothing half-written can be read; Airflow tries it again, and what is left in staging is removed"
    TURNS = "one waits for the other, and both succeed"
    STARTED_AGAIN = "started again; the backfill ends by itself"


@dataclass(frozen=True)
class Place:
    """Which answer the fault is in: a page of the seconds, or of the minute bars they are held against."""

    name: str
    page: int
    timespan: str = "second"


FIRST, SECOND = Place("page 1", 1), Place("page 2", 2)
MINUTES = Place("minute bars", 1, "minute")


@dataclass(frozen=True)
class Fault:
    """A fault of an answer. ``served`` is the simulator's name of it; ``error`` is what it ends in while it stays."""

    what: str
    served: str
    error: type[MarketLakeError]
    words: str = ""
    then: Then = Then.AGAIN
    places: tuple[Place, ...] = (FIRST, SECOND)
    passing: bool = True
    waivable: bool = False
    hasty: bool = False  # the client under test waits half a second, and asks twice


@dataclass(frozen=True)
class Case:
    """One fault at one place: passing or staying, with an old partition in the lake or without."""

    fault: Fault
    place: Place
    stays: bool
    old: bool

    def __str__(self) -> str:
        ends = "stays" if self.stays else "passes"
        return f"{self.fault.what}, {self.place.name}, {ends}, {'old' if self.old else 'no'} partition"


def trouble(what: str, served: str, error: type[MarketLakeError], words: str = "") -> Fault:
    """What may pass. Also in the minute bars, where it fails nothing."""
    return Fault(what, served, error, words, places=(FIRST, SECOND, MINUTES))


def stall(what: str, served: str, words: str) -> Fault:
    """What only a timeout ends."""
    return Fault(what, served, TransportTrouble, words, hasty=True)


def unfit(what: str, served: str, error: type[MarketLakeError], words: str, *, waivable: bool = False) -> Fault:
    """What is asked for once: it cannot get better within seconds."""
    return Fault(what, served, error, words, Then.REFUSED, passing=False, waivable=waivable)


FAULTS = (
    trouble("429 without `Retry-After`", "429", RateLimited, "HTTP 429"),
    trouble("429 with `Retry-After`", "429:7", RateLimited, "HTTP 429"),
    trouble("500", "500", ServerTrouble, "HTTP 500"),
    trouble("502", "502", ServerTrouble, "HTTP 502"),
    trouble("503", "503", ServerTrouble, "HTTP 503"),
    trouble("504", "504", ServerTrouble, "HTTP 504"),
    trouble("an error in a 200", "error_in_200", ServerTrouble, "an error in an HTTP 200"),
    trouble("an HTML page with 200", "html", UndecodableBody, "it begins '<html>"),
    trouble("a body cut in half, its length right", "truncated", UndecodableBody, "is no JSON"),
    trouble("a body cut in half, its length wrong", "short", TransportTrouble, "IncompleteRead"),
    trouble("a number that is `NaN`", "nan", UndecodableBody, "is no JSON"),
    trouble("the connection reset amid the body", "reset", TransportTrouble, "no usable answer"),
    stall("a connection that stalls before the answer", "stall", "Read timed out"),
    stall("a connection that stalls amid the body", "stall_in_body", "Read timed out"),
    stall("a body that trickles for ever", "trickle", "did not end within 1 s"),
    Fault("a first page without bars", "empty", InvalidBars, "3 times without a single bar", Then.EMPTY, (FIRST,)),
    Fault("`results: null`", "null_results", InvalidBars, "3 times without a single bar", Then.EMPTY, (FIRST,)),
    Fault(
        "a second page without bars", "empty", InvalidBars, "long_silence in 1 place", Then.REFUSED, (SECOND,),
        passing=False, waivable=True,
    ),
    unfit("another ticker", "wrong_ticker", MalformedPage, "of ticker 'QQQ'"),
    unfit("`adjusted` other than asked", "wrong_adjusted", MalformedPage, "adjusted=True, asked was adjusted=False"),
    unfit("a count other than the bars'", "wrong_count", MalformedPage, "it is incomplete"),
    Fault(
        "the first page served twice", "duplicated_page", InvalidBars, "descending in 1 bar, first", Then.REFUSED,
        (FIRST,), passing=False,
    ),
    unfit("a single bar", "one_bar", InvalidBars, "long_silence in 1 place", waivable=True),
    unfit("half of the bars, well-formed", "half_a_day", InvalidBars, "long_silence in 1 place", waivable=True),
    unfit("a repeated cursor", "repeated_cursor", MalformedPage, "repeats a cursor"),
    unfit("`next_url` on another host, which is not called", "foreign_next_url:{elsewhere}", MalformedPage, "foreign"),
    Fault(
        "a redirect to another host, which is not called", "redirect:{elsewhere}", BadRequest,
        "A redirect is not followed", Then.STOPPED, passing=False,
    ),
    unfit("a bar of another day", "other_day", InvalidBars, "outside_day in 1 bar, first"),
    unfit("a bar off the second", "off_second", InvalidBars, "off_second in 1 bar, first"),
    unfit("unsorted bars", "unsorted", InvalidBars, "descending in 1 bar, first"),
    unfit("a duplicated bar", "duplicate", InvalidBars, "duplicate_second in 1 bar, first"),
    unfit("a negative number", "negative", InvalidBars, "negative_number in 1 bar, first", waivable=True),
    unfit("a price of zero", "free", InvalidBars, "price_not_positive in 1 bar, first", waivable=True),
    unfit("low above high", "low_above_high", InvalidBars, "low_above_open in 1 bar, first", waivable=True),
    unfit("low above open", "low_above_open", InvalidBars, "low_above_open in 1 bar, first", waivable=True),
    unfit("a number as a string", "string_number", MalformedPage, "Expected `float`, got `str`"),
    unfit("a missing number", "missing_number", MalformedPage, "missing required field `o`"),
    unfit("a time with a fraction", "fractional_time", MalformedPage, "t of bar 1"),
)  # fmt: skip
"""Faults of an answer, each through the real client and store."""

UNREACHABLE = (
    Fault("a host name that is not found", "dns", TransportTrouble, "NameResolutionError", places=(FIRST,)),
    Fault("nobody listening", "refused", TransportTrouble, "NewConnectionError", places=(FIRST,), passing=False),
    Fault("TLS: plain text on the port", "plain_text", TransportTrouble, "SSLError", places=(FIRST,), passing=False),
    Fault("TLS: a certificate of nobody", "self_signed", TransportTrouble, "SSLError", places=(FIRST,), passing=False),
)
"""Faults on the way to an answer."""


def cases(faults: tuple[Fault, ...]) -> Iterator[Case]:
    """Every case of these faults, in their order."""
    for fault in faults:
        for place in fault.places:
            for stays in (False, True) if fault.passing else (True,):
                for old in (False, True):
                    yield Case(fault, place, stays, old)
