"""What the tasks do: they hand a run's parameters to ``marketlake``, and its answer to Airflow."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from marketlake import settings
from marketlake.audit.audit import audit_session as audit
from marketlake.audit.due import audit_plan
from marketlake.audit.options import affordable_audit, audit_options
from marketlake.audit.visits import Visit
from marketlake.dataset_names import OPTIONS, title
from marketlake.datasets import DATASETS, parts_of
from marketlake.errors import SettingsError
from marketlake.ingest import planning, preflight
from marketlake.ingest.collected import coverage_of
from marketlake.ingest.planning import Source
from marketlake.ingest.rebuild import rebuild
from marketlake.ingest.report import Outcome, Report
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate
from marketlake.sessions import date_meant
from marketlake_airflow.failure_reason import reason_kept
from marketlake_airflow.hook import PolygonHook
from marketlake_airflow.lake import lake_of

if TYPE_CHECKING:
    from airflow.sdk import Asset

_SHOWN = 5
_EVENT_FIELDS = ("rows", "state", "content_hash", "revision", "source_host")
_log = logging.getLogger(__name__)


def plan_sessions(dataset: str, ticker: str, context: Mapping[str, Any]) -> list[str]:
    """The run's dates."""
    with reason_kept(context):
        return kept_plan(dataset, ticker, context, lambda lake: run_plan(lake, dataset, ticker, context))


def plan_audit(dataset: str, ticker: str, context: Mapping[str, Any]) -> list[str]:
    """The dates that an audit looks at again."""
    params = context["params"]
    first, last = _date(params["start_date"]), _date(params["end_date"])

    def plan(lake: Lake) -> list[dt.date]:
        due = audit_plan(lake, dataset, ticker, first, last)
        return affordable_audit(lake, ticker, due, asked_for=bool(first or last)) if dataset == OPTIONS else due

    return kept_plan(dataset, ticker, context, plan)


def kept_plan(name: str, ticker: str, context: Mapping[str, Any], make: Callable[[Lake], list[dt.date]]) -> list[str]:
    """A plan is made once, then kept, so that clearing the run maps its dates to the same indexes. That of a backfill's
    run, or of a run that a backfill takes over, is its own date each time: it saves two requests and a row that stays.
    """
    run_type = context["dag_run"].run_type
    if run_type == "backfill":
        return _made_plan(name, ticker, make)
    key = f"plan of a {run_type} run"
    kept = context["task_state_store"].get(key)
    if kept is not None:
        _log.info("this run's plan was made before and is kept: %d sessions", len(kept))
        return list(kept)
    plan = _made_plan(name, ticker, make)
    context["task_state_store"].set(key, plan, retention=NEVER_EXPIRE)
    return plan


def _made_plan(name: str, ticker: str, make: Callable[[Lake], list[dt.date]]) -> list[str]:
    """A plan, if the lake can take what is planned."""
    lake = lake_of(settings.load())
    parts = parts_of(name, lake.settings)
    preflight.require_place(lake, parts)
    for left in chain.from_iterable(lake.store(dataset.spec).storage.sweep() for dataset in parts):
        _log.warning("removed what a dead process left in staging: %s", left)
    plan = [str(day) for day in make(lake)]
    shown = ", ".join(plan[:_SHOWN]) + (" ..." if len(plan) > _SHOWN else "")
    _log.info("%s: %d sessions planned: %s", title(name, ticker), len(plan), shown)
    return plan


def run_plan(lake: Lake, name: str, ticker: str, context: Mapping[str, Any]) -> list[dt.date]:
    """The dates of a run by its type and parameters. Raises SettingsError for a type that has no plan."""
    run, params, coverage = context["dag_run"], context["params"], coverage_of(lake, name, ticker)
    logical_date = date_meant(run.logical_date) if run.logical_date else None
    if run.run_type == "manual":
        return planning.manual_plan(
            lake,
            coverage,
            start=_date(params["start_date"]),
            end=_date(params["end_date"]),
            sessions=[dt.date.fromisoformat(day) for day in params["sessions"] or ()],
            logical_date=logical_date,
            refetch=params["refetch"],
            source=Source(params["source"]),
            allow_provisional=params["allow_provisional"],
        )
    if run.run_type == "scheduled" and logical_date:
        return planning.scheduled_plan(lake, coverage, logical_date)
    if run.run_type == "backfill" and logical_date:
        return planning.backfill_plan(lake, logical_date)
    raise SettingsError(
        f"run type {str(run.run_type)!r} has no plan: trigger the DAG by its schedule, a backfill or by hand."
    )


