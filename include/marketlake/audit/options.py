"""Looking again at sessions of options: by REST each contract is asked for anew, a flat file only if it is another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace

from marketlake.audit.audit import look_again
from marketlake.audit.due import AuditReason
from marketlake.audit.visits import Visit, Visits
from marketlake.coverage.coverage import Coverage
from marketlake.dataset_names import OPTIONS
from marketlake.datasets.option_bars import OPTION_BARS
from marketlake.ingest.options.estimate import estimate, require_affordable
from marketlake.ingest.options.flat_file import etag_of
from marketlake.ingest.options.look_ahead import Look
from marketlake.ingest.options.source import OptionSource
from marketlake.ingest.options.steps import Steps
from marketlake.ingest.report import Report
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.rows.option_chain import CHAINS
from marketlake.rows.option_selection import EMPTY, SELECTIONS, WITH_BARS


def audit_options(lake: Lake, ticker: str, session: dt.date, client: PolygonClient, source: OptionSource) -> Visit:
    """Fetch a session again, make its panel anew, and note the visit, or that it failed. Raises as the steps do."""

    def fetch(reason: AuditReason) -> tuple[Report, str]:
        return _again(Steps(lake, ticker, session, anew=reason is not AuditReason.OUTDATED), client, source)

    return look_again(lake, OPTIONS, OPTION_BARS.spec.key(ticker, session), fetch)


def affordable_audit(lake: Lake, ticker: str, plan: Sequence[dt.date], *, asked_for: bool) -> list[dt.date]:
    """Of an audit's plan, what one run may ask for: the first ones that fit ``options.max_requests_per_run``; what is
    left comes with later runs. Raises SettingsError if a person asked for these, or if the first one alone is too much.
    """
    if not plan:
        return []
    found = estimate(lake, ticker, plan, list(_looks(lake, ticker, plan)), refetch=True)
    fitting = found.fitting(lake.settings.options.max_requests_per_run)
    require_affordable(lake, found if asked_for else replace(found, costs=found.costs[: max(1, len(fitting))]))
    return fitting


def _again(steps: Steps, client: PolygonClient, source: OptionSource) -> tuple[Report, str]:
    """What is outdated is made anew of what is held; else all of it is fetched again. And the edition of the source."""
    reports, edition = [steps.fetch_chain(client)], source.edition(steps.session)
    anew = steps.anew and not is_held(steps.lake, steps.ticker, steps.session, edition)
    reports.append(replace(steps, anew=anew).fetch_bars(client, source))
    if steps.lake.settings.options.panel.enabled:
        reports.append(steps.build_panel())
    return Report.joined(reports), edition


def is_held(lake: Lake, ticker: str, session: dt.date, edition: str) -> bool:
    """Whether the bars that are held came out of that edition of a file, or out of one whose bars were the same."""
    key = OPTION_BARS.spec.key(ticker, session)
    held = lake.store(OPTION_BARS.spec).partitions.certificate(key)
    known = etag_of(held) if held else None
    visit = Visits(lake.store(OPTION_BARS.spec).storage).last(ticker, session)
    return known is not None and edition in {known, visit.edition if visit else known}


def _looks(lake: Lake, ticker: str, sessions: Sequence[dt.date]) -> Iterator[Look]:
    """How many contracts each held session asked for, and in how many pages its chain came."""
    chains = Coverage(lake, CHAINS, ticker).certificates(sessions)
    for session, selection in Coverage(lake, SELECTIONS, ticker).certificates(sessions).items():
        counts = {check.name: check.count for check in selection.checks} if selection else {}
        chain = chains.get(session)
        if counts and chain:
            contracts = sum(counts.get(f"contracts_{state}", 0) for state in (WITH_BARS, EMPTY))
            yield Look(session, contracts, chain.pages)
