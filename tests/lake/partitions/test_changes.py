"""What a revision changed: counted, bounded, and shown row by row."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions.changes import Changes, changed_rows, changes
from marketlake.polygon.client import PolygonClient
from marketlake.rows.bars import BARS
from polygon_simulator.server import Simulator
from seconds import kept_by, spy

DAY = dt.date(2024, 11, 26)


def table(*rows: tuple[int, float, float, float | None]) -> pa.Table:
    """Rows from (second, price, volume, vwap)."""
    return pa.Table.from_pylist(
        [
            dict.fromkeys(("open", "high", "low", "close"), price)
            | {"timestamp": at * 1000, "volume": round(volume), "volume_exact": volume}
            | {"vwap": vwap, "ticker": "SPY", "transactions": 1}
            for at, price, volume, vwap in rows
        ],
        schema=BARS,
    )  # fmt: skip


OLD = table((1, 10.0, 100, 10.0), (2, 10.5, 200, 10.5), (4, 11.0, 50, None))


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (OLD, (0, 0, 0, 0.0, 0.0)),
        (table((1, 10.0, 100, 10.0), (2, 10.25, 200, 10.5), (4, 11.0, 50, None)), (0, 0, 1, 0.25, 0.0)),
        (table((1, 10.0, 100, 10.0), (2, 10.5, 200.5, 10.5), (4, 11.0, 50, None)), (0, 0, 1, 0.0, 0.5)),
        (table((1, 10.0, 100, 10.0), (2, 10.5, 200, 10.5), (4, 11.0, 50, 0.0)), (0, 0, 1, 0.0, 0.0)),
        (table((1, 10.0, 100, 10.0), (3, 99.0, 900, 10.5), (4, 11.0, 50, None)), (1, 1, 0, 0.0, 0.0)),
        (table((7, 1.0, 1, 1.0)), (1, 3, 0, 0.0, 0.0)),
    ],
)
def test_rows_added_removed_and_changed_are_counted(new: pa.Table, expected: tuple[float, ...]) -> None:
    assert changes(OLD, new, 1) == Changes(1, *expected)


def test_the_differing_rows_of_both_sides_are_shown() -> None:
    new = table((1, 10.0, 100, 10.0), (2, 10.25, 200, 10.5), (3, 9.0, 1, None))
    old_rows, new_rows = changed_rows(OLD, new)
    assert old_rows.column("timestamp").to_pylist() == [2000, 4000]
    assert new_rows.column("timestamp").to_pylist() == [2000, 3000]


def test_the_vendors_change_of_seventeen_bars_is_a_revision_that_counts_seventeen(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    simulator.faults.set(str(DAY), [{"fault": "changed:17", "times": 0}])
    report = ingest(lake, SECOND_BARS, spy(DAY), client)
    assert (report.outcome, report.revision, report.state) == ("revised", 2, "complete")
    certificate = kept_by(lake).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert certificate.changes == Changes(1, 0, 0, 17, 0.0, 1.0)


def test_a_renewed_certificate_still_says_what_its_revision_changed(
    lake: Lake, simulator: Simulator, client: PolygonClient
) -> None:
    ingest(lake, SECOND_BARS, spy(DAY), client)
    simulator.faults.set(
        str(DAY), [{"fault": "changed:17", "times": 0}, {"fault": "not_entitled", "times": 1, "timespan": "minute"}]
    )
    ingest(lake, SECOND_BARS, spy(DAY), client)
    assert ingest(lake, SECOND_BARS, spy(DAY), client).outcome == "renewed"
    certificate = kept_by(lake).partitions.certificate(spy(DAY))
    assert certificate is not None
    assert certificate.changes == Changes(1, 0, 0, 17, 0.0, 1.0)


ROWS = st.dictionaries(
    st.integers(0, 30), st.tuples(st.integers(1, 5), st.integers(0, 5), st.none() | st.integers(1, 5)), max_size=20
)


@given(ROWS, ROWS)
def test_the_counts_are_those_of_the_rows_shown(
    old: dict[int, tuple[int, int, int | None]], new: dict[int, tuple[int, int, int | None]]
) -> None:
    before, after = (table(*((at, *rows[at]) for at in sorted(rows))) for rows in (old, new))
    found = changes(before, after, 1)
    assert (found.added, found.removed) == (len(new.keys() - old.keys()), len(old.keys() - new.keys()))
    assert found.changed == sum(old[at] != new[at] for at in old.keys() & new.keys())
    shown_old, shown_new = changed_rows(before, after)
    assert (shown_old.num_rows, shown_new.num_rows) == (found.removed + found.changed, found.added + found.changed)
