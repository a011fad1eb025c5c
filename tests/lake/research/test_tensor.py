"""Rows on a grid: each where it belongs, nothing from the future, and the same however it is read."""

from __future__ import annotations

import datetime as dt
import errno
import json
import math
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.errors import BadArgument, InvalidBars, NotASession, StorageError
from marketlake.research.fill import Fill
from marketlake.research.tensor import SessionTensor
from marketlake.sessions import SessionCalendar
from short_sessions import Row, ShortSessions, days, opens_ms, table

CALENDAR = SessionCalendar(dt.date(2026, 11, 20))
THANKSGIVING_WEEK = [dt.date(2024, 11, day) for day in (25, 26, 27, 29)]
NAN = math.nan

FILLS = st.sampled_from(["nan", "ffill", "zero"])
CLOSES = st.one_of(st.none(), st.floats(0.01, 10_000))
LENGTH = 8
ROWS = st.dictionaries(st.integers(0, LENGTH - 1), st.tuples(CLOSES, st.integers(0, 10**6))).map(
    lambda rows: [(step, *rows[step]) for step in sorted(rows)]
)
SESSIONS = st.lists(ROWS, min_size=1, max_size=7)


def of(rows: list[list[Row]], **how: Any) -> SessionTensor:
    return ShortSessions([LENGTH] * len(rows), rows).tensor(**how)


def bits(*tensors: SessionTensor) -> list[tuple[bytes, bytes]]:
    """What sessions hold, bit by bit, so that NaN equals NaN and 0.0 is not -0.0."""
    return [(day.tobytes(), mask.tobytes()) for one in tensors for day, mask in zip(one.values, one.mask, strict=True)]


@pytest.mark.parametrize(
    ("fill", "closes", "volumes"),
    [
        ("nan", [NAN, 10, NAN, NAN, NAN, 12, NAN], [NAN, 5, NAN, 6, NAN, 7, NAN]),
        ("ffill", [NAN, 10, 10, 10, 10, 12, 12], [NAN, 5, 5, 6, 6, 7, 7]),
        ("zero", [0, 10, 0, NAN, 0, 12, 0], [0, 5, 0, 6, 0, 7, 0]),
        ({"close": "ffill", "volume": "zero"}, [NAN, 10, 10, 10, 10, 12, 12], [0, 5, 0, 6, 0, 7, 0]),
        ({"volume": "zero"}, [NAN, 10, NAN, NAN, NAN, 12, NAN], [0, 5, 0, 6, 0, 7, 0]),
    ],
)
def test_each_fill_fills_its_field(fill: Any, closes: list[float], volumes: list[float]) -> None:
    rows: list[Row] = [(1, 10.0, 5), (3, None, 6), (5, 12.0, 7)]
    tensor = ShortSessions([7, 9], [rows, []]).tensor(fill=fill, dtype="float64")
    np.testing.assert_array_equal(tensor.values[0, :, 0], [*closes, NAN, NAN])
    np.testing.assert_array_equal(tensor.values[0, :, 1], [*volumes, NAN, NAN])
    assert tensor.mask[0].tolist() == [False, True, False, True, False, True, False, False, False]
    assert not tensor.mask[1].any()


@pytest.mark.parametrize(("fill", "expected"), [("nan", [NAN, 2.0]), ("ffill", [NAN, 2.0]), ("zero", [NAN, 2.0])])
def test_an_unknown_number_of_a_session_without_gaps_stays_unknown(fill: Fill, expected: list[float]) -> None:
    tensor = ShortSessions([2], [[(0, None, 1), (1, 2.0, 1)]]).tensor(["close"], fill)
    np.testing.assert_array_equal(tensor.values[0, :, 0], expected)


def real_calendar(sessions: list[dt.date], fill: Fill = "nan") -> SessionTensor:
    """A bar in the first and in the last second of each session's regular hours."""

    def rows(day: dt.date) -> pa.Table:
        hours = CALENDAR.hours(day)
        return pa.table({"timestamp": [hours.regular_start_ms, hours.regular_end_ms - 1000], "close": [1.0, 2.0]})

    return SessionTensor.of(rows, CALENDAR.hours, sessions, ["close"], fill=fill)


