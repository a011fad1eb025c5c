"""What sessions of options will take, before anything is fetched: contracts, requests, bytes and minutes.

The least, if no contract answers empty, and the most, if all of them do: an empty one is asked for again, and then for
its day bar.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from marketlake.coverage.coverage import Coverage
from marketlake.dataset_names import OPTIONS, title
from marketlake.datasets.option_answers import FLAT_FILE
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.errors import SettingsError
from marketlake.ingest.options.look_ahead import Look
from marketlake.ingest.preflight import minutes_of_calls
from marketlake.lake import Lake
from marketlake.options.selection import OPEN_0930
from marketlake.rows.bars import SECONDS
from marketlake.settings import Settings

EMPTY_AGAIN = 2
"""How many more requests a contract takes that answers empty: once more, and its day bar."""
FILE_REQUESTS = 2
"""Of a flat file: a look at it, and all of it."""
_EMPTY_LIST_ATTEMPTS = 3
"""How often yields or dividends are asked for if there seem to be none."""
_REQUESTS_A_MINUTE = 6_000
"""100 a second, as many as the vendor asks for at most. Measured, 16 at a time of a simulator that answers after 65 ms:
178 a second, with the rest of this machine busy."""
_MINUTES_A_FILE = 0.25
_HOURS_FROM_MIN = 120


@dataclass(frozen=True)
class Requests:
    """What one session asks for beside its contracts: pages of its chain, pages of the chain before it, a request for
    the reference price, and those for yields and dividends.
    """

    chain_pages: int
    pages_before: int
    reference: int
    market: int

    def with_contracts(self, contracts: int, empties: int) -> int:
        """By REST: one more a contract, and ``EMPTY_AGAIN`` for each that answers empty."""
        return self._beside + contracts + EMPTY_AGAIN * empties

    def with_file(self) -> int:
        """By flat file: the file, whatever is in it."""
        return self._beside + FILE_REQUESTS

    @property
    def _beside(self) -> int:
        return self.chain_pages + self.pages_before + self.reference + self.market


@dataclass(frozen=True)
class Cost:
    """What one session takes. ``contracts``: at most; ``least`` and ``most``: requests."""

    session: dt.date
    contracts: int
    least: int
    most: int


@dataclass(frozen=True)
class OptionsEstimate:
    """What some sessions take in all. ``bytes``: partitions, and the raw archive if it is kept. Minutes: by
    ``api.requests_per_minute``, or else by what was measured.
    """

    ticker: str
    costs: tuple[Cost, ...]
    bytes: int
    least_min: float
    most_min: float

    @property
    def contracts(self) -> int:
        """Contracts of all sessions, at most."""
        return sum(cost.contracts for cost in self.costs)

    @property
    def least(self) -> int:
        """Requests, if no contract answers empty."""
        return sum(cost.least for cost in self.costs)

    @property
    def most(self) -> int:
        """Requests, if every contract does."""
        return sum(cost.most for cost in self.costs)

    def __str__(self) -> str:
        requests = f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"
        least, most = in_words(self.least_min), in_words(self.most_min)
        return (
            f"{self.contracts:,} contracts, {requests} requests, {math.ceil(self.bytes / 1e6):,} MB,"
            f" {least if least == most else f'{least} to {most}'}"
        )

    def fitting(self, most_requests: int) -> list[dt.date]:
        """Its first sessions, as many as take no more than that by the most."""
        sums = accumulate(cost.most for cost in self.costs)
        return [cost.session for cost, so_far in zip(self.costs, sums, strict=True) if so_far <= most_requests]


@dataclass(frozen=True)
class _Bytes:
    """Of one contract: what its rows take in the partitions, and its answer in the raw archive. Of minute bars measured
    on a simulated session (13 bytes a bar, 34 a row of the panel, 34 in the archive), for 105 bars; of second bars, six
    times as many, a guess.
    """

    bars: int
    panel: int
    raw: int


_SIZES = {"1 minute": _Bytes(1_400, 3_600, 3_600), "1 second": _Bytes(8_000, 21_000, 21_000)}


def estimate(
    lake: Lake, ticker: str, sessions: Sequence[dt.date], looks: Sequence[Look], *, refetch: bool
) -> OptionsEstimate:
    """What ``sessions``, ascending, take by what was seen of some of them: one that was not looked at, as much as the
    two beside it. ``refetch``: also a chain that the lake has.
    """
    configured = lake.settings
    least, most = _requests(lake, ticker, sessions, looks, refetch=refetch)
    costs = []
    for session in sessions:
        beside = _beside(looks, session)
        fewest = min((look.contracts for look in beside), default=0)
        largest = max((look.contracts for look in beside), default=configured.options.selection.max_contracts)
        if configured.options.source == FLAT_FILE:
            bounds = least[session].with_file(), most[session].with_file()
        else:
            bounds = least[session].with_contracts(fewest, 0), most[session].with_contracts(largest, largest)
        costs.append(Cost(session, largest, *bounds))
    minutes = (
        _minutes(lake, sum(cost.least for cost in costs), len(costs), pauses=False),
        _minutes(lake, sum(cost.most for cost in costs), len(costs), pauses=True),
    )
    return OptionsEstimate(
        ticker, tuple(costs), sum(bytes_of_session(configured, cost.contracts) for cost in costs), *minutes
    )


def require_affordable(lake: Lake, found: OptionsEstimate) -> None:
    """Raise SettingsError for what could take more requests than a run may, or could not end within the plan's calls:
    by the most.
    """
    configured = lake.settings
    limit, source = configured.options.max_requests_per_run, configured.options.source
    subject = title(OPTIONS, found.ticker)
    file = "" if source == FLAT_FILE else ", or options.source: flat_file, which takes one file a session"
    if found.most > limit:
        fitting = len(found.fitting(limit))
        raise SettingsError(
            f"{subject}: {_counted(found)} could take {found.most:,} requests, and options.max_requests_per_run ="
            f" {limit}. Nothing was fetched. What helps: fewer dates ({fitting} of these sessions would do), fewer"
            f" contracts (options.selection){file}; or raise it"
            f" (MARKETLAKE__OPTIONS__MAX_REQUESTS_PER_RUN={found.most})."
        )
    _require_ending(lake, found, subject, file)


def _require_ending(lake: Lake, found: OptionsEstimate, subject: str, file: str) -> None:
    """Raise SettingsError if the task of one session would use up all of its tries before its calls have been made."""
    largest = max(found.costs, key=lambda cost: cost.most, default=None)
    takes_min = minutes_of_calls(lake, largest.most) if largest else None
    tasks, a_minute = lake.settings.tasks, lake.settings.api.requests_per_minute
    has_min = (1 + tasks.retries) * tasks.timeout_s / 60
    if largest is None or takes_min is None or takes_min <= has_min:
        return
    least = in_words(minutes_of_calls(lake, largest.least) or 0)
    raise SettingsError(
        f"{subject}: the {largest.contracts:,} contracts of {largest.session} take {least} to {in_words(takes_min)} at"
        f" api.requests_per_minute = {a_minute}, and all tries of a task have {in_words(has_min)} (tasks.timeout_s,"
        f" tasks.retries). Nothing was fetched. What helps: fewer contracts (options.selection), a plan with more calls"
        f" a minute{file}."
    )


def in_words(minutes: float) -> str:
    """A time that people can compare."""
    return f"{minutes / 60:.1f} h" if minutes >= _HOURS_FROM_MIN else f"{max(1, round(minutes))} min"


def _counted(found: OptionsEstimate) -> str:
    return f"{found.contracts:,} contracts of {len(found.costs)} session{'' if len(found.costs) == 1 else 's'}"


def _requests(
    lake: Lake, ticker: str, sessions: Sequence[dt.date], looks: Sequence[Look], *, refetch: bool
) -> tuple[dict[dt.date, Requests], dict[dt.date, Requests]]:
    """What each session asks for beside its contracts: at least, and at most."""
    options = lake.settings.options
    listed, seconds = (Coverage(lake, spec, ticker).present for spec in (OPTION_CHAIN.spec, SECONDS))
    market = (options.rates.source == "treasury") + (options.dividends.source == "vendor")
    least, most = {}, {}
    for session in sessions:
        pages = max((look.pages for look in _beside(looks, session)), default=OPTION_CHAIN.pages)
        before = lake.calendar.last_sessions(session, 2)[0]
        own = pages if refetch or session not in listed else 0
        # The chain before is the lake's if it is there by then, as it is if that session is fetched just before.
        late = 0 if before in listed or not own else pages
        price = int(options.selection.reference != OPEN_0930 and before not in seconds)
        least[session] = Requests(own, 0 if before in sessions else late, price, market)
        most[session] = Requests(own, late, price, market * _EMPTY_LIST_ATTEMPTS)
    return least, most


def _beside(looks: Sequence[Look], session: dt.date) -> list[Look]:
    """What was seen of a session; or else of the last one before it and of the first one after it."""
    own = [look for look in looks if look.session == session]
    before = [look for look in looks if look.session < session][-1:]
    return own or before + [look for look in looks if look.session > session][:1]


def _minutes(lake: Lake, requests: int, sessions: int, *, pauses: bool) -> float:
    configured = lake.settings
    rounds = -(-sessions // configured.option_sessions_in_flight)
    calls = minutes_of_calls(lake, requests) or requests / _REQUESTS_A_MINUTE
    if configured.options.source == FLAT_FILE:
        return calls + rounds * _MINUTES_A_FILE
    return calls + (rounds * configured.options.empty_recheck_s / 60 if pauses else 0)


def bytes_of_session(configured: Settings, contracts: int) -> int:
    """Partitions and archives of one session with so many contracts, as if each of them had bars."""
    size = _SIZES[configured.options.bar_size]
    a_contract = (
        size.bars + size.panel * configured.options.panel.enabled + size.raw * configured.storage.keep_raw_pages
    )
    return OPTION_CHAIN.cost(configured).bytes + contracts * a_contract
