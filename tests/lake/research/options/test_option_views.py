"""Options among what a lake says of itself: its words, views in SQL, coverage, certificates, revisions, manifests."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import NOW
from marketlake import open_lake
from marketlake.errors import BadArgument, SessionsMissing
from marketlake.research.lake import ResearchLake
from option_tables import (
    ADJUSTED,
    C600,
    FRIDAY,
    ROWS,
    TUESDAY,
    WEDNESDAY,
    OptionGround,
    chain_rows,
    option_ground,
    prepared_options,
)

__all__ = ["option_ground", "prepared_options"]
LATER = NOW + dt.timedelta(days=2)
NAMES = ["option_chain", "option_selection", "option_bars", "option_panel"]


@pytest.fixture
def lake(prepared_options: OptionGround) -> ResearchLake:
    return prepared_options.lake


def test_a_lake_says_which_options_it_holds(lake: ResearchLake) -> None:
    assert repr(lake) == (
        f"<lake of 127.0.0.1 at {lake.root}: option_chain of SPY, 2024-11-26 to 2024-11-29, 3 of 3 sessions complete;"
        " option_selection of SPY, 2024-11-27 to 2024-11-29, 2 of 2 sessions complete;"
        " option_bars of SPY, 2024-11-27 to 2024-11-29, 2 of 2 sessions complete;"
        " option_panel of SPY, 2024-11-27 to 2024-11-29, 2 of 2 sessions complete>"
    )


def test_a_lake_of_options_alone_is_one_and_its_folders_are_none(option_ground: OptionGround) -> None:
    (option_ground.root / "lake.json").unlink()
    assert len(open_lake(option_ground.root).option_bars(WEDNESDAY)) == 11
    for name in NAMES:
        words = f"/{name}' is a dataset's folder within a lake: give '{option_ground.root}'."
        with pytest.raises(BadArgument, match=re.escape(words)):
            open_lake(option_ground.root / name)


def rows(lake: ResearchLake, query: str) -> list[Any]:
    return list(lake.duckdb().sql(query).fetchall())


def test_each_dataset_is_a_view(lake: ResearchLake) -> None:
    assert [one for (one,) in rows(lake, "select name from (show tables) order by 1")] == [
        "certificates", "option_bars", "option_chain", "option_panel", "option_selection", "sessions",
    ]  # fmt: skip
    assert lake.duckdb().sql("select * from option_bars limit 0").columns == [
        "time", "session", "ticker", "contract", "timestamp", "open", "high", "low", "close", "volume", "vwap",
        "transactions", "expiry", "type", "strike",
    ]  # fmt: skip
    assert lake.duckdb().sql("select * from option_selection limit 0").columns == [
        "session", "ticker", "contract", "selected", "reason", "state", "evidence", "bars", "request_id",
    ]  # fmt: skip
    assert rows(lake, f"select strftime(time, '%H:%M'), ticker, expiry, type, strike from option_panel"
                      f" where contract = '{C600}' order by time") == [
        (time, "SPY", FRIDAY, "call", 600.0) for time in ("09:30", "09:31", "10:00")
    ]  # fmt: skip
    assert rows(lake, "select session, count(*) from option_chain group by session order by session") == [
        (TUESDAY, 2), (WEDNESDAY, 18), (FRIDAY, 3),
    ]  # fmt: skip


def test_views_and_tables_are_joined(lake: ResearchLake) -> None:
    states = """
        select state, count(*), sum(bars)::int from option_chain join option_selection using (session, ticker, contract)
        where session = '2024-11-27' group by state order by state
    """
    assert rows(lake, states) == [("bars", 7, 11), ("empty", 6, 0), ("not_selected", 5, 0)]
    of_certificates = """
        select count(*), sum(c.rows)::int from certificates c where dataset like 'option%' and first_bar is null
    """
    assert rows(lake, of_certificates) == [(5, 44)]
    said = "select b.expiry = c.expiration_date and b.type = c.contract_type and b.strike = c.strike_price from"
    assert set(rows(lake, f"{said} option_bars b join option_chain c using (session, contract)")) == {(True,)}


def test_a_view_has_no_rows_of_what_does_not_count(option_ground: OptionGround) -> None:
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], without=["option_selection", "option_panel"], at=LATER)
    for name, sessions in (("option_bars", 2), ("option_panel", 1), ("option_selection", 1)):
        assert rows(option_ground.lake, f"select count(distinct session) from {name}") == [(sessions,)]


def test_coverage_and_certificates_know_what_counts(option_ground: OptionGround) -> None:
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], without=["option_panel"], at=LATER)
    lake = option_ground.lake
    found = {name: lake.coverage(TUESDAY, FRIDAY, dataset=name)["state"].tolist() for name in NAMES}
    assert found == {
        "option_chain": ["complete"] * 3,
        "option_selection": ["missing", "complete", "complete"],
        "option_bars": ["missing", "complete", "complete"],
        "option_panel": ["missing", "not of the option bars that are held", "complete"],
    }
    assert lake.sessions(dataset="option_panel") == [FRIDAY]
    assert lake.sessions(dataset="option_chain") == [TUESDAY, WEDNESDAY, FRIDAY]
    certificates = lake.certificates(TUESDAY, FRIDAY, dataset="option_bars")
    assert certificates["rows"].tolist() == [4, 3]
    assert certificates["first_bar"].iloc[0] == pd.Timestamp("2024-11-27 09:30", tz="America/New_York")
    chains = lake.certificates(TUESDAY, FRIDAY, dataset="option_chain")
    assert chains["first_bar"].isna().all()
    assert str(chains["first_bar"].dtype) == "datetime64[ms, America/New_York]"
    assert "option_panel of SPY, 2024-11-27 to 2024-11-29, 1 of 2 sessions complete>" in repr(lake)


def test_revisions_are_kept_of_each_dataset_and_told_apart_by_their_keys(option_ground: OptionGround) -> None:
    changed = [(*ROWS[WEDNESDAY][0][:2], 3.5, *ROWS[WEDNESDAY][0][3:]), *ROWS[WEDNESDAY][2:]]
    option_ground.fill(WEDNESDAY, changed, at=LATER)
    option_ground.publish("option_chain", WEDNESDAY, chain_rows(WEDNESDAY).slice(1), at=LATER)
    lake = option_ground.lake
    for name in NAMES:
        assert lake.revisions(WEDNESDAY, dataset=name)["newest"].iloc[-1]
    found = lake.changes(WEDNESDAY, 1, 2, dataset="option_bars")
    assert found.index.names == ["contract", "timestamp"]
    assert found["change"].tolist() == ["changed", "removed"]
    assert found.index[0] == (C600, pd.Timestamp("2024-11-27 09:30", tz="America/New_York"))
    assert found[["close_old", "close_new"]].iloc[0].tolist() == [3.0, 3.5]
    chains = lake.changes(WEDNESDAY, 2, 3, dataset="option_chain")
    assert (chains.index.name, chains.index.tolist(), chains["change"].tolist()) == (
        "contract", [ADJUSTED], ["removed"],
    )  # fmt: skip
    assert lake.changes(WEDNESDAY, 1, 2, dataset="option_selection")["bars_new"].tolist() == [2]


def test_files_are_scanned_as_they_lie_also_by_a_manifest(option_ground: OptionGround) -> None:
    lake = option_ground.lake
    noted = lake.manifest(TUESDAY, FRIDAY, dataset="option_chain")
    assert [(one["session"], one["rows"]) for one in noted["sessions"]] == [
        ("2024-11-26", 2), ("2024-11-27", 18), ("2024-11-29", 3),
    ]  # fmt: skip
    option_ground.publish("option_chain", WEDNESDAY, chain_rows(WEDNESDAY).slice(1), at=LATER)
    assert lake.scan(TUESDAY, FRIDAY, dataset="option_chain").count_rows() == 22
    assert lake.scan(TUESDAY, FRIDAY, dataset="option_chain", manifest=noted).count_rows() == 23
    scanned = lake.scan(WEDNESDAY, FRIDAY, dataset="option_panel", engine="polars").collect()
    assert (len(scanned), scanned["date"].unique().sort().to_list()) == (13, [WEDNESDAY, FRIDAY])
    with pytest.raises(SessionsMissing, match="SPY option selection: 1 of 3 .* missing 2024-11-26"):
        lake.scan(TUESDAY, FRIDAY, dataset="option_selection")


READERS = {"option_chain": "option_chain", "option_selection": "option_chain", "option_bars": "option_bars",
           "option_panel": "option_panel"}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_who_asks_for_them_as_for_bars_of_a_stock_is_told_who_reads_them(lake: ResearchLake, name: str) -> None:
    words = f"dataset={name!r} is of options: lake.{READERS[name]}(…) reads it."
    for asked in (
        lambda: lake.bars(WEDNESDAY, dataset=name),
        lambda: lake.tensor(WEDNESDAY, dataset=name),
        lambda: lake.revision(WEDNESDAY, 1, dataset=name),
    ):
        with pytest.raises(BadArgument, match=re.escape(words)) as caught:
            asked()
        assert str(caught.value) == words


def test_the_hint_comes_also_from_a_lake_without_options(tmp_path: Path) -> None:
    (tmp_path / "processed").mkdir()
    with pytest.raises(BadArgument, match=r"lake\.option_bars\(…\) reads it"):
        open_lake(tmp_path).bars(WEDNESDAY, dataset="option_bars")
    with pytest.raises(BadArgument, match="holds nothing of it yet. Fetch it:  make backfill DATASET=options FROM="):
        open_lake(tmp_path).coverage(WEDNESDAY, dataset="option_chain")
    with pytest.raises(BadArgument, match="is none of second_bars, minute_bars, option_chain, option_selection, opt"):
        open_lake(tmp_path).coverage(WEDNESDAY, dataset="option")
