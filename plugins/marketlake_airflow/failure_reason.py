"""Why a task failed, left where the coverage page finds it: the log has it as well, but no query reads logs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.sdk.exceptions import AirflowTaskTimeout

from marketlake.errors import MarketLakeError

REASON_KEY = "failed_because"
_log = logging.getLogger(__name__)


@contextmanager
def reason_kept(context: Mapping[str, Any]) -> Iterator[None]:
    """Keep the message of an error that ends the task, until it is tried again. The error goes on, whether or not the
    message could be kept: by it is decided whether the task is tried again.

    Only our own messages are known to hold no secret: of any other error its name is kept.
    """
    try:
        yield
    except (Exception, AirflowTaskTimeout) as exc:  # which is no Exception
        own = f"{type(exc).__name__}: {exc}" if isinstance(exc, MarketLakeError) else type(exc).__name__
        try:
            context["ti"].xcom_push(REASON_KEY, own)
        except Exception as refused:
            _log.warning("the coverage page will not know why: %s", type(refused).__name__)
        raise
