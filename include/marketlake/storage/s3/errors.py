"""What a failed request to an object store means, and what to do about it.

Source: S3's list of error codes, and what boto3 raises. A 403 is never taken for "not there", nor is a bucket that
does not exist.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from marketlake.errors import PlaceUnusable, StoreRefused, StoreUnreachable
from marketlake.redaction import without_url_secrets
from marketlake.storage.s3.access import Access

_LONGEST_CAUSE = 300
_SERVER_FROM = 500
_ACTIONS = {
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "ListObjectsV2": "s3:ListBucket",
}


class Request(NamedTuple):
    """What was asked: the operation's name, and what of, as people name it."""

    operation: str
    of: str

    def __str__(self) -> str:
        return f"{self.operation} of {self.of}"


_Meaning = tuple[type[PlaceUnusable], str]

_LATER = "It is tried again later; nothing was overwritten by half."
_NOT_ALLOWED: _Meaning = (
    StoreRefused,
    "The credentials ({access}) may not do that: they need {action} there. Grant it, or use others.",
)
_NOT_ACCEPTED: _Meaning = (StoreRefused, "The credentials ({access}) are not accepted: correct them.")
_EXPIRED: _Meaning = (StoreRefused, "The credentials ({access}) have expired: renew them, then clear the task.")
_TOO_MANY: _Meaning = (StoreUnreachable, "The store wants fewer requests. " + _LATER)
_SERVER: _Meaning = (StoreUnreachable, "The store has trouble. " + _LATER)
_ELSEWHERE: _Meaning = (
    StoreRefused,
    "The bucket lies in another region, or behind another address: set storage.region or storage.endpoint_url.",
)
_WRONG: _Meaning = (StoreRefused, "The store takes the request for wrong: check storage.* in the settings.")

_BY_NAME: dict[str, _Meaning] = {
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity"), _NOT_ACCEPTED),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), _EXPIRED),
    **dict.fromkeys(("SlowDown", "Throttling", "TooManyRequests", "RequestLimitExceeded"), _TOO_MANY),
    **dict.fromkeys(("RequestTimeout", "InternalError", "ServiceUnavailable"), _SERVER),
    **dict.fromkeys(("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"), _ELSEWHERE),
    "NoSuchBucket": (StoreRefused, "There is no such bucket: create it, or correct storage.root."),
    "RequestTimeTooSkewed": (StoreRefused, "This machine's clock is wrong: set it, then clear the task."),
    "NotImplemented": (StoreRefused, "The store cannot do that: it is none that the lake can use."),
}
_BY_CODE: dict[int, _Meaning] = {
    **dict.fromkeys((301, 302, 303, 307, 308), _ELSEWHERE),
    **dict.fromkeys((401, 403), _NOT_ALLOWED),
    **dict.fromkeys((408, 409), _SERVER),
    429: _TOO_MANY,
}
_NO_CREDENTIALS = (
    "No credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment or .env, or a profile or role"
    " that boto3 finds; for Airflow's tasks storage.connection can name a connection."
)
_UNREACHABLE = "No usable answer came: check the network, its proxy and storage.endpoint_url. " + _LATER


def error_of_answer(answer: Any, request: Request, access: Access) -> PlaceUnusable:
    """The error of an answer that is none of success: ``ClientError.response`` of botocore."""
    error, how = answer.get("Error", {}), answer.get("ResponseMetadata", {})
    code, name = how.get("HTTPStatusCode", 0), str(error.get("Code", ""))
    kind, advice = _meaning(code, name)
    text = access.hidden(without_url_secrets(" ".join(str(error.get("Message", "")).split()))).rstrip(".")[
        :_LONGEST_CAUSE
    ]
    about = f"{request}: HTTP {code} {access.hidden(name)}: {text or 'no message'} (request {how.get('RequestId')})"
    return kind(f"{about}. {advice.format(access=access, action=_ACTIONS.get(request.operation, request.operation))}")


def error_without_answer(exc: Exception, request: Request, access: Access) -> PlaceUnusable:
    """The error of a request that got no answer, or none whole."""
    from botocore import exceptions as of_botocore

    cause = access.hidden(without_url_secrets(" ".join(str(exc).split())))[:_LONGEST_CAUSE]
    about = f"{request}: {type(exc).__name__}: {cause.rstrip('.')}"
    without_rights = (
        of_botocore.NoCredentialsError,
        of_botocore.PartialCredentialsError,
        of_botocore.CredentialRetrievalError,
        of_botocore.ProfileNotFound,
        of_botocore.SSOError,
        of_botocore.TokenRetrievalError,
    )
    if isinstance(exc, without_rights):
        return StoreRefused(f"{about}. {_NO_CREDENTIALS}")
    if isinstance(exc, of_botocore.ParamValidationError):
        return StoreRefused(f"{about}. {_WRONG[1]}")
    return StoreUnreachable(f"{about}. {_UNREACHABLE}")


def _meaning(code: int, name: str) -> _Meaning:
    by_code = _SERVER if code >= _SERVER_FROM else _BY_CODE.get(code, _WRONG)
    return _BY_NAME.get(name, by_code)