@pytest.mark.parametrize("fill", ["nan", "ffill", "zero"])
def test_an_early_close_ends_at_its_length_whatever_the_fill(fill: Fill) -> None:
    tensor = real_calendar(THANKSGIVING_WEEK, fill)
    assert tensor.shape == tensor.values.shape == (4, 23_400, 1)
    assert tensor.lengths.tolist() == [23_400, 23_400, 23_400, 12_600]
    assert tensor.opens_ms.tolist()[-1] == 1732890600000  # 14:30 UTC
    assert tensor.values[2, -1, 0] == tensor.values[3, 12_599, 0] == 2
    assert tensor.mask.sum(axis=1).tolist() == [2, 2, 2, 2]
    assert np.isnan(tensor.values[3, 12_600:]).all()
    assert not tensor.mask[3, 12_600:].any()


def test_early_closes_alone_have_their_own_number_of_steps() -> None:
    tensor = real_calendar([dt.date(2024, 7, 3), dt.date(2024, 11, 29)])
    assert tensor.shape == (2, 12_600, 1)


def test_a_last_step_that_the_close_cuts_short_counts() -> None:
    def rows(day: dt.date) -> pa.Table:
        return pa.table({"timestamp": [opens_ms(day), opens_ms(day) + 18_000], "close": [1, 2]})

    short = ShortSessions([20])
    tensor = SessionTensor.of(rows, short.hours, short.sessions, ["close"], step_ms=6000, fill="zero")
    assert (tensor.step_ms, tensor.lengths.tolist()) == (6000, [4])
    assert tensor.values[0, :, 0].tolist() == [1, 0, 0, 2]


@given(SESSIONS)
def test_every_row_is_at_its_step_and_nothing_else_is_there(rows: list[list[Row]]) -> None:
    tensor = of(rows, dtype="float64")
    held = {(session, step): (close, volume) for session, day in enumerate(rows) for step, close, volume in day}
    for at in np.ndindex(tensor.mask.shape):
        close, volume = held.get(at, (None, None))
        assert tensor.mask[at] == (at in held)
        expected = [NAN if number is None else float(number) for number in (close, volume)]
        np.testing.assert_array_equal(tensor.values[at], expected)


@given(SESSIONS, FILLS, st.integers(0, LENGTH))
def test_no_fill_changes_if_later_seconds_are_removed(rows: list[list[Row]], fill: Fill, until: int) -> None:
    earlier = [[row for row in day if row[0] < until] for day in rows]
    whole, cut = of(rows, fill=fill), of(earlier, fill=fill)
    assert whole.values[:, :until].tobytes() == cut.values[:, :until].tobytes()
    assert whole.mask[:, :until].tobytes() == cut.mask[:, :until].tobytes()


@given(SESSIONS, FILLS)
def test_no_fill_changes_with_the_sessions_around(rows: list[list[Row]], fill: Fill) -> None:
    short = ShortSessions([LENGTH] * len(rows), rows)
    alone = [SessionTensor.of(short, short.hours, [day], ["close", "volume"], fill=fill) for day in short.sessions]
    assert bits(*alone) == bits(short.tensor(fill=fill))


@given(SESSIONS, FILLS, st.integers(1, 8), st.integers(1, 4), st.sampled_from(["float32", "float64"]))
def test_in_chunks_by_threads_or_mapped_it_is_bit_by_bit_the_whole(
    rows: list[list[Row]], fill: Fill, size: int, readers: int, dtype: str
) -> None:
    whole = bits(of(rows, fill=fill, dtype=dtype))
    unread, read = (of(rows, fill=fill, dtype=dtype, readers=readers) for _ in range(2))
    assert bits(read) == whole
    assert bits(*unread.chunks(size)) == bits(*read.chunks(size)) == whole
    with tempfile.TemporaryDirectory() as folder:
        mapped = unread.memmap(folder, size)
        assert bits(mapped) == bits(*mapped.chunks(size)) == bits(SessionTensor.open(folder)) == whole
        assert mapped.values.dtype == dtype


def test_nothing_is_read_before_it_is_looked_at_and_nothing_twice() -> None:
    short = ShortSessions([5] * 5)
    tensor = short.tensor()
    chunks = tensor.chunks(2)
    second = [next(chunks), next(chunks)][1]
    assert (len(tensor), tensor.windows(2, 1).shape, repr(tensor)[:13], short.read) == (5, (15, 2), "SessionTensor", [])
    assert second.values.shape == (2, 5, 2)
    assert short.read == days(5)[2:4]
    assert [*tensor.values.shape, *tensor.mask.shape] == [5, 5, 2, 5, 5]
    list(chunks)[-1].mask.sum()
    assert short.read == days(5)[2:4] + days(5)


def test_chunks_of_early_closes_keep_the_steps_of_the_whole() -> None:
    assert [chunk.values.shape for chunk in ShortSessions([9, 4, 4]).tensor().chunks(1)] == [(1, 9, 2)] * 3


