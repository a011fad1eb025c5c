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

_TICKER = re.compile(r"[A-Z][A-Z0-9.]*")
_ARCHIVE = re.compile(r"pages(-[0-9a-f]{12})?\.tar")
_SECONDS = re.compile(r"(page|second)-\d+\.json\.zst")  # page: as archives named them before there were minute bars
_MINUTES = re.compile(r"minute-\d+\.json\.zst")


class Days(Protocol):
    """A source of one day's bars, in the keys and types of the aggregates endpoint."""

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The day's per-second bars, ascending; none if nothing traded."""


class Minutes(Protocol):
    """A source of minute bars that are served as they are, which would otherwise be folded from seconds."""

    def minutes(self, ticker: str, day: dt.date) -> list[Bar]:
        """The day's minute bars, ascending; none if they are to be folded."""


class RecordedDays:
    """Days and minutes archives in one folder, as either of

    - ``{TICKER}-{YYYY-MM-DD}.json.gz``, a gzipped JSON array of bars; minute bars under ``minutes/``;
    - ``raw/{ticker}/date={YYYY-MM-DD}/rev=N/pages.tar`` or ``pages-{12 hex digits}.tar``, the raw pages of a
      lake; minute bars under ``minute_bars/raw/``. The last revision is served, and of several archives of it
      the one that was fetched last.

    Bars keep the keys that they were recorded with.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        """The recorded per-second bars; none for a day that was not recorded."""
        return _recorded(self._folder, self._folder / "raw", _SECONDS, ticker, day)

    def minutes(self, ticker: str, day: dt.date) -> list[Bar]:
        """The recorded minute bars; none for a day whose minutes were not."""
        return _recorded(self._folder / "minutes", self._folder / "minute_bars" / "raw", _MINUTES, ticker, day)


def _recorded(arrays: Path, raw: Path, pages: re.Pattern[str], ticker: str, day: dt.date) -> list[Bar]:
    """A day's bars from the folder of arrays, or else from the raw pages of that name."""
    if not _TICKER.fullmatch(ticker):
        return []
    path = arrays / f"{ticker}-{day}.json.gz"
    if path.exists():
        bars: list[Bar] = json.loads(gzip.decompress(path.read_bytes()))
        return bars
    archive = _newest(raw / ticker.lower() / f"date={day}")
    return _of_raw_pages(archive, pages) if archive else []


def _newest(folder: Path) -> Path | None:
    """The archive of the highest revision that has one; of several, the one whose pages were fetched last."""
    archives: dict[int, list[Path]] = {}
    for path in folder.glob("rev=*/pages*.tar"):
        if _ARCHIVE.fullmatch(path.name):
            archives.setdefault(int(path.parent.name.removeprefix("rev=")), []).append(path)
    return max(archives[max(archives)], key=_fetched_at_ms) if archives else None


def _fetched_at_ms(path: Path) -> int:
    """When the pages of an archive were fetched, in Unix ms, by its manifest."""
    with tarfile.open(path) as archive:
        return int(json.loads(_member(archive, "manifest.json"))["fetched_at_ms"])


def _of_raw_pages(path: Path, pages: re.Pattern[str]) -> list[Bar]:
    """The bars of every page of that name, in the order of the pages."""
    bars: list[Bar] = []
    with tarfile.open(path) as archive:
        for name in sorted(filter(pages.fullmatch, archive.getnames())):
            page = pa.CompressedInputStream(pa.BufferReader(_member(archive, name)), "zstd").read()
            bars.extend(json.loads(page).get("results") or [])
    return bars


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    """A file of the archive. Raises KeyError if it has none of that name."""
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()
