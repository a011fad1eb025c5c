"""What a revision of rows that are no bars changed: by their own key, in their own words."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from marketlake.partitions.changes import Changes, changed_rows, changes
from marketlake.rows.format import RowFormat
from marketlake.rows.option_chain import CHAIN, CHAINS

FORMAT = CHAINS.rows


def chain(**exchanges: str | None) -> pa.Table:
    """A contract each, by its name, and where it is listed."""
    fields: dict[str, Any] = {
        "underlying": "SPY", "expiration_date": dt.date(2024, 1, 19), "contract_type": "call", "strike_price": 480.0,
        "exercise_style": "american", "shares_per_contract": 100, "standard": True,
    }  # fmt: skip
    rows = [{**fields, "contract": name, "primary_exchange": where} for name, where in sorted(exchanges.items())]
    return pa.Table.from_pylist(rows, schema=CHAIN)


def test_contracts_that_came_went_and_changed_are_counted_and_shown() -> None:
    old, new = chain(a="X", b="X", c="X", d=None), chain(b="Y", c="X", d="X", e="X")
    found = changes(old, new, 3, FORMAT)
    assert found == Changes(3, added=1, removed=1, changed=2, largest_price_change=0, largest_volume_change=0,
                            noun="contracts")  # fmt: skip
    assert str(found) == "contracts added 1, removed 1, changed 2 since revision 3"
    before, after = changed_rows(old, new, FORMAT)
    assert before.column("contract").to_pylist() == ["a", "b", "d"]
    assert after.column("contract").to_pylist() == ["b", "d", "e"]


def test_rows_of_a_key_of_two_columns_are_the_same_if_both_are() -> None:
    pairs = RowFormat(1, pa.schema([("name", pa.string()), ("at", pa.int64()), ("value", pa.float64())]),
                      key=("name", "at"), encodings={}, dictionary=(), subject="")  # fmt: skip
    old = pa.table({"name": ["a", "a", "b"], "at": [1, 2, 1], "value": [1.0, 2.0, 3.0]}, schema=pairs.schema)
    new = pa.table({"name": ["a", "b", "b"], "at": [2, 1, 2], "value": [2.0, 4.0, 5.0]}, schema=pairs.schema)
    found = changes(old, new, 1, pairs)
    assert (found.added, found.removed, found.changed) == (1, 1, 1)
    assert [table.to_pylist() for table in changed_rows(old, new, pairs)] == [
        [{"name": "a", "at": 1, "value": 1.0}, {"name": "b", "at": 1, "value": 3.0}],
        [{"name": "b", "at": 1, "value": 4.0}, {"name": "b", "at": 2, "value": 5.0}],
    ]


@pytest.mark.parametrize(
    ("column", "value"),
    [("expiration_date", dt.date(2024, 1, 20)), ("standard", False), ("listed_before", False), ("cfi", "OCASPS")],
)
def test_whatever_changes_the_hash_is_another_one(column: str, value: object) -> None:
    table = chain(a="X")
    other = pa.Table.from_pylist([{**table.to_pylist()[0], column: value}], schema=CHAIN)
    assert FORMAT.content_hash(other) != FORMAT.content_hash(table)


def test_the_hash_of_a_chain_is_a_promise() -> None:
    assert FORMAT.content_hash(chain(a="X", b=None)) == (
        "4734a2a49dfc2818bb11ca3c7530a13183c4554cd5f878f3666ce78751e4c46b"
    )
