"""One bucket over S3, by boto3: a GET at a time, with every bound set."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from marketlake.errors import MarketLakeError, TransportTrouble, UndecodableBody
from marketlake.polygon.s3_client import S3Client
from marketlake.polygon.s3_keys import S3Keys
from marketlake.polygon.s3_refusals import Refused, error_for
from marketlake.redaction import without_url_secrets
from marketlake.settings.option_sections import FlatFiles
from marketlake.settings.sections import Api

_PIECE_BYTES = 1 << 20
_LONGEST_CAUSE = 300


@dataclass(frozen=True)
class ObjectFacts:
    """One edition of an object. ``etag`` without quotes; ``modified_ms``: Unix ms UTC; ``size_bytes``: all of it."""

    etag: str
    modified_ms: int
    size_bytes: int


@dataclass(frozen=True)
class Part:
    """What a GET gives: the object's facts, and its bytes from ``first_byte`` on, in pieces."""

    facts: ObjectFacts
    first_byte: int
    pieces: Iterator[bytes]


class S3Bucket:
    """Asks for objects, and tries nothing again: who asks does.

    ``monotonic_s``: a clock, by which the body of an answer has to end within ``api.answer_timeout_s``.
    """

    def __init__(
        self, keys: S3Keys, files: FlatFiles, api: Api, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys, self._files, self._api, self._monotonic_s = keys, files, api, monotonic_s
        self._client = S3Client(keys, files.endpoint_url, api)

    def __str__(self) -> str:
        return f"s3://{self._files.bucket} at {self._files.endpoint_url} with S3 keys {self._keys}"

    @property
    def host(self) -> str:
        """Host and port, as a certificate records them."""
        return urlsplit(self._files.endpoint_url).netloc

    def where(self, key: str) -> str:
        """An object, as messages name it."""
        return f"s3://{self._files.bucket}/{key} at {self._files.endpoint_url}"

    @contextmanager
    def part(self, key: str, about: str, *, first: int = 0, last: int | None = None, etag: str = "") -> Iterator[Part]:
        """The bytes from ``first`` to ``last``, both included; of that ETag alone, if one is given.

        Raises Retryable or StopAndTell, from the reading of its pieces, too. ``about`` names what is asked for.
        """
        wanted = {"Range": f"bytes={first}-{'' if last is None else last}"} if first or last is not None else {}
        pinned = {"IfMatch": f'"{etag}"'} if etag else {}
        answer = self._ask(key, about, {"Bucket": self._files.bucket, "Key": key, **wanted, **pinned})
        with answer["Body"] as stream:
            yield self._part(answer, stream, f"{about}: {self.where(key)}")

    def _ask(self, key: str, about: str, question: Mapping[str, str]) -> Mapping[str, Any]:
        client = self._client.own()  # which says so if the libraries are not there
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        try:
            answer: Mapping[str, Any] = client.get_object(**question)
        except ClientError as exc:
            raise self._refusal(exc.response, key, about) from None
        except (BotoCoreError, HTTPError, ValueError) as exc:
            # Without the chain: the libraries' own texts can hold a proxy's password, and logs print every link.
            raise TransportTrouble(
                f"{about}: no usable answer for {self.where(key)} ({self._cause(exc)})."
                " Check the network, its proxy and options.flat_files.endpoint_url."
            ) from None
        return answer

    def _part(self, answer: Mapping[str, Any], stream: Any, where: str) -> Part:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.get("ContentRange") or "")
        first, size = (int(found[1]), int(found[2])) if found else (0, answer.get("ContentLength"))
        if not answer.get("ETag") or not answer.get("LastModified") or size is None:
            raise UndecodableBody(f"{where}: the answer has no ETag, date or size: it is not S3's. It is asked again.")
        modified_ms = int(answer["LastModified"].timestamp() * 1000)
        return Part(ObjectFacts(answer["ETag"].strip('"'), modified_ms, size), first, self._pieces(stream, where))

    def _pieces(self, stream: Any, where: str) -> Iterator[bytes]:
        """What has arrived, a piece at a time: to wait for a certain length would wait for ever for a trickle."""
        from urllib3.exceptions import HTTPError

        until_s = self._monotonic_s() + self._api.answer_timeout_s
        try:
            while piece := stream.read1(_PIECE_BYTES, decode_content=False):
                yield piece
                if self._monotonic_s() > until_s:
                    raise TransportTrouble(f"{where}: the body did not end within {self._api.answer_timeout_s:g} s.")
        except HTTPError as exc:
            raise TransportTrouble(f"{where}: the answer broke off ({self._cause(exc)}).") from None

    def _refusal(self, answer: Mapping[str, Any], key: str, about: str) -> MarketLakeError:
        error, how = answer.get("Error", {}), answer.get("ResponseMetadata", {})
        headers = how.get("HTTPHeaders", {})
        code, request_id = how.get("HTTPStatusCode", 0), self._keys.hidden(how.get("RequestId") or "none")
        about = f"{about}: HTTP {code} for {self.where(key)} (request id {request_id})"
        refused = Refused(code, error.get("Code", ""), error.get("Message", ""), headers.get("retry-after", ""))
        return error_for(refused, about, self._keys, time.time())

    def _cause(self, exc: Exception) -> str:
        if isinstance(exc, ValueError):  # its text may quote any part of a proxy's address
            return type(exc).__name__
        text = self._keys.hidden(without_url_secrets(" ".join(str(exc).split())))
        return f"{type(exc).__name__}: {text[:_LONGEST_CAUSE]}"
