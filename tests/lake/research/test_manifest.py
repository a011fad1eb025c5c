"""Pinned rows: a manifest reads what it noted, bit for bit, or refuses; ``as_of`` reads what stood at a time."""

from __future__ import annotations

import datetime as dt
import json
import re

import pyarrow as pa
import pytest

from conftest import NOW
from marketlake.errors import BadArgument, NoSuchRevision, SessionsMissing
from research_lake import MADE_UP, Ground, ground, prepared

__all__ = ["ground", "prepared"]
WEDNESDAY, FRIDAY = dt.date(2024, 11, 27), dt.date(2024, 11, 29)
LATER = NOW + dt.timedelta(days=2)


def test_a_manifest_is_json_as_it_stands(ground: Ground) -> None:
    noted = ground.lake.manifest("2024-11-27", "2024-11-29")
    assert json.loads(json.dumps(noted)) == noted
    assert noted == {
        "manifest": 1,
        "dataset": "second_bars",
        "ticker": "SPY",
        "start": "2024-11-27",
        "end": "2024-11-29",
        "sessions": [
            {
                "session": "2024-11-27",
                "revision": 1,
                "content_hash": "751671c38845c188fde546cc29164d00703776f55c51835d028ec54e441ab380",
                "rows": 390,
            },
            {
                "session": "2024-11-29",
                "revision": 1,
                "content_hash": "249ae5322726b8e72d97d1528196ec0a8555a76ff412d98f4069841aa6f7421a",
                "rows": 210,
            },
        ],
    }


def test_after_a_revision_a_manifest_reads_the_old_rows_bit_for_bit_and_refuses_once_they_are_gone(
    ground: Ground,
) -> None:
    def read(**more: object) -> pa.Table:
        return ground.lake.bars("2024-11-26", "2024-12-02", hours="all", engine="arrow", **more)

    noted, before = ground.lake.manifest("2024-11-26", "2024-12-02"), read()
    ground.revise(WEDNESDAY)
    ground.revise(FRIDAY)
    assert not read().equals(before)
    assert read(manifest=noted).equals(before)
    assert ground.lake.manifest("2024-11-27")["sessions"][0]["revision"] == 2
    kept = [ground.root / "revisions" / "spy" / f"date={day}" / "rev=1.parquet" for day in (WEDNESDAY, FRIDAY)]
    kept[0].unlink()
    with pytest.raises(SessionsMissing, match="no longer kept of 2024-11-27: neither below processed/") as caught:
        read(manifest=noted)
    assert caught.value.sessions == (WEDNESDAY,)
    kept[1].unlink()
    with pytest.raises(SessionsMissing, match="no longer kept of 2024-11-27, 2024-11-29"):
        read(manifest=noted, missing="skip")


def test_rows_that_came_back_are_read_again(ground: Ground) -> None:
    noted = ground.lake.manifest(WEDNESDAY)
    ground.revise(WEDNESDAY)
    ground.fetch(WEDNESDAY)  # as they were at first: revision 3
    (ground.root / "revisions" / "spy" / f"date={WEDNESDAY}" / "rev=1.parquet").unlink()
    assert len(ground.lake.bars(WEDNESDAY, manifest=noted)) == 390


def test_a_part_of_a_manifest_can_be_read_and_nothing_beyond_it(ground: Ground) -> None:
    noted = ground.lake.manifest("2024-11-26", "2024-11-29")
    assert len(ground.lake.bars("2024-11-27", "2024-11-29", manifest=noted)) == 600
    with pytest.raises(BadArgument, match="it is of 2024-11-26 to 2024-11-29, and 2024-11-26 to 2024-12-02 were asked"):
        ground.lake.bars("2024-11-26", "2024-12-02", manifest=noted)


def test_what_is_added_later_is_not_in_a_manifest(ground: Ground) -> None:
    with pytest.warns(UserWarning, match="2024-12-04"):
        noted = ground.lake.manifest("2024-12-02", "2024-12-04", missing="skip")
    ground.fetch(dt.date(2024, 12, 4))
    with pytest.warns(UserWarning, match="1 of 3 .* not in the manifest 2024-12-04. Make a manifest anew"):
        assert len(ground.lake.bars("2024-12-02", "2024-12-04", manifest=noted)) == 780
    with pytest.raises(BadArgument, match="the exchange is closed on every day"):
        ground.lake.bars("2024-12-01", manifest=noted | {"start": "2024-12-01"})
    assert len(ground.lake.bars("2024-12-02", "2024-12-04")) == 1_170


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ticker": "QQQ"}, "ticker='SPY', but the manifest is of 'QQQ': ask for that."),
        ({"dataset": "minute_bars"}, "dataset='second_bars', but the manifest is of 'minute_bars'"),
        ({"manifest": 2}, "is none of version 1: give what lake.manifest(…) gave."),
        ({"sessions": [{"session": "2024-11-27"}]}, "manifest: Object missing required field `revision`"),
    ],
)
def test_another_manifest_is_refused(ground: Ground, changed: dict[str, object], words: str) -> None:
    noted = ground.lake.manifest(WEDNESDAY) | changed
    with pytest.raises(BadArgument, match=re.escape(words)):
        ground.lake.bars(WEDNESDAY, manifest=noted)


