"""Judging: may these pages and bars enter the lake? Checks return results; one function gates."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.errors import InvalidBars
from marketlake.polygon.request import BarRequest

_SECOND_MS = 1000
_SILENCE_BOUND = "quality.max_silence_s = "


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check. ``first_bad`` shows the first offending bar, for the error."""

    name: str
    ok: bool
    blocking: bool
    count: int = 0
    detail: str = ""
    waivable: bool = False


def run_checks(bars: pa.Table, request: BarRequest, max_silence_s: float | None) -> list[CheckResult]:
    """Every check over the bars of one session, blocking ones first.

    ``max_silence_s`` bounds the time without a trade in regular hours; None for a session still trading.
    """
    column = {name: bars.column(name).to_numpy() for name in bars.column_names if name != "ticker"}
    return [
        *(_flag(bars, name, bad, waivable=waivable) for name, bad, waivable in _blocking(column, request)),
        *([] if max_silence_s is None else [_silence(column["timestamp"], request, max_silence_s)]),
        *_reports(column, bars, request),
    ]


def require_acceptable(checks: Iterable[CheckResult], request: BarRequest, accepted: Sequence[str]) -> list[str]:
    """The waivers that were needed. Raises InvalidBars on a failed blocking check without one."""
    failed = [check for check in checks if check.blocking and not check.ok]
    refused = [check for check in failed if not (check.waivable and check.name in accepted)]
    if refused:
        raise InvalidBars(
            f"{request}: refused: {'; '.join(_reason(check) for check in refused)}. {_way_on(request, refused, failed)}"
        )
    return [check.name for check in failed]


def _blocking(column: dict[str, np.ndarray], request: BarRequest) -> list[tuple[str, np.ndarray, bool]]:
    """Name, mask of offending rows, and whether a person may accept it."""
    start = column["timestamp"]
    step = np.diff(start, prepend=start[:1] - _SECOND_MS)
    numbers = [column[name] for name in ("open", "high", "low", "close", "volume_exact", "vwap", "transactions")]
    return [
        ("outside_day", (start < request.hours.day_start_ms) | (start >= request.hours.day_end_ms), False),
        ("off_second", start % _SECOND_MS != 0, False),
        ("duplicate_second", step == 0, False),
        ("descending", step < 0, False),
        ("infinite_number", _any(numbers, np.isinf), False),
        ("price_not_positive", _any(numbers[:4], lambda values: values <= 0), True),
        ("negative_number", _any(numbers, lambda values: values < 0), True),
        ("low_above_open", column["low"] > column["open"], True),
        ("low_above_close", column["low"] > column["close"], True),
        ("high_below_open", column["high"] < column["open"], True),
        ("high_below_close", column["high"] < column["close"], True),
    ]


def _silence(start: np.ndarray, request: BarRequest, max_silence_s: float) -> CheckResult:
    """A short answer looks like a market that fell silent: at the open, at the close or between."""
    opens, closes = request.hours.regular_start_ms, request.hours.regular_end_ms
    regular = start[(start >= opens) & (start < closes)]
    marks = np.concatenate([[opens - _SECOND_MS], regular, [closes]])
    gaps_s = np.diff(marks) / _SECOND_MS - 1
    longest = int(np.argmax(gaps_s))
    return CheckResult(
        "long_silence",
        ok=bool(gaps_s[longest] <= max_silence_s),
        blocking=True,
        count=int((gaps_s > max_silence_s).sum()),
        detail=f"{gaps_s[longest]:.0f} s without a bar in regular hours after timestamp {int(marks[longest])}"
        f" ({_SILENCE_BOUND}{max_silence_s:g})",
        waivable=True,
    )


def max_silence_in(detail: str) -> float | None:
    """The bound that a check of silence was held to, by its own detail, in seconds; None of another check's."""
    bound = re.search(rf"\({_SILENCE_BOUND}([0-9.e+-]+)\)$", detail)
    return float(bound[1]) if bound else None


def _any(arrays: list[np.ndarray], test: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    masks: list[np.ndarray] = [test(values) for values in arrays]
    return np.asarray(np.logical_or.reduce(masks))


def _flag(bars: pa.Table, name: str, bad: np.ndarray, *, waivable: bool) -> CheckResult:
    count = int(bad.sum())
    detail = _bar(bars, int(np.argmax(bad))) if count else ""
    return CheckResult(name, ok=count == 0, blocking=True, count=count, detail=detail, waivable=waivable)


def _reports(column: dict[str, np.ndarray], bars: pa.Table, request: BarRequest) -> list[CheckResult]:
    """Facts worth knowing that never block: a market is allowed to be quiet or odd."""
    hours, start = request.hours, column["timestamp"]
    regular = (start >= hours.regular_start_ms) & (start < hours.regular_end_ms)
    expected = (hours.regular_end_ms - hours.regular_start_ms) // _SECOND_MS
    vwap = column["vwap"]
    outside = (vwap < column["low"]) | (vwap > column["high"])
    fractional = column["volume_exact"] != column["volume"]
    quiet = expected - int(regular.sum())
    return [
        CheckResult("quiet_regular_seconds", True, False, quiet, f"of {expected} in regular hours"),
        CheckResult("vwap_outside_range", True, False, int(outside.sum())),
        CheckResult("vwap_missing", True, False, bars.column("vwap").null_count),
        CheckResult("transactions_missing", True, False, bars.column("transactions").null_count),
        CheckResult("fractional_volume", True, False, int(fractional.sum())),
    ]


def _reason(check: CheckResult) -> str:
    where = "place" if check.name == "long_silence" else "bar"
    return f"{check.name} in {check.count} {where}{'s' if check.count > 1 else ''}, first {check.detail}"


def _way_on(request: BarRequest, refused: list[CheckResult], failed: list[CheckResult]) -> str:
    if all(check.waivable for check in refused):
        names = ", ".join(check.name for check in failed)  # those accepted before, too: this line is to replace theirs
        line = f"quality.accept: {{{request.ticker}: {{{request.session}: [{names}]}}}}"
        return f"If you have checked that the vendor means it, accept this session in settings.yaml with  {line}"
    return (
        "No waiver exists for this; the received pages are kept under raw-rejected/ (storage.keep_raw_pages)."
        " Fetch again later."
    )


def _bar(bars: pa.Table, row: int) -> str:
    values = bars.slice(row, 1).to_pylist()[0]
    return json.dumps({"row": row, **values})


def totals(bars: pa.Table) -> tuple[float, int]:
    """Σ volume (exact) and Σ transactions (missing ones left out)."""
    return float(pc.sum(bars.column("volume_exact")).as_py() or 0.0), int(
        pc.sum(bars.column("transactions")).as_py() or 0
    )
