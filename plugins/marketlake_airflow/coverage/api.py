"""The JSON API of the coverage page: what may be asked, and what comes back. Nothing in it changes anything but the
lake's index, which is made anew at any time.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from contextlib import AbstractContextManager, suppress
from typing import Annotated, Any

import msgspec
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.utils.session import create_session
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from sqlalchemy.orm import Session

from marketlake import settings
from marketlake.coverage_page.calendar import Action, CoverageCalendar, calendar_of, fetchable
from marketlake.coverage_page.candles import MOST, Candles, candles
from marketlake.coverage_page.day import Day, RevisionList, bars_of, certificate_of, day_of, hours_of, revisions_of
from marketlake.coverage_page.difference import Difference, difference
from marketlake.coverage_page.subjects import SubjectList, subject_named, subjects_of
from marketlake.dataset_names import dag_id
from marketlake.errors import BadArgument
from marketlake.lake import Lake, system_clock
from marketlake.partitions.certificate import Certificate
from marketlake.research.selection import Subject
from marketlake_airflow.coverage import attempts
from marketlake_airflow.coverage.documentation import answers, openapi
from marketlake_airflow.coverage.indexes import index_of
from marketlake_airflow.coverage.rights import may_see, may_trigger

api = APIRouter(prefix="/api")

_DATASET = "default: the first that the settings have a ticker of"
_BETWEEN_SESSIONS_S = 0.5  # Airflow starts about two tasks a second, however fast they are: docs/performance.md
_UNREADABLE = (409, "its file cannot be read, or is not what was certified")


def _subject(
    user: GetUserDep,
    dataset: Annotated[str | None, Query(description=_DATASET)] = None,
    ticker: Annotated[str | None, Query(description="default: the dataset's first")] = None,
) -> Subject:
    """What is asked about, if the user may see it."""
    subject = subject_named(_lake(), dataset, ticker)
    if not may_see(user, _dag_id(subject)):
        raise HTTPException(403, f"you may not see {_dag_id(subject)}: ask whoever gives rights in this Airflow.")
    return subject


def _session(date: Annotated[str, Query(description="a session, YYYY-MM-DD")]) -> dt.date:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):  # Python takes more forms than anybody expects here
        with suppress(ValueError):
            return dt.date.fromisoformat(date)
    raise BadArgument(f"date={date[:40]!r} is no date: write it as YYYY-MM-DD.")


AskedSubject = Annotated[Subject, Depends(_subject)]
AskedSession = Annotated[dt.date, Depends(_session)]


@api.get("/openapi.json", include_in_schema=False)
def description(request: Request) -> dict[str, Any]:
    """This API in the words of OpenAPI."""
    return openapi(request.app, request.scope.get("root_path", ""))


@api.get("/subjects", responses=answers(SubjectList))
def subjects(user: GetUserDep) -> Response:
    """Every ticker of every dataset that the settings or the lake have, and that the user may see."""
    known = subjects_of(_lake())
    seen = [entry for entry in known.subjects if may_see(user, entry.dag_id)]
    return _sent(msgspec.structs.replace(known, subjects=seen))


@api.get("/coverage", responses=answers(CoverageCalendar, (304, "as the ETag in If-None-Match")))
def coverage(request: Request, subject: AskedSubject, user: GetUserDep) -> Response:
    """The state of every session, and what is held of it."""
    allowed = may_trigger(user, _dag_id(subject))
    with _database() as database:
        known = attempts.attempts_of(database, _dag_id(subject))
        action = _action(subject, allowed, database)
    answer = calendar_of(subject, index_of(subject).look(), known, action)
    return _sent(answer, unless=request.headers.get("if-none-match"))


@api.get("/day", responses=answers(Day))
def day(subject: AskedSubject, session: AskedSession) -> Response:
    """One session: its certificate in words, its checks, revisions and pages. Its whole file is read."""
    with _database() as database:
        attempt = attempts.attempts_of(database, _dag_id(subject)).get(session)
        task = attempts.last_task(database, _dag_id(subject), session)
    return _sent(day_of(subject, index_of(subject), session, attempt, task))


@api.get("/bars", responses=answers(Candles, _UNREADABLE))
def bars(
    subject: AskedSubject,
    session: AskedSession,
    *,
    start_ms: Annotated[int | None, Query(description="Unix ms UTC; default: the day's start")] = None,
    end_ms: Annotated[int | None, Query(description="Unix ms UTC; default: the day's end")] = None,
    most: Annotated[int, Query(description=f"so many candles at most, 1 to {MOST}")] = 1_500,
    revision: Annotated[int | None, Query(description="default: the newest")] = None,
) -> Response:
    """The bars of a window of a session, folded until there are few enough."""
    rows, hours = bars_of(subject, session, revision), hours_of(subject, session)
    first_ms = hours.day_start_ms if start_ms is None else start_ms
    last_ms = hours.day_end_ms if end_ms is None else end_ms
    return _sent(candles(rows, hours, subject.spec.bar_ms, (first_ms, last_ms), most))


@api.get("/certificate", responses=answers(Certificate, _UNREADABLE))
def certificate(subject: AskedSubject, session: AskedSession) -> Response:
    """The certificate of a session, as it lies in the file whose rows it is of."""
    return _sent(certificate_of(subject, session))


@api.get("/revisions", responses=answers(RevisionList))
def revisions(subject: AskedSubject, session: AskedSession) -> Response:
    """Every revision of a session that is kept, and the newest."""
    return _sent(RevisionList(revisions_of(subject, session)))


@api.get("/difference", responses=answers(Difference, _UNREADABLE))
def compared(subject: AskedSubject, session: AskedSession, old: int, new: int) -> Response:
    """The rows in which two revisions differ."""
    hours_of(subject, session)
    return _sent(difference(subject, session, old, new))


def _database() -> AbstractContextManager[Session]:
    """Airflow's database, for as long as it is asked, and never while a file is read or waited for: this process has
    fifteen connections, and whoever waits for one holds up every request, those of running tasks too.
    """
    opened: AbstractContextManager[Session] = create_session(scoped=False)
    return opened


def _lake() -> Lake:
    return Lake(settings.load(), now=system_clock)


def _dag_id(subject: Subject) -> str:
    return dag_id(subject.spec.name, subject.ticker)


def _action(subject: Subject, allowed: bool, database: Session) -> Action | None:
    """What fetching takes; None for a ticker that the settings have no DAG for."""
    configured = subject.lake.settings
    if subject.ticker not in configured.tickers_of(subject.spec.name):
        return None
    cost, in_flight = subject.dataset.cost(configured), configured.api.sessions_in_flight
    seconds = attempts.seconds_a_session(database, _dag_id(subject))
    first, last = fetchable(subject.lake) or (None, None)
    return Action(
        may_trigger=allowed,
        requests_a_session=cost.requests,
        bytes_a_session=cost.bytes,
        requests_per_minute=configured.api.requests_per_minute,
        sessions_in_flight=in_flight,
        seconds_a_session=None if seconds is None else round(max(seconds / in_flight, _BETWEEN_SESSIONS_S), 3),
        first=first,
        last=last,
    )


def _sent(answer: msgspec.Struct, unless: str | None = None) -> Response:
    """An answer as JSON, with a tag of its bytes; nothing but the tag if that is known already."""
    data = msgspec.json.encode(answer)
    # Weak, since the server may compress it: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.1
    tag = f'W/"{hashlib.sha256(data).hexdigest()[:32]}"'
    if unless is not None and tag in unless:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(data, media_type="application/json", headers={"ETag": tag})
