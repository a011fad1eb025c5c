"""One page of the aggregates endpoint, from JSON text to Arrow columns, strictly.

Source of the shapes: the vendor's aggregates endpoint ``/v2/aggs/ticker/.../range/1/second/...``.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

import msgspec
import numpy as np
import pyarrow as pa

from marketlake.errors import MalformedPage, UndecodableBody
from marketlake.schema import BARS

_LARGEST_EXACT_INTEGER = 2.0**53
_SHOWN_BYTES = 80


class _Bar(msgspec.Struct, gc=False):
    """Any number may come with an exponent or a fraction, so all are floats until they are checked."""

    t: float
    o: float
    h: float
    l: float  # noqa: E741 (the vendor's name)
    c: float
    v: float
    vw: float | None = None
    n: float | None = None


class _Body(msgspec.Struct):
    """Only what is relied on; unknown keys come and go and are ignored."""

    status: str = ""
    ticker: str | None = None
    adjusted: bool | None = None
    results: list[_Bar] | None = None
    results_count: float | None = msgspec.field(default=None, name="resultsCount")
    next_url: str | None = None
    request_id: str = ""
    error: str | None = None
    message: str | None = None


_DECODER = msgspec.json.Decoder(_Body)


@dataclass(frozen=True)
class Page:
    """One decoded page. ``bars`` lacks only the ticker column, whose echo stands beside it."""

    status: str
    said: str
    ticker: str | None
    adjusted: bool | None
    results_count: float | None
    next_url: str | None
    request_id: str
    bars: pa.Table


def decode(body: bytes) -> Page:
    """Decode one response body.

    Raises UndecodableBody where it is no JSON (cut short, HTML), MalformedPage where it is JSON of
    another shape or with a number that cannot be what its field means.
    """
    try:
        decoded = _DECODER.decode(body)
    except msgspec.ValidationError as exc:
        raise MalformedPage(f"the page is not shaped as documented: {exc}; it begins {_shown(body)}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UndecodableBody(f"the body of {len(body)} bytes is no JSON ({exc}); it begins {_shown(body)}") from exc
    return Page(
        status=decoded.status,
        said=decoded.error or decoded.message or "",
        ticker=decoded.ticker,
        adjusted=decoded.adjusted,
        results_count=decoded.results_count,
        next_url=decoded.next_url,
        request_id=decoded.request_id,
        bars=_columns(decoded.results or []),
    )


def _columns(bars: list[_Bar]) -> pa.Table:
    volume_exact = _floats(bars, "v")
    columns = {
        "timestamp": _integers(_floats(bars, "t"), "t"),
        "open": _floats(bars, "o"),
        "high": _floats(bars, "h"),
        "low": _floats(bars, "l"),
        "close": _floats(bars, "c"),
        "volume": _integers(np.rint(volume_exact), "v"),
        "vwap": pa.array(list(map(attrgetter("vw"), bars)), pa.float64()),
        "transactions": _nullable_integers(bars, "n"),
        "volume_exact": volume_exact,
    }
    schema = pa.schema([BARS.field(name) for name in columns])
    return pa.table({name: pa.array(values) for name, values in columns.items()}, schema=schema)


def _floats(bars: list[_Bar], key: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.fromiter(map(attrgetter(key), bars), np.float64, len(bars))


def _integers(values: np.ndarray[tuple[int], np.dtype[np.float64]], key: str) -> pa.Array:
    wrong = np.flatnonzero((np.rint(values) != values) | (np.abs(values) > _LARGEST_EXACT_INTEGER))
    if len(wrong):
        raise MalformedPage(f"{key} of bar {wrong[0]} is {values[wrong[0]]!r}, not a whole number below 2**53")
    return pa.array(values.astype(np.int64))


def _nullable_integers(bars: list[_Bar], key: str) -> pa.Array:
    values = list(map(attrgetter(key), bars))
    if None not in values:
        return _integers(np.array(values, np.float64), key)
    absent = np.array([value is None for value in values])
    filled = np.array([0.0 if value is None else value for value in values])
    return pa.array(_integers(filled, key).to_numpy(), pa.int64(), mask=absent)


def _shown(body: bytes) -> str:
    return repr(body[:_SHOWN_BYTES].decode("utf-8", "replace"))
