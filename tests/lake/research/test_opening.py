"""``open_lake``: which lake, what it says of itself, and what it says if there is none; coverage and certificates."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pandas as pd
import pytest

from conftest import NOW
from marketlake import open_lake
from marketlake.datasets.stock_bars import MINUTE_BARS
from marketlake.errors import BadArgument, PlaceUnusable
from research_lake import Ground, ground, made_up, prepared

__all__ = ["ground", "made_up", "prepared"]


def test_a_lake_says_what_it_holds(ground: Ground) -> None:
    ground.fetch(dt.date(2024, 11, 25), dataset=MINUTE_BARS)
    ground.partition(dt.date(2024, 11, 27)).unlink()
    assert repr(ground.lake) == (
        f"<lake of 127.0.0.1 at {ground.root}: second_bars of SPY, 2024-11-25 to 2024-12-03, 5 of 6 sessions complete;"
        " minute_bars of SPY, 2024-11-25 to 2024-11-25, 1 of 1 sessions complete>"
    )


def test_without_a_folder_it_is_the_lake_of_the_settings(made_up: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(made_up.root))
    assert open_lake().root == made_up.root
    assert open_lake(None).root == made_up.root


def test_no_key_is_needed(made_up: Ground) -> None:
    assert len(open_lake(str(made_up.root)).bars("2024-11-29")) == 210


@pytest.mark.parametrize("given", ["nowhere", Path("nowhere")])
def test_no_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | Path) -> None:
    monkeypatch.chdir(tmp_path)
    words = f"root='{tmp_path}/nowhere' is no folder: give the folder in which processed/ lies, such as 'data'"
    with pytest.raises(BadArgument, match=re.escape(words)):
        open_lake(given)


def test_a_folder_that_is_no_lake_is_told(tmp_path: Path, made_up: Ground) -> None:
    with pytest.raises(BadArgument, match="holds no lake, no processed/ in it"):
        open_lake(tmp_path)
    with pytest.raises(BadArgument, match="processed/spy' holds no lake"):
        open_lake(made_up.root / "processed" / "spy")
    with pytest.raises(BadArgument, match="root=7"):
        open_lake(7)  # type: ignore[arg-type]


def test_a_dataset_within_a_lake_is_no_lake(ground: Ground) -> None:
    ground.fetch(dt.date(2024, 11, 25), dataset=MINUTE_BARS)
    words = f"/minute_bars' is a dataset's folder within a lake: give '{ground.root}'."
    with pytest.raises(BadArgument, match=re.escape(words)):
        open_lake(ground.root / "minute_bars")


def test_a_lake_whose_own_file_is_broken_still_says_what_it_holds(ground: Ground) -> None:
    (ground.root / "lake.json").write_text("{")
    assert repr(ground.lake).startswith("<lake of nobody knows whom (lake.json cannot be read) at /")


def test_a_lake_of_a_layout_that_this_version_does_not_know_is_not_opened(ground: Ground) -> None:
    ground.fetch(dt.date(2024, 11, 25))
    (ground.root / "lake.json").write_text('{"layout": 2, "source": "the vendor", "adjusted": false}')
    with pytest.raises(PlaceUnusable, match=r"lake\.json in .* is of layout 2, and this version knows layout 1 alone"):
        open_lake(ground.root)


def test_without_the_lake_of_the_settings_the_command_that_fills_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(tmp_path / "data"))
    with pytest.raises(
        BadArgument, match=r"is no folder: fetch a session, with  make backfill FROM=... TO=...  , or name"
    ):
        open_lake()


def test_a_dataset_of_which_nothing_is_held_is_told(made_up: Ground) -> None:
    with pytest.raises(BadArgument, match="dataset='minute_bars': the lake at .* holds nothing of it yet"):
        made_up.lake.bars("2024-11-25", dataset="minute_bars")


def test_coverage_has_a_row_for_every_session_of_the_range(ground: Ground) -> None:
    pd.read_parquet(ground.partition(dt.date(2024, 12, 2)), partitioning=None).to_parquet(
        ground.partition(dt.date(2024, 12, 2))
    )
    found = ground.lake.coverage("2024-11-27", "2024-12-04")
    assert [str(day.date()) for day in found.index] == [
        "2024-11-27", "2024-11-29", "2024-12-02", "2024-12-03", "2024-12-04",
    ]  # fmt: skip
    assert found["state"].tolist() == ["complete", "complete", "without a certificate", "complete", "missing"]
    assert found["rows"].fillna(-1).tolist() == [390, 210, -1, 390, -1]
    assert found["early_close"].tolist() == [False, True, False, False, False]
    assert {name: str(kind) for name, kind in found.dtypes.items()} == {
        "state": "str", "rows": "Int64", "revision": "Int64", "early_close": "bool",
    }  # fmt: skip


def test_certificates_are_rows_of_the_sessions_that_have_one(ground: Ground) -> None:
    found = ground.lake.certificates("2024-11-29", "2024-12-04")
    assert [str(day.date()) for day in found.index] == ["2024-11-29", "2024-12-02", "2024-12-03"]
    first = found.iloc[0]
    assert (first["state"], first["rows"], first["early_close"], first["revision"]) == ("complete", 210, True, 1)
    assert first["first_bar"] == pd.Timestamp("2024-11-29 09:30", tz="America/New_York")
    assert first["last_bar"] == pd.Timestamp("2024-11-29 12:59", tz="America/New_York")
    assert (first["published_at"], first["suspect_because"], first["changes"]) == (NOW, "", "")
    assert first["volume"] == ground.lake.bars("2024-11-29")["volume"].sum()
    nothing = ground.lake.certificates("2024-12-04")
    assert (len(nothing), list(nothing.columns)) == (0, list(found.columns))
