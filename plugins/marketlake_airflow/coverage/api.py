"""The JSON API of the coverage page: what may be asked, and what comes back. Nothing in it changes anything but the
lake's index, which is made anew at any time.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Annotated, Any

import msgspec
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.utils.session import create_session
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from marketlake.coverage_page.calendar import Action, CoverageCalendar, calendar_of, fetchable
from marketlake.coverage_page.candles import MOST, Candles, candles
from marketlake.coverage_page.chain_map import ChainMap, chain_map
from marketlake.coverage_page.contract import ContractView, contract_view
from marketlake.coverage_page.day import Day, RevisionList, bars_of, certificate_of, day_of, hours_of, revisions_of
from marketlake.coverage_page.difference import Difference, difference
from marketlake.coverage_page.option_costs import OptionCost, option_cost
from marketlake.coverage_page.option_day import option_day_of
from marketlake.coverage_page.options import Options
from marketlake.coverage_page.subjects import Shown, SubjectList, subjects_of
from marketlake.partitions.certificate import Certificate
from marketlake_airflow.coverage import attempts
from marketlake_airflow.coverage.documentation import answers, openapi
from marketlake_airflow.coverage.indexes import index_of
from marketlake_airflow.coverage.requests import (
    AskedOptions,
    AskedRows,
    AskedSession,
    AskedSubject,
    dag_of,
    lake,
    sent,
)
from marketlake_airflow.coverage.rights import may_see, may_trigger

api = APIRouter(prefix="/api")

_BETWEEN_SESSIONS_S = 0.5  # Airflow starts about two tasks a second, however fast they are: docs/performance.md
_UNREADABLE = (409, "its file cannot be read, or is not what was certified")
_START = Query(description="Unix ms UTC; default: the day's start, of options when they begin to trade")
_END = Query(description="Unix ms UTC; default: the day's end, of options when they no longer trade")
_MOST = Query(description=f"so many candles at most, 1 to {MOST}")


@api.get("/openapi.json", include_in_schema=False)
def description(request: Request) -> dict[str, Any]:
    """This API in the words of OpenAPI."""
    return openapi(request.app, request.scope.get("root_path", ""))


@api.get("/subjects", responses=answers(SubjectList))
def subjects(user: GetUserDep) -> Response:
    """Every ticker of every dataset that the settings or the lake have, and that the user may see."""
    known = subjects_of(lake())
    seen = [entry for entry in known.subjects if may_see(user, entry.dag_id)]
    return sent(msgspec.structs.replace(known, subjects=seen))


@api.get("/coverage", responses=answers(CoverageCalendar, (304, "as the ETag in If-None-Match")))
def coverage(request: Request, subject: AskedSubject, user: GetUserDep) -> Response:
    """The state of every session, and what is held of it."""
    allowed = may_trigger(user, dag_of(subject))
    with _database() as database:
        known = attempts.attempts_of(database, dag_of(subject))
        action = _action(subject, allowed, database)
    answer = calendar_of(subject, index_of(subject).look(), known, action)
    return sent(answer, unless=request.headers.get("if-none-match"))


@api.get("/day", responses=answers(Day))
def day(subject: AskedSubject, session: AskedSession) -> Response:
    """One session: its certificate in words, its checks, revisions and pages. Its whole file is read.

    Of options all of that of each dataset, in ``parts``.
    """
    with _database() as database:
        attempt = attempts.attempts_of(database, dag_of(subject)).get(session)
        datasets = list(subject.parts) if isinstance(subject, Options) else [subject.name]
        tasks = attempts.last_tasks(database, dag_of(subject), session, datasets)
    if isinstance(subject, Options):
        return sent(option_day_of(subject, index_of(subject), session, attempt, tasks))
    return sent(day_of(subject, index_of(subject), session, attempt, tasks.get(subject.name)))


@api.get("/bars", responses=answers(Candles, _UNREADABLE))
def bars(
    subject: AskedRows,
    session: AskedSession,
    *,
    start_ms: Annotated[int | None, _START] = None,
    end_ms: Annotated[int | None, _END] = None,
    most: Annotated[int, _MOST] = 1_500,
    revision: Annotated[int | None, Query(description="default: the newest")] = None,
) -> Response:
    """The bars of a window of a session, folded until there are few enough. Those of options are at ``contract``."""
    rows, hours = bars_of(subject, session, revision), hours_of(subject, session)
    first_ms = hours.day_start_ms if start_ms is None else start_ms
    last_ms = hours.day_end_ms if end_ms is None else end_ms
    return sent(candles(rows, hours, subject.spec.bar_ms, (first_ms, last_ms), most))


@api.get("/chain", responses=answers(ChainMap, _UNREADABLE))
def chain(options: AskedOptions, session: AskedSession) -> Response:
    """Every contract of a session's chain, by expiry and strike: its bars, or why it has none."""
    return sent(chain_map(options, session))


@api.get("/contract", responses=answers(ContractView, _UNREADABLE))
def contract(
    options: AskedOptions,
    session: AskedSession,
    contract: Annotated[str, Query(description="such as O:SPY241220C00600000")],
    *,
    start_ms: Annotated[int | None, _START] = None,
    end_ms: Annotated[int | None, _END] = None,
    most: Annotated[int, _MOST] = 1_500,
) -> Response:
    """One contract's bars, the underlying's at the same times, and its implied volatility."""
    return sent(contract_view(options, session, contract, (start_ms, end_ms), most))


@api.get("/certificate", responses=answers(Certificate, _UNREADABLE))
def certificate(subject: AskedRows, session: AskedSession) -> Response:
    """The certificate of a session, as it lies in the file whose rows it is of."""
    return sent(certificate_of(subject, session))


@api.get("/revisions", responses=answers(RevisionList))
def revisions(subject: AskedRows, session: AskedSession) -> Response:
    """Every revision of a session that is kept, and the newest."""
    return sent(RevisionList(revisions_of(subject, session)))


@api.get("/difference", responses=answers(Difference, _UNREADABLE))
def compared(subject: AskedRows, session: AskedSession, old: int, new: int) -> Response:
    """The rows in which two revisions differ."""
    hours_of(subject, session)
    return sent(difference(subject, session, old, new))


def _database() -> AbstractContextManager[Session]:
    """Airflow's database, for as long as it is asked, and never while a file is read or waited for: this process has
    fifteen connections, and whoever waits for one holds up every request, those of running tasks too.
    """
    opened: AbstractContextManager[Session] = create_session(scoped=False)
    return opened


def _action(subject: Shown, allowed: bool, database: Session) -> Action | None:
    """What fetching takes; None for a ticker that the settings have no DAG for."""
    configured = subject.lake.settings
    if subject.ticker not in subject.lake.settings.tickers_of(subject.name):
        return None
    of_options = isinstance(subject, Options)
    cost = option_cost(subject) if isinstance(subject, Options) else subject.dataset.cost(configured)
    in_flight = configured.option_sessions_in_flight if of_options else configured.sessions_in_flight
    seconds = attempts.seconds_a_session(database, dag_of(subject))
    first, last = fetchable(subject.lake) or (None, None)
    return Action(
        may_trigger=allowed,
        requests_a_session=cost.requests if cost else None,
        bytes_a_session=cost.bytes if cost else None,
        requests_per_minute=configured.api.requests_per_minute,
        sessions_in_flight=in_flight,
        seconds_a_session=None if seconds is None else round(max(seconds / in_flight, _BETWEEN_SESSIONS_S), 3),
        first=first,
        last=last,
        most_a_session=cost.most if isinstance(cost, OptionCost) else None,
        most_requests=configured.options.max_requests_per_run if of_options else None,
    )
