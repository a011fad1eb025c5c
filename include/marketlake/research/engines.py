"""The same rows as a table of Arrow, a frame of pandas or one of Polars.

| column | Arrow | Polars | pandas |
|---|---|---|---|
| `timestamp` | `timestamp[ms, America/New_York]` | `Datetime("ms", "America/New_York")` | the index, `datetime64[ms, America/New_York]` |
| `open` `high` `low` `close` `vwap` `volume_exact` | `double` | `Float64` | `float64` |
| `volume` | `int64` | `Int64` | `int64` |
| `transactions` | `int64` | `Int64` | `Int64` |
| `ticker` | `string` | `String` | `str` |
| `session` | `date32` | `Date` | `datetime64[ms]` |

A `vwap` that the vendor did not send is null (NaN in pandas), and so are `transactions` (`pd.NA`).
"""  # noqa: E501

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from marketlake.research.arguments import engine as installed

PANDAS, POLARS, ARROW = ENGINES = ("pandas", "polars", "arrow")
_NULLABLE_INTEGERS = ("transactions",)


def as_asked(rows: pa.Table, engine: str) -> Any:
    """The rows, whose first column is ``timestamp``, as one of ENGINES has them. Raises EngineMissing."""
    if engine == ARROW:
        return rows
    return _polars(rows) if engine == POLARS else _pandas(rows)


def _polars(rows: pa.Table) -> Any:
    return installed(POLARS).from_arrow(rows, rechunk=False)


def _pandas(rows: pa.Table) -> pd.DataFrame:
    """A column at a time, each let go as soon as it is copied: a year is not held twice."""
    index = _index(rows.column(0))
    nullable = {name: _integers(rows.column(name)) for name in _NULLABLE_INTEGERS if name in rows.column_names}
    names = rows.column_names[1:]
    rows = rows.drop(["timestamp", *nullable])
    frame = rows.to_pandas(split_blocks=True, self_destruct=True, date_as_object=False)
    frame.index = index
    for name, values in nullable.items():
        frame.insert(names.index(name), name, values)
    return frame


def _index(column: pa.ChunkedArray) -> pd.DatetimeIndex:
    times = column.cast(pa.int64()).to_numpy().view("datetime64[ms]")
    return pd.DatetimeIndex(times, name="timestamp").tz_localize("UTC").tz_convert(column.type.tz)


def _integers(column: pa.ChunkedArray) -> Any:
    return pd.arrays.IntegerArray(column.fill_null(0).to_numpy(), column.is_null().to_numpy())
