"""``ResearchLake.bars``: which rows, in which hours, columns and types; and what is said of what is not there."""

from __future__ import annotations

import datetime as dt
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from conftest import NOW, a_client, needs_real_days, times_of
from marketlake import open_lake
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import BadArgument, DamagedPartition, EngineMissing, SessionsMissing
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.research.lake import ResearchLake
from research_lake import EARLY, MADE_UP, RECORDED, Ground, ground, prepared, recorded

__all__ = ["ground", "prepared"]
WEDNESDAY, MONDAY = dt.date(2024, 11, 27), dt.date(2024, 12, 2)


@pytest.fixture
def lake(prepared: Ground) -> ResearchLake:
    return prepared.lake


def utc(day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, hour, minute, tzinfo=dt.UTC)


TYPES = {
    "open": ("double", pl.Float64, "float64"),
    "vwap": ("double", pl.Float64, "float64"),
    "volume": ("int64", pl.Int64, "int64"),
    "volume_exact": ("double", pl.Float64, "float64"),
    "transactions": ("int64", pl.Int64, "Int64"),
    "ticker": ("string", pl.String, "str"),
    "session": ("date32[day]", pl.Date, "datetime64[ms]"),
}


@pytest.mark.parametrize("hours", ["regular", "all"])
@pytest.mark.parametrize("frequency", [None, "30min", "1d"])
def test_every_engine_has_the_same_rows_in_its_own_types(lake: ResearchLake, hours: Any, frequency: str | None) -> None:
    asked: dict[str, Any] = {"columns": list(TYPES), "hours": hours, "frequency": frequency}
    table = lake.bars("2024-11-27", "2024-12-02", engine="arrow", **asked)
    polars = lake.bars("2024-11-27", "2024-12-02", engine="polars", **asked)
    pandas = lake.bars("2024-11-27", "2024-12-02", **asked)
    assert table.num_rows == len(polars) == len(pandas) > 0
    assert table.column_names == polars.columns == ["timestamp", *pandas.columns] == ["timestamp", *TYPES]
    assert str(table.schema.field("timestamp").type) == "timestamp[ms, tz=America/New_York]"
    assert polars.schema["timestamp"] == pl.Datetime("ms", "America/New_York")
    assert str(pandas.index.dtype) == "datetime64[ms, America/New_York]"
    assert pandas.index.tolist() == table["timestamp"].to_pylist() == polars["timestamp"].to_list()
    for name, (of_arrow, of_polars, of_pandas) in TYPES.items():
        found = str(table.schema.field(name).type), polars.schema[name], str(pandas[name].dtype)
        assert found == (of_arrow, of_polars, of_pandas), name
        plain = pandas[name].dt.date.tolist() if name == "session" else pandas[name].tolist()
        assert plain == table[name].to_pylist() == polars[name].to_list(), name


def test_without_rows_the_types_are_the_same(lake: ResearchLake) -> None:
    with pytest.warns(UserWarning, match="1 of 1 sessions cannot be given: missing 2024-12-04"):
        nothing = lake.bars("2024-12-04", columns=list(TYPES), missing="skip", engine="arrow")
    some = lake.bars("2024-12-03", columns=list(TYPES), engine="arrow")
    assert nothing.num_rows == 0
    assert [(one.name, one.type) for one in nothing.schema] == [(one.name, one.type) for one in some.schema]
    with pytest.warns(UserWarning, match="missing"):
        frame = lake.bars("2024-12-04", columns=list(TYPES), missing="skip")
    assert frame.dtypes.astype(str).tolist() == [of_pandas for _, _, of_pandas in TYPES.values()]


