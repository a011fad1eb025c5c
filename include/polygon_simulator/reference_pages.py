"""The answers to lists: which rows there are, those of a page, and pages that go astray on request."""

from __future__ import annotations

import datetime as dt
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from marketlake.sessions import NEW_YORK
from polygon_simulator.market import PRICES_IN_2003
from polygon_simulator.options import dividends, yields
from polygon_simulator.options.contract import Contract
from polygon_simulator.options.market import OptionMarket
from polygon_simulator.options.snapshot import Snapshots
from polygon_simulator.plan import Plan
from polygon_simulator.questions import request_id
from polygon_simulator.references import CONTRACTS, SNAPSHOTS, YIELDS, Reference

Row = dict[str, Any]

_ANOTHER = "QQQ"


class ReferencePages:
    """Contracts, their snapshots, yields and dividends as they are known at ``now_ms`` (Unix ms)."""

    def __init__(self, options: OptionMarket) -> None:
        self._options = options
        self._snapshots = Snapshots(options)

    def page(self, question: Reference, now_ms: int, plan: Plan, base_url: str, fault: str = "") -> Row | None:
        """The answer to one question, whose rows are shared; None for a contract that there is not.

        ``fault`` is one of ``PAGING_FAULTS``, or changes nothing here.
        """
        today = dt.datetime.fromtimestamp(now_ms / 1000, NEW_YORK).date()
        if question.ticker:
            return self._single(question, today)
        query = replace(question, as_of=today) if fault == "as_of_ignored" else question
        query = query.without_filters() if fault == "filter_lost" else query  # half a page: the rest is foreign
        underlying = question.wanted("underlying_ticker") if fault == "filter_lost" else ""
        rows = self._sorted(query, today, underlying)
        start = _place(query, rows)
        served, end = rows[start : start + query.limit], start + query.limit
        answer: Row = {"results": served, "status": "OK", "request_id": request_id()}
        if end < len(rows):
            last = rows[min(end + query.limit, len(rows)) - 1] if fault == "lost_page" else served[-1]
            answer["next_url"] = base_url + question.next_path(last, self._hidden(last, question))
        if fault == "filter_lost":
            others = self._options.chain.records(_ANOTHER, _as_of(query, today))
            answer["results"] = [row for pair in zip(served, others, strict=False) for row in pair]
        if question.endpoint == SNAPSHOTS:
            answer["results"] = [
                self._snapshots.row(record["ticker"], now_ms, trades=plan.option_trades, quotes=plan.option_quotes)
                for record in answer["results"]
            ]
        return answer

    def _single(self, question: Reference, today: dt.date) -> Row | None:
        contract = Contract.of(question.ticker)
        if contract is None or not self._options.chain.has(contract, _as_of(question, today)):
            return None
        return {"results": contract.record(), "status": "OK", "request_id": request_id()}

    def _sorted(self, question: Reference, today: dt.date, underlying: str = "") -> list[Row]:
        """Every row that was asked for, in the order of the answer."""
        rows = self._rows(question, today, underlying)
        for rule in question.filters:
            rows = [row for row in rows if rule.holds(row)]
        return sorted(rows, key=question.order, reverse=not question.ascending)

    def _rows(self, question: Reference, today: dt.date, underlying: str) -> list[Row]:
        if question.endpoint in {CONTRACTS, SNAPSHOTS}:
            of_ticker = Contract.of(question.wanted("ticker"))
            wanted = underlying or question.wanted("underlying_ticker") or (of_ticker.underlying if of_ticker else "")
            tickers = [wanted] if wanted else sorted(PRICES_IN_2003)
            chain, as_of = self._options.chain, _as_of(question, today)
            return [row for ticker in tickers for row in chain.records(ticker, as_of, expired=question.expired)]
        return yields.rows(before=today) if question.endpoint == YIELDS else dividends.rows(today)

    def _hidden(self, row: Mapping[str, Any], question: Reference) -> Row:
        """What a cursor says of its record, and the list does not: the vendor's number, and since when it is listed."""
        contract = Contract.of(row["ticker"]) if question.endpoint == CONTRACTS else None
        if contract is None:
            return {}
        number = int.from_bytes(hashlib.sha256(contract.ticker.encode()).digest()[:7], "big")
        listed = self._options.chain.listed_on(contract)
        return {"ID": str(number), "StartDateUtc": _midnight(listed), "EndDateUtc": _midnight(contract.expiration)}


def _place(question: Reference, rows: list[Row]) -> int:
    """Where the rows after the one that a cursor names begin, of rows in the order of the answer."""
    if question.after is None:
        return 0
    if question.ascending:
        return bisect_right(rows, question.after, key=question.order)
    backwards = rows[::-1]
    return len(rows) - bisect_left(backwards, question.after, key=question.order)


def _as_of(question: Reference, today: dt.date) -> dt.date:
    """The date of the chain: no later than today, which is what is served without one."""
    return min(question.as_of or today, today)


def _midnight(day: dt.date | None) -> Row:
    return {"Time": f"{day or dt.date.min}T00:00:00Z", "Valid": day is not None}
