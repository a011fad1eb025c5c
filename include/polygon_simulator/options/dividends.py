"""Made-up quarterly dividends, in the vendor's words, with its trap: a year's rows are all declared in January,
amounts and all, though an amount is known on its ex-date alone. The simulated market prices with the true ones."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from functools import lru_cache
from typing import Any

from marketlake.sessions import FIRST_SESSION
from polygon_simulator.market import PRICES_IN_2003
from polygon_simulator.options.expiries import sessions, third_friday

_QUARTERS = {3: 0.97, 6: 1.0, 9: 0.99, 12: 1.08}
_OF_SPY_IN_2026_USD = 1.87
_GROWTH_A_YEAR = 0.04
_SETTLES_SOONER_FROM = dt.date(2024, 5, 28)


def between(ticker: str, after: dt.date, last: dt.date) -> list[tuple[dt.date, float]]:
    """Every ex-date with ``after < ex-date <= last`` and its true amount in USD, ascending."""
    years = range(after.year, last.year + 1)
    known = (pair for year in years for pair in _of_year(ticker, year))
    return [(day, amount) for day, amount in known if after < day <= last]


def rows(today: dt.date) -> list[dict[str, Any]]:
    """Every dividend declared by ``today``, as the vendor says it, ascending by ticker and ex-date."""
    return list(_rows(today))


@lru_cache(maxsize=2)
def _rows(today: dt.date) -> tuple[dict[str, Any], ...]:
    found = []
    for ticker in sorted(PRICES_IN_2003):
        pairs = [pair for year in range(FIRST_SESSION.year, today.year + 1) for pair in _of_year(ticker, year)]
        later = sum(day > today for day, _ in pairs)
        found += [_row(ticker, *pair, len(pairs) - later - place) for place, pair in enumerate(pairs, 1)]
    return tuple(row for row in found if row["declaration_date"] <= str(today))


@lru_cache(maxsize=1_024)
def _of_year(ticker: str, year: int) -> tuple[tuple[dt.date, float], ...]:
    """The ex-dates of a year and their amounts: the third Fridays of a quarter's last month, or the session before."""
    if ticker not in PRICES_IN_2003:
        return ()
    pairs = []
    for month, season in _QUARTERS.items():
        day = third_friday(year, month)
        day = day if sessions().is_session(day) else day - dt.timedelta(days=1)
        noise = int.from_bytes(hashlib.sha256(f"{ticker} {day} dividend".encode()).digest()[:4], "big") / 2**31 - 1
        usual = _OF_SPY_IN_2026_USD * PRICES_IN_2003[ticker] / PRICES_IN_2003["SPY"] * season
        if day >= FIRST_SESSION:
            pairs.append((day, round(usual * math.exp(_GROWTH_A_YEAR * (year - 2026)) * (1 + 0.02 * noise), 6)))
    return tuple(pairs)


def _row(ticker: str, ex_date: dt.date, amount: float, later: int) -> dict[str, Any]:
    open_days = sessions()
    a_day_on = open_days.next_session(ex_date + dt.timedelta(days=1))
    recorded = ex_date if ex_date >= _SETTLES_SOONER_FROM else a_day_on
    return {
        "cash_amount": amount,
        "currency": "USD",
        "declaration_date": str(open_days.next_session(dt.date(ex_date.year, 1, 1))),
        "distribution_type": "recurring",
        "ex_dividend_date": str(ex_date),
        "frequency": 4,
        "historical_adjustment_factor": round(0.9972 ** max(0, later + 1), 6),
        "id": "E" + hashlib.sha256(f"{ticker} {ex_date}".encode()).hexdigest(),
        "pay_date": str(open_days.next_session(ex_date + dt.timedelta(days=40))),
        "record_date": str(recorded),
        "split_adjusted_cash_amount": amount,
        "ticker": ticker,
    }