def test_a_number_that_the_vendor_did_not_send_is_null_in_every_engine(ground: Ground) -> None:
    class WithoutVwap:
        def bars(self, ticker: str, day: dt.date) -> list[dict[str, Any]]:
            return [{k: v for k, v in bar.items() if k not in {"vw", "n"}} for bar in bars]

    bars = ground.simulator.days.bars("SPY", MADE_UP[0])
    ground.simulator.stop()
    ground.simulator.days = WithoutVwap()
    ground.simulator.start()
    ground.fetch(MADE_UP[0])
    lake = ground.lake
    for frequency in (None, "1h"):
        table = lake.bars("2024-11-25", frequency=frequency, engine="arrow")
        assert table["vwap"].null_count == table["transactions"].null_count == table.num_rows > 0
        assert table["volume"].null_count == 0
        frame = lake.bars("2024-11-25", frequency=frequency)
        assert frame["vwap"].isna().all()
        assert frame["transactions"].isna().all()
        assert str(frame["transactions"].dtype) == "Int64"


@needs_real_days
@pytest.mark.parametrize(
    ("hours", "first", "end"),
    [("regular", (13, 30), (20, 0)), ("extended", (8, 0), (24, 0)), ("all", (4, 0), (28, 0))],
)
def test_hours_are_half_open_in_new_york(lake: ResearchLake, hours: Any, first: Any, end: Any) -> None:
    midnight_ms = int(dt.datetime(2013, 10, 7, tzinfo=dt.UTC).timestamp() * 1000)
    low_ms, high_ms = (midnight_ms + (hour * 60 + minute) * 60_000 for hour, minute in (first, end))
    expected = [bar["t"] for bar in recorded(RECORDED[0]) if low_ms <= bar["t"] < high_ms]
    found = lake.bars("2013-10-07", hours=hours, columns=["close"], engine="arrow")
    assert found["timestamp"].cast(pa.int64()).to_pylist() == expected
    assert len(expected) == {"regular": 15_769, "extended": 18_012, "all": 18_012}[hours]


@needs_real_days
def test_the_closing_print_is_in_no_bar_of_regular_hours_unless_it_is_asked_for(lake: ResearchLake) -> None:
    closes_ms = int(dt.datetime(2013, 10, 7, 20, tzinfo=dt.UTC).timestamp() * 1000)
    (closing,) = [bar for bar in recorded(RECORDED[0]) if bar["t"] == closes_ms]
    (last,) = [bar for bar in recorded(RECORDED[0]) if bar["t"] == closes_ms - 1000]
    without = lake.bars("2013-10-07")
    with_it = lake.bars("2013-10-07", closing_print=True)
    assert without.index[-1] == with_it.index[-1] == pd.Timestamp("2013-10-07 15:59:59", tz="America/New_York")
    assert without.iloc[:-1].equals(with_it.iloc[:-1])
    assert without.iloc[-1]["close"] == last["c"]
    assert (with_it.iloc[-1]["open"], with_it.iloc[-1]["close"]) == (last["o"], closing["c"])
    assert with_it.iloc[-1]["volume"] == last["v"] + closing["v"]
    minutes = lake.bars("2013-10-07", frequency="1min", closing_print=True)
    assert len(minutes) == 390
    assert minutes["volume"].sum() == without["volume"].sum() + closing["v"]


def test_an_early_close_ends_at_one(ground: Ground) -> None:
    lake = ground.lake
    assert lake.bars(EARLY).index[[0, -1]].strftime("%H:%M:%S").tolist() == ["09:30:00", "12:59:00"]
    assert len(lake.bars(EARLY, frequency="30min")) == 7
    assert len(lake.bars(WEDNESDAY, frequency="30min")) == 13


@pytest.mark.parametrize(
    ("start", "end", "sessions"),
    [
        ("2024-11-27", None, 1),
        (WEDNESDAY, None, 1),
        (dt.datetime(2024, 11, 27), None, 1),  # noqa: DTZ001 (as pandas gives a date)
        (pd.Timestamp("2024-11-27"), "2024-12-03", 4),
        (pd.Timestamp("2024-11-27", tz="America/New_York"), np.datetime64("2024-12-03"), 4),
        ("2024-11-28", "2024-12-01", 1),  # a holiday, an early close and a weekend
        ("2024-12-02", "2024-12-03", 2),
    ],
)
def test_both_ends_are_included(lake: ResearchLake, start: Any, end: Any, sessions: int) -> None:
    assert lake.bars(start, end, columns=["session"])["session"].nunique() == sessions


