"""Faults of a snapshot's page: contracts that come twice, are foreign or contradict themselves, figures of another day.

Each takes the page with copies of its rows, and an argument, which is empty unless one is named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]

_DAY_NS = 86_400_000_000_000
_STAMPS = (("day", "last_updated"), ("last_trade", "sip_timestamp"), ("last_quote", "last_updated"),
           ("underlying_asset", "last_updated"))  # fmt: skip


def _double(answer: Answer, _: str) -> None:
    """The second contract comes twice."""
    answer["results"].insert(1, answer["results"][1])


def _lose(answer: Answer, _: str) -> None:
    """The second contract is missing."""
    del answer["results"][1]


def _foreign(answer: Answer, root: str) -> None:
    """A contract of another root, which a prefix takes for SPY's, and of that underlying: SPYG, or the argument."""
    root, row = root or "SPYG", dict(answer["results"][1])
    ticker, underlying = row["details"]["ticker"], row["underlying_asset"]
    tail = ticker.removeprefix(f"O:{underlying['ticker']}")
    row |= {
        "details": row["details"] | {"ticker": f"O:{root}{tail}"},
        "underlying_asset": underlying | {"ticker": root},
    }
    answer["results"].insert(2, row)


def _other_fields(answer: Answer, _: str) -> None:
    """The second contract's strike is not its ticker's."""
    row = answer["results"][1]
    row["details"] = row["details"] | {"strike_price": row["details"]["strike_price"] + 1}


def _expired(answer: Answer, _: str) -> None:
    """The second contract expired long ago, by its ticker and by its fields."""
    row = answer["results"][1]
    ticker, date = row["details"]["ticker"], row["details"]["expiration_date"]
    gone = f"{int(date[:4]) - 4}{date[4:]}"
    day = gone.replace("-", "")[2:]
    row["details"] = row["details"] | {"ticker": f"{ticker[:-15]}{day}{ticker[-9:]}", "expiration_date": gone}


def _stale(answer: Answer, days: str) -> None:
    """Every figure is as old as so many days, one without an argument: the vendor shows what it has."""
    for row in answer["results"]:
        for part, name in _STAMPS:
            if name in row.get(part, {}):
                row[part] = row[part] | {name: row[part][name] - int(days or 1) * _DAY_NS}


def _timeless(answer: Answer, _: str) -> None:
    """No figure says of when it is."""
    for row in answer["results"]:
        for part, name in _STAMPS:
            if part in row:
                row[part] = {key: value for key, value in row[part].items() if key != name}


SNAPSHOT_FAULTS: dict[str, Callable[[Answer, str], None]] = {
    "doubled_snapshot": _double,
    "lost_snapshot": _lose,
    "foreign_snapshot": _foreign,
    "odd_snapshot": _other_fields,
    "expired_snapshot": _expired,
    "stale_snapshot": _stale,
    "timeless_snapshot": _timeless,
}
"""Faults of a snapshot, and of nothing else. Its pages go astray as those of a chain do, if ``endpoint`` says so."""
