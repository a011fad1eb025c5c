"""``option_bars`` and ``option_panel``: which rows, by which filter, in which columns; and what is refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import NOW, times_of
from marketlake.errors import BadArgument, DamagedPartition, SessionsMissing
from marketlake.partitions.certificate import State
from marketlake.partitions.parquet_file import certificate_in, encoded
from marketlake.research.lake import ResearchLake
from marketlake.rows.option_bars import CONTRACT_BARS
from option_tables import (
    ADJUSTED,
    BETWEEN,
    C600,
    C606,
    DECEMBER,
    FAR_C600,
    FAR_C606,
    FRIDAY,
    OF_FRIDAY,
    P590,
    P600,
    ROWS,
    TUESDAY,
    WEDNESDAY,
    OptionGround,
    bar_rows,
    option_ground,
    panel_rows,
    prepared_options,
)

__all__ = ["option_ground", "prepared_options"]
LATER = NOW + dt.timedelta(days=2)


@pytest.fixture
def lake(prepared_options: OptionGround) -> ResearchLake:
    return prepared_options.lake


TYPES = {
    "contract": ("string", pl.String, "str"),
    "close": ("double", pl.Float64, "float64"),
    "volume": ("int64", pl.Int64, "int64"),
    "vwap": ("double", pl.Float64, "float64"),
    "transactions": ("int64", pl.Int64, "Int64"),
    "underlying": ("double", pl.Float64, "float64"),
    "iv": ("double", pl.Float64, "float64"),
    "no_iv": ("string", pl.String, "str"),
    "after_close": ("bool", pl.Boolean, "bool"),
    "session": ("date32[day]", pl.Date, "datetime64[ms]"),
    "expiry": ("date32[day]", pl.Date, "datetime64[ms]"),
    "type": ("string", pl.String, "str"),
    "strike": ("double", pl.Float64, "float64"),
    "dte": ("int64", pl.Int64, "int64"),
    "moneyness": ("double", pl.Float64, "float64"),
}


def plain(values: Any) -> list[Any]:
    """Values without the ways in which engines say that there is none."""
    return [None if pd.isna(value) else value for value in values]


def test_every_engine_has_the_same_rows_in_its_own_types(lake: ResearchLake) -> None:
    asked: dict[str, Any] = {"start": "2024-11-27", "end": "2024-11-29", "columns": list(TYPES)}
    table = lake.option_panel(**asked, engine="arrow")
    polars = lake.option_panel(**asked, engine="polars")
    pandas = lake.option_panel(**asked)
    assert table.num_rows == len(polars) == len(pandas) == 13
    assert table.column_names == polars.columns == ["timestamp", *pandas.columns] == ["timestamp", *TYPES]
    assert str(table.schema.field("timestamp").type) == "timestamp[ms, tz=America/New_York]"
    assert str(pandas.index.dtype) == "datetime64[ms, America/New_York]"
    assert pandas.index.tolist() == table["timestamp"].to_pylist() == polars["timestamp"].to_list()
    for name, (of_arrow, of_polars, of_pandas) in TYPES.items():
        found = str(table.schema.field(name).type), polars.schema[name], str(pandas[name].dtype)
        assert found == (of_arrow, of_polars, of_pandas), name
        of_frame = pandas[name].dt.date if of_pandas == "datetime64[ms]" else pandas[name]
        assert plain(of_frame.tolist()) == plain(table[name].to_pylist()) == plain(polars[name].to_list()), name


def test_the_rows_are_those_of_the_files_by_session_contract_and_time(lake: ResearchLake) -> None:
    bars = lake.option_bars("2024-11-27", "2024-11-29")
    assert list(bars.columns) == [
        "contract", "open", "high", "low", "close", "volume", "vwap", "transactions", "expiry", "type", "strike",
    ]  # fmt: skip
    found = list(zip(bars["contract"], bars.index.strftime("%F %H:%M"), bars["close"], bars["volume"], strict=True))
    assert found == [
        (name, f"{session} {time}", close, volume)
        for session in (WEDNESDAY, FRIDAY)
        for name, time, close, volume, *_ in sorted(ROWS[session])
    ]
    first = bars.iloc[0]
    assert (first["contract"], first["expiry"].date(), first["type"], first["strike"]) == (
        ADJUSTED, BETWEEN, "call", 600.0,
    )  # fmt: skip
    assert plain(bars["transactions"])[8] is None
    assert "delta" in lake.option_panel(WEDNESDAY).columns


def rows_of(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(frame["contract"], frame.index.strftime("%H:%M"), strict=True))


CALLS_OF_FRIDAY = [(C600, "09:30"), (C600, "09:31"), (C600, "10:00"), (C606, "09:31"), (C606, "10:00")]
PUTS = [(P590, "09:45"), (P600, "09:31"), (P600, "16:00")]
OF_DECEMBER = [(ADJUSTED, "10:00"), (FAR_C600, "10:00"), (FAR_C606, "09:59")]  # the adjusted one of the 13th

FILTERS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "an expiry": ({"expiry": "2024-11-29"}, [*CALLS_OF_FRIDAY, *PUTS]),
    "a date as an expiry": ({"expiry": FRIDAY}, [*CALLS_OF_FRIDAY, *PUTS]),
    "a month of expiries": ({"expiry": "2024-12"}, OF_DECEMBER),
    "expiries from one to another": ({"expiry": ("2024-11-28", DECEMBER)}, [*OF_DECEMBER, *CALLS_OF_FRIDAY, *PUTS]),
    "expiries from one on": ({"expiry": ("2024-11-30", None)}, OF_DECEMBER),
    "expiries up to one": ({"expiry": (None, "2024-11")}, [*CALLS_OF_FRIDAY, *PUTS]),
    "days to the expiry": ({"dte": 30}, OF_DECEMBER[1:]),
    "days within a range": ({"dte": (2, 29)}, [OF_DECEMBER[0], *CALLS_OF_FRIDAY, *PUTS]),
    "days up to some": ({"dte": [None, 2]}, [*CALLS_OF_FRIDAY, *PUTS]),
    "a type": ({"type": "put"}, PUTS),
    "a strike": ({"strike": 590}, [PUTS[0]]),
    "strikes within a range": ({"strike": (600.5, 606.0)}, [(FAR_C606, "09:59"), *CALLS_OF_FRIDAY[3:]]),
    "strikes from one on": ({"strike": (606, None)}, [(FAR_C606, "09:59"), *CALLS_OF_FRIDAY[3:]]),
    "a contract": ({"contract": C606}, CALLS_OF_FRIDAY[3:]),
    "several contracts": ({"contract": [P590, FAR_C606]}, [(FAR_C606, "09:59"), PUTS[0]]),
    "no contract of a list": ({"contract": []}, []),
    "one that is not there": ({"contract": "O:SPY241129C00999000"}, []),
    "several filters": ({"type": "call", "dte": (0, 5), "strike": (601, None)}, CALLS_OF_FRIDAY[3:]),
}  # fmt: skip


@pytest.mark.parametrize("case", FILTERS)
def test_a_filter_takes_the_contracts_that_it_says(lake: ResearchLake, case: str) -> None:
    given, expected = FILTERS[case]
    own = [row for row in expected if row[0] != ADJUSTED]
    assert rows_of(lake.option_bars(WEDNESDAY, **given)) == sorted(expected)
    assert rows_of(lake.option_panel(WEDNESDAY, **given, columns=["contract"])) == sorted(own)
    noted = lake.manifest(WEDNESDAY, dataset="option_bars")
    assert rows_of(lake.option_bars(WEDNESDAY, **given, manifest=noted)) == sorted(expected)


def test_moneyness_of_bars_is_of_the_price_that_they_were_selected_by_bounds_included(lake: ResearchLake) -> None:
    def strikes(session: dt.date, low: float | None, high: float | None) -> set[float]:
        return set(lake.option_bars(session, moneyness=(low, high))["strike"])

    assert strikes(WEDNESDAY, None, None) == {590.0, 600.0, 606.0}
    assert strikes(WEDNESDAY, 0.0, 0.01) == {600.0, 606.0}  # 606 / 600 - 1 is a little more than 0.01 in floats
    assert strikes(WEDNESDAY, 0.0, 0.0099) == {600.0}
    assert strikes(WEDNESDAY, None, -0.01) == {590.0}
    assert strikes(FRIDAY, 0.0, None) == {602.0}  # that day's price is 602
    bars = lake.option_bars(WEDNESDAY, FRIDAY, columns=["session", "strike", "moneyness"])
    last = bars.iloc[-1]
    assert (last["session"].date(), last["strike"], last["moneyness"]) == (FRIDAY, 600.0, 600 / 602 - 1)


def test_moneyness_of_a_panel_is_of_each_rows_own_underlying(lake: ResearchLake) -> None:
    found = lake.option_panel(WEDNESDAY, moneyness=(0.0, 0.01), columns=["contract", "moneyness"])
    assert rows_of(found) == [
        (C600, "09:31"), (C606, "09:31"), (C606, "10:00"), (P600, "09:31"), (FAR_C606, "09:59"),
    ]  # fmt: skip
    assert found["moneyness"].tolist() == [0.0, 606 / 600 - 1, 606 / 602 - 1, 0.0, 606 / 602 - 1]
    without_a_price = lake.option_panel(WEDNESDAY, contract=C600, columns=["moneyness"])["moneyness"]
    assert plain(without_a_price) == [None, 0.0, 600 / 602 - 1]


def test_without_rows_the_types_are_the_same(lake: ResearchLake) -> None:
    some, none = (lake.option_panel(WEDNESDAY, strike=strike, columns=list(TYPES)) for strike in (600, 1))
    assert (len(some) > 0, len(none)) == (True, 0)
    assert none.dtypes.tolist() == some.dtypes.tolist()
    table = lake.option_panel(WEDNESDAY, strike=1, engine="arrow")
    assert table.schema == lake.option_panel(WEDNESDAY, engine="arrow").schema


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a type": ({"type": "calls"}, "type='calls' is none of call, put. Did you mean 'call'?"),
    "a contract": ({"contract": "SPY241129C00600000"}, "'SPY241129C00600000' is no option ticker"),
    "no contracts": ({"contract": 7}, "contract=7 is neither an option ticker nor a list of them."),
    "an expiry": ({"expiry": "friday"}, "expiry='friday' is no date: give YYYY-MM-DD"),
    "three expiries": ({"expiry": ("2024", "2025", "2026")}, "is no range: give the least and the greatest"),
    "expiries that descend": ({"expiry": ("2024-12", "2024-11")}, "descends: both ends are included"),
    "days of half": ({"dte": 2.5}, "dte=2.5 is no whole number: give calendar days to the expiration."),
    "days that descend": ({"dte": (30, 2)}, "dte=(30, 2) descends: both ends are included, the lesser one comes first"),
    "one moneyness": ({"moneyness": 0.02}, "moneyness=0.02 is no range: give two numbers, such as (-0.02, 0.02)."),
    "no number": ({"strike": "600"}, "strike='600' is no number."),
    "a number that is none": ({"strike": (float("nan"), None)}, "strike=nan is no number."),
    "a column": ({"columns": ["delt"]}, "columns='delt' is none of contract, timestamp, open"),
    "an engine": ({"engine": "panda"}, "engine='panda' is none of pandas, polars, arrow."),
    "a ticker": ({"ticker": "SPYY"}, "ticker='SPYY' is none of SPY. Did you mean 'SPY'?"),
    "a word for missing": ({"missing": "ignore"}, "missing='ignore' is none of raise, skip."),
    "a state": ({"states": ["complet"]}, "states='complet' is none of complete"),
    "both": ({"as_of": NOW, "manifest": {}}, "as_of and manifest both say which rows are meant"),
    "a manifest of another dataset": (
        {"manifest": {"manifest": 1, "dataset": "second_bars", "ticker": "SPY", "start": "2024-11-27",
                      "end": "2024-11-27", "sessions": []}},
        "but the manifest is of 'second_bars': ask for that.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("method", ["option_bars", "option_panel"])
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_named_in_one_line_with_what_is_allowed(lake: ResearchLake, case: str, method: str) -> None:
    wrong, words = WRONG[case]
    with pytest.raises(BadArgument, match=re.escape(words)) as caught:
        getattr(lake, method)(**{"start": "2024-11-27"} | wrong)
    assert "\n" not in str(caught.value)


OWN = "MARKETLAKE__OPTIONS__ENABLED=true MARKETLAKE__OPTIONS__TICKERS='[\"SPY\"]' "


def test_what_is_missing_is_named_session_by_session_with_what_fetches_it(lake: ResearchLake) -> None:
    with pytest.raises(SessionsMissing) as caught:
        lake.option_bars("2024-11-25", "2024-11-29")
    assert caught.value.sessions == (dt.date(2024, 11, 25), TUESDAY)
    assert str(caught.value) == (
        "SPY option bars: 2 of 4 sessions cannot be given: missing 2024-11-25, 2024-11-26. Fetch them:"
        f"  MARKETLAKE__STORAGE__ROOT={lake.root} {OWN}make backfill DATASET=options FROM=2024-11-25 TO=2024-11-26  ."
        " missing='skip' gives the others, with this as a warning."
    )
    with pytest.warns(UserWarning, match="missing 2024-11-26") as warned:
        found = lake.option_panel("2024-11-26", "2024-11-27", missing="skip")
    assert [warning.filename for warning in warned] == [__file__]
    assert len(found) == 10


def test_where_options_are_on_the_command_needs_no_more_than_a_name(
    lake: ResearchLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake._lake, "settings", lake._lake.settings.model_copy(
        update={"options": lake._lake.settings.options.model_copy(update={"enabled": True})}
    ))  # fmt: skip
    with pytest.raises(SessionsMissing, match=r"/lake make backfill DATASET=options FROM=2024-11-26 TO=2024-11-26  \."):
        lake.option_bars(TUESDAY)


def test_a_provisional_session_is_given_to_those_who_ask_for_it(option_ground: OptionGround) -> None:
    option_ground.fill(FRIDAY, state=State.PROVISIONAL, at=LATER)
    with pytest.raises(SessionsMissing, match="provisional 2024-11-29.*REFETCH=1.*states=\\(…, 'provisional'\\)"):
        option_ground.lake.option_panel(WEDNESDAY, FRIDAY)
    found = option_ground.lake.option_panel(WEDNESDAY, FRIDAY, states=["complete", "provisional"])
    assert len(found) == 13
    option_ground.fill(FRIDAY, state=State.SUSPECT, at=LATER)
    assert len(option_ground.lake.option_bars(WEDNESDAY, FRIDAY)) == 14


@pytest.mark.parametrize("engine", ["pandas", "polars", "arrow"])
def test_a_session_of_which_no_contract_traded_has_no_rows_and_is_not_missing(
    option_ground: OptionGround, engine: Any
) -> None:
    option_ground.fill(FRIDAY, [], at=LATER)
    assert option_ground.lake.coverage(FRIDAY, dataset="option_bars")["state"].tolist() == ["empty"]
    for method in ("option_bars", "option_panel"):
        read = getattr(option_ground.lake, method)
        assert len(read(FRIDAY, engine=engine)) == len(read(FRIDAY, engine=engine, type="call")) == 0
        assert len(read(WEDNESDAY, FRIDAY, engine=engine, type="put")) == 3


def test_a_panel_that_was_made_of_other_bars_is_no_panel(option_ground: OptionGround) -> None:
    """The bars were fetched again, and the panel is still to be built."""
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], without=["option_panel"], at=LATER)
    with pytest.raises(SessionsMissing) as caught:
        option_ground.lake.option_panel(WEDNESDAY, FRIDAY)
    assert str(caught.value) == (
        "SPY option panel: 1 of 2 sessions cannot be given: not of the option bars that are held 2024-11-27. Fetch"
        f" them:  MARKETLAKE__STORAGE__ROOT={option_ground.root} {OWN}make backfill DATASET=options FROM=2024-11-27"
        " TO=2024-11-27 REFETCH=1  . missing='skip' gives the others, with this as a warning."
    )
    with pytest.warns(UserWarning, match="not of the option bars that are held 2024-11-27"):
        assert len(option_ground.lake.option_panel(WEDNESDAY, FRIDAY, missing="skip")) == 3
    assert len(option_ground.lake.option_bars(WEDNESDAY)) == 4
    option_ground.file("option_bars", FRIDAY).unlink()
    with pytest.raises(SessionsMissing, match="not of the option bars that are held 2024-11-27, 2024-11-29"):
        option_ground.lake.option_panel(WEDNESDAY, FRIDAY)


def test_as_of_reads_bars_and_the_panel_of_these_as_they_stood(option_ground: OptionGround) -> None:
    lake, second = option_ground.lake, NOW + dt.timedelta(seconds=1)
    before = lake.option_bars(WEDNESDAY), lake.option_panel(WEDNESDAY)
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], without=["option_panel"], at=LATER)
    hour = dt.timedelta(hours=1)
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], at=LATER + hour)
    assert (len(lake.option_bars(WEDNESDAY)), len(lake.option_panel(WEDNESDAY))) == (4, 4)
    assert lake.option_bars(WEDNESDAY, as_of=second).equals(before[0])
    assert lake.option_panel(WEDNESDAY, as_of=second).equals(before[1])
    assert len(lake.option_panel(WEDNESDAY, as_of=LATER + hour)) == 4
    with pytest.raises(SessionsMissing, match="not held by then 2024-11-27. missing='skip'"):
        lake.option_panel(WEDNESDAY, as_of=LATER)  # there were new bars, and a panel of old ones
    with pytest.raises(SessionsMissing, match="not held by then"):
        lake.option_bars(WEDNESDAY, as_of=NOW - hour)
    (option_ground.root / "option_bars/revisions/spy/date=2024-11-27/rev=1.parquet").unlink()
    with pytest.raises(SessionsMissing, match="no longer kept 2024-11-27. Take revisions/ from a backup."):
        lake.option_panel(WEDNESDAY, as_of=second)  # of what bars it was, nobody can tell any more


def test_a_manifest_reads_the_rows_that_it_noted_and_is_made_of_what_counts(option_ground: OptionGround) -> None:
    lake = option_ground.lake
    noted = lake.manifest(WEDNESDAY, FRIDAY, dataset="option_panel")
    before = lake.option_panel(WEDNESDAY, FRIDAY)
    assert [one["rows"] for one in noted["sessions"]] == [10, 3]
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], without=["option_panel"], at=LATER)
    assert lake.option_panel(WEDNESDAY, FRIDAY, manifest=noted).equals(before)
    with pytest.raises(SessionsMissing, match="not of the option bars that are held 2024-11-27"):
        lake.manifest(WEDNESDAY, FRIDAY, dataset="option_panel")
    option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], at=LATER)
    assert lake.option_panel(WEDNESDAY, FRIDAY, manifest=noted).equals(before)
    assert len(lake.option_panel(WEDNESDAY)) == 4
    kept = option_ground.root / "option_panel/revisions/spy/date=2024-11-27/rev=1.parquet"
    kept.unlink()
    with pytest.raises(SessionsMissing, match="no longer kept of 2024-11-27"):
        lake.option_panel(WEDNESDAY, FRIDAY, manifest=noted)


def flip(ground: OptionGround, name: str, at: int) -> None:
    path = ground.file(name, WEDNESDAY)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("given", [{}, {"type": "call"}, {"manifest": True}], ids=str)
@pytest.mark.parametrize("name", ["option_bars", "option_panel"])
def test_a_damaged_page_is_refused_with_what_mends_it(
    option_ground: OptionGround, name: str, given: dict[str, Any]
) -> None:
    if given.get("manifest"):
        given = {"manifest": option_ground.lake.manifest(WEDNESDAY, dataset=name)}
    flip(option_ground, name, 60)
    with pytest.raises(DamagedPartition) as caught:
        getattr(option_ground.lake, name)(WEDNESDAY, **given)
    told = str(caught.value)
    assert told.startswith(f"SPY 2024-11-27 {name.replace('_', ' ')}: processed/spy/date=2024-11-27/")
    assert "make backfill DATASET=options FROM=2024-11-27 TO=2024-11-27 REFETCH=1" in told
    assert "\n" not in told


def test_bars_whose_certificate_names_no_price_have_no_moneyness(option_ground: OptionGround) -> None:
    option_ground.amend("option_bars", WEDNESDAY, basis={"rule": "{}"})
    assert len(option_ground.lake.option_bars(WEDNESDAY)) == 11
    with pytest.raises(DamagedPartition, match="its certificate names no frozen rule .*REFETCH=1"):
        option_ground.lake.option_bars(WEDNESDAY, moneyness=(-0.1, 0.1))


def test_rows_of_what_is_no_contract_are_refused(option_ground: OptionGround) -> None:
    rows = bar_rows(WEDNESDAY)
    names = ["SPY", *rows.column("contract").to_pylist()[1:]]
    option_ground.publish("option_bars", WEDNESDAY, rows.set_column(0, rows.schema.field(0), pa.array(names)), at=LATER)
    for given in ({}, {"type": "call"}):
        with pytest.raises(DamagedPartition, match="'SPY' is no option ticker"):
            option_ground.lake.option_bars(WEDNESDAY, **given)


def test_reading_writes_nothing(option_ground: OptionGround) -> None:
    before = times_of(option_ground.root)
    lake = option_ground.lake
    lake.option_panel(WEDNESDAY, FRIDAY)
    lake.option_chain(WEDNESDAY).at("10:00")
    repr(lake)
    assert times_of(option_ground.root) == before


def test_a_superseded_file_is_read_from_where_it_is_kept(
    option_ground: OptionGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marketlake.research.options import lake as module

    original, before = module.option_rows, option_ground.lake.option_bars(WEDNESDAY)

    def read_later(*arguments: Any) -> Any:
        option_ground.fill(WEDNESDAY, ROWS[WEDNESDAY][:4], at=LATER)
        return original(*arguments)

    monkeypatch.setattr(module, "option_rows", read_later)
    assert option_ground.lake.option_bars(WEDNESDAY).equals(before)


def test_of_contracts_that_are_asked_for_no_other_rows_are_decoded(option_ground: OptionGround) -> None:
    """The file in groups of three rows, of which one with other contracts is damaged."""
    path = option_ground.file("option_bars", WEDNESDAY)
    certificate = certificate_in(path.open("rb"))
    assert certificate is not None
    in_groups = dataclasses.replace(CONTRACT_BARS.rows, group_rows=3)
    data = encoded(bar_rows(WEDNESDAY), certificate, in_groups, "zstd", 3)
    closes = pq.read_metadata(io.BytesIO(data)).row_group(0).column(5)
    assert closes.path_in_schema == "close"
    at = closes.dictionary_page_offset + closes.total_compressed_size - 1
    path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    lake = option_ground.lake
    assert lake.option_bars(WEDNESDAY, expiry=DECEMBER)["close"].tolist() == [9.0, 6.0]
    assert len(lake.option_bars(WEDNESDAY, columns=["contract", "volume"])) == 11
    for given in ({}, {"contract": C600}, {"type": "call"}):
        with pytest.raises(DamagedPartition, match="no table can be read from it"):
            lake.option_bars(WEDNESDAY, **given)


def test_only_the_files_of_the_dataset_are_opened(lake: ResearchLake, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    storage = type(lake._lake.storage)
    original = storage.open
    monkeypatch.setattr(storage, "open", lambda self, key: opened.append(f"{self.where}/{key}") or original(self, key))
    lake.option_bars(WEDNESDAY, moneyness=(0, 1), type="call")
    assert {one.split("/lake/")[-1] for one in opened} == {
        "option_bars/processed/spy/date=2024-11-27/bars.parquet"
    }  # fmt: skip


def test_a_lake_without_options_says_what_fetches_them(option_ground: OptionGround) -> None:
    for name in ("option_bars", "option_panel", "option_selection"):
        option_ground.file(name, WEDNESDAY).unlink()
        option_ground.file(name, FRIDAY).unlink()
    with pytest.raises(BadArgument, match=r"holds nothing of it yet. Fetch it:  make backfill DATASET=options FROM="):
        option_ground.lake.option_bars(WEDNESDAY)
    assert len(option_ground.lake.option_chain(WEDNESDAY)) == 18


def test_what_is_read_is_what_was_written() -> None:
    assert panel_rows(WEDNESDAY).num_rows == bar_rows(WEDNESDAY).num_rows - 1 == 10
    assert OF_FRIDAY == "O:SPY241129C00602000"
    assert np.isnan(panel_rows(FRIDAY)["iv"].to_numpy()).sum() == 1
