"""Which contracts of a chain were asked for, why, and what each of them answered."""

from __future__ import annotations

import pyarrow as pa

from marketlake.dataset_names import OPTION_SELECTION
from marketlake.rows.format import RowFormat
from marketlake.rows.spec import DatasetSpec

SELECTION = pa.schema(
    [
        pa.field("contract", pa.string(), nullable=False),
        pa.field("selected", pa.bool_(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("evidence", pa.string(), nullable=True),
        pa.field("bars", pa.int64(), nullable=False),
        pa.field("request_id", pa.string(), nullable=True),
    ]
)
"""Rows ascend by ``contract``, one a contract of the session's chain.

``reason``: one of ``options.selection.REASONS``. ``state``: one of ``STATES``. ``evidence``: one of ``EVIDENCE``, of
what was selected; else null. ``bars``: how many it has. ``request_id``: of the answer that counted.
"""

WITH_BARS, EMPTY, NOT_SELECTED = STATES = ("bars", "empty", "not_selected")
PAGES, ASKED_TWICE, WHOLE_FILE = EVIDENCE = ("pages", "asked_twice_and_day_bar", "whole_file")
"""What shows a contract's state: its pages of bars; two answers without any, a pause between them, and a day bar that
is empty, too; the whole, verified file of the day, in which it is or is not."""

SELECTIONS = DatasetSpec(
    OPTION_SELECTION,
    prefix=OPTION_SELECTION,
    rows=RowFormat(
        version=1,
        schema=SELECTION,
        key=("contract",),
        encodings={"contract": "DELTA_BYTE_ARRAY", "request_id": "DELTA_LENGTH_BYTE_ARRAY"},
        dictionary=("reason", "state", "evidence", "bars"),
        file_name="selection.parquet",
        noun="contracts",
        subject="",
        incidental=("request_id",),
    ),
    bar_ms=0,
)
