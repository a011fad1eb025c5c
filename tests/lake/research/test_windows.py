"""Windows: every one that fits into its session, and none that does not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.errors import BadArgument
from short_sessions import ShortSessions


@pytest.mark.parametrize(
    ("lengths", "length", "horizon", "stride", "expected"),
    [
        ([5], 3, 1, 1, [[0, 0], [0, 1]]),
        ([5], 3, 2, 1, [[0, 0]]),
        ([5], 3, 3, 1, []),
        ([5, 3, 4], 2, 1, 1, [[0, 0], [0, 1], [0, 2], [1, 0], [2, 0], [2, 1]]),
        ([8, 5], 2, 1, 3, [[0, 0], [0, 3], [1, 0]]),
        ([9], 2, 1, 3, [[0, 0], [0, 3], [0, 6]]),
        ([2, 9, 2], 4, 1, 10, [[1, 0]]),
    ],
)
def test_the_windows_are(lengths: list[int], length: int, horizon: int, stride: int, expected: list[Any]) -> None:
    found = ShortSessions(lengths).tensor().windows(length, horizon, stride)
    assert found.tolist() == expected
    assert (found.dtype, found.shape) == (np.dtype(np.int64), (len(expected), 2))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 8), st.integers(1, 8), st.integers(1, 5))
def test_no_window_leaves_its_session_and_none_is_left_out(
    lengths: list[int], length: int, horizon: int, stride: int
) -> None:
    found = ShortSessions(lengths).tensor().windows(length, horizon, stride).tolist()
    fitting = [
        [session, first]
        for session, steps in enumerate(lengths)
        for first in range(steps)
        if first % stride == 0 and first + length + horizon <= steps
    ]
    assert found == fitting


@given(st.integers(2, 9), st.integers(1, 8), st.integers(0, 3))
def test_no_window_sees_a_session_of_another_split(count: int, cut: int, embargo: int) -> None:
    short = ShortSessions([4] * count, [[(step, float(day), 1) for step in range(4)] for day in range(count)])
    last = min(cut, count - 1)
    try:
        parts = short.tensor(["close"]).split(
            train=(short.sessions[0], short.sessions[last - 1]),
            test=(short.sessions[last], short.sessions[-1]),
            embargo=embargo,
        )
    except BadArgument:
        assert embargo >= last
        return
    seen = []
    for part in (parts.train, parts.test):
        windows = part.windows(2, 1)
        assert len(windows) == 2 * len(part)
        seen.append({float(close) for at, first in windows for close in part.values[at, first : first + 3, 0]})
    assert seen == [set(map(float, range(last - embargo))), set(map(float, range(last, count)))]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"length": 0, "horizon": 1}, "length=0 is not allowed: give a whole number of at least 1"),
        ({"length": 1, "horizon": 0}, "horizon=0 is not allowed"),
        ({"length": 1, "horizon": 1, "stride": -1}, "stride=-1 is not allowed"),
        ({"length": 1.5, "horizon": 1}, r"length=1\.5 is not allowed"),
    ],
)
def test_numbers_below_one_are_refused(numbers: dict[str, Any], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        ShortSessions([5]).tensor().windows(**numbers)


def test_an_early_close_has_fewer_windows() -> None:
    found = ShortSessions([23_400, 12_600]).tensor().windows(300, 60)
    assert np.bincount(found[:, 0]).tolist() == [23_041, 12_241]
    assert dt.timedelta(seconds=int(found[-1, 1]) + 360) == dt.timedelta(hours=3, minutes=30)
