"""What the API answers, for OpenAPI: schemas of the structs that it sends."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from marketlake.coverage_page.calendar import CoverageCalendar
from marketlake.coverage_page.candles import Candles
from marketlake.coverage_page.chain_map import ChainMap
from marketlake.coverage_page.contract import ContractView
from marketlake.coverage_page.day import Day, RevisionList
from marketlake.coverage_page.difference import Difference
from marketlake.coverage_page.subjects import SubjectList
from marketlake.partitions.certificate import Certificate

_SENT = (SubjectList, CoverageCalendar, Day, Candles, ChainMap, ContractView, RevisionList, Difference, Certificate)
# Names are msgspec's: of two structs of one name, which there are, each is named in full.
_REFERENCES, _SCHEMAS = msgspec.json.schema_components(_SENT, ref_template="#/components/schemas/{name}")
_ERRORS = {
    401: "not logged in",
    403: "no right to see the DAG",
    404: "no such dataset, ticker, date or revision",
    422: "a parameter is left out, or is no number",
}


def answers(sent: type, *more: tuple[int, str]) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that sends such a struct, beside those that every route has."""
    schema = _REFERENCES[_SENT.index(sent)]
    good = {200: {"description": "as JSON", "content": {"application/json": {"schema": schema}}}}
    return {**good, **{code: {"description": text} for code, text in [*_ERRORS.items(), *more]}}


def openapi(app: FastAPI, root: str) -> dict[str, Any]:
    """The description of the whole API. ``root``: the path under which it is served."""
    described = get_openapi(title=app.title, version="1", description=app.description, routes=app.routes)
    described.setdefault("components", {}).setdefault("schemas", {}).update(_SCHEMAS)
    return {**described, "servers": [{"url": root}]}
