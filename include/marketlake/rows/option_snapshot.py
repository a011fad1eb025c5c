"""Snapshots of an underlying's option contracts: what the vendor showed of each on a session, and never shows again."""

from __future__ import annotations

import pyarrow as pa

from marketlake.dataset_names import OPTION_SNAPSHOTS
from marketlake.rows.format import RowFormat
from marketlake.rows.spec import DatasetSpec

_MODELLED = ("implied_volatility", "delta", "gamma", "theta", "vega")
STAMPS = ("day_updated_ns", "last_trade_ns", "last_quote_ns", "underlying_updated_ns")
"""The vendor's own times of what it shows, Unix ns UTC."""

SNAPSHOT = pa.schema(
    [
        pa.field("contract", pa.string(), nullable=False),
        pa.field("underlying", pa.string(), nullable=False),
        pa.field("expiration_date", pa.date32(), nullable=False),
        pa.field("contract_type", pa.string(), nullable=False),
        pa.field("strike_price", pa.float64(), nullable=False),
        pa.field("open_interest", pa.int64(), nullable=True),
        pa.field("open_interest_date", pa.date32(), nullable=False),
        *(pa.field(name, pa.float64(), nullable=True) for name in _MODELLED),
        pa.field("break_even_price", pa.float64(), nullable=True),
        pa.field("day_open", pa.float64(), nullable=True),
        pa.field("day_high", pa.float64(), nullable=True),
        pa.field("day_low", pa.float64(), nullable=True),
        pa.field("day_close", pa.float64(), nullable=True),
        pa.field("day_volume", pa.int64(), nullable=True),
        pa.field("day_vwap", pa.float64(), nullable=True),
        pa.field("day_previous_close", pa.float64(), nullable=True),
        pa.field("day_change", pa.float64(), nullable=True),
        pa.field("day_change_percent", pa.float64(), nullable=True),
        pa.field("day_updated_ns", pa.int64(), nullable=True),
        pa.field("last_trade_price", pa.float64(), nullable=True),
        pa.field("last_trade_size", pa.int64(), nullable=True),
        pa.field("last_trade_exchange", pa.int64(), nullable=True),
        pa.field("last_trade_conditions", pa.string(), nullable=True),
        pa.field("last_trade_ns", pa.int64(), nullable=True),
        pa.field("bid", pa.float64(), nullable=True),
        pa.field("bid_size", pa.int64(), nullable=True),
        pa.field("ask", pa.float64(), nullable=True),
        pa.field("ask_size", pa.int64(), nullable=True),
        pa.field("midpoint", pa.float64(), nullable=True),
        pa.field("last_quote_ns", pa.int64(), nullable=True),
        pa.field("underlying_price", pa.float64(), nullable=True),
        pa.field("underlying_updated_ns", pa.int64(), nullable=True),
        pa.field("timeframe", pa.string(), nullable=True),
        pa.field("fetched_at", pa.int64(), nullable=False),
    ]
)
"""Rows ascend by ``contract``, one a contract that was live. Whatever the vendor did not give is null, never 0.

``open_interest``: contracts, at the close of the session of ``open_interest_date``, which is the one before: the vendor
shows no later one. ``implied_volatility``: a fraction a year, ``gamma`` per USD, ``theta`` USD a calendar day, ``vega``
USD a vol point (0.01), by the vendor's model; null of contracts deep in the money. Prices in USD a share, sizes and
volumes in contracts.

``day_*``: of the last day on which the contract traded, which ``day_updated_ns`` is of and may be long past; the same
of ``last_trade_*``. ``*_ns``: Unix ns UTC, by the vendor. ``timeframe``: ``DELAYED`` by 15 minutes or ``REAL-TIME``.
``fetched_at``: Unix ms UTC, when the first page was asked for.
"""

SNAPSHOTS = DatasetSpec(
    OPTION_SNAPSHOTS,
    prefix=OPTION_SNAPSHOTS,
    rows=RowFormat(
        version=1,
        schema=SNAPSHOT,
        key=("contract",),
        encodings={"contract": "DELTA_BYTE_ARRAY"} | dict.fromkeys(_MODELLED, "BYTE_STREAM_SPLIT"),
        dictionary=tuple(name for name in SNAPSHOT.names if name not in {"contract", *_MODELLED}),
        file_name="snapshot.parquet",
        noun="contracts",
        subject="underlying",
    ),
    bar_ms=0,
    live=True,
)