def test_a_month_and_a_year_are_ranges(lake: ResearchLake) -> None:
    for period, sessions in (("2024-11", 4), ("2024", 6)):
        with pytest.warns(UserWarning, match="sessions cannot be given"):
            found = lake.bars(period, columns=["session"], missing="skip")
        assert found["session"].nunique() == sessions


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a ticker": ({"ticker": "SPYY"}, "ticker='SPYY' is none of SPY. Did you mean 'SPY'?"),
    "a dataset": ({"dataset": "second_bar"}, "dataset='second_bar' is none of second_bars, minute_bars. Did you mean"),
    "a column": ({"columns": ["clse"]}, "columns='clse' is none of timestamp, open, high,"),
    "no list of columns": ({"columns": "close"}, "columns='close' is no list of names: give some of timestamp, open"),
    "no column": ({"columns": []}, "columns=[] is no list of names"),
    "hours": ({"hours": "regulr"}, "hours='regulr' is none of regular, extended, all. Did you mean 'regular'?"),
    "a frequency": ({"frequency": "1m"}, "frequency='1m' is no length of a bin: give seconds, minutes or hours"),
    "a frequency of minute bars": (
        {"frequency": "5s", "dataset": "minute_bars", "start": "2024-11-25"},
        "a multiple of the bars' 60 s, at most a day.",
    ),
    "two days": ({"frequency": "2d"}, "frequency='2d' is no length of a bin"),
    "an engine": ({"engine": "panda"}, "engine='panda' is none of pandas, polars, arrow. Did you mean 'pandas'?"),
    "dates the wrong way round": ({"end": "2024-11-25"}, "end='2024-11-25' is before start='2024-11-27'"),
    "no date": ({"start": "yesterday"}, "start='yesterday' is no date: give YYYY-MM-DD, YYYY-MM, YYYY, or"),
    "a date that no calendar has": ({"start": "2024-02-30"}, "start='2024-02-30' is no date"),
    "a moment": ({"start": dt.datetime(2024, 11, 27, 9, tzinfo=dt.UTC)}, "is a moment, and a session is a date"),
    "a weekend": (
        {"start": "2024-11-30", "end": "2024-12-01"},
        "the exchange is closed on every day from 2024-11-30 to",
    ),
    "before the calendar": ({"start": "1999"}, "start='1999' is before 2003-09-10, where the vendor's history begins."),
    "a time without a zone": ({"as_of": dt.datetime(2024, 1, 1)}, "as_of=2024-01-01 00:00:00 has no zone"),  # noqa: DTZ001
    "no time": ({"as_of": "2024-01-01"}, "as_of='2024-01-01' is no datetime"),
    "no word for missing": ({"missing": "ignore"}, "missing='ignore' is none of raise, skip."),
    "a state": ({"states": ["complet"]}, "states='complet' is none of complete, provisional, suspect, empty."),
    "no manifest": ({"manifest": {"a": 1}}, "manifest: Object missing required field"),
    "a closing print of all hours": (
        {"hours": "all", "closing_print": True},
        "closing_print=True is of second bars in",
    ),
    "no truth": ({"closing_print": 3000}, "closing_print=3000 is neither True nor False."),
    "past the calendar": ({"start": "2040"}, "where the calendar ends: give an earlier end."),
    "no time at all": ({"start": pd.NaT}, "start=NaT is no date"),
    "both": ({"as_of": NOW, "manifest": {}}, "as_of and manifest both say which rows are meant"),
}


