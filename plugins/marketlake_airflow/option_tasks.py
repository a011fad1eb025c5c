"""What the tasks of options do: they hand a run's parameters to ``marketlake``, and its answer to Airflow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from marketlake import settings
from marketlake.dataset_names import OPTIONS
from marketlake.errors import NotASession
from marketlake.ingest.options import snapshots
from marketlake.ingest.options.affordable import is_bounded, require_plan, what_fits
from marketlake.ingest.options.steps import Steps
from marketlake.ingest.planning import Source
from marketlake.ingest.report import Report
from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake_airflow.failure_reason import reason_kept
from marketlake_airflow.hook import PolygonHook
from marketlake_airflow.lake import lake_of
from marketlake_airflow.option_source import source_of
from marketlake_airflow.report import skip_report_in_backfill
from marketlake_airflow.tasks import kept_plan, run_plan, tell

if TYPE_CHECKING:
    from airflow.sdk import Asset

Result = dict[str, str | int | list[str]]


def plan_sessions(ticker: str, context: Mapping[str, Any]) -> list[str]:
    """The run's dates, oldest first: a plan's history ends at an edge that rolls on. Refused if they take too much."""
    with reason_kept(context):
        return kept_plan(OPTIONS, ticker, context, lambda lake: _plan(lake, ticker, context))


def fetch_chain(ticker: str, session: str, context: Mapping[str, Any]) -> Result:
    """The chain of one session."""
    with reason_kept(context):
        steps = _steps(ticker, session, context)
        if context["params"]["source"] == Source.RAW:
            return steps.rebuild_chain().as_dict()
        return steps.fetch_chain(PolygonHook().client(steps.lake.settings)).as_dict()


def fetch_bars(ticker: str, session: str, context: Mapping[str, Any], *, asset: Asset | None) -> Result:
    """The bars of one session's selected contracts, and what became of each. ``asset``: if it is the last step."""
    with reason_kept(context):
        steps = _steps(ticker, session, context)
        if context["params"]["source"] == Source.RAW:
            return _ended(steps.rebuild_bars(), asset, context)
        client = PolygonHook().client(steps.lake.settings)
        return _ended(steps.fetch_bars(client, source_of(steps.lake.settings, client)), asset, context)


def build_panel(ticker: str, session: str, context: Mapping[str, Any], *, asset: Asset) -> Result:
    """The panel of one session, made of what the lake holds."""
    with reason_kept(context):
        return _ended(_steps(ticker, session, context).build_panel(), asset, context)


def collect_snapshot(ticker: str, context: Mapping[str, Any], *, asset: Asset) -> Result:
    """The snapshot of today's session. Raises AirflowSkipException on a day without one."""
    with reason_kept(context):
        lake = lake_of(settings.load())
        try:
            report = snapshots.collect_snapshot(lake, ticker, PolygonHook().client(lake.settings))
        except NotASession as exc:
            raise AirflowSkipException(str(exc)) from exc
        result = report.as_dict()
        tell(asset, report.session, result, context)
        return result


def _steps(ticker: str, session: str, context: Mapping[str, Any]) -> Steps:
    params, lake = context["params"], lake_of(settings.load())
    day = dt.date.fromisoformat(session)
    return Steps(lake, ticker, day, anew=params["refetch"], provisional=params["allow_provisional"])


def _ended(report: Report, asset: Asset | None, context: Mapping[str, Any]) -> Result:
    """What a step hands on. The last one of a session tells the asset's readers, and in a backfill needs no report."""
    result = report.as_dict()
    if asset is not None:
        tell(asset, report.session, result, context)
        skip_report_in_backfill(context, again=True)
    return result


def _plan(lake: Lake, ticker: str, context: Mapping[str, Any]) -> list[dt.date]:
    plan, params = sorted(run_plan(lake, OPTIONS, ticker, context)), context["params"]
    run = context["dag_run"]
    # Of a backfill each run is one session, and the command that began it has looked ahead at all of them.
    if params["source"] == Source.RAW or (run.run_type == "backfill" and is_bounded(lake.settings)):
        return plan

    def client() -> PolygonClient:
        return PolygonHook().client(lake.settings)

    if run.run_type == "scheduled":
        return what_fits(lake, ticker, plan, client, plan[-1]) if plan else plan
    require_plan(lake, ticker, plan, client, refetch=params["refetch"])
    return plan
