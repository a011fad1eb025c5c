"""What can go wrong with a flat file: refusals that are S3's alone, and files that are not what they should be."""

from __future__ import annotations

import datetime as dt
import gzip
import re
from collections.abc import Callable
from dataclasses import replace

from polygon_simulator.flat_files import FlatFile

_FIRST_OF_SPY = re.compile(r"^(O:SPY\d{6}[CP]\d{8},)(\d+)", re.MULTILINE)

ACCESS_FAULTS: dict[str, tuple[int, str, str]] = {
    "bad_signature": (
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing"
        " method.",
    ),
    "clock_skew": (
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    ),
    "no_such_bucket": (404, "NoSuchBucket", "The specified bucket does not exist"),
    "wrong_region": (
        400,
        "AuthorizationHeaderMalformed",
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'",
    ),
    "request_timeout": (
        400,
        "RequestTimeout",
        "Your socket connection to the server was not read from or written to within the timeout period. Idle"
        " connections will be closed.",
    ),
}
"""HTTP code, S3's code and its text."""


def _truncated(file: FlatFile) -> FlatFile:
    """With the last third missing: a gzip stream that does not end."""
    return replace(file, content=file.content[: len(file.content) * 2 // 3])


def _republished(file: FlatFile) -> FlatFile:
    """A day later, with a contract more in the volume of the first bar of SPY's own."""
    changed = _FIRST_OF_SPY.sub(lambda found: f"{found[1]}{int(found[2]) + 1}", _text(file), count=1)
    return replace(_of(file, changed), published=file.published + dt.timedelta(days=1))


def _flipped(file: FlatFile) -> FlatFile:
    """With a bit of the checksum at its end flipped: the stream ends, and is not what was packed."""
    content = bytearray(file.content)
    content[-8] ^= 1
    return replace(file, content=bytes(content))


def _empty(file: FlatFile) -> FlatFile:
    return replace(file, content=b"")


def _in_members(file: FlatFile) -> FlatFile:
    """The same lines in two gzip members, one behind the other, which is a whole file."""
    text = _text(file).encode()
    half = len(text) // 2
    return replace(file, content=gzip.compress(text[:half], mtime=0) + gzip.compress(text[half:], mtime=0))


def _of(file: FlatFile, text: str) -> FlatFile:
    return replace(file, content=gzip.compress(text.encode(), 6, mtime=0))


def _text(file: FlatFile) -> str:
    return gzip.decompress(file.content).decode()


FILE_FAULTS: dict[str, Callable[[FlatFile], FlatFile]] = {
    "republished": _republished,
    "truncated_file": _truncated,
    "flipped_bit": _flipped,
    "empty_file": _empty,
    "two_members": _in_members,
    "no_gzip": lambda file: replace(file, content=_text(file).encode()),
    "other_columns": lambda file: _of(file, _text(file).replace("volume,open", "open,volume", 1)),
    "cut_line": lambda file: _of(file, _text(file)[:-5]),
    "odd_ticker": lambda file: _of(file, _text(file).replace("\nO:SPY2", "\nO:SPY2X", 1)),
    "negative_volume": lambda file: _of(file, _FIRST_OF_SPY.sub(r"\1-\2", _text(file), count=1)),
    "short_line": lambda file: _of(file, _text(file).replace("0000000,", "0000000 ", 1)),
}
"""Each makes another file of one. What goes wrong with HTTP and the wire does so for files as well."""
