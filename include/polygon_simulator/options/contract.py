"""One option contract: its OCC ticker, and its record in the vendor's words."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

_TICKER = re.compile(r"O:([A-Z]{1,5})(\d?)(\d{6})([CP])(\d{8})")


@dataclass(frozen=True)
class Contract:
    """``strike`` in USD. ``adjusted``: the digit at the end of an adjusted contract's root; empty of a standard one."""

    underlying: str
    expiration: dt.date
    call: bool
    strike: float
    adjusted: str = ""

    @classmethod
    def of(cls, ticker: str) -> Contract | None:
        """The contract of an OCC ticker, ``O:SPY241220C00600000``; None if the text is none."""
        match = _TICKER.fullmatch(ticker)
        if not match:
            return None
        try:
            expiration = dt.datetime.strptime(match[3] + "+0000", "%y%m%d%z").date()
        except ValueError:
            return None
        return cls(match[1], expiration, match[4] == "C", int(match[5]) / 1000, match[2])

    @property
    def ticker(self) -> str:
        """The OCC ticker with the vendor's ``O:``."""
        day = self.expiration
        date = f"{day.year % 100:02d}{day.month:02d}{day.day:02d}"
        root = f"{self.underlying}{self.adjusted}"
        return f"O:{root}{date}{'C' if self.call else 'P'}{round(self.strike * 1000):08d}"

    def record(self) -> dict[str, Any]:
        """As the contracts' endpoint says it: a whole strike without a fraction, no key without a value."""
        return {
            "cfi": "OCASPS" if self.call else "OPASPS",
            "contract_type": "call" if self.call else "put",
            "exercise_style": "american",
            "expiration_date": str(self.expiration),
            "primary_exchange": "BATO",
            "shares_per_contract": 100,
            "strike_price": int(self.strike) if self.strike == int(self.strike) else self.strike,
            "ticker": self.ticker,
            "underlying_ticker": self.underlying,
        }
