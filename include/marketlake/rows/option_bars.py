"""Bars of an underlying's option contracts: one table a session, whatever the contract."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from marketlake.dataset_names import OPTION_BARS
from marketlake.rows.format import RowFacts, RowFormat
from marketlake.rows.spec import DatasetSpec

BARS = pa.schema(
    [
        pa.field("contract", pa.string(), nullable=False),
        pa.field("timestamp", pa.int64(), nullable=False),
        pa.field("open", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("close", pa.float64(), nullable=False),
        pa.field("volume", pa.int64(), nullable=False),
        pa.field("vwap", pa.float64(), nullable=True),
        pa.field("transactions", pa.int64(), nullable=True),
    ]
)
"""Rows ascend by ``contract`` and ``timestamp`` (start of the bar, Unix ms UTC). Prices in USD a share of the
underlying, unadjusted; ``volume`` in contracts; ``vwap`` is null if the source has none, as the vendor's files have.
"""


def facts_of_option_bars(bars: pa.Table) -> RowFacts:
    """When the earliest and the latest bar begin, Σ volume and Σ transactions."""
    if not bars.num_rows:
        return RowFacts()
    times = pc.min_max(bars.column("timestamp")).as_py()
    volume, transactions = (pc.sum(bars.column(name)).as_py() or 0 for name in ("volume", "transactions"))
    return RowFacts(times["min"], times["max"], float(volume), int(transactions))


# Measured on 255,000 made-up bars of 2,280 contracts: with 65,536 rows a group, those of one contract are read in 6 ms
# instead of 12, and the file is 3 % larger.
CONTRACT_BARS = DatasetSpec(
    OPTION_BARS,
    prefix=OPTION_BARS,
    rows=RowFormat(
        version=1,
        schema=BARS,
        key=("contract", "timestamp"),
        encodings={"timestamp": "DELTA_BINARY_PACKED"},
        dictionary=("contract", "open", "high", "low", "close", "volume", "vwap", "transactions"),
        subject="",
        prices=("open", "high", "low", "close"),
        shares="volume",
        facts=facts_of_option_bars,
        group_rows=65_536,
    ),
    bar_ms=60_000,
)
