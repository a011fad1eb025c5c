"""The vendor's flat files of options: a gzipped CSV a day, of every contract that traded, over S3.

Source: the vendor's bucket ``us_options_opra/minute_aggs_v1``; times are nanoseconds, and there is no vwap.
"""

from __future__ import annotations

import datetime as dt
import io

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from marketlake.errors import MalformedPage
from marketlake.rows.option_bars import BARS

_TYPES = {
    "ticker": pa.string(),
    "volume": pa.float64(),
    "open": pa.float64(),
    "close": pa.float64(),
    "high": pa.float64(),
    "low": pa.float64(),
    "window_start": pa.int64(),
    "transactions": pa.int64(),
}
HEADER = ",".join(_TYPES).encode()
"""The first line of every file, without its line break."""
_NS_A_MS = 1_000_000


class FileFacts(msgspec.Struct, frozen=True):
    """What is known of one file. ``etag`` without quotes; ``modified_ms``: Unix ms UTC; ``size_bytes`` as it was sent;
    ``rows``: of all contracts.
    """

    key: str
    etag: str
    modified_ms: int
    size_bytes: int
    rows: int


def key_of(session: dt.date) -> str:
    """Where the file of a session's minute bars lies in the bucket."""
    return f"us_options_opra/minute_aggs_v1/{session:%Y/%m}/{session}.csv.gz"


def decode(lines: bytes) -> pa.Table:
    """The bars of a file's lines, header included, in their order. Raises MalformedPage for lines that are none."""
    try:
        table = pa.csv.read_csv(
            io.BytesIO(lines),
            read_options=pa.csv.ReadOptions(use_threads=False),
            convert_options=pa.csv.ConvertOptions(column_types=_TYPES, strings_can_be_null=False),
        ).select(list(_TYPES))
    except (pa.ArrowInvalid, KeyError) as exc:
        raise MalformedPage(f"the lines of a flat file cannot be read: {' '.join(str(exc).split())}") from exc
    volume, start = table.column("volume"), table.column("window_start")
    whole = pc.equal(pc.round(volume), volume)
    if any(table.column(name).null_count for name in _TYPES) or not pc.all(whole, min_count=0).as_py():
        raise MalformedPage("the lines of a flat file lack a number, or a volume is no whole number of contracts")
    milliseconds = pc.divide(start, _NS_A_MS)
    if not pc.all(pc.equal(pc.multiply(milliseconds, _NS_A_MS), start), min_count=0).as_py():
        raise MalformedPage("the lines of a flat file have a window_start that is no whole millisecond")
    columns = {
        "contract": table.column("ticker"),
        "timestamp": milliseconds,
        **{name: table.column(name) for name in ("open", "high", "low", "close")},
        "volume": volume.cast(pa.int64()),
        "vwap": pa.nulls(table.num_rows, pa.float64()),
        "transactions": table.column("transactions"),
    }
    return pa.table(columns, schema=BARS)