def test_as_of_reads_what_stood_at_a_time(ground: Ground) -> None:
    lake, before = ground.lake, ground.lake.bars(WEDNESDAY)
    ground.revise(WEDNESDAY, at=LATER)
    after = lake.bars(WEDNESDAY)
    assert not after.equals(before)
    assert lake.bars(WEDNESDAY, as_of=LATER - dt.timedelta(seconds=1)).equals(before)
    assert lake.bars(WEDNESDAY, as_of=LATER).equals(after)
    with pytest.raises(SessionsMissing, match="not held by then 2024-11-27. missing='skip' gives"):
        lake.bars(WEDNESDAY, as_of=NOW - dt.timedelta(seconds=1))
    assert lake.manifest(WEDNESDAY, as_of=NOW)["sessions"][0]["revision"] == 1


@pytest.mark.parametrize("how", ["gone", "cut in half"])
@pytest.mark.parametrize(
    ("lost", "stood", "gone"),
    [
        ("revisions/spy/date=2024-11-27/rev=2.parquet", {1: None, 3: 3}, 2),  # of the first, nobody knows until when
        ("processed/spy/date=2024-11-27/bars.parquet", {1: 1, 2: None}, 3),
        ("revisions/spy/date=2024-11-27/rev=1.parquet", {2: 2, 3: 3}, 1),
    ],
)
def test_what_stood_is_given_or_said_to_be_gone_but_never_another_revision(
    ground: Ground, how: str, lost: str, stood: dict[int, int | None], gone: int
) -> None:
    times = {1: NOW, 2: LATER, 3: LATER + dt.timedelta(days=2)}
    ground.revise(WEDNESDAY, at=times[2])
    ground.fetch(WEDNESDAY, at=times[3])  # the rows of the first again
    lake, shares = ground.lake, {1: 17_392_895, 2: 17_392_912, 3: 17_392_895}
    for number, at in times.items():
        assert lake.bars(WEDNESDAY, as_of=at)["volume"].sum() == shares[number]
    file = ground.root / lost
    file.write_bytes(file.read_bytes()[:2_000])
    if how == "gone":
        file.unlink()
    for number in {**stood, gone: None}:
        if stood.get(number):
            assert lake.bars(WEDNESDAY, as_of=times[number])["volume"].sum() == shares[number]
            rows = ground.written.revisions.read_as_of("SPY", WEDNESDAY, times[number])
            assert sum(rows["volume"].to_pylist()) == shares[number]
        else:
            with pytest.raises(SessionsMissing, match="no longer kept 2024-11-27. Take revisions/ from a backup"):
                lake.bars(WEDNESDAY, as_of=times[number])
            with pytest.raises(NoSuchRevision, match="are no longer kept, or their file cannot be read"):
                ground.written.revisions.read_as_of("SPY", WEDNESDAY, times[number])


def test_revisions_and_what_they_changed_are_frames(ground: Ground) -> None:
    ground.revise(WEDNESDAY, at=LATER)
    lake = ground.lake
    found = lake.revisions(WEDNESDAY)
    assert found.index.tolist() == [1, 2]
    assert found["newest"].tolist() == [False, True]
    assert found["published_at"].tolist() == [NOW, LATER]
    assert [len(lake.revision(WEDNESDAY, number, hours="regular")) for number in (1, 2)] == [390, 390]
    changed = lake.changes(WEDNESDAY, 1, 2)
    assert set(changed["change"]) == {"changed"}
    assert (changed["volume_new"] - changed["volume_old"]).tolist() == [1] * len(changed)
    assert len(changed) == 17
    assert changed["close_new"].tolist() == changed["close_old"].tolist()
    stood = lake.bars(WEDNESDAY, as_of=NOW, hours="all", engine="arrow")
    assert lake.revision(WEDNESDAY, 1, engine="arrow").equals(stood)
    with pytest.raises(NoSuchRevision, match="there is no revision 3; choose one of those that are kept: 1, 2"):
        lake.revision(WEDNESDAY, 3)
    assert lake.revisions("2024-12-04").empty


def test_one_of_the_made_up_sessions_is_a_single_day(ground: Ground) -> None:
    with pytest.raises(BadArgument, match="session='2024-11' is no single date: write it as YYYY-MM-DD"):
        ground.lake.revisions("2024-11")
    assert MADE_UP[0] == dt.date(2024, 11, 25)
