"""A session that is empty with evidence: no rows, and nothing to complain of, if the dataset allows it."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest

from every_dataset import fault_everywhere
from marketlake.datasets import DATASETS
from marketlake.datasets.dataset import EmptyRule
from marketlake.datasets.stock_bars import MINUTE_BARS
from marketlake.errors import SessionsMissing
from research_lake import MADE_UP, Ground, ground, prepared

__all__ = ["ground", "prepared"]
EMPTY = MADE_UP[1]
RANGE = {"start": MADE_UP[0], "end": MADE_UP[2], "dataset": "minute_bars"}


@pytest.fixture
def with_an_empty_one(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """Three sessions of minute bars, the second of which is empty."""
    allowing = dataclasses.replace(MINUTE_BARS, empty=EmptyRule.ALLOWED)
    monkeypatch.setitem(DATASETS, "minute_bars", allowing)  # type: ignore[arg-type]
    fault_everywhere(ground.simulator, EMPTY, "empty")
    ground.fetch(*MADE_UP[:3], dataset=allowing)
    return ground


@pytest.mark.parametrize("engine", ["pandas", "polars", "arrow"])
@pytest.mark.parametrize("frequency", [None, "30min", "1d"])
def test_an_empty_session_gives_no_rows_and_no_error(
    with_an_empty_one: Ground, engine: str, frequency: str | None
) -> None:
    lake = with_an_empty_one.lake
    assert lake.coverage(**RANGE)["state"].tolist() == ["complete", "empty", "complete"]
    whole = lake.bars(**RANGE, engine=engine, frequency=frequency)
    assert len(whole) == {None: 780, "30min": 26, "1d": 2}[frequency]
    assert len(lake.bars(EMPTY, dataset="minute_bars", engine=engine, frequency=frequency)) == 0


def test_an_empty_session_is_in_manifests_scans_and_tensors(with_an_empty_one: Ground) -> None:
    lake = with_an_empty_one.lake
    noted = lake.manifest(**RANGE)
    assert [one["rows"] for one in noted["sessions"]] == [390, 0, 390]
    assert len(lake.bars(**RANGE, manifest=noted)) == 780
    assert lake.scan(**RANGE).count_rows() == 780
    tensor = lake.tensor(**RANGE, fields=["close"])
    assert tensor.mask.sum(axis=1).tolist() == [390, 0, 390]
    assert np.isnan(tensor.values[1]).all()
    assert lake.duckdb().sql("select count(*) from minute_bars").fetchall() == [(780,)]


def test_if_the_dataset_does_not_allow_it_an_empty_session_has_to_be_asked_for(
    with_an_empty_one: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS, "minute_bars", MINUTE_BARS)  # type: ignore[arg-type]
    lake = with_an_empty_one.lake
    with pytest.raises(SessionsMissing, match=f"empty {EMPTY}. To take what is held: states=\\(…, 'empty'\\)"):
        lake.bars(**RANGE)
    assert len(lake.bars(**RANGE, states=["complete", "empty"])) == 780
    assert dt.date(2024, 11, 26) == EMPTY