def test_the_result_is_the_same_if_a_later_session_is_read_first() -> None:
    rows: list[list[Row]] = [[(0, 1.0, 1)], [(1, 2.0, 2)]]
    short, second_is_read = ShortSessions([3, 3], rows), threading.Event()

    def late(session: dt.date) -> pa.Table:
        if session == short.sessions[0]:
            assert second_is_read.wait(timeout=30)
        found = short(session)
        second_is_read.set()
        return found

    tensor = SessionTensor.of(late, short.hours, short.sessions, ["close", "volume"], readers=2)
    assert bits(tensor) == bits(ShortSessions([3, 3], rows).tensor())
    assert short.read[0] == short.sessions[1]


@pytest.mark.parametrize("readers", [1, 3])
def test_of_several_errors_the_earliest_sessions_is_raised_and_every_thread_has_ended(readers: int) -> None:
    short = ShortSessions([3] * 40)

    def failing(session: dt.date) -> pa.Table:
        if session > short.sessions[0]:
            raise StorageError(f"no {session}")
        return short(session)

    before = threading.enumerate()
    tensor = SessionTensor.of(failing, short.hours, short.sessions, ["close"], readers=readers)
    with pytest.raises(StorageError, match="^no 2024-01-02$"):
        _ = tensor.values
    assert threading.enumerate() == before


@pytest.mark.parametrize(
    "offsets_ms",
    [[-1000], [5000], [500], [1000, 1000], [2000, 1000], [0, 1000, 1500]],
    ids=["before the open", "at the close", "between", "twice", "descending", "one between"],
)
def test_rows_off_the_grid_are_refused(offsets_ms: list[int]) -> None:
    def rows(day: dt.date) -> pa.Table:
        stamps = [opens_ms(day) + offset_ms for offset_ms in offsets_ms]
        return pa.table({"timestamp": pa.array(stamps, pa.int64()), "close": [1.0] * len(stamps)})

    short = ShortSessions([5])
    tensor = SessionTensor.of(rows, short.hours, short.sessions, ["close"])
    with pytest.raises(InvalidBars, match="2024-01-01 do not lie on the grid .* of 1000 ms"):
        _ = tensor.values


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fields": []}, r"fields=\(\) is not allowed: name at least one column"),
        ({"fields": ["close", "close"]}, r"fields=\('close', 'close'\) is not allowed"),
        ({"fill": "mean"}, "fill='mean' of close is not allowed: choose one of nan, ffill, zero"),
        ({"fill": {"close": "bfill"}}, "fill='bfill' of close is not allowed"),
        ({"fill": {"price": "nan"}}, "fill names 'price', which is not one of the fields: close, volume"),
        ({"dtype": "int64"}, "dtype='int64' is not allowed: choose one of float32, float64"),
        ({"dtype": "price"}, "dtype='price' is not allowed"),
        ({"step_ms": 0}, "step_ms=0 is not allowed: give a whole number of at least 1"),
        ({"step_ms": 1000.0}, "step_ms=1000.0 is not allowed"),
        ({"readers": 0}, "readers=0 is not allowed"),
        ({"readers": True}, "readers=True is not allowed"),
    ],
)
def test_what_is_not_allowed_is_named_at_once(how: dict[str, Any], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        ShortSessions([5]).tensor(**how)


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ([], "a tensor has at least one session"),
        (days(2)[::-1], "sessions has 2024-01-01 after 2024-01-02: give them ascending"),
        (days(1) * 2, "sessions has 2024-01-01 after 2024-01-01"),
    ],
)
def test_sessions_that_do_not_ascend_are_refused(sessions: list[dt.date], message: str) -> None:
    short = ShortSessions([5, 5])
    with pytest.raises(BadArgument, match=message):
        SessionTensor.of(short, short.hours, sessions, ["close"])


def test_a_day_that_is_no_session_is_refused_as_the_calendar_does() -> None:
    with pytest.raises(NotASession, match="2024-11-28"):
        real_calendar([dt.date(2024, 11, 28)])


@pytest.mark.parametrize("field", ["ticker", "price"])
def test_a_field_that_is_no_column_of_numbers_is_refused_when_it_is_read(field: str) -> None:
    tensor = ShortSessions([5]).tensor([field])
    with pytest.raises(BadArgument, match=f"names '{field}', which is no .* choose among timestamp, close, volume"):
        _ = tensor.values


