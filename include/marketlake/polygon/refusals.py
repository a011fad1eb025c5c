"""What an unsuccessful answer of the vendor means, and what to do about it.

Source: the vendor's API description and recorded error bodies. The body's own status counts beside the
HTTP one, since errors have come with HTTP 200.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from marketlake.errors import (
    BadRequest,
    KeyRefused,
    MalformedPage,
    MarketLakeError,
    NotEntitled,
    RateLimited,
    ServerTrouble,
)
from marketlake.polygon.api_key import ApiKey
from marketlake.redaction import without_secret, without_url_secrets

_GAVE_UP = frozenset({HTTPStatus.REQUEST_TIMEOUT, 499})


_STOCKS = (
    "per-second bars need Stocks Starter (5 years), Developer (10 years) or Advanced (all). Upgrade, or ask"
    " for later dates, or for minute bars (datasets.minute_bars.tickers), which every plan has: Basic those of 2 years,"
    " 5 calls a minute (api.requests_per_minute = 5)."
)
_OPTIONS = (
    "those of options need a plan of options beside that of stocks, Options Basic (2 years, 5 calls a"
    " minute), Starter (2 years), Developer (4 years) or Advanced (from 2014-06-02). Subscribe to one, or ask for later"
    " dates."
)
_OPTION_SECONDS = (
    "the vendor does not say which of its plans have per-second bars of options, as Options Developer (4"
    " years) and Advanced (from 2014-06-02) may. Set options.bar_size: 1 minute, which every plan of options has, ask"
    " for later dates, or upgrade."
)
_OPTION = re.compile(r"/v2/aggs/ticker/O:[^/]+/range/\d+/(?P<span>\w+)")
_LIST = re.compile(r"/v3/reference/|/stocks/v1/|/fed/v1/")


@dataclass(frozen=True)
class Answer:
    """HTTP code, the body's status and message, the Retry-After header as it came, and the path that was asked for."""

    code: int
    status: str
    message: str
    retry_after: str = ""
    path: str = ""


def error_for(answer: Answer, about: str, key: ApiKey, now_s: float) -> MarketLakeError:
    """The error an unsuccessful answer stands for. ``about`` names ticker, session, page, URL and request id."""
    message = without_url_secrets(without_secret(answer.message, key.value))
    trouble = f"{about}: {answer.status or 'no status'}: {message.rstrip('.') or 'no message'}"
    return _passing_error(answer, trouble, now_s) or _lasting_error(answer, trouble, key)


def _passing_error(answer: Answer, trouble: str, now_s: float) -> MarketLakeError | None:
    """Trouble that may pass; None for everything else."""
    if answer.code == HTTPStatus.TOO_MANY_REQUESTS or "exceeded the maximum requests" in answer.message:
        wait_s = retry_after_s(answer.retry_after, now_s)
        return RateLimited(f"{trouble}. The plan's calls are used up for now; it is tried again.", wait_s)
    if answer.code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.code in _GAVE_UP:
        return ServerTrouble(f"{trouble}. The vendor's server has trouble; it is tried again.")
    if answer.code == HTTPStatus.OK and answer.status == "ERROR" and "API Key" not in answer.message:
        return ServerTrouble(f"{trouble}. The vendor reports an error in an HTTP 200; it is tried again.")
    return None


def _lasting_error(answer: Answer, trouble: str, key: ApiKey) -> MarketLakeError:
    """What a person must put right, or what cannot be taken for data."""
    if answer.code >= HTTPStatus.BAD_REQUEST and not answer.status:
        return BadRequest(
            f"{trouble}. This is not the vendor's answer: something between refuses, or the address is another's. Check"
            " api.base_url, and ask whoever runs your proxy or firewall."
        )
    if answer.code == HTTPStatus.UNAUTHORIZED or "API Key" in answer.message:
        return KeyRefused(f"{trouble}. The key {key} is not accepted: compare it with the vendor's dashboard.")
    if answer.status == "NOT_AUTHORIZED" or (answer.code == HTTPStatus.FORBIDDEN and answer.status):
        return NotEntitled(f"{trouble}. {_lacking(answer.path, key)}")
    if HTTPStatus.MULTIPLE_CHOICES <= answer.code < HTTPStatus.BAD_REQUEST:
        return BadRequest(f"{trouble}. A redirect is not followed; set api.base_url to the API itself.")
    if answer.code >= HTTPStatus.BAD_REQUEST:
        return BadRequest(f"{trouble}. The request itself is wrong; check tickers and dates in the settings.")
    return MalformedPage(
        f"{trouble}. This status is not documented; it is not taken for data. Clear the task later; if it stays, ask"
        " the vendor."
    )


def _lacking(path: str, key: ApiKey) -> str:
    """What the plan of a key does not have of what was asked for, and what helps."""
    if _LIST.match(path):
        return (
            f"The key {key} works, but its plan does not include this list, which every plan of the vendor has: ask the"
            " vendor, with the request id."
        )
    option = _OPTION.match(path)
    plans = _STOCKS if option is None else _OPTION_SECONDS if option["span"] == "second" else _OPTIONS
    return f"The key {key} works, but its plan does not include these bars: {plans}"


def retry_after_s(header: str, now_s: float) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date; None if it says nothing."""
    with suppress(ValueError):
        return max(0.0, float(header))
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(header).timestamp() - now_s)
    return None
