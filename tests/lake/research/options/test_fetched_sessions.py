"""Options as ingest leaves them, read: the same rows, of one piece, and what the made-up market was priced by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from fetched_options import a_market, fill_with_options
from marketlake import open_lake
from marketlake.datasets import OF_OPTIONS
from marketlake.lake import Lake
from marketlake.research.lake import ResearchLake
from marketlake.verify.verify import verify
from option_lake import BARS, CHAIN, FRIDAY, PANEL, SELECTION, TUESDAY, WEDNESDAY, held
from polygon_simulator.server import Simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with a_market() as running:
        yield running


@pytest.fixture(scope="module")
def fetched(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    root = tmp_path_factory.mktemp("fetched") / "lake"
    return fill_with_options(simulator, root, (TUESDAY, WEDNESDAY, FRIDAY), (WEDNESDAY, FRIDAY))


@pytest.fixture
def lake(fetched: Lake) -> ResearchLake:
    return open_lake(fetched.storage.root)


def test_what_is_read_is_what_was_published(fetched: Lake, lake: ResearchLake) -> None:
    for name, read in ((BARS, lake.option_bars), (PANEL, lake.option_panel)):
        parts = [held(fetched, name, session)[1] for session in (WEDNESDAY, FRIDAY)]
        whole = pa.concat_tables(parts)
        found = read(WEDNESDAY, FRIDAY, columns=whole.column_names, engine="arrow")
        assert found.num_rows == whole.num_rows > 1_000
        for column in whole.column_names[2:]:
            assert found[column].to_pylist() == whole[column].to_pylist()
        assert found["timestamp"].cast(pa.int64()).to_pylist() == whole["timestamp"].to_pylist()
    chain = lake.option_chain(WEDNESDAY)
    assert chain.contracts["contract"].tolist() == held(fetched, CHAIN)[1]["contract"].to_pylist()
    assert chain.contracts["bars"].tolist() == held(fetched, SELECTION)[1]["bars"].to_pylist()
    assert chain.contracts["bars"].sum() == len(lake.option_bars(WEDNESDAY))


def test_the_sessions_are_of_one_piece(fetched: Lake, lake: ResearchLake) -> None:
    assert {name: verify(fetched, dataset).findings for name, dataset in OF_OPTIONS.items()} == dict.fromkeys(
        OF_OPTIONS, ()
    )
    for name in OF_OPTIONS:
        assert lake.coverage(WEDNESDAY, FRIDAY, dataset=name)["state"].tolist() == ["complete"] * 2


def test_a_filter_of_the_selections_own_bounds_takes_all_of_it(lake: ResearchLake) -> None:
    chain = lake.option_chain(WEDNESDAY)
    assert chain.rule is not None
    rule = chain.rule.rule
    within = lake.option_chain(
        WEDNESDAY, moneyness=(-rule.moneyness_below, rule.moneyness_above), dte=(rule.dte_min, rule.dte_max)
    ).contracts
    assert within["selected"].all()
    assert len(within) == chain.contracts["selected"].sum() > 0


@pytest.mark.parametrize(("kind", "delta"), [("call", 0.25), ("call", 0.5), ("put", 0.25), ("put", 0.1)])
def test_the_nearest_has_the_iv_that_the_market_was_priced_with(
    lake: ResearchLake, simulator: Simulator, kind: str, delta: float
) -> None:
    chain = lake.option_chain(WEDNESDAY)
    found = chain.nearest(at="11:00", dte=2, delta=delta, type=kind, max_age_s=None)
    assert found is not None
    assert (found.type, found.dte) == (kind, 2)
    assert found.ended_at <= found.at == dt.datetime.combine(WEDNESDAY, dt.time(11), found.at.tzinfo)
    others = chain.at("11:00")
    rivals = others[(others["type"] == kind) & (others["dte"] == 2) & others["iv"].notna()]["delta"]
    assert abs(abs(found.delta) - delta) == np.abs(rivals.abs() - delta).min()
    priced_with = simulator.options.simulated_iv(found.contract, int(found.ended_at.timestamp() * 1000))
    assert priced_with is not None
    assert found.price < 0.3 or abs(found.iv - priced_with) < 0.01