WRONG_OF_A_TENSOR: dict[str, tuple[dict[str, Any], str]] = {
    "a field": (
        {"fields": ["closee"]},
        "fields='closee' is none of open, high, low, close, volume, vwap, transactions,",
    ),
    "a field of text": ({"fields": ["ticker"]}, "fields='ticker' is none of open"),
    "a field twice": ({"fields": ["close", "close"]}, "fields=['close', 'close'] names one twice: give each once."),
    "no fields": ({"fields": None}, "fields=None is no list of names"),
    "a step": ({"step": 60}, "step=60 is no length of a bin"),
    "a fill": ({"fill": "bfill"}, "fill='bfill' of close is not allowed: choose one of nan, ffill, zero."),
}


@pytest.mark.parametrize("case", WRONG_OF_A_TENSOR)
def test_a_wrong_argument_of_a_tensor_is_named_as_it_was_given(lake: ResearchLake, case: str) -> None:
    wrong, words = WRONG_OF_A_TENSOR[case]
    with pytest.raises(BadArgument, match=re.escape(words)):
        lake.tensor(**{"start": "2024-11-27"} | wrong)


def test_a_tensor_has_the_bars_own_steps_and_can_be_sent_to_another_process(lake: ResearchLake) -> None:
    minutes = lake.tensor("2024-11-25", fields="close", dataset="minute_bars")
    assert (minutes.shape, minutes.step_ms) == ((1, 390, 1), 60_000)
    sent = pickle.loads(pickle.dumps(lake.tensor("2024-11-25")))
    assert np.array_equal(sent.values, lake.tensor("2024-11-25").values, equal_nan=True)


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_named_in_one_line_with_what_is_allowed(lake: ResearchLake, case: str) -> None:
    wrong, words = WRONG[case]
    with pytest.raises(BadArgument, match=re.escape(words)) as caught:
        lake.bars(**{"start": "2024-11-27"} | wrong)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_what_is_missing_is_named_session_by_session_with_what_fills_it(lake: ResearchLake) -> None:
    with pytest.raises(SessionsMissing) as caught:
        lake.bars("2024-11-21", "2024-12-05")
    assert caught.value.sessions == tuple(
        dt.date(*one) for one in [(2024, 11, 21), (2024, 11, 22), (2024, 12, 4), (2024, 12, 5)]
    )
    assert str(caught.value) == (
        "SPY: 4 of 10 sessions cannot be given: missing 2024-11-21, 2024-11-22, 2024-12-04, 2024-12-05."
        f" Fetch them:  MARKETLAKE__STORAGE__ROOT={lake.root} make backfill FROM=2024-11-21 TO=2024-12-05  ."
        " missing='skip' gives the others, with this as a warning."
    )


def test_of_many_that_are_missing_the_first_twenty_are_named_and_all_are_kept(lake: ResearchLake) -> None:
    with pytest.raises(SessionsMissing) as caught:
        lake.bars("2024")
    assert len(caught.value.sessions) == 246
    assert "2024-01-30; and 226 more. Fetch" in str(caught.value)
    assert str(caught.value).count("2024-01-") == 21  # twenty, and the command's FROM


def test_a_skipped_session_is_a_warning_where_the_caller_stands(lake: ResearchLake) -> None:
    with pytest.warns(UserWarning, match="1 of 3 sessions cannot be given: missing 2024-12-04") as caught:
        found = lake.bars("2024-12-02", "2024-12-04", missing="skip", columns=["session"])
    assert [warning.filename for warning in caught] == [__file__]
    assert found["session"].nunique() == 2