@pytest.mark.parametrize("size", [0, -1, 1.5])
def test_chunks_of_nothing_are_refused_before_they_are_looped_over(size: Any) -> None:
    with pytest.raises(BadArgument, match=f"sessions={size} is not allowed"):
        ShortSessions([5]).tensor().chunks(size)


def test_a_tensor_says_in_one_line_what_it_is() -> None:
    assert repr(ShortSessions([5, 4]).tensor()) == (
        "SessionTensor(2 sessions 2024-01-01..2024-01-02, 5 steps of 1000 ms, close/volume, float32)"
    )


def a_folder(tmp_path: Path) -> Path:
    ShortSessions([5, 4], [[(0, 1.0, 1)], [(2, 2.0, 2)]]).tensor(fill={"volume": "zero"}).memmap(tmp_path / "tensor")
    return tmp_path / "tensor"


def test_a_folder_says_what_it_holds_and_numpy_reads_it(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    assert {path.name for path in folder.iterdir()} == {"values.npy", "mask.npy", "tensor.json"}
    head = json.loads((folder / "tensor.json").read_text())
    assert head == {
        "version": 1,
        "sessions": ["2024-01-01", "2024-01-02"],
        "opens_ms": [1_700_000_000_000, 1_700_086_400_000],
        "lengths": [5, 4],
        "steps": 5,
        "step_ms": 1000,
        "fields": ["close", "volume"],
        "fill": {"close": "nan", "volume": "zero"},
        "dtype": "float32",
    }
    assert np.load(folder / "values.npy")[1, 2].tolist() == [2, 2]
    opened = SessionTensor.open(folder)
    assert opened.fill == {"close": "nan", "volume": "zero"}
    assert opened.windows(3, 1).tolist() == [[0, 0], [0, 1], [1, 0]]
    assert not opened.values.flags.writeable


def cut(folder: Path, name: str) -> None:
    os.truncate(folder / name, (folder / name).stat().st_size - 1)


def change_head(folder: Path, **changes: Any) -> None:
    head = json.loads((folder / "tensor.json").read_text())
    (folder / "tensor.json").write_text(json.dumps(head | changes))


DAMAGES = {
    "no head": lambda folder: (folder / "tensor.json").unlink(),
    "half a head": lambda folder: cut(folder, "tensor.json"),
    "half the values": lambda folder: cut(folder, "values.npy"),
    "half the mask": lambda folder: cut(folder, "mask.npy"),
    "nothing of the values": lambda folder: os.truncate(folder / "values.npy", 0),
    "no mask": lambda folder: (folder / "mask.npy").unlink(),
    "a head of another version": lambda folder: change_head(folder, version=2),
    "a head of another type": lambda folder: change_head(folder, dtype="float64"),
    "a type that there is not": lambda folder: change_head(folder, dtype="price"),
    "a head of more sessions": lambda folder: change_head(folder, sessions=["2024-01-01"]),
    "a mask of another tensor": lambda folder: np.save(folder / "mask.npy", np.ones((2, 6), dtype=bool)),
    "no folder": lambda folder: folder.rename(folder.parent / "elsewhere"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path, damage: str) -> None:
    folder = a_folder(tmp_path)
    DAMAGES[damage](folder)
    with pytest.raises(StorageError, match="tensor holds no whole tensor .*: write it again with memmap"):
        SessionTensor.open(folder)


def test_a_folder_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(BadArgument, match=r"folder='.*tensor' is not allowed: .* is there. Name a new folder"):
        ShortSessions([5]).tensor().memmap(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_nothing_stays_of_a_tensor_that_could_not_be_read_to_its_end(tmp_path: Path) -> None:
    short = ShortSessions([3] * 4)

    def failing(session: dt.date) -> pa.Table:
        if session == short.sessions[-1]:
            raise StorageError("the last one cannot be read")
        return table(session, [])

    with pytest.raises(StorageError, match="the last one"):
        SessionTensor.of(failing, short.hours, short.sessions, ["close"]).memmap(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_that_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="cannot be written to .*No space left on device. Free some room"):
        ShortSessions([5]).tensor().memmap(tmp_path / "tensor")
    assert list((tmp_path / "tensor").iterdir()) == []


def test_a_head_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    present: list[set[str]] = []

    def seen(descriptor: int) -> None:
        present.append({path.name for path in tmp_path.iterdir()})

    monkeypatch.setattr(os, "fsync", seen)
    ShortSessions([5]).tensor().memmap(tmp_path)
    assert present == [{"values.npy", "mask.npy"}] * 2 + [{"values.npy", "mask.npy", "tensor.json.part"}]
