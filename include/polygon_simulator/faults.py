"""Faults on request: what can go wrong with an answer, and how often it does."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from typing import Any

from marketlake.sessions import NEW_YORK, new_york_ms
from polygon_simulator.chain_faults import CONTRACT_FAULTS
from polygon_simulator.file_faults import ACCESS_FAULTS, FILE_FAULTS
from polygon_simulator.flat_files import FLAT_FILE
from polygon_simulator.references import CONTRACTS, ENDPOINTS, SNAPSHOTS
from polygon_simulator.snapshot_faults import SNAPSHOT_FAULTS

Answer = dict[str, Any]

HTTP_FAULTS: dict[str, tuple[int, str, str]] = {
    "429": (
        429,
        "ERROR",
        "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue.",
    ),
    "500": (500, "ERROR", "Unknown database error ( Error Code: 001 )"),
    "502": (502, "ERROR", "Bad Gateway"),
    "503": (503, "ERROR", "Service Unavailable"),
    "504": (504, "ERROR", "Gateway Timeout"),
    "error_in_200": (200, "ERROR", "Unknown database error ( Error Code: 001 )"),
    "not_entitled": (
        403,
        "NOT_AUTHORIZED",
        "You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing",
    ),
    "not_entitled_in_200": (
        200,
        "NOT_AUTHORIZED",
        "Your plan doesn't include this data timeframe. Please upgrade your plan at https://polygon.io/pricing",
    ),
    "not_found": (404, "NOT_FOUND", "Data not found."),
    "bad_request": (400, "ERROR", "Could not parse the time parameter: 'from'. Use YYYY-MM-DD or Unix MS Timestamps"),
}
WIRE_FAULTS = frozenset(
    {"reset", "truncated", "short", "html", "redirect", "stall", "stall_in_body", "trickle", "slow", "nan"}
)


def _with_bar(answer: Answer, **changes: Any) -> None:
    answer["results"][1] = {**answer["results"][1], **changes}


def _one_bar(answer: Answer) -> None:
    answer.update(results=answer["results"][:1], resultsCount=1)


def _half_a_day(answer: Answer) -> None:
    half = answer["results"][: len(answer["results"]) // 2]
    answer.update(results=half, resultsCount=len(half))


def _low_above_open(answer: Answer) -> None:
    high = answer["results"][1]["h"]
    _with_bar(answer, l=high, c=high, o=round(high - 0.01, 2))


def _swap(answer: Answer) -> None:
    bars = answer["results"]
    bars[1], bars[2] = bars[2], bars[1]


def _double(answer: Answer) -> None:
    answer["results"].insert(1, answer["results"][0])
    answer["resultsCount"] += 1


def _empty(answer: Answer) -> None:
    for key in ("results", "next_url"):
        answer.pop(key, None)
    answer.update(resultsCount=0, queryCount=0)


def _null(answer: Answer) -> None:
    _empty(answer)
    answer["results"] = None


def _without(answer: Answer, windows: str) -> None:
    """Leave out the bars of ``START-END,START-END``: half-open windows in Unix ms."""
    bounds = [tuple(map(int, window.split("-"))) for window in windows.split(",")]
    kept = [bar for bar in answer["results"] if not any(start <= bar["t"] < end for start, end in bounds)]
    answer.update(results=kept, resultsCount=len(kept))


def _changed(answer: Answer, count: str) -> None:
    """Add a share, and a hundredth of a cent to the vwap, in that many bars, evenly spread."""
    bars = answer["results"]
    for number in range(int(count)):
        row = number * len(bars) // int(count)
        bars[row] = {**bars[row], "v": bars[row]["v"] + 1, "vw": round(bars[row]["vw"] + 0.0001, 4)}


def _late(answer: Answer) -> None:
    """The last bar once more, at 16:20 New York: after the end of trading in options."""
    last = answer["results"][-1]
    day = dt.datetime.fromtimestamp(last["t"] / 1000, NEW_YORK).date()
    answer["results"].append({**last, "t": new_york_ms(day, dt.time(16, 20))})
    answer["resultsCount"] += 1


def _foreign_next_url(answer: Answer, base_url: str) -> None:
    answer["next_url"] = f"{base_url or 'https://api.example.com'}/v2/aggs/x?cursor=abc"


def _fewer_trades(answer: Answer, count: str) -> None:
    """Take that many trades from the page's busiest bar."""
    row, busiest = max(enumerate(answer["results"]), key=lambda numbered: numbered[1].get("n", 0))
    answer["results"][row] = {**busiest, "n": busiest["n"] - int(count)}


ARGUMENT_FAULTS: dict[str, Callable[[Answer, str], None]] = {
    "without": _without,
    "changed": _changed,
    "fewer_trades": _fewer_trades,
    "foreign_next_url": _foreign_next_url,
}
"""Faults of a page that take an argument, as in ``changed:17``."""

