"""How often something is tried, and how long it waits in between: bounded, by the settings of the API."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception_type, retry_if_not_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from marketlake.errors import RateLimited, Retryable
from marketlake.settings.sections import Api

_log = logging.getLogger(__name__)


def trying(api: Api, sleep: Callable[[float], None], *, but_not: tuple[type[Retryable], ...]) -> Retrying:
    """Calls again what raises Retryable, ``api.attempts`` times in all; ``but_not``: those for which that is too soon.

    The last error is raised as it is.
    """

    def log_attempt(state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0.0
        _log.warning("attempt %d of %d failed, waiting %.1f s: %s", state.attempt_number, api.attempts, wait_s, failure)

    return Retrying(
        stop=stop_after_attempt(api.attempts),
        wait=lambda state: _backoff_s(state, api),
        retry=retry_if_exception_type(Retryable) & retry_if_not_exception_type(but_not),
        sleep=sleep,
        before_sleep=log_attempt,
        reraise=True,
    )


def _backoff_s(state: RetryCallState, api: Api) -> float:
    """Seconds before the next attempt: what the vendor asks for, else exponential with jitter; capped."""
    failure = state.outcome.exception() if state.outcome else None
    if isinstance(failure, RateLimited) and failure.retry_after_s is not None:
        return min(failure.retry_after_s, api.backoff_cap_s)
    jittered = wait_exponential_jitter(multiplier=api.backoff_base_s, max=api.backoff_cap_s, jitter=api.backoff_base_s)
    return float(jittered(state))
