"""What an unsuccessful answer of the vendor's S3 means, and what to do about it.

Source: S3's list of error codes, and what was recorded of the vendor's files: a 403 may mean that the plan lacks them,
or their date; a listing shows them all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from marketlake.errors import (
    BadRequest,
    KeyRefused,
    MalformedPage,
    MarketLakeError,
    NotEntitled,
    NotPublished,
    RateLimited,
    Republished,
    ServerTrouble,
)
from marketlake.polygon.refusals import retry_after_s
from marketlake.polygon.s3_keys import S3Keys
from marketlake.redaction import without_url_secrets

_Meaning = tuple[type[MarketLakeError], str]

_NOT_ACCEPTED: _Meaning = (
    KeyRefused,
    "The S3 keys {keys} are not accepted: they are others than the API key. Compare both with the vendor's dashboard,"
    " under Flat Files.",
)
_NOT_IN_THE_PLAN: _Meaning = (
    NotEntitled,
    "The S3 keys {keys} may not have this file: flat files of options need Options Starter (2 years), Developer (4"
    " years) or Advanced (from 2014-06-02), whatever a listing shows. Upgrade, ask for later dates, or set"
    " options.source = rest. If this is not the vendor's answer, ask whoever runs your proxy or firewall.",
)
_NOT_THERE: _Meaning = (
    NotPublished,
    "The vendor publishes the file of a session at about 11:00 New York on the following day; it is tried again later."
    " If it stays, set options.source = rest, or ask the vendor.",
)
_ELSEWHERE: _Meaning = (
    BadRequest,
    "A redirect is not followed, nor is another region tried; set options.flat_files.endpoint_url to the S3 itself.",
)
_SERVER: _Meaning = (ServerTrouble, "The vendor's S3 has trouble; it is tried again.")
_TOO_MANY: _Meaning = (RateLimited, "The vendor's S3 wants fewer requests; it is tried again.")
_WRONG: _Meaning = (BadRequest, "The request itself is wrong; check options.flat_files in the settings.")

_BY_NAME: dict[str, _Meaning] = {
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"), _NOT_ACCEPTED),
    **dict.fromkeys(("SlowDown", "TooManyRequests", "RequestLimitExceeded"), _TOO_MANY),
    **dict.fromkeys(("RequestTimeout", "InternalError", "ServiceUnavailable"), _SERVER),
    **dict.fromkeys(("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"), _ELSEWHERE),
    "RequestTimeTooSkewed": (BadRequest, "This machine's clock is wrong: set it, and clear the task."),
    "NoSuchBucket": (BadRequest, "There is no such bucket; check options.flat_files.bucket and endpoint_url."),
}
_BY_CODE: dict[int, _Meaning] = {
    301: _ELSEWHERE, 302: _ELSEWHERE, 303: _ELSEWHERE, 307: _ELSEWHERE, 308: _ELSEWHERE,
    401: _NOT_ACCEPTED,
    403: _NOT_IN_THE_PLAN,
    404: _NOT_THERE,
    408: _SERVER,
    412: (Republished, "The file was replaced while it was fetched; it is fetched anew."),
    416: (MalformedPage, "The file is empty. Fetch again later; if it stays, ask the vendor."),
    429: _TOO_MANY,
}  # fmt: skip
_SERVER_FROM = 500


@dataclass(frozen=True)
class Refused:
    """HTTP code, S3's own code and text, and the Retry-After header as it came."""

    code: int
    name: str
    message: str
    retry_after: str = ""


def error_for(refused: Refused, about: str, keys: S3Keys, now_s: float) -> MarketLakeError:
    """The error an unsuccessful answer stands for. ``about`` names session, HTTP code, bucket, key and request id."""
    message = keys.hidden(without_url_secrets(" ".join(refused.message.split()))).rstrip(".")
    kind, advice = _meaning(refused)
    text = f"{about}: {keys.hidden(refused.name)}: {message or 'no message'}. {advice.format(keys=keys)}"
    if kind is RateLimited:
        return RateLimited(text, retry_after_s(refused.retry_after, now_s))
    return kind(text)


def _meaning(refused: Refused) -> _Meaning:
    by_code = _SERVER if refused.code >= _SERVER_FROM else _BY_CODE.get(refused.code, _WRONG)
    return _BY_NAME.get(refused.name, by_code)
