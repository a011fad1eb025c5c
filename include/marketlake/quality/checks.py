"""Judging: may these pages and bars enter the lake? Checks return results; one function gates."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import get_args

import msgspec
import numpy as np
import pyarrow as pa

from marketlake.errors import InvalidBars
from marketlake.polygon.request import Timespan
from marketlake.rows.spec import PartitionKey
from marketlake.sessions import SessionHours
from marketlake.settings.values import WaivableCheck

_SILENCE_BOUND = "quality.max_silence_s = "
WAIVABLE = frozenset(get_args(WaivableCheck))
"""The checks that a person may accept as failing. Identity, transport and truncation are none of them."""


class Check(msgspec.Struct, frozen=True):
    """One check and its result, as a certificate keeps it. ``detail`` shows the first offending bar."""

    name: str
    ok: bool
    blocking: bool
    count: int = 0
    detail: str = ""


def run_checks(bars: pa.Table, hours: SessionHours, size: Timespan, max_silence_s: float | None) -> list[Check]:
    """Every check over the bars of one session, blocking ones first. ``size``: how long each bar is.

    ``max_silence_s`` bounds the time without a trade in regular hours; None for a session still trading.
    """
    column = {name: bars.column(name).to_numpy() for name in bars.column_names if name != "ticker"}
    return [
        *(flag(bars, name, bad) for name, bad in _blocking(column, hours, size).items()),
        *([] if max_silence_s is None else [_silence(column["timestamp"], hours, size, max_silence_s)]),
        *_reports(column, bars, hours, size),
    ]


def require_acceptable(
    checks: Iterable[Check], key: PartitionKey, accepted: Sequence[str], noun: str = "bar"
) -> list[str]:
    """The waivers that were needed. Raises InvalidBars on a failed blocking check without one.

    ``noun``: what a row is called.
    """
    failed = [check for check in checks if check.blocking and not check.ok]
    refused = [check for check in failed if not (check.name in WAIVABLE and check.name in accepted)]
    if refused:
        raise InvalidBars(
            f"{key}: refused: {'; '.join(_reason(check, noun) for check in refused)}. {_way_on(key, refused, failed)}"
        )
    return [check.name for check in failed]


def _blocking(column: dict[str, np.ndarray], hours: SessionHours, size: Timespan) -> dict[str, np.ndarray]:
    """By name of the check, a mask of the offending rows."""
    start = column["timestamp"]
    step = np.diff(start, prepend=start[:1] - size.length_ms)
    numbers = [column[name] for name in ("open", "high", "low", "close", "volume_exact", "vwap", "transactions")]
    return {
        "outside_day": (start < hours.day_start_ms) | (start >= hours.day_end_ms),
        f"off_{size}": start % size.length_ms != 0,
        f"duplicate_{size}": step == 0,
        "descending": step < 0,
        "infinite_number": _any(numbers, np.isinf),
        "price_not_positive": _any(numbers[:4], lambda values: values <= 0),
        "negative_number": _any(numbers, lambda values: values < 0),
        "low_above_open": column["low"] > column["open"],
        "low_above_close": column["low"] > column["close"],
        "high_below_open": column["high"] < column["open"],
        "high_below_close": column["high"] < column["close"],
    }


def _silence(start: np.ndarray, hours: SessionHours, size: Timespan, max_silence_s: float) -> Check:
    """A short answer looks like a market that fell silent: at the open, at the close or between."""
    opens, closes = hours.regular_start_ms, hours.regular_end_ms
    regular = start[(start >= opens) & (start < closes)]
    marks = np.concatenate([[opens - size.length_ms], regular, [closes]])
    gaps_s = (np.diff(marks) - size.length_ms) / 1000
    longest = int(np.argmax(gaps_s))
    return Check(
        "long_silence",
        ok=bool(gaps_s[longest] <= max_silence_s),
        blocking=True,
        count=int((gaps_s > max_silence_s).sum()),
        detail=f"{gaps_s[longest]:.0f} s without a bar in regular hours after timestamp {int(marks[longest])}"
        f" ({_SILENCE_BOUND}{max_silence_s:g})",
    )


def max_silence_in(detail: str) -> float | None:
    """The bound that a check of silence was held to, by its own detail, in seconds; None of another check's."""
    bound = re.search(rf"\({_SILENCE_BOUND}([0-9.e+-]+)\)$", detail)
    return float(bound[1]) if bound else None


def _any(arrays: list[np.ndarray], test: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    masks: list[np.ndarray] = [test(values) for values in arrays]
    return np.asarray(np.logical_or.reduce(masks))


def flag(bars: pa.Table, name: str, bad: np.ndarray) -> Check:
    """A blocking check over rows, by a mask of those that offend."""
    count = int(bad.sum())
    detail = _bar(bars, int(np.argmax(bad))) if count else ""
    return Check(name, ok=count == 0, blocking=True, count=count, detail=detail)


def _reports(column: dict[str, np.ndarray], bars: pa.Table, hours: SessionHours, size: Timespan) -> list[Check]:
    """Facts worth knowing that never block: a market is allowed to be quiet or odd."""
    start, vwap = column["timestamp"], column["vwap"]
    regular = (start >= hours.regular_start_ms) & (start < hours.regular_end_ms)
    expected = (hours.regular_end_ms - hours.regular_start_ms) // size.length_ms
    outside = (vwap < column["low"]) | (vwap > column["high"])
    fractional = column["volume_exact"] != column["volume"]
    return [
        observed(f"quiet_regular_{size}s", expected - int(regular.sum()), f"of {expected} in regular hours"),
        observed("vwap_outside_range", int(outside.sum())),
        observed("vwap_missing", bars.column("vwap").null_count),
        observed("transactions_missing", bars.column("transactions").null_count),
        observed("fractional_volume", int(fractional.sum())),
    ]


def observed(name: str, count: int, detail: str = "") -> Check:
    """A fact worth knowing that never blocks."""
    return Check(name, ok=True, blocking=False, count=count, detail=detail)


def _reason(check: Check, noun: str) -> str:
    where = "place" if check.name == "long_silence" else noun
    return f"{check.name} in {check.count} {where}{'s' if check.count > 1 else ''}, first {check.detail}"


def _way_on(key: PartitionKey, refused: list[Check], failed: list[Check]) -> str:
    if all(check.name in WAIVABLE for check in refused):
        names = ", ".join(check.name for check in failed)  # those accepted before, too: this line is to replace theirs
        line = f"quality.accept: {{{key.ticker}: {{{key.session}: [{names}]}}}}"
        return f"If you have checked that the vendor means it, accept this session in settings.yaml with  {line}"
    return (
        "No waiver exists for this; the received pages are kept under raw-rejected/ (storage.keep_raw_pages)."
        " Fetch again later."
    )


def _bar(bars: pa.Table, row: int) -> str:
    values = bars.slice(row, 1).to_pylist()[0]
    return json.dumps({"row": row, **values}, default=str)
