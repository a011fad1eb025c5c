"""How much a lake takes and how long it takes to fill: what was measured of one session, times how many there are.

``make readme`` writes the table of ``docs/sizing.md`` from here; ``make bench CASES=postgres`` measures again what
``BACKFILL`` and ``MANUAL`` say.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.options.estimate import Requests, bytes_of_session
from marketlake.settings import Settings

SESSIONS_A_YEAR = 252
VENDOR_A_MINUTE = 6_000
"""Requests: 100 a second, as many as the vendor asks for at most."""
CONTRACTS, EMPTIES = 1_972, 202
"""Of a session of options, and those of them without a bar: docs/performance.md."""
DAGS_A_TICKER = 2
"""Its bars', and their audit's."""
READ_S_A_DAG = 0.018
"""CPU of the DAG processor for a DAG, each time that it looks: measured of 2,000, on SQLite."""
_HOURS_FROM_MIN, _DAYS_FROM_MIN = 120, 2 * 24 * 60


@dataclass(frozen=True)
class Footprint:
    """What Airflow keeps of one session, measured of 100: rows and bytes of its database (PostgreSQL, indexes
    included), bytes of its task logs.
    """

    rows: float
    database_bytes: int
    log_bytes: int


BACKFILL = Footprint(rows=14.6, database_bytes=10_200, log_bytes=27_600)
MANUAL = Footprint(rows=6.1, database_bytes=6_200, log_bytes=10_800)
BACKFILL_A_MINUTE = 97
"""Sessions, measured on two cores that had nothing else to do: eight slots, PostgreSQL, one scheduler."""


@dataclass(frozen=True)
class Session:
    """What one session takes of the vendor and of the lake: requests, bytes and files, how many times an audit looks
    at it again, and how long it waits for the vendor without a request, so many sessions at a time.
    """

    requests: int
    bytes: int
    files: int
    revisits: int
    pause_min: float = 0
    at_a_time: int = 1


@dataclass(frozen=True)
class Lake:
    """So many tickers, each of so many years."""

    name: str
    tickers: int
    years: int
    each: Session

    @property
    def sessions(self) -> int:
        """In all."""
        return self.tickers * self.years * SESSIONS_A_YEAR

    @property
    def backfill_min(self) -> float:
        """How long a backfill takes: whichever is slower, Airflow or the vendor, and the pauses."""
        return self._min(self.sessions)

    @property
    def daily_min(self) -> float:
        """How long each day takes afterwards: a session of each ticker, and its revisits, each a run of its own."""
        return self._min(self.tickers * (1 + self.each.revisits))

    def _min(self, sessions: int) -> float:
        pauses_min = ceil(sessions / self.each.at_a_time) * self.each.pause_min
        return max(sessions / BACKFILL_A_MINUTE, sessions * self.each.requests / VENDOR_A_MINUTE) + pauses_min

    @property
    def read_s(self) -> float:
        """CPU-seconds of the DAG processor, each time that it looks."""
        return self.tickers * DAGS_A_TICKER * READ_S_A_DAG

    @property
    def row(self) -> str:
        """Its row of the table."""
        cells = (
            self.name, f"{self.sessions:,}", _count(self.sessions * self.each.requests),
            _size(self.sessions * self.each.bytes), _count(self.sessions * self.each.files),
            f"{_count(self.sessions * BACKFILL.rows)}, {_size(self.sessions * BACKFILL.database_bytes)}",
            _size(self.sessions * BACKFILL.log_bytes), _time(self.backfill_min), _time(self.daily_min),
            f"{self.read_s:,.1f} s",
        )  # fmt: skip
        return f"| {' | '.join(cells)} |"


def lakes() -> list[Lake]:
    """Those of the table. A session of bars is as dense as SPY's, as the estimate of a backfill reckons."""
    configured = Settings.model_construct()
    cost = SECOND_BARS.cost(configured)
    bars = Session(cost.requests, cost.bytes, files=3, revisits=len(configured.audit.revisit_after_sessions))
    requests = Requests(OPTION_CHAIN.pages, 0, 0, market=2).with_contracts(CONTRACTS, EMPTIES)
    options = Session(
        requests, bytes_of_session(configured, CONTRACTS), files=7,
        revisits=len(configured.options.revisit_after_sessions),
        pause_min=configured.options.empty_recheck_s / 60, at_a_time=configured.option_sessions_in_flight,
    )  # fmt: skip
    return [
        Lake("1 ticker, 20 years", 1, 20, bars),
        Lake("500 tickers, 5 years", 500, 5, bars),
        Lake("5,000 tickers, 1 year", 5_000, 1, bars),
        Lake("options of one underlying, 4 years", 1, 4, options),
    ]


def sizing_table() -> str:
    """A row a lake."""
    head = (
        "lake", "sessions", "requests", "lake", "files", "Airflow's database", "task logs", "backfill", "each day",
        "reading the DAGs",
    )  # fmt: skip
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(lake.row for lake in lakes())])


def _count(number: float) -> str:
    return f"{number / 1e6:,.1f} million" if number >= 1e6 else f"{number:,.0f}"


def _size(size_bytes: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9)):
        if size_bytes >= scale:
            return f"{size_bytes / scale:,.1f} {unit}"
    return f"{size_bytes / 1e6:,.0f} MB"


def _time(minutes: float) -> str:
    if minutes >= _DAYS_FROM_MIN:
        return f"{minutes / 60 / 24:.1f} days"
    return f"{minutes / 60:.1f} h" if minutes >= _HOURS_FROM_MIN else f"{max(1, round(minutes))} min"
