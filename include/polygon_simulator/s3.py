"""The bucket of flat files over S3's REST API: HEAD, GET with ranges, and ListObjectsV2.

A request is let in for the access key that its signature names; the signature itself is not checked. As at the
vendor, a listing and a HEAD show files that a GET refuses, with 403, if the plan or its history lacks them.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from http import HTTPStatus
from itertools import islice
from xml.sax.saxutils import escape

from polygon_simulator.faults import HTTP_FAULTS
from polygon_simulator.file_faults import ACCESS_FAULTS, FILE_FAULTS
from polygon_simulator.flat_files import BUCKET, FlatFile, FlatFiles, day_of
from polygon_simulator.plan import Plan
from polygon_simulator.questions import request_id

PROBE, WHOLE, REST = 1, 2, 3
"""What a fault may name as ``page``: the first bytes alone, all from the first one on, or all from a later one on."""

_LISTED_AT_ONCE = 1_000
_XML = {"Content-Type": "application/xml"}
_CODES = {429: (503, "SlowDown"), 403: (403, "AccessDenied"), 404: (404, "NoSuchKey"), 500: (500, "InternalError")}


@dataclass(frozen=True)
class Reply:
    """An answer: HTTP code, headers, and a body, of which a HEAD tells the length alone."""

    code: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: dict(_XML))


@dataclass(frozen=True)
class Request:
    """``path`` without the bucket; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @classmethod
    def of(cls, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Request | None:
        """A request for the bucket; None if it is one for the REST API."""
        if path != f"/{BUCKET}" and not path.startswith(f"/{BUCKET}/"):
            return None
        lower = {name.lower(): value for name, value in headers.items()}
        return cls(method, path.removeprefix(f"/{BUCKET}").lstrip("/"), query, lower)

    @property
    def day(self) -> dt.date | None:
        """The date of the file that is asked for; None of a listing."""
        return day_of(self.path)

    @property
    def page(self) -> int:
        """Which part of the file: PROBE, WHOLE or REST."""
        first, last = _range_of(self.headers) or ("", "")
        if first not in {"", "0"}:
            return REST
        return PROBE if last else WHOLE


class Bucket:
    """Answers requests for the files of one simulator."""

    def __init__(self, files: FlatFiles, access_key: str, standing: Callable[[dt.date], str]) -> None:
        self._files, self._access_key, self._standing = files, access_key, standing

    def reply(self, request: Request, now: dt.datetime, plan: Plan, fault: str = "") -> Reply:
        """The answer at a moment. ``fault``: of ``FILE_FAULTS``, ``ACCESS_FAULTS`` or ``HTTP_FAULTS``, else none."""
        if refused := self._refused(request) or _faulty_refusal(fault):
            return refused
        if not request.path:
            return self._listing(request.query, now)
        file = self._files.file(request.path, now)
        if file is None:
            return _error(404, "NoSuchKey", "The specified key does not exist.", request.path)
        if request.method == "GET" and not _is_allowed(plan, file.day):
            return _error(403, "AccessDenied", "Access Denied", request.path)
        return _object(_faulty(file, fault), request.headers)

    def _refused(self, request: Request) -> Reply | None:
        named = re.search(r"Credential=([^/,\s]+)/", request.headers.get("authorization", ""))
        if named is None:
            return _error(403, "AccessDenied", "Access Denied")
        if named[1] != self._access_key:
            return _error(
                403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
            )
        return None

    def _listing(self, query: Mapping[str, str], now: dt.datetime) -> Reply:
        """Up to 1,000 keys in XML. Each file is made for its size, so a narrow prefix answers soonest."""
        prefix, after = query.get("prefix", ""), query.get("continuation-token") or query.get("start-after", "")
        most = min(int(query.get("max-keys", _LISTED_AT_ONCE)), _LISTED_AT_ONCE)
        keys = list(islice((key for key in self._files.keys(prefix, now) if key > after), most + 1))
        files = [file for key in keys[:most] if (file := self._files.file(key, now))]
        more = len(keys) > most
        text = "".join(_entry(_faulty(file, self._standing(file.day))) for file in files)
        token = f"<NextContinuationToken>{files[-1].key}</NextContinuationToken>" if more else ""
        return Reply(200, _xml(
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{BUCKET}</Name>'
            f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(files)}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{text}</ListBucketResult>"
        ))  # fmt: skip


def _is_allowed(plan: Plan, day: dt.date) -> bool:
    return plan.options and plan.flat_files and plan.options_from <= day


def _faulty_refusal(fault: str) -> Reply | None:
    """The refusal that a fault is; None if it is none."""
    if fault in ACCESS_FAULTS:
        return _error(*ACCESS_FAULTS[fault])
    code = HTTP_FAULTS[fault][0] if fault in HTTP_FAULTS else HTTPStatus.OK
    return None if code == HTTPStatus.OK else _error(*_CODES.get(code, (code, "ServiceUnavailable")), fault)


def _faulty(file: FlatFile, fault: str) -> FlatFile:
    return FILE_FAULTS[fault](file) if fault in FILE_FAULTS else file


def _range_of(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """First and last byte of a Range header, either of them empty if open; None without one."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", ""))
    return (match[1], match[2]) if match and (match[1] or match[2]) else None


def _object(file: FlatFile, headers: Mapping[str, str]) -> Reply:
    """A file or a range of it, if it still is the one that the client has begun."""
    about = {
        "Content-Type": "application/gzip", "ETag": file.etag, "Accept-Ranges": "bytes",
        "Last-Modified": format_datetime(file.published.astimezone(dt.UTC), usegmt=True),
        "x-amz-request-id": request_id(),
    }  # fmt: skip
    if headers.get("if-match", file.etag).strip('"') != file.etag.strip('"'):
        return _error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    if headers.get("if-none-match", "").strip('"') == file.etag.strip('"'):
        return Reply(304, b"", about)
    bounds = _range_of(headers)
    if bounds is None:
        return Reply(200, file.content, about)
    size = len(file.content)
    first = int(bounds[0]) if bounds[0] else max(0, size - int(bounds[1]))
    last = min(int(bounds[1]), size - 1) if all(bounds) else size - 1
    if first > last:
        return _error(416, "InvalidRange", "The requested range is not satisfiable")
    return Reply(206, file.content[first : last + 1], {**about, "Content-Range": f"bytes {first}-{last}/{size}"})


def _entry(file: FlatFile) -> str:
    return (
        f"<Contents><Key>{file.key}</Key><LastModified>{file.published.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.000Z}"
        f"</LastModified><ETag>{escape(file.etag)}</ETag><Size>{len(file.content)}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def _error(code: int, name: str, message: str, key: str = "") -> Reply:
    where = f"<Key>{escape(key)}</Key>" if key else ""
    hex_id = request_id()
    text = (
        f"<Error><Code>{name}</Code><Message>{escape(message)}</Message>{where}<RequestId>{hex_id}</RequestId></Error>"
    )
    return Reply(code, _xml(text), {**_XML, "x-amz-request-id": hex_id})


def _xml(text: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
