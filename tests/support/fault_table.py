"""What can go wrong and what then happens: the one table of the fault suite and of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from local_airflow.server.components import OF_UP
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
    """What happens, in the words of docs/reliability.md."""

    AGAIN = "asked again; if it stays, the task fails, and Airflow tries it later"
    EMPTY = "asked again; if it stays, refused, and never stored as no data"
    REFUSED = "refused at once, its pages kept under `raw-rejected/`"
    STOPPED = "not followed; the task fails at once"
    FAILS = "the task fails, and Airflow tries it later"
    TOLD = "the reason of the refusal is told all the same"
    PUBLISHES = "the task fails, or it publishes whole"
    KILLED = "nothing half-written can be read; the next try clears what was staged"
    TURNS = "one after the other; all succeed, one writes"
    BACKFILL = "what passes is green, what stays is red with its reason; the same backfill again completes all"
    RETRIED = "Airflow tries it again, and it ends complete"
    STARTED = "started again; the backfill ends complete"
    KEPT = "started again by itself; `make up` says so, and a run completes"
    NAMED = "`make up` names it, and ends with 2"
    GOES_ON = "its lock is free at once, and the other goes on"


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
    unfit("a count other than the bars'", "wrong_count", MalformedPage, "so it is not what was sent"),
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


STORE_CALLS = {False: 68, True: 46}
"""How many calls of the store change the disk in one session: the first of a lake, and one that replaces another."""
REFUSAL_CALLS = {False: 28, True: 25}
"""The same where the bars are refused and their pages kept."""
INSTANTS = 20
EITHER = (False, True)
"""Without an old partition, and with one."""
READ_ONLY = ("", "processed", "raw", "revisions", "processed/spy/date={day}")
"""Folders of a lake that holds an old partition."""


@dataclass(frozen=True)
class DiskCase:
    """Something happens just before the call of that number, counted from 1."""

    what: str
    call: int
    old: bool

    def __str__(self) -> str:
        return f"{self.what} at call {self.call}, {'old' if self.old else 'no'} partition"


def disk_cases(*names: str) -> list[DiskCase]:
    """At each call of the store. What vanishes must have been there, so that only an old partition is replaced."""
    return [
        DiskCase(name, call, old)
        for name in names
        for old in ((False, True) if name in {"full", "killed"} else (True,))
        for call in range(1, STORE_CALLS[old] + 1)
    ]


def calls_of_a_refusal() -> list[DiskCase]:
    """At each call of a session that is refused."""
    return [DiskCase("full", call, old) for old in (False, True) for call in range(1, REFUSAL_CALLS[old] + 1)]


THROUGH_AIRFLOW = (
    ("2024-07-01", "429 without `Retry-After`", 1),
    ("2024-07-02", "500", 0),
    ("2024-07-03", "an HTML page with 200", 1),
    ("2024-07-05", "a body cut in half, its length wrong", 0),
    ("2024-07-08", "the connection reset amid the body", 1),
    ("2024-07-09", "a connection that stalls before the answer", 0),
    ("2024-07-10", "503", 3),
    ("2024-07-11", "another ticker", 0),
    ("2024-07-12", "a first page without bars", 1),
    ("2024-07-15", "`results: null`", 0),
    ("2024-07-16", "`next_url` on another host, which is not called", 0),
    ("2024-07-17", "a duplicated bar", 0),
    ("2024-07-18", "low above high", 0),
    ("2024-07-19", "504", 3),
)
"""One backfill: a fault a session, and how often it is met (0: for ever; 3: until Airflow's second try)."""


@dataclass(frozen=True)
class Row:
    """A row of the table in docs/reliability.md."""

    fault: str
    then: str
    cases: int


def rows() -> list[Row]:
    """The whole suite, fault by fault, with the number of its cases."""
    answers = [Row(one.what, one.then.value, len(list(cases((one,))))) for one in (*FAULTS, *UNREACHABLE)]
    either = len(EITHER)
    return [
        *answers,
        Row("disk full, from each call of the store on", Then.FAILS.value, len(disk_cases("full"))),
        Row("disk full while refused pages are kept", Then.TOLD.value, len(calls_of_a_refusal())),
        Row("a read-only folder", Then.FAILS.value, len(READ_ONLY)),
        Row("staging, or the whole lake, vanishes", Then.PUBLISHES.value, len(disk_cases("staging", "lake"))),
        Row("the partition deleted while it is replaced", Then.PUBLISHES.value, len(disk_cases("partition"))),
        Row("`kill -9` at each call of the store", Then.KILLED.value, len(disk_cases("killed"))),
        Row(f"`kill -9` at {INSTANTS} seeded instants of a session", Then.KILLED.value, INSTANTS * either),
        Row("four tasks on the same date at once", Then.TURNS.value, either),
        Row("`kill -9` of a task that another one waits for", Then.GOES_ON.value, either),
        Row(
            "a backfill through Airflow, each session with a fault of its own",
            Then.BACKFILL.value,
            len(THROUGH_AIRFLOW),
        ),
        Row("`kill -9` of the task's process, in Airflow", Then.RETRIED.value, 1),
        Row("a backfill and a manual run on the same date at once, in Airflow", Then.TURNS.value, 1),
        Row("`kill -9` of the scheduler during a backfill", Then.STARTED.value, 1),
        Row("`kill -9` of the API server during a backfill over an Airflow that is up", Then.STARTED.value, 1),
        Row("`kill -9` of every component of an Airflow that is up", Then.KEPT.value, len(OF_UP)),
        Row("a scheduler that is stopped, but not dead", Then.NAMED.value, 1),
    ]
