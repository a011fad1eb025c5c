"""The coverage page as an app of Airflow's API server: the page, its files, and its errors."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse

from marketlake.coverage_page.static_files import static_files
from marketlake.errors import BadArgument, DamagedPartition, MarketLakeError, NoSuchRevision, NotASession
from marketlake_airflow.coverage.api import api

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
_NOT_THERE = (BadArgument, NotASession, NoSuchRevision)
_LOGGED_OUT, _MALFORMED = 401, 422
# What Airflow says of the cookie of another Airflow, or of one that was logged out: its own pages ask to log in then.
_TOKEN_REFUSED = (403, "Invalid JWT token")
_FILES = static_files()

app = FastAPI(
    title="Coverage",
    description="What the lake holds of each session, and the evidence. Log in as for Airflow's own API.",
    docs_url=None,  # their pages would load scripts from elsewhere; the description is api/openapi.json
    redoc_url=None,
    openapi_url=None,
    dependencies=[Depends(get_user)],  # without which an app of a plugin is open to anyone
)
app.include_router(api)


@app.get("/", include_in_schema=False)
def page() -> Response:
    """The page itself, without any data in it."""
    return _file("page.html")


@app.get("/static/{name:path}", include_in_schema=False)
def static(name: str) -> Response:
    """A script or style of the page: one of those that were found when this process began, whatever ``name`` says."""
    return _file(name)


def _file(name: str) -> Response:
    file = _FILES.get(name)
    if file is None:
        raise HTTPException(404, "there is no such file.")
    return Response(file.data, media_type=file.media_type)


@app.middleware("http")
async def with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Nothing from elsewhere is loaded, and nothing is guessed from bytes, whatever is answered."""
    response = await call_next(request)
    response.headers.update(_HEADERS)
    return response


@app.exception_handler(HTTPException)
def refused(request: Request, error: HTTPException) -> Response:
    """As JSON; to a browser that asks for the page and is not logged in, a page that says where to."""
    code = _LOGGED_OUT if (error.status_code, error.detail) == _TOKEN_REFUSED else error.status_code
    is_page = "/api/" not in request.url.path and "text/html" in request.headers.get("accept", "")
    if code == _LOGGED_OUT and is_page:
        return HTMLResponse(_log_in_page(request), _LOGGED_OUT)
    return JSONResponse({"detail": error.detail}, code, headers=error.headers)


@app.exception_handler(RequestValidationError)
def malformed(_: Request, error: RequestValidationError) -> Response:
    """What is no number, or is left out, in one line like every other refusal."""
    lines = [f"{detail['loc'][-1]}: {detail['msg']}" for detail in error.errors()]
    return JSONResponse({"detail": "; ".join(lines)}, _MALFORMED)


@app.exception_handler(MarketLakeError)
def failed(_: Request, error: MarketLakeError) -> Response:
    """What is not there, what cannot be read, and whatever else is wrong with the lake or its settings."""
    code = 404 if isinstance(error, _NOT_THERE) else 409 if isinstance(error, DamagedPartition) else 500
    return JSONResponse({"detail": str(error)}, code)


def _log_in_page(request: Request) -> str:
    """Short, and back to where one was."""
    root = request.scope.get("root_path", "").rpartition("/")[0]  # Airflow's own, without this app's
    here = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    link = html.escape(f"{root}/api/v2/auth/login?next={quote(here, safe='')}")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Coverage: log in</title>'
        f'<h1>Coverage</h1><p>You are not logged in. <a href="{link}">Log in to Airflow</a>, and come back here.</p>'
    )
