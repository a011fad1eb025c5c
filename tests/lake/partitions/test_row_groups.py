"""Files whose rows lie in groups: the rows are the same, and of a few of them not all groups are decoded."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from marketlake.errors import DamagedPartition
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.parquet_file import certified_columns, certified_rows, encoded, rows_in
from marketlake.rows.option_bars import CONTRACT_BARS
from option_tables import C600, C606, P590, WEDNESDAY, OptionGround, bar_rows, option_ground, prepared_options

__all__ = ["option_ground", "prepared_options"]
GROUPED = dataclasses.replace(CONTRACT_BARS.rows, group_rows=3)
COLUMNS = ["timestamp", "contract", "close"]


@pytest.fixture
def certificate(option_ground: OptionGround) -> Certificate:
    held = option_ground.written.store(CONTRACT_BARS).partitions.certificate(CONTRACT_BARS.key("SPY", WEDNESDAY))
    assert held is not None
    return held


def written(certificate: Certificate, row_format: Any = GROUPED) -> bytes:
    return encoded(bar_rows(WEDNESDAY), certificate, row_format, "zstd", 3)


def among(*names: str) -> Any:
    return lambda values: pc.is_in(values, pa.array(names, pa.string()))


def test_the_rows_of_a_file_in_groups_are_the_same(certificate: Certificate) -> None:
    data = written(certificate)
    assert [pq.read_metadata(io.BytesIO(data)).row_group(number).num_rows for number in range(4)] == [3, 3, 3, 2]
    assert rows_in(data, GROUPED).equals(bar_rows(WEDNESDAY))
    assert GROUPED.content_hash(rows_in(data, GROUPED)) == certificate.content_hash
    one = pq.read_metadata(io.BytesIO(written(certificate, dataclasses.replace(GROUPED, group_rows=0))))
    assert one.num_row_groups == 1


def test_of_bars_and_panels_a_group_is_no_larger_than_is_said(option_ground: OptionGround) -> None:
    groups = {name: one.rows.group_rows for name, one in option_ground_specs().items()}
    assert groups == {"option_chain": 0, "option_selection": 0, "option_bars": 65_536, "option_panel": 32_768}


def option_ground_specs() -> dict[str, Any]:
    from marketlake.datasets import OF_OPTIONS

    return {name: dataset.spec for name, dataset in OF_OPTIONS.items()}


@pytest.mark.parametrize(
    ("names", "expected"),
    [((C606,), 2), ((C600, P590), 4), ((), 0), (("O:SPY241129C00999000",), 0)],
)
def test_the_rows_of_some_contracts_are_those_that_a_filter_of_all_gives(
    certificate: Certificate, names: tuple[str, ...], expected: int
) -> None:
    found, rows = certified_rows(io.BytesIO(written(certificate)), COLUMNS, "contract", among(*names))
    assert found == certificate
    assert (rows.num_rows, rows.column_names) == (expected, COLUMNS)
    whole = bar_rows(WEDNESDAY).select(COLUMNS)
    plain = rows.set_column(1, "contract", rows.column("contract").cast(pa.string()))
    assert plain.to_pylist() == whole.filter(among(*names)(whole.column("contract"))).to_pylist()


def damaged_in_group(data: bytes, number: int, column: str) -> bytes:
    metadata = pq.read_metadata(io.BytesIO(data))
    (chunk,) = [metadata.row_group(number).column(place) for place in range(metadata.num_columns)
                if metadata.row_group(number).column(place).path_in_schema == column]  # fmt: skip
    at = chunk.data_page_offset + chunk.total_compressed_size - 3
    at = min(at, (chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 1)
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def test_groups_without_such_a_row_are_not_decoded_and_the_others_are_held_against_their_checksums(
    certificate: Certificate,
) -> None:
    """P590 lies in the third group alone: what is wrong with the first is nothing to it."""
    whole = bar_rows(WEDNESDAY)
    place = whole.column("contract").to_pylist().index(P590) // 3
    data = damaged_in_group(written(certificate), (place + 1) % 3, "close")
    with pytest.raises(DamagedPartition):
        certified_columns(io.BytesIO(data), COLUMNS)
    _, rows = certified_rows(io.BytesIO(data), COLUMNS, "contract", among(P590))
    assert rows.column("close").to_pylist() == [0.2]
    for name in ("close", "contract"):
        with pytest.raises(DamagedPartition, match="no table can be read from it"):
            certified_rows(io.BytesIO(damaged_in_group(written(certificate), place, name)), COLUMNS, "contract",
                           among(P590))  # fmt: skip


def test_a_file_of_other_rows_than_its_certificate_says_is_refused(certificate: Certificate) -> None:
    data = encoded(bar_rows(WEDNESDAY).slice(1), certificate, GROUPED, "zstd", 3)
    with pytest.raises(DamagedPartition, match="it has 10 rows, its certificate is of 11"):
        certified_rows(io.BytesIO(data), COLUMNS, "contract", among(P590))
    with pytest.raises(DamagedPartition):
        certified_rows(io.BytesIO(b"PAR1"), COLUMNS, "contract", among(P590))
