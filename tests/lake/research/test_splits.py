"""Splits: by date, apart from each other, and never with a session in two."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.errors import BadArgument
from marketlake.research.splits import Dates, Splits
from marketlake.research.tensor import SessionTensor
from short_sessions import ShortSessions, days

JANUARY = days(12)


def day(number: int) -> dt.date:
    return dt.date(2024, 1, number)


def numbers(part: SessionTensor | None) -> list[int] | None:
    """The days of the month of a split's sessions."""
    return None if part is None else [session.day for session in part.sessions]


def split(count: int = 12, **how: Any) -> Splits[SessionTensor]:
    return ShortSessions([4] * count).tensor().split(**how)


@pytest.mark.parametrize(
    ("how", "train", "valid", "test"),
    [
        ({"train": (day(1), day(3)), "test": (day(4), day(6))}, [1, 2, 3], None, [4, 5, 6]),
        ({"train": ("2024-01-01", "2024-01-02"), "test": ["2024-01-12", "2024-02-01"]}, [1, 2], None, [12]),
        (
            {"train": (day(1), day(4)), "valid": (day(5), day(8)), "test": (day(9), day(12)), "embargo": 2},
            [1, 2],
            [5, 6],
            [9, 10, 11, 12],
        ),
        # a gap counts towards the embargo
        ({"train": (day(1), day(4)), "test": (day(7), day(9)), "embargo": 2}, [1, 2, 3, 4], None, [7, 8, 9]),
        ({"train": (day(1), day(4)), "test": (day(7), day(9)), "embargo": 3}, [1, 2, 3], None, [7, 8, 9]),
        # tested on what came before
        ({"train": (day(6), day(9)), "test": (day(1), day(5)), "embargo": 1}, [6, 7, 8, 9], None, [1, 2, 3, 4]),
        # several ranges: each end that another split follows gives way
        (
            {
                "train": [(day(1), day(3)), (day(7), day(9))],
                "test": [(day(4), day(6)), (day(11), day(12))],
                "embargo": 1,
            },
            [1, 2, 7, 8, 9],
            None,
            [4, 5, 11, 12],
        ),
    ],
)
def test_the_sessions_of_each_split_are(
    how: dict[str, Any], train: list[int], valid: list[int] | None, test: list[int]
) -> None:
    assert tuple(map(numbers, split(**how))) == (train, valid, test)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            {"train": (day(1), day(5)), "test": (day(5), day(9))},
            r"train \(2024-01-01 to 2024-01-05\) and test \(2024-01-05 to 2024-01-09\) overlap",
        ),
        ({"train": (day(4), day(5)), "test": (day(1), day(9))}, r"train .* and test .* overlap"),
        ({"train": (day(1), day(2)), "valid": (day(3), day(5)), "test": (day(4), day(9))}, "valid .* and test .* over"),
        (
            {"train": (day(5), day(1)), "test": (day(6), day(9))},
            "train begins with 2024-01-05 and ends with 2024-01-01",
        ),
        (
            {"train": (day(1), day(5)), "test": ("2024-02-01", "2024-02-05")},
            "test holds none of the sessions that there are, which run from 2024-01-01 to 2024-01-12",
        ),
        ({"train": (day(1), day(3)), "test": (day(4), day(9)), "embargo": 3}, "embargo=3 leaves no session of train"),
        ({"train": (day(1), day(3)), "test": (day(4), day(9)), "embargo": 99}, "embargo=99 leaves no session of train"),
        ({"train": (day(1), day(3)), "test": (day(4), day(9)), "embargo": -1}, "embargo=-1 .* of at least 0"),
        (
            {"train": day(1), "test": (day(4), day(9))},
            r"train=datetime.date\(2024, 1, 1\) is not allowed: give \(first",
        ),
        ({"train": (day(1),), "test": (day(4), day(9))}, "train=.* is not allowed"),
        ({"train": (), "test": (day(4), day(9))}, r"train=\(\) is not allowed"),
        ({"train": ("01/01/2024", "x"), "test": (day(4), day(9))}, "train=.'01/01/2024', 'x'. is not allowed"),
        (
            {"train": (dt.datetime(2024, 1, 1, tzinfo=dt.UTC), day(3)), "test": (day(4), day(9))},
            "train=.* is not allowed",
        ),
        ({"train": [(day(1), day(2)), day(3)], "test": (day(4), day(9))}, "train=.* is not allowed"),
    ],
)
def test_what_is_not_allowed_is_named(how: dict[str, Any], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        split(**how)


@given(st.lists(st.integers(1, 30), min_size=6, max_size=6, unique=True).map(sorted), st.integers(0, 6), st.data())
def test_no_session_is_in_two_and_the_embargo_lies_between(ends: list[int], embargo: int, data: st.DataObject) -> None:
    spans = data.draw(st.permutations([ends[:2], ends[2:4], ends[4:]]))
    names = ("train", "valid", "test")
    dates: dict[str, Dates] = {name: (day(first), day(last)) for name, (first, last) in zip(names, spans, strict=True)}
    follows = {ends[0]: ends[2], ends[2]: ends[4], ends[4]: 99}
    left = [range(first, min(last, follows[first] - embargo - 1) + 1) for first, last in spans]
    if not all(left):
        with pytest.raises(BadArgument, match=f"embargo={embargo} leaves no session of"):
            split(30, **dates, embargo=embargo)
        return
    assert [numbers(part) for part in split(30, **dates, embargo=embargo)] == [list(days) for days in left]


@pytest.mark.parametrize("read_before", [True, False])
def test_a_split_holds_the_rows_of_its_sessions(read_before: bool) -> None:
    short = ShortSessions([6, 4, 6, 4], [[(0, float(number), 1)] for number in range(4)])
    tensor = short.tensor(["close"])
    if read_before:
        assert tensor.values.shape == (4, 6, 1)
    found = tensor.split(train=[(day(1), day(1)), (day(3), day(3))], valid=(day(2), day(2)), test=(day(4), day(4)))
    assert found.train.values[:, 0, 0].tolist() == [0, 2]
    assert found.valid is not None
    assert found.valid.values.shape == found.test.values.shape == (1, 6, 1)
    assert (found.valid.values[0, 0, 0], found.test.values[0, 0, 0]) == (1, 3)
    assert found.train.lengths.tolist() == [6, 6]
    assert len(short.read) == 4
    if read_before:
        assert np.shares_memory(found.test.values, tensor.values)


def test_a_split_of_a_mapped_tensor_stays_mapped(tmp_path: Any) -> None:
    mapped = ShortSessions([4] * 12).tensor().memmap(tmp_path)
    found = mapped.split(train=(JANUARY[0], JANUARY[5]), test=(JANUARY[6], JANUARY[11]))
    assert isinstance(found.test.values, np.memmap)
    assert np.shares_memory(found.test.values, mapped.values)
