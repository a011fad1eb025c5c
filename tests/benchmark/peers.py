"""What the project is measured against. Each takes a session from the vendor to a Parquet file, and does less."""

from __future__ import annotations

import datetime as dt
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import requests

from benchmark.vendor import KEY, TICKER


class OfficialClient:
    """The vendor's own client, as its documentation shows it, and pandas."""

    def __init__(self, url: str, folder: Path) -> None:
        from massive import RESTClient

        self._client = RESTClient(KEY, base=url)
        self._folder = folder

    def session(self, day: dt.date) -> Path:
        """Download one session. No check, no evidence, no raw page."""
        bars = list(self._client.list_aggs(TICKER, 1, "second", day, day, adjusted=False, limit=50_000))
        path = self._folder / f"{day}.parquet"
        pd.DataFrame(bars).to_parquet(path)
        return path


class PlainPandas:
    """``requests`` and pandas, as most people write it."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._http = requests.Session()

    def session(self, day: dt.date) -> Path:
        """Download one session. No check, no evidence, no raw page."""
        answer = _asked(self._http, self._url, day).json()
        path = self._folder / f"{day}.parquet"
        pd.DataFrame(answer["results"]).to_parquet(path)
        return path


class _Bar(msgspec.Struct, gc=False):
    t: int
    o: float
    h: float
    l: float  # noqa: E741 (the vendor's name)
    c: float
    v: float
    vw: float
    n: int


class _Answer(msgspec.Struct):
    results: list[_Bar]


_DECODER = msgspec.json.Decoder(_Answer)


class Floor:
    """The least that gives the same rows in the same encodings: typed decode, Arrow, one file."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._http = requests.Session()

    def session(self, day: dt.date) -> Path:
        """Download one session. No check, no evidence, no raw page."""
        bars = _DECODER.decode(_asked(self._http, self._url, day).content).results
        volume = _column(bars, "v", np.float64)
        table = pa.table(
            {
                "timestamp": _column(bars, "t", np.int64),
                "open": _column(bars, "o", np.float64),
                "high": _column(bars, "h", np.float64),
                "low": _column(bars, "l", np.float64),
                "close": _column(bars, "c", np.float64),
                "volume": np.rint(volume).astype(np.int64),
                "vwap": _column(bars, "vw", np.float64),
                "ticker": pa.repeat(pa.scalar(TICKER), len(bars)),
                "transactions": _column(bars, "n", np.int64),
                "volume_exact": volume,
            }
        )
        path = self._folder / f"{day}.parquet"
        encodings = {"timestamp": "DELTA_BINARY_PACKED", "vwap": "PLAIN", "volume_exact": "BYTE_STREAM_SPLIT"}
        pq.write_table(
            table,
            path,
            compression="zstd",
            compression_level=4,
            use_dictionary=[name for name in table.column_names if name not in encodings],
            column_encoding=encodings,
            write_page_checksum=True,
        )
        return path


def _column(bars: list[_Bar], name: str, kind: Any) -> np.ndarray:
    return np.fromiter(map(attrgetter(name), bars), kind, len(bars))


def _asked(http: requests.Session, url: str, day: dt.date) -> requests.Response:
    response = http.get(
        f"{url}/v2/aggs/ticker/{TICKER}/range/1/second/{day}/{day}",
        params={"adjusted": "false", "sort": "asc", "limit": "50000"},
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
    )
    response.raise_for_status()
    return response