def _date(value: str | None) -> dt.date | None:
    return dt.date.fromisoformat(value) if value else None


def ingest_session(
    name: str, ticker: str, session: str, asset: Asset, context: Mapping[str, Any]
) -> dict[str, str | int | list[str]]:
    """Ingest one session and tell the asset's readers: one event a date, also when no row changed."""
    with reason_kept(context):
        return _ingest_session(name, ticker, session, asset, context)


def _ingest_session(
    name: str, ticker: str, session: str, asset: Asset, context: Mapping[str, Any]
) -> dict[str, str | int | list[str]]:
    configured, dataset, params = settings.load(), DATASETS[name], context["params"]
    lake, key = lake_of(configured), dataset.spec.key(ticker, dt.date.fromisoformat(session))
    provisional = params["allow_provisional"]
    if params["source"] == Source.RAW:
        report = rebuild(lake, dataset, key, allow_provisional=provisional)
    else:
        report = ingest(lake, dataset, key, PolygonHook().client(configured), allow_provisional=provisional)
    result = report.as_dict()
    tell(asset, session, result, context)
    return result


def audit_session(name: str, ticker: str, session: str, asset: Asset, context: Mapping[str, Any]) -> dict[str, Any]:
    """Look at one session again; what came of it, as plain JSON values.

    The asset's readers are told only if there is something that they could act on: another revision than before, or
    the same rows in another state, as a reader may wait until a session is complete. A certificate that was renewed for
    any other reason (a comparison made up for, say) claims nothing else of the rows.
    """
    lake, day = lake_of(settings.load()), dt.date.fromisoformat(session)
    before = _look_once(context, lambda: _standing(_held(lake, name, ticker, day)))
    visit = _audit(lake, name, ticker, day)
    held = _held(lake, name, ticker, day)
    if held[-1] and _standing(held) != before:
        tell(asset, session, Report.of(Outcome(visit.outcome), held[-1]).as_dict(), context)
    else:
        context["task"].outlets = []  # or Airflow raises an event without a partition, which is of no session
    return dict(msgspec.to_builtins(visit))


def _audit(lake: Lake, name: str, ticker: str, session: dt.date) -> Visit:
    client = PolygonHook().client(lake.settings)
    if name == OPTIONS:
        from marketlake_airflow.option_source import source_of

        return audit_options(lake, ticker, session, client, source_of(lake.settings, client))
    dataset = DATASETS[name]
    return audit(lake, dataset, dataset.spec.key(ticker, session), client)


def _held(lake: Lake, name: str, ticker: str, session: dt.date) -> list[Certificate | None]:
    """The certificate of each part of a session."""
    specs = [dataset.spec for dataset in parts_of(name, lake.settings)]
    return [lake.store(spec).partitions.certificate(spec.key(ticker, session)) for spec in specs]


def _look_once(context: Mapping[str, Any], look: Callable[[], list[int | str]]) -> list[int | str]:
    """What was seen when this task instance was first tried: a try that dies after it has published tells nobody, and
    the next one finds nothing new.
    """
    key = "held before the audit"
    kept = context["task_state_store"].get(key)
    if kept is None:
        context["task_state_store"].set(key, kept := look())
    return list(kept)


def _standing(held: Sequence[Certificate | None]) -> list[int | str]:
    """What an event is for, if it changes; as JSON."""
    known = (certificate for certificate in held if certificate)
    return [fact for certificate in known for fact in (certificate.revision, certificate.state.value)]


def tell(asset: Asset, session: str, facts: Mapping[str, Any], context: Mapping[str, Any]) -> None:
    """Raise the asset's event of one session once the task has succeeded."""
    event = context["outlet_events"][asset]
    event.add_partitions(session)
    event.extra = {field: facts[field] for field in _EVENT_FIELDS}
