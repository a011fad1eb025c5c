"""The option chain of an underlying: every contract that was listed on a session."""

from __future__ import annotations

import pyarrow as pa

from marketlake.dataset_names import OPTION_CHAIN
from marketlake.rows.format import RowFormat
from marketlake.rows.spec import DatasetSpec

CHAIN = pa.schema(
    [
        pa.field("contract", pa.string(), nullable=False),
        pa.field("underlying", pa.string(), nullable=False),
        pa.field("expiration_date", pa.date32(), nullable=False),
        pa.field("contract_type", pa.string(), nullable=False),
        pa.field("strike_price", pa.float64(), nullable=False),
        pa.field("exercise_style", pa.string(), nullable=False),
        pa.field("shares_per_contract", pa.int64(), nullable=False),
        pa.field("primary_exchange", pa.string(), nullable=True),
        pa.field("cfi", pa.string(), nullable=True),
        pa.field("additional_underlyings", pa.string(), nullable=True),
        pa.field("standard", pa.bool_(), nullable=False),
        pa.field("listed_before", pa.bool_(), nullable=True),
    ]
)
"""Rows ascend by ``contract`` (``O:SPY240119C00480000``), one a contract: by root, expiration, type and strike.

``strike_price``: USD a share. ``additional_underlyings``: JSON, of adjusted contracts. ``standard``: the root is the
underlying's, 100 shares, American, nothing beside them. ``listed_before``: whether it was in the vendor's list of the
previous session; null if that list could not be had.
"""

CHAINS = DatasetSpec(
    OPTION_CHAIN,
    prefix=OPTION_CHAIN,
    rows=RowFormat(
        version=1,
        schema=CHAIN,
        key=("contract",),
        encodings={"contract": "DELTA_BYTE_ARRAY"},
        dictionary=tuple(name for name in CHAIN.names if name not in {"contract", "standard", "listed_before"}),
        file_name="chain.parquet",
        noun="contracts",
        subject="underlying",
    ),
    bar_ms=0,
)
