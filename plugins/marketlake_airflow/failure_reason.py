"""Why a task failed, left where the coverage page finds it: the log has it as well, but no query reads logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from marketlake.errors import MarketLakeError

REASON_KEY = "failed_because"


@contextmanager
def reason_kept(context: Mapping[str, Any]) -> Iterator[None]:
    """Keep the message of an error that ends the task, until it is tried again. The error goes on.

    Only our own messages are known to hold no secret: of any other error its name is kept.
    """
    try:
        yield
    except Exception as exc:
        own = f"{type(exc).__name__}: {exc}" if isinstance(exc, MarketLakeError) else type(exc).__name__
        context["ti"].xcom_push(REASON_KEY, own)
        raise
