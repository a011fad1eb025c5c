"""What a request asks about, if whoever asks may see it; and how it is answered."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from contextlib import suppress
from typing import Annotated

import msgspec
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, HTTPException, Query, Response

from marketlake import settings
from marketlake.coverage_page.options import Options
from marketlake.coverage_page.subjects import Shown, rows_named, subject_named
from marketlake.dataset_names import OPTIONS, dag_id, made_as
from marketlake.errors import BadArgument
from marketlake.lake import Lake
from marketlake.research.selection import Subject
from marketlake_airflow.coverage.rights import may_see
from marketlake_airflow.lake import lake_of

_DATASET = "default: the first that the settings have a ticker of"
_ROWS = "of options one of the four by its own name; default: the first dataset"

Dataset = Annotated[str | None, Query(description=_DATASET)]
RowsDataset = Annotated[str | None, Query(description=_ROWS)]
Ticker = Annotated[str | None, Query(description="default: the dataset's first")]


def lake() -> Lake:
    """The lake of the settings, as they are now."""
    return lake_of(settings.load())


def dag_of(subject: Shown) -> str:
    """The DAG that fetches what is shown: whose rights count, and whose runs are told."""
    return dag_id(made_as(subject.name), subject.ticker)


def _subject(user: GetUserDep, dataset: Dataset = None, ticker: Ticker = None) -> Shown:
    """What has a calendar."""
    found = subject_named(lake(), dataset, ticker)
    _require_sight(user, found)
    return found


def _rows(user: GetUserDep, dataset: RowsDataset = None, ticker: Ticker = None) -> Subject:
    """What has rows."""
    found = rows_named(lake(), dataset, ticker)
    _require_sight(user, found)
    return found


def _options(user: GetUserDep, ticker: Ticker = None) -> Options:
    """The options of an underlying."""
    found = subject_named(lake(), OPTIONS, ticker)
    _require_sight(user, found)
    if not isinstance(found, Options):
        raise TypeError(f"{found.name} are no options")
    return found


def _session(date: Annotated[str, Query(description="a session, YYYY-MM-DD")]) -> dt.date:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):  # Python takes more forms than anybody expects here
        with suppress(ValueError):
            return dt.date.fromisoformat(date)
    raise BadArgument(f"date={date[:40]!r} is no date: write it as YYYY-MM-DD.")


AskedSubject = Annotated[Shown, Depends(_subject)]
AskedRows = Annotated[Subject, Depends(_rows)]
AskedOptions = Annotated[Options, Depends(_options)]
AskedSession = Annotated[dt.date, Depends(_session)]


def sent(answer: msgspec.Struct, unless: str | None = None) -> Response:
    """An answer as JSON, with a tag of its bytes; nothing but the tag if that is known already."""
    data = msgspec.json.encode(answer)
    # Weak, since the server may compress it: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.1
    tag = f'W/"{hashlib.sha256(data).hexdigest()[:32]}"'
    if unless is not None and tag in unless:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(data, media_type="application/json", headers={"ETag": tag})


def _require_sight(user: BaseUser, subject: Shown) -> None:
    if not may_see(user, dag_of(subject)):
        raise HTTPException(403, f"you may not see {dag_of(subject)}: ask whoever gives rights in this Airflow.")
