"""Recorded days: bars kept as a gzipped array, or the raw pages that a lake of this project keeps."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
import tarfile
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

Bar = dict[str, Any]


class Days(Protocol):
    """A source of one day's bars, in the keys and types of the aggregates endpoint."""

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The day's per-second bars, ascending; none where nothing traded."""


class RecordedDays:
    """Days found in one folder, as either of

    - ``{TICKER}-{YYYY-MM-DD}.json.gz``, a gzipped JSON array of bars;
    - ``raw/{ticker}/date={YYYY-MM-DD}/rev=N/pages.tar``, the raw pages of a lake, of which the last
      revision is served.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The recorded bars; none for a day that was not recorded."""
        if not re.fullmatch(r"[A-Z][A-Z0-9.]*", ticker):
            return []
        path = self._folder / f"{ticker}-{day}.json.gz"
        if path.exists():
            bars: list[Bar] = json.loads(gzip.decompress(path.read_bytes()))
            return bars
        revisions = self._folder.glob(f"raw/{ticker.lower()}/date={day}/rev=*/pages.tar")
        newest = max(revisions, key=lambda path: int(path.parent.name.removeprefix("rev=")), default=None)
        return _of_raw_pages(newest) if newest else []


def _of_raw_pages(path: Path) -> list[Bar]:
    """The bars of every page, in the order of the pages."""
    bars: list[Bar] = []
    with tarfile.open(path) as archive:
        for name in sorted(name for name in archive.getnames() if re.fullmatch(r"page-\d+\.json\.zst", name)):
            member = archive.extractfile(name)
            if member is not None:
                page = pa.CompressedInputStream(pa.BufferReader(member.read()), "zstd").read()
                bars.extend(json.loads(page).get("results") or [])
    return bars
