"""Where everything of a lake lies: the key of each thing that is kept, and what a path holds."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress

PROCESSED = "processed"
PARTITION_FILE = "bars.parquet"
RAW = "raw"
REJECTED = "raw-rejected"


def ticker_folder(ticker: str) -> str:
    """The folder of a ticker's partitions."""
    return f"{PROCESSED}/{ticker.lower()}"


def partition_key(ticker: str, session: dt.date) -> str:
    """The partition of one session."""
    return f"{ticker_folder(ticker)}/date={session}/{PARTITION_FILE}"


def revisions_folder(ticker: str, session: dt.date) -> str:
    """The folder of the superseded files of one session."""
    return f"revisions/{ticker.lower()}/date={session}"


def revision_key(ticker: str, session: dt.date, revision: int) -> str:
    """The file of one superseded revision."""
    return f"{revisions_folder(ticker, session)}/rev={revision}.parquet"


def pages_folder(kind: str, ticker: str, session: dt.date) -> str:
    """The folder of the API's pages of one session; ``kind`` is RAW or REJECTED."""
    return f"{kind}/{ticker.lower()}/date={session}"


def located(path: str) -> tuple[str, dt.date] | None:
    """Ticker and session of a path below ``processed/``; None where it is no partition's."""
    folder, _, name = path.rpartition("/")
    return place_of(folder) if name == PARTITION_FILE else None


def place_of(folder: str) -> tuple[str, dt.date] | None:
    """Ticker and session of a folder below ``processed/``; None where no partition belongs into it."""
    ticker, _, name = folder.partition("/")
    match = re.fullmatch(r"date=(\d{4}-\d\d-\d\d)", name)
    with suppress(ValueError):  # a date that no calendar has
        return (ticker.upper(), dt.date.fromisoformat(match[1])) if match and is_of_a_ticker(ticker) else None
    return None


def is_of_a_ticker(folder: str) -> bool:
    """Whether a folder's name below ``processed/`` is a ticker's."""
    return re.fullmatch(r"[a-z][a-z0-9.]{0,9}", folder) is not None
