"""Where everything of a dataset lies below its prefix: the path of each thing that is kept, and what a path holds."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress

from marketlake.rows.spec import PartitionKey

PROCESSED = "processed"
RAW = "raw"
REJECTED = "raw-rejected"

Place = tuple[str, dt.date]
"""Ticker and session."""


def ticker_folder(ticker: str) -> str:
    """The folder of a ticker's partitions."""
    return f"{PROCESSED}/{ticker.lower()}"


def partition_folder(key: PartitionKey) -> str:
    """The folder of one partition."""
    return f"{ticker_folder(key.ticker)}/date={key.session}"


def revisions_folder(key: PartitionKey) -> str:
    """The folder of the superseded files of one session."""
    return f"revisions/{key.ticker.lower()}/date={key.session}"


def revision_path(key: PartitionKey, revision: int) -> str:
    """The file of one superseded revision."""
    return f"{revisions_folder(key)}/rev={revision}.parquet"


def pages_folder(kind: str, key: PartitionKey) -> str:
    """The folder of the API's pages of one session; ``kind`` is RAW or REJECTED."""
    return f"{kind}/{key.ticker.lower()}/date={key.session}"


def journal_path(key: PartitionKey) -> str:
    """The answers of a session that is being fetched, on the machine that fetches it."""
    return f"journal/{key.ticker.lower()}/date={key.session}.log"


def visit_path(ticker: str, session: dt.date) -> str:
    """The note of a session's last audit."""
    return f"audit/{ticker.lower()}/date={session}.json"


def audit_path(ticker: str) -> str:
    """The summary of a ticker's last audit."""
    return f"audit/{ticker.lower()}/audit.json"


def index_path(ticker: str) -> str:
    """What the footers of a ticker's partitions said, to be made anew at any time."""
    return f"index/{ticker.lower()}.json"


def locate(path: str, file_name: str) -> Place | None:
    """Ticker and session of a path below ``processed/``; None if it is no partition's."""
    folder, _, name = path.rpartition("/")
    return place_of(folder) if name == file_name else None


def place_of(folder: str) -> Place | None:
    """Ticker and session of a folder below ``processed/``; None if no partition belongs into it."""
    ticker, _, name = folder.partition("/")
    match = re.fullmatch(r"date=(\d{4}-\d\d-\d\d)", name)
    with suppress(ValueError):  # a date that no calendar has
        return (ticker.upper(), dt.date.fromisoformat(match[1])) if match and is_of_a_ticker(ticker) else None
    return None


def is_of_a_ticker(folder: str) -> bool:
    """Whether a folder's name below ``processed/`` is a ticker's."""
    return re.fullmatch(r"[a-z][a-z0-9.]{0,9}", folder) is not None
