"""How Airflow tries a session again: by what went wrong, not by how often."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy

from marketlake.errors import RateLimited, RefusedData, Retryable, StopAndTell, StorageError


@dataclass(frozen=True)
class SessionRetryPolicy(RetryPolicy):
    """Back off on what may pass; fail at once on what a person must mend.

    The wait doubles from ``delay_s`` to ``cap_s``, with jitter, so that mapped dates that failed
    together do not come back together. ``retries`` is the task's own bound.
    """

    retries: int
    delay_s: float
    cap_s: float

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Any = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Decide over one failure. Everything unknown is left to the task's own settings."""
        if isinstance(exception, StopAndTell | RefusedData):
            return RetryDecision.fail(f"{type(exception).__name__}: trying again cannot help")
        if isinstance(exception, Retryable | StorageError):
            return RetryDecision.retry(self._wait(exception, try_number, max_tries), type(exception).__name__)
        return RetryDecision.default()

    def _wait(self, exception: BaseException, try_number: int, max_tries: int) -> timedelta:
        # A cleared task goes on counting its tries, so the round's own attempt is counted from the end.
        attempt = max(0, self.retries - max(0, max_tries - try_number) - 1)
        wait_s = min(self.cap_s, self.delay_s * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 (jitter)
        if isinstance(exception, RateLimited) and exception.retry_after_s is not None:
            wait_s = max(wait_s, min(exception.retry_after_s, self.cap_s))
        return timedelta(seconds=wait_s)

    def serialize(self) -> dict[str, Any]:
        """The fields as JSON."""
        return asdict(self)

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> SessionRetryPolicy:
        """From what ``serialize`` gave."""
        return cls(**data)
