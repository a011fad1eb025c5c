"""What can go wrong with a flat file, and what then happens: of the fault suite and of docs/options.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial

from marketlake.errors import (
    BadRequest,
    KeyRefused,
    MalformedPage,
    MarketLakeError,
    NotEntitled,
    NotPublished,
    RateLimited,
    ServerTrouble,
    TransportTrouble,
    UndecodableBody,
)
from polygon_simulator.s3 import PROBE, REST, WHOLE


class Then(Enum):
    """What happens, in the words of docs/options.md."""

    AGAIN = "asked again, a download from where it broke; if it stays, the task fails, and Airflow tries it later"
    LATER = "the task fails, and Airflow tries it later"
    STOPPED = "the task fails at once, and says what would help"
    REFUSED = "refused at once; what is known of the file is kept under `raw-rejected/`"


PARTS = {PROBE: "the first byte", WHOLE: "the whole file", REST: "the rest of it"}
"""In which answer a fault is."""


@dataclass(frozen=True)
class FileFault:
    """A fault of a flat file. ``served`` is the simulator's name of it; ``error`` is what it ends in while it stays."""

    what: str
    served: str
    error: type[MarketLakeError]
    words: str
    then: Then = Then.AGAIN
    parts: tuple[int, ...] = (PROBE, WHOLE, REST)
    in_part: bool = False  # some bytes come before it, so that the rest is asked for next
    hasty: bool = False  # the client under test waits half a second, and asks twice


@dataclass(frozen=True)
class FileCase:
    """One fault in one answer, passing or staying, with an old partition in the lake or without."""

    fault: FileFault
    part: int
    stays: bool
    old: bool

    def __str__(self) -> str:
        ends = "stays" if self.stays else "passes"
        old = "old" if self.old else "no"
        return f"{self.fault.what}, {PARTS[self.part]}, {ends}, {old} partition"


broken = partial(FileFault, error=TransportTrouble, parts=(WHOLE, REST), in_part=True)
stall = partial(FileFault, error=TransportTrouble, parts=(WHOLE,), hasty=True)
stopped = partial(FileFault, then=Then.STOPPED, parts=(PROBE,))
unfit = partial(FileFault, error=MalformedPage, then=Then.REFUSED, parts=(WHOLE,))

FILE_FAULTS = (
    FileFault("`SlowDown`", "429", RateLimited, "HTTP 503"),
    FileFault("500", "500", ServerTrouble, "HTTP 500", parts=(WHOLE,)),
    FileFault("503", "503", ServerTrouble, "HTTP 503", parts=(WHOLE,)),
    FileFault("`RequestTimeout`", "request_timeout", ServerTrouble, "HTTP 400", parts=(WHOLE,)),
    FileFault("an HTML page with 200", "html", UndecodableBody, "no ETag, date or size", parts=(PROBE, WHOLE)),
    broken("the connection reset amid the body", "reset", words="broke off"),
    broken("a body cut in half, its length wrong", "short", words="the answer ended behind byte"),
    stall("a connection that stalls before the answer", "stall", words="Read timeout", parts=(PROBE, WHOLE)),
    stall("a connection that stalls amid the body", "stall_in_body", words="broke off", in_part=True),
    stall("a body that trickles for ever", "trickle", words="did not end within 1 s", in_part=True),
    FileFault(
        "404: not published yet", "not_found", NotPublished, "at about 11:00 New York on the following day", Then.LATER,
        (PROBE,),
    ),
    stopped("403: not in the plan, or before its history", "not_entitled", NotEntitled, "set options.source = rest"),
    stopped("403: a wrong secret", "bad_signature", KeyRefused, "are not accepted"),
    stopped("403: a clock that is wrong", "clock_skew", BadRequest, "clock is wrong"),
    stopped("404: no such bucket", "no_such_bucket", BadRequest, "options.flat_files.bucket"),
    stopped("400: another region, which is not called", "wrong_region", BadRequest, "nor is another region tried"),
    stopped("a redirect, which is not followed", "redirect", BadRequest, "A redirect is not followed"),
    unfit("a file cut short", "truncated_file", words="its gzip stream does not end"),
    unfit("a flipped bit", "flipped_bit", words="incorrect data check"),
    unfit("no gzip", "no_gzip", words="it is no gzip stream"),
    unfit("other columns", "other_columns", words="its header is 'ticker,open,volume,"),
    unfit("a last line cut short", "cut_line", words="its last line does not end"),
    unfit("a line of no contract", "odd_ticker", words="a line is of no contract"),
    unfit("a line with a number less", "short_line", words="Expected 8 columns, got 7"),
)  # fmt: skip
"""Faults of a flat file, each through the real client and store."""


def file_cases(faults: tuple[FileFault, ...] = FILE_FAULTS) -> Iterator[FileCase]:
    """Every case of these faults, in their order."""
    for fault in faults:
        for part in fault.parts:
            for stays in (False, True) if fault.then is Then.AGAIN else (True,):
                for old in (False, True):
                    yield FileCase(fault, part, stays, old)