BODY_FAULTS: dict[str, Callable[[Answer], None]] = {
    "empty": _empty,
    "null_results": _null,
    "delayed": lambda answer: answer.update(status="DELAYED"),
    "unknown_status": lambda answer: answer.update(status="MAYBE"),
    "wrong_ticker": lambda answer: answer.update(ticker="QQQ"),
    "wrong_adjusted": lambda answer: answer.update(adjusted=not answer["adjusted"]),
    "wrong_count": lambda answer: answer.update(resultsCount=answer["resultsCount"] + 1),
    "other_day": lambda answer: _with_bar(answer, t=answer["results"][1]["t"] + 86_400_000),
    "late_bar": _late,
    "off_minute": lambda answer: _with_bar(answer, t=answer["results"][1]["t"] + 1_000),
    "off_second": lambda answer: _with_bar(answer, t=answer["results"][1]["t"] + 1),
    "unsorted": _swap,
    "duplicate": _double,
    "negative": lambda answer: _with_bar(answer, v=-1),
    "negative_price": lambda answer: _with_bar(answer, l=-answer["results"][1]["l"]),
    "one_bar": _one_bar,
    "half_a_day": _half_a_day,
    "free": lambda answer: _with_bar(answer, o=0, h=0, l=0, c=0),
    "low_above_open": _low_above_open,
    "low_above_high": lambda answer: _with_bar(answer, l=round(answer["results"][1]["h"] + 0.01, 2)),
    "string_number": lambda answer: _with_bar(answer, o="1.5"),
    "missing_number": lambda answer: answer["results"][1].pop("o"),
    "fractional_time": lambda answer: _with_bar(answer, t=answer["results"][1]["t"] + 0.5),
    "exponents": lambda answer: _with_bar(answer, v=1.12117471e08, n=1e3),
    "fractional_volume": lambda answer: _with_bar(answer, v=100.5),
    "no_vwap_no_transactions": lambda answer: (answer["results"][1].pop("vw"), answer["results"][1].pop("n"))[0],
}

CURSOR_FAULTS = frozenset({"repeated_cursor", "duplicated_page"})

SUBJECTS = (*ENDPOINTS, FLAT_FILE)
"""What a fault may name in ``endpoint``."""

KNOWN = frozenset(
    {
        *HTTP_FAULTS, *WIRE_FAULTS, *BODY_FAULTS, *ARGUMENT_FAULTS, *CURSOR_FAULTS, *CONTRACT_FAULTS, *FILE_FAULTS,
        *ACCESS_FAULTS, *SNAPSHOT_FAULTS, "echoed_key",
    }
)  # fmt: skip


def _checked(faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A copy. Raises ValueError for a name that is none."""
    for fault in faults:
        if fault["fault"].partition(":")[0] not in KNOWN:
            raise ValueError(f"no such fault: {fault['fault']}. Known are {', '.join(sorted(KNOWN))}")
        if fault.get("endpoint", CONTRACTS) not in SUBJECTS:
            raise ValueError(f"no such endpoint: {fault['endpoint']}. Known are {', '.join(SUBJECTS)}")
    return [dict(fault) for fault in faults]


def _subject(fault: Mapping[str, Any]) -> str:
    """What a fault belongs to: bars of a timespan, or a reference list."""
    name = str(fault["fault"]).partition(":")[0]
    if name in {*FILE_FAULTS, *ACCESS_FAULTS}:
        return FLAT_FILE
    if name in SNAPSHOT_FAULTS:
        return SNAPSHOTS
    of_bars = CONTRACTS if name in CONTRACT_FAULTS else fault.get("timespan", "second")
    return str(fault.get("endpoint", of_bars))


def _page(fault: Mapping[str, Any]) -> int | None:
    """The page that a fault waits for; a filter can be forgotten from the second one on."""
    page: int | None = fault.get("page", 2 if fault["fault"] == "filter_lost" else None)
    return page


class Faults:
    """The faults still to be served, by session date (``*``: any). Safe to use from many threads.

    A fault is ``{"fault": NAME, "times": N, "page": P, "timespan": SPAN}``: N times (0: for ever), only on
    page P if given, of the second bars unless another timespan is.

    ``"contract": "O:SPY241220C00600000"`` (``*``: any) makes it one of that contract's bars; without it, it is one
    of stocks. ``"endpoint"``: one of ``SUBJECTS`` instead of bars, which goes without saying of
    ``CONTRACT_FAULTS``, ``SNAPSHOT_FAULTS``, ``FILE_FAULTS`` and ``ACCESS_FAULTS``. A chain's date is its ``as_of``;
    lists that have none take the faults of ``*``. Of a flat file, page 1 is a probe of its first bytes, 2 all of it,
    3 a rest of it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queued: dict[str, list[dict[str, Any]]] = {}

    def set(self, day: str, faults: list[dict[str, Any]]) -> None:
        """Replace the faults of one date. Raises ValueError for a name that is none."""
        checked = _checked(faults)
        with self._lock:
            self._queued[day] = checked

    def replace(self, faults: Mapping[str, list[dict[str, Any]]]) -> None:
        """Replace the faults of every date. Raises ValueError for a name that is none."""
        checked = {str(day): _checked(of_day) for day, of_day in faults.items()}
        with self._lock:
            self._queued = checked

    def clear(self) -> None:
        """Serve faithfully again."""
        with self._lock:
            self._queued.clear()

    def take(self, day: str, page: int, subject: str, contract: str = "") -> str | None:
        """The fault of this answer, if any; it is used up. ``subject`` is a timespan or an endpoint."""
        with self._lock:
            for fault in [*self._queued.get(day, []), *self._queued.get("*", [])]:
                if _subject(fault) != subject or fault.get("contract", "") not in (
                    {"*", contract} if contract else {""}
                ):
                    continue
                if _page(fault) in (None, page) and fault.get("times", 1) >= 0:
                    if fault.get("times", 1) > 0:
                        fault["times"] = fault.get("times", 1) - 1 or -1
                    return str(fault["fault"])
        return None

    def standing(self, day: str, subject: str) -> str:
        """The fault of every answer about a date (``times`` is 0), which does not use it up; empty without one."""
        with self._lock:
            faults = (fault for fault in self._queued.get(day, []) if _subject(fault) == subject)
            return next((str(fault["fault"]) for fault in faults if fault.get("times", 1) == 0), "")
