"""The same rows as a table of Arrow, a frame of pandas or one of Polars.

| column | Arrow | Polars | pandas |
|---|---|---|---|
| `timestamp` | `timestamp[ms, America/New_York]` | `Datetime("ms", "America/New_York")` | the index, `datetime64[ms, America/New_York]` |
| `open` `high` `low` `close` `vwap` `volume_exact` | `double` | `Float64` | `float64` |
| `volume` | `int64` | `Int64` | `int64` |
| `transactions` | `int64` | `Int64` | `Int64` |
| `ticker` | `string` | `String` | `str` |
| `session` | `date32` | `Date` | `datetime64[ms]` |

A `vwap` that the vendor did not send is null (NaN in pandas), and so are `transactions` (`pd.NA`). Of options: other
numbers, texts and dates as these; flags are `bool`, `Boolean` and `bool`, or `boolean` if there may be none.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from marketlake.research.arguments import engine as installed
from marketlake.research.pandas_frame import TIME, frame_of
from marketlake.sessions import NEW_YORK

PANDAS, POLARS, ARROW = ENGINES = ("pandas", "polars", "arrow")
_ZONE = str(NEW_YORK)
_TIME = pa.timestamp("ms", _ZONE)


def as_asked(tables: Iterable[pa.Table], schema: pa.Schema, rows_at_most: int, engine: str) -> Any:
    """The rows of tables of that schema, one after the other, as one of ENGINES has them. Raises EngineMissing.

    A first column ``timestamp`` comes in Unix ms UTC, and gets its zone here. ``rows_at_most``: in all of them.
    """
    if engine == PANDAS:
        return frame_of(tables, schema, rows_at_most, _ZONE)
    polars = installed(POLARS) if engine == POLARS else None
    rows = pa.concat_tables([schema.empty_table(), *tables])
    zoned = _zoned(rows) if schema.names[0] == TIME else rows
    return zoned if polars is None else polars.from_arrow(zoned, rechunk=False)


def _zoned(rows: pa.Table) -> pa.Table:
    return rows.set_column(0, pa.field(TIME, _TIME, nullable=False), rows.column(0).cast(_TIME))
