"""The objects of a bucket: a request at a time, with every bound set and every failure named."""

from __future__ import annotations

import base64
import os
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from marketlake.storage.s3.access import Access, FindAccess, S3Options
from marketlake.storage.s3.client import client_of
from marketlake.storage.s3.errors import Request, error_of_answer, error_without_answer

_PIECE_BYTES = 1 << 20
_TIMES_A_READ = 10  # so many times storage.read_timeout_s a whole answer may take, however steadily it trickles
_NOTHING_THERE = frozenset({"NoSuchKey", "404"})
_BEYOND_THE_END = 416
_CONDITION_REFUSED = 412
_CONFLICT = 409


class Part(NamedTuple):
    """Bytes of an object from ``first`` on, the version they are of, and the size of all of it."""

    data: bytes
    first: int
    version: str
    size_bytes: int


class Listed(NamedTuple):
    """An object in a listing."""

    key: str
    version: str
    size_bytes: int


class ConditionRefused(Exception):
    """A write was refused for its condition. ``conflict``: another one was under way, which may have failed."""

    def __init__(self, *, conflict: bool) -> None:
        super().__init__()
        self.conflict = conflict


@dataclass(frozen=True)
class _Opened:
    client: Any
    access: Access


class Objects:
    """Requests about one bucket. Raises StoreUnreachable or StoreRefused, never for what is not there.

    boto3 repeats a request that fails, and this the reading of a body that breaks off or is not what was stored.
    """

    def __init__(self, bucket: str, options: S3Options, find_access: FindAccess) -> None:
        self.bucket, self.options, self._find_access = bucket, options, find_access
        self._opened: dict[int, _Opened] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": {}}  # of this process alone

    def get(self, key: str, wanted: str = "", version: str = "") -> Part | None:
        """The bytes of an object, or of a range of it (``bytes=0-9``, ``bytes=-9``); None if it does not exist.

        ``version``: of that one alone. Raises ConditionRefused if it is another by now.
        """
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

        question = {"Key": key, "ChecksumMode": "ENABLED"}
        question |= {"Range": wanted} if wanted else {}
        question |= {"IfMatch": version} if version else {}
        bodies = Retrying(
            stop=stop_after_attempt(self.options.attempts),
            wait=wait_random_exponential(multiplier=0.1, max=5),
            retry=retry_if_exception_type(_BrokenBody),
            reraise=True,
        )
        try:
            return bodies(self._part, key, question)
        except _BrokenBody as broken:
            raise broken.error from None

    def put(self, key: str, data: bytes, **condition: str) -> None:
        """Write an object. Raises ConditionRefused if ``IfNoneMatch`` or ``IfMatch`` is given and does not hold."""
        request = Request("PutObject", self.named(key))
        answer = self._ask("put_object", request, Key=key, Body=data, **condition)
        code, name = _code_of(answer), _name_of(answer)
        if condition and (code in {_CONDITION_REFUSED, _CONFLICT} or name in _NOTHING_THERE):
            raise ConditionRefused(conflict=code == _CONFLICT)
        self._require_success(answer, request)

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Every object whose key begins so, in the store's own order."""
        for page in self._pages(prefix, {}):
            for found in page.get("Contents", ()):
                yield Listed(found["Key"], found["ETag"], found["Size"])

    def level(self, prefix: str) -> tuple[list[str], list[str]]:
        """The keys directly under a prefix, and the beginnings of those that go on behind a further slash."""
        keys: list[str] = []
        beginnings: list[str] = []
        for page in self._pages(prefix, {"Delimiter": "/"}):
            keys += [found["Key"] for found in page.get("Contents", ())]
            beginnings += [found["Prefix"] for found in page.get("CommonPrefixes", ())]
        return keys, beginnings

    def require_bucket(self, prefix: str) -> None:
        """Raise StoreRefused if the bucket is not there, or may not be used: some stores make it by the first write.

        Its prefix is listed: the answer to a HEAD has no text, which alone tells a wrong clock from wrong rights.
        """
        request = Request("ListObjectsV2", self.named(prefix))
        self._require_success(self._ask("list_objects_v2", request, Prefix=prefix, MaxKeys=1), request)

    def named(self, key: str) -> str:
        """An object, as messages name it."""
        at = self.options.endpoint_url
        return f"s3://{self.bucket}/{key}{f' at {at}' if at else ''}"

    @property
    def access(self) -> Access:
        """Whose rights this process uses."""
        return self._open().access

    def _open(self) -> _Opened:
        pid = os.getpid()
        if pid not in self._opened:
            access = self._find_access()
            self._opened[pid] = _Opened(client_of(self.options, access), access)
        return self._opened[pid]

    def _pages(self, prefix: str, more: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        request = Request("ListObjectsV2", self.named(prefix))
        token: dict[str, str] = {}
        while True:
            page = self._ask("list_objects_v2", request, Prefix=prefix, **more, **token)
            self._require_success(page, request)
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _part(self, key: str, question: Mapping[str, str]) -> Part | None:
        request = Request("GetObject", self.named(key))
        answer = self._ask("get_object", request, **question)
        code = _code_of(answer)
        if _name_of(answer) in _NOTHING_THERE:
            return None
        if code == _CONDITION_REFUSED:
            raise ConditionRefused(conflict=False)
        if code == _BEYOND_THE_END:  # as every range of an object without a byte is
            return self._empty(key, question)
        self._require_success(answer, request)
        data = self._body(answer, request)
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.get("ContentRange") or "")
        first, size_bytes = (int(found[1]), int(found[2])) if found else (0, len(data))
        return Part(data, first, answer["ETag"], size_bytes)

    def _empty(self, key: str, question: Mapping[str, str]) -> Part | None:
        return self._part(key, {name: value for name, value in question.items() if name != "Range"})

    def _body(self, answer: Mapping[str, Any], request: Request) -> bytes:
        from urllib3.exceptions import HTTPError

        until_s = time.monotonic() + _TIMES_A_READ * self.options.read_timeout_s
        pieces: list[bytes] = []
        with answer["Body"] as stream:  # read as it arrives: to wait for a certain length, a trickle takes for ever
            try:
                while piece := stream.read1(_PIECE_BYTES, decode_content=False):
                    pieces.append(piece)
                    if time.monotonic() > until_s:
                        raise TimeoutError(f"the body did not end within {_TIMES_A_READ} times storage.read_timeout_s")
            except (HTTPError, OSError) as exc:
                raise _BrokenBody(error_without_answer(exc, request, self.access)) from None
        data = b"".join(pieces)
        if not _is_what_was_stored(data, answer):
            wrong = ValueError("the bytes that arrived are not those that were stored, by length or checksum")
            raise _BrokenBody(error_without_answer(wrong, request, self.access))
        return data

    def _ask(self, call: str, request: Request, **question: Any) -> Any:
        """The answer, also one of failure. Raises without one."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        opened = self._open()
        try:
            return getattr(opened.client, call)(Bucket=self.bucket, **question)
        except ClientError as exc:
            return exc.response
        except (BotoCoreError, HTTPError, OSError) as exc:
            # Without the chain: the libraries' own texts can hold a proxy's password, and logs print every link.
            raise error_without_answer(exc, request, opened.access) from None

    def _require_success(self, answer: Any, request: Request) -> None:
        if "Error" in answer:
            raise error_of_answer(answer, request, self.access) from None


class _BrokenBody(Exception):
    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _code_of(answer: Any) -> int:
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) if "Error" in answer else 0


def _name_of(answer: Any) -> str:
    return str(answer.get("Error", {}).get("Code", ""))


def _is_what_was_stored(data: bytes, answer: Mapping[str, Any]) -> bool:
    """By length, and by the CRC-32 that boto3 stores with an object, if the store gives it with all of the bytes."""
    stored = answer.get("ChecksumCRC32", "")
    checked = stored and "-" not in stored and not answer.get("ContentRange")
    return len(data) == answer.get("ContentLength", len(data)) and (
        not checked or base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode() == stored
    )
