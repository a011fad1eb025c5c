"""Faults of a chain's page: records that are doubled, lost, foreign, adjusted or contradict themselves.

Each takes the page with copies of its records, and an argument, which is empty unless one is named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polygon_simulator.options.contract import Contract

Answer = dict[str, Any]

_UNDERLYINGS = {"SPXW": "SPX"}
_ADJUSTED_SHARES = 103


def _double(answer: Answer, ticker: str) -> None:
    """A record comes twice: the second one, or that of a ticker."""
    place = _place(answer, ticker)
    answer["results"].insert(place, dict(answer["results"][place]))


def _lose(answer: Answer, ticker: str) -> None:
    """A record is missing: the second one, or that of a ticker."""
    del answer["results"][_place(answer, ticker)]


def _place(answer: Answer, ticker: str) -> int:
    tickers = [record["ticker"] for record in answer["results"]]
    return tickers.index(ticker) if ticker in tickers else 1


def _foreign(answer: Answer, root: str) -> None:
    """A record of another root, which a prefix takes for SPY's: SPYG, or the argument (SPXW lists under SPX)."""
    root = root or "SPYG"
    record = dict(answer["results"][1])
    tail = record["ticker"].removeprefix(f"O:{record['underlying_ticker']}")
    record |= {"ticker": f"O:{root}{tail}", "underlying_ticker": _UNDERLYINGS.get(root, root)}
    answer["results"].insert(2, record)


def _adjust(answer: Answer, digit: str) -> None:
    """Calls and puts of two strikes of an adjusted root (SPY1), which deliver 103 shares and 12.34 USD."""
    first = _contract(answer["results"][0])
    added = [
        Contract(first.underlying, first.expiration, call, first.strike + step, digit or "1").record()
        | {"shares_per_contract": _ADJUSTED_SHARES, "additional_underlyings": [_CASH]}
        for call in (True, False)
        for step in (0, 5)
    ]
    answer["results"] = sorted([*answer["results"], *added], key=lambda record: record["ticker"])


_CASH = {"amount": 12.34, "type": "currency", "underlying": "USD"}


def _odd_strike(answer: Answer, strike: str) -> None:
    """A call and a put of a strike between whole dollars: 587.5, or the argument, of the page's first expiry."""
    first = _contract(answer["results"][0])
    contracts = (Contract(first.underlying, first.expiration, call, float(strike or 587.5)) for call in (True, False))
    known = {record["ticker"]: record for record in answer["results"]}
    known |= {contract.ticker: contract.record() for contract in contracts}
    answer["results"] = [known[ticker] for ticker in sorted(known)]


def _other_fields(answer: Answer, _: str) -> None:
    """The second record's strike is not its ticker's."""
    answer["results"][1]["strike_price"] += 1


def _expired(answer: Answer, _: str) -> None:
    """The second record expired long ago, by its ticker and by its fields."""
    old = _contract(answer["results"][1])
    gone = Contract(old.underlying, old.expiration.replace(year=old.expiration.year - 4), old.call, old.strike)
    answer["results"][1] = gone.record()


def _shrink(answer: Answer, _: str) -> None:
    """Calls and puts of every third dollar are missing."""
    answer["results"] = [record for record in answer["results"] if round(record["strike_price"]) % 3]


def _without_type(answer: Answer, _: str) -> None:
    """The second record says neither call nor put, as the vendor's have been."""
    del answer["results"][1]["contract_type"]


def _contract(record: Answer) -> Contract:
    """The contract of a record. Raises KeyError if its ticker is none."""
    contract = Contract.of(record["ticker"])
    if contract is None:
        raise KeyError(record["ticker"])
    return contract


CHAIN_FAULTS: dict[str, Callable[[Answer, str], None]] = {
    "duplicated_contract": _double,
    "lost_contract": _lose,
    "foreign_root": _foreign,
    "adjusted_contract": _adjust,
    "odd_strike": _odd_strike,
    "other_fields": _other_fields,
    "expired_contract": _expired,
    "shrunk_chain": _shrink,
    "without_type": _without_type,
}
"""All may take an argument, as in ``foreign_root:SPXW`` or ``lost_contract:O:SPY241220C00600000``."""

PAGING_FAULTS = frozenset({"lost_page", "filter_lost", "as_of_ignored"})
"""``lost_page``: the next page is the one after the next. ``filter_lost``: every second record is of another
underlying, the others are unfiltered. ``as_of_ignored``: today's chain."""

CONTRACT_FAULTS = frozenset({*CHAIN_FAULTS, *PAGING_FAULTS})
"""Faults of the listing of contracts, and of nothing else."""