def test_a_session_that_is_not_over_is_said_to_be_so(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = ground.lake
    monkeypatch.setattr(lake._lake, "now", lambda: NOW)
    with pytest.raises(SessionsMissing, match="missing 2026-11-19; not final yet 2026-11-20"):
        lake.bars("2026-11-19", "2026-11-20")


def test_a_provisional_session_is_given_to_those_who_ask_for_it(ground: Ground) -> None:
    today = dt.datetime(2024, 12, 4, 22, tzinfo=dt.UTC)
    ground.simulator.now_s = today.timestamp
    lake = Lake(ground.written.settings, now=lambda: today)
    key = SECOND_BARS.spec.key("SPY", dt.date(2024, 12, 4))
    ingest(lake, SECOND_BARS, key, a_client(lake, []), allow_provisional=True)
    with pytest.raises(SessionsMissing, match="provisional 2024-12-04.*REFETCH=1.*states=\\(…, 'provisional'\\)"):
        ground.lake.bars("2024-12-03", "2024-12-04")
    found = ground.lake.bars("2024-12-03", "2024-12-04", states=["complete", "provisional"], columns=["session"])
    assert found["session"].nunique() == 2


def test_the_sessions_of_a_lake_are_those_that_it_gives_rows_of(ground: Ground) -> None:
    assert ground.lake.sessions() == MADE_UP
    today = dt.datetime(2024, 12, 4, 22, tzinfo=dt.UTC)
    ground.simulator.now_s = today.timestamp
    lake = Lake(ground.written.settings, now=lambda: today)
    key = SECOND_BARS.spec.key("SPY", dt.date(2024, 12, 4))
    ingest(lake, SECOND_BARS, key, a_client(lake, []), allow_provisional=True)
    ground.partition(EARLY).unlink()
    pd.read_parquet(ground.partition(WEDNESDAY), partitioning=None).to_parquet(ground.partition(WEDNESDAY))
    held = [one for one in MADE_UP if one not in (WEDNESDAY, EARLY)]
    assert ground.lake.sessions() == ground.lake.sessions("spy") == held
    assert [len(ground.lake.bars(session)) for session in held] == [390] * 4


def test_the_sessions_of_what_a_lake_lacks_are_an_error_and_no_empty_list(ground: Ground) -> None:
    with pytest.raises(BadArgument, match="ticker='QQQ' is none of SPY"):
        ground.lake.sessions("QQQ")
    with pytest.raises(BadArgument, match="holds nothing of it yet"):
        ground.lake.sessions(dataset="minute_bars")


def test_a_file_without_a_certificate_is_not_passed_over(ground: Ground) -> None:
    pd.read_parquet(ground.partition(WEDNESDAY), partitioning=None).to_parquet(ground.partition(WEDNESDAY))
    with pytest.raises(SessionsMissing, match=r"without a certificate 2024-11-27\. Fetch .*TO=2024-11-27 REFETCH=1"):
        ground.lake.bars("2024-11-26", "2024-11-29")


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("manifest", [False, True])
def test_a_damaged_file_is_named_with_what_mends_it(ground: Ground, manifest: bool) -> None:
    more = {"manifest": ground.lake.manifest("2024-11-26", "2024-11-29")} if manifest else {}
    flipped(ground.partition(WEDNESDAY), 1_000)
    with pytest.raises(DamagedPartition) as caught:
        ground.lake.bars("2024-11-26", "2024-11-29", **more)
    assert str(caught.value).startswith("SPY 2024-11-27: processed/spy/date=2024-11-27/bars.parquet in ")
    assert "make backfill FROM=2024-11-27 TO=2024-11-27 REFETCH=1" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(ground.lake.bars("2024-11-26")) == 390


def rewrite(path: Path, rows: pa.Table) -> None:
    """Other rows under the certificate of the old ones, as a tool writes them that copies the metadata."""
    pq.write_table(rows.replace_schema_metadata(pq.read_metadata(path).metadata), path)


def test_rows_of_another_number_than_the_certificate_says_are_damage(ground: Ground) -> None:
    path = ground.partition(WEDNESDAY)
    rows = pq.read_table(path, partitioning=None)
    for other in (rows.slice(0, 300), pa.concat_tables([rows, rows.slice(0, 50)])):
        rewrite(path, other)
        words = f"it has {other.num_rows} rows, its certificate is of 390"
        for engine in ("pandas", "polars", "arrow"):
            with pytest.raises(DamagedPartition, match=words):
                ground.lake.bars(WEDNESDAY, engine=engine)  # type: ignore[arg-type]
        with pytest.raises(DamagedPartition, match=words):
            _ = ground.lake.tensor(WEDNESDAY).values


def test_other_rows_under_the_same_certificate_are_no_rows_of_a_manifest(ground: Ground) -> None:
    noted, path = ground.lake.manifest(WEDNESDAY), ground.partition(WEDNESDAY)
    rows = pq.read_table(path, partitioning=None)
    rewrite(path, rows.set_column(4, rows.schema.field(4), pc.multiply(rows["close"], 2.0)))
    with pytest.raises(DamagedPartition, match="its rows are not those that its certificate is of"):
        ground.lake.bars(WEDNESDAY, manifest=noted, columns=["volume"])


@pytest.mark.parametrize("what", ["a folder", "a file of no byte", "half of it"])
def test_one_file_that_is_none_does_not_keep_the_others_from_being_read(ground: Ground, what: str) -> None:
    path = ground.partition(WEDNESDAY)
    data = path.read_bytes()
    path.unlink()
    if what == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"" if what == "a file of no byte" else data[: len(data) // 2])
    state = "unreadable" if what == "a folder" else "without a certificate"
    with pytest.raises(SessionsMissing, match=f"{state} 2024-11-27. Fetch them: .* REFETCH=1"):
        ground.lake.bars("2024-11-26", "2024-11-29")
    with pytest.warns(UserWarning, match=state):
        assert len(ground.lake.bars("2024-11-26", "2024-11-29", missing="skip")) == 600
    assert ground.lake.coverage(WEDNESDAY)["state"].tolist() == [state]
    assert ground.lake.sessions() == [one for one in MADE_UP if one != WEDNESDAY]
    assert ground.lake.duckdb().sql("select count(*) from second_bars").fetchall() == [(2_160 - 390,)]


def test_only_the_files_of_the_range_are_opened(lake: ResearchLake, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    storage = type(lake._lake.storage)
    original = storage.open
    monkeypatch.setattr(storage, "open", lambda self, key: opened.append(key) or original(self, key))
    monkeypatch.setattr(storage, "get", lambda _, key: pytest.fail(f"{key} was read whole"))
    lake.bars("2024-11-27", columns=["close"])
    assert set(opened) == {"processed/spy/date=2024-11-27/bars.parquet"}


def test_reading_writes_nothing_and_needs_no_right_to(ground: Ground) -> None:
    before, folders = times_of(ground.root), {path for path in ground.root.rglob("*") if path.is_dir()}
    lake = ground.lake
    lake.bars("2024-12-02", "2024-12-03")
    lake.manifest("2024-12-02")
    repr(lake)
    assert times_of(ground.root) == before
    assert {path for path in ground.root.rglob("*") if path.is_dir()} == folders


def test_an_engine_that_is_not_installed_gives_the_command(lake: ResearchLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(EngineMissing, match="^polars is not installed: python -m pip install polars$"):
        lake.bars("2024-12-02", engine="polars")
    with pytest.raises(ImportError):
        lake.scan("2024-12-02", engine="polars")


def test_what_is_superseded_between_choosing_and_reading_is_read_from_where_it_is_kept(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marketlake.research import lake as module

    before = ground.lake.bars(WEDNESDAY)
    original = module.bars_of

    def read_later(*arguments: Any) -> Any:
        ground.revise(WEDNESDAY)
        return original(*arguments)

    monkeypatch.setattr(module, "bars_of", read_later)
    assert ground.lake.bars(WEDNESDAY).equals(before)
    monkeypatch.undo()
    assert not ground.lake.bars(WEDNESDAY).equals(before)


def test_a_process_that_reads_ends(prepared: Ground) -> None:
    code = (
        "from marketlake import open_lake; import sys; lake = open_lake(sys.argv[1]);"
        "kept = [lake.bars('2024-12-02', engine=e) for e in ('pandas', 'polars', 'arrow')], lake.duckdb();"
        "print('read')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(prepared.root)],
        env=os.environ, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("read\n", "")


def test_a_lake_is_opened_by_a_relative_folder_too(prepared: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prepared.root.parent)
    assert open_lake("lake").root == prepared.root
