"""Which of the sessions that a run has planned it may ask for, by a look ahead at what they take."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from marketlake.dataset_names import OPTIONS, title
from marketlake.datasets.option_answers import FLAT_FILE
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.ingest.options.estimate import EMPTY_AGAIN, OptionsEstimate, estimate, require_affordable
from marketlake.ingest.options.look_ahead import look_ahead
from marketlake.ingest.options.steps import fetched_of
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.settings import Settings

_BESIDE = 10  # reference price, yields and dividends
_log = logging.getLogger(__name__)


def to_ask_for(lake: Lake, ticker: str, sessions: Sequence[dt.date], *, refetch: bool) -> list[dt.date]:
    """Those of ``sessions`` that calls are made for, ascending: a panel alone takes none."""
    wanted = sorted(sessions)
    return wanted if refetch else fetched_of(lake, ticker).unfinished(wanted)


def require_plan(
    lake: Lake, ticker: str, plan: Sequence[dt.date], client: Callable[[], PolygonClient], *, refetch: bool
) -> None:
    """Look ahead at a plan and say what it takes. Raises SettingsError if that is too much, and as ``look_ahead``."""
    if sessions := to_ask_for(lake, ticker, plan, refetch=refetch):
        require_affordable(lake, _estimate(lake, ticker, sessions, client(), refetch=refetch))


def what_fits(
    lake: Lake, ticker: str, plan: Sequence[dt.date], client: Callable[[], PolygonClient], own: dt.date
) -> list[dt.date]:
    """Of a plan that nobody waits for: its own session, and of those that it catches up with as many as a run may ask
    for, oldest first; the rest is left to later runs. Raises SettingsError if the own one is too much by itself.
    """
    sessions = to_ask_for(lake, ticker, plan, refetch=False)
    if not sessions:
        return list(plan)
    found = _estimate(lake, ticker, sessions, client(), refetch=False)
    in_order = replace(found, costs=tuple(sorted(found.costs, key=lambda cost: (cost.session != own, cost.session))))
    fitting = in_order.fitting(lake.settings.options.max_requests_per_run)
    require_affordable(lake, replace(found, costs=in_order.costs[: max(1, len(fitting))]))
    if left := len(sessions) - len(fitting):
        _log.warning(
            "%s: sessions left to later runs: %d (options.max_requests_per_run = %d)",
            title(OPTIONS, ticker), left, lake.settings.options.max_requests_per_run,
        )  # fmt: skip
    return [day for day in plan if day in fitting or day not in sessions]


def is_bounded(configured: Settings) -> bool:
    """Whether any one session fits, whatever its chain holds: then there is nothing to look ahead for."""
    options = configured.options
    contracts = 0 if options.source == FLAT_FILE else options.selection.max_contracts
    most = 2 * OPTION_CHAIN.pages + _BESIDE + contracts * (1 + EMPTY_AGAIN)
    return most <= options.max_requests_per_run and not configured.api.requests_per_minute


def _estimate(
    lake: Lake, ticker: str, sessions: Sequence[dt.date], client: PolygonClient, *, refetch: bool
) -> OptionsEstimate:
    found = estimate(lake, ticker, sessions, look_ahead(lake, client, ticker, sessions), refetch=refetch)
    _log.info("%s: %d sessions to ask for: %s", title(OPTIONS, ticker), len(sessions), found)
    return found
