"""The panel of a session, from what the lake holds of it: its inputs must be those that its certificate names."""

from __future__ import annotations

import datetime as dt
import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import NOW, a_client, times_of
from fetched_options import a_market
from marketlake import settings
from marketlake.datasets import OF_OPTIONS
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.errors import EngineMissing, InputMissing, NotASession, Retryable, UnderlyingMissing
from marketlake.ingest.options.panel import build_panel
from marketlake.ingest.report import Report
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.verify.verify import verify
from option_lake import BARS, CHAIN, FRIDAY, PANEL, SELECTION, TUESDAY, WEDNESDAY, bars_of, chain_of, held
from polygon_simulator.server import Simulator

MODEL = "Black-76 on the forward from theory, by QuantLib "


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with a_market() as running:
        yield running


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETLAKE__OPTIONS__ENABLED", "true")


def another(lake: Lake, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Lake:
    """The same lake with other settings of options."""
    for name, value in variables.items():
        monkeypatch.setenv(f"MARKETLAKE__OPTIONS__{name}", value)
    return Lake(settings.load(), now=lake.now)


def seconds_of(lake: Lake, session: dt.date = WEDNESDAY, *, provisional: bool = False) -> Report:
    key = SECOND_BARS.spec.key("SPY", session)
    return ingest(lake, SECOND_BARS, key, a_client(lake, []), allow_provisional=provisional)


def fetched(lake: Lake, session: dt.date = WEDNESDAY) -> Lake:
    """With chain, bars and seconds of a session."""
    chain_of(lake, session)
    bars_of(lake, session)
    seconds_of(lake, session)
    return lake


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with chain, bars and seconds of Wednesday, of which most tests have a copy."""
    root = tmp_path_factory.mktemp("panel") / "lake"
    with a_market() as market, pytest.MonkeyPatch.context() as patched:
        patched.setenv("MARKETLAKE_ENV_FILE", "")
        patched.setenv("MARKETLAKE__OPTIONS__ENABLED", "true")
        patched.setenv("MARKETLAKE__STORAGE__ROOT", str(root))
        patched.setenv("POLYGON_BASE_URL", market.url)
        fetched(Lake(settings.load(), now=lambda: NOW))
    return root


@pytest.fixture
def wednesday(lake: Lake, made: Path) -> None:
    shutil.copytree(made, lake.storage.root)


of_wednesday = pytest.mark.usefixtures("wednesday")


def folder(lake: Lake, dataset: str) -> Path:
    return lake.storage.root / dataset / "processed/spy/date=2024-11-27"


# --- what is published ------------------------------------------------------------------------------------------------


@of_wednesday
def test_a_panel_is_published_with_what_it_is_made_of(lake: Lake, simulator: Simulator) -> None:
    asked = len(simulator.requests)
    report = build_panel(lake, "SPY", WEDNESDAY)
    assert len(simulator.requests) == asked
    certificate, rows = held(lake, PANEL)
    bars, contract_bars = held(lake, BARS)
    assert (report.outcome, report.state, report.rows, report.revision) == ("created", "complete", bars.rows, 1)
    assert rows.select(contract_bars.column_names).equals(contract_bars)
    seconds = lake.store(SECOND_BARS.spec).partitions.certificate(SECOND_BARS.spec.key("SPY", WEDNESDAY))
    assert seconds is not None
    assert certificate.inputs == {
        "option_bars": bars.content_hash,
        "option_chain": held(lake, CHAIN)[0].content_hash,
        "second_bars": seconds.content_hash,
    }
    assert {name: certificate.basis[name] for name in ("rates", "dividends")} == {
        "rates": "treasury yields of 2024-11-26", "dividends": "the vendor's dividends",
    }  # fmt: skip
    assert certificate.basis["model"].startswith(MODEL)
    assert (certificate.pages, certificate.volume, certificate.source_host) == (0, bars.volume, bars.source_host)
    counts = {check.name: check.count for check in certificate.checks}
    assert counts["no_iv_missing"] == counts["stale_underlying"] == 0
    assert 0 < counts["no_iv_expired"] < counts["after_close"]
    found = verify(lake, OF_OPTIONS[PANEL])
    assert (found.partitions, found.states, found.findings) == (1, {"complete": 1}, ())


@of_wednesday
def test_each_out_of_the_money_row_has_the_iv_that_it_was_priced_with(lake: Lake, simulator: Simulator) -> None:
    """Of 0.30 USD at least, and half a day before the expiry: within a vol point; what else there is, is counted."""
    build_panel(lake, "SPY", WEDNESDAY)
    errors, others = [], Counter[str]()
    for row in held(lake, PANEL)[1].to_pylist():
        if row["years_to_expiry"] < 0.5 / 365 or row["close"] < 0.3 or row["itm"]:
            why = {"itm": row["itm"], "half a day": row["years_to_expiry"] < 0.5 / 365}
            others[next((name for name, applies in why.items() if applies), "a small price")] += 1
            continue
        true = simulator.options.simulated_iv(row["contract"], row["timestamp"] + 60_000)
        assert true is not None
        errors.append(abs(row["iv"] - true))
    print(f"{len(errors)} rows, off by {max(errors):.4f} at most; left out: {dict(others)}")
    assert len(errors) > 4_000
    assert max(errors) < 0.01


@of_wednesday
def test_made_again_of_the_same_nothing_changes_on_disk(lake: Lake) -> None:
    build_panel(lake, "SPY", WEDNESDAY)
    before = times_of(lake.storage.root)
    assert build_panel(lake, "SPY", WEDNESDAY).outcome == "unchanged"
    assert times_of(lake.storage.root) == before


@of_wednesday
def test_other_seconds_are_another_panel(lake: Lake, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is left of the underlying is its first minute; those seconds are suspect, and so is what they make."""
    monkeypatch.setenv("MARKETLAKE__QUALITY__MAX_SILENCE_S", "23400")
    lake = Lake(settings.load(), now=lake.now)
    build_panel(lake, "SPY", WEDNESDAY)
    before = held(lake, PANEL)[0]
    simulator.faults.set(str(WEDNESDAY), [{"fault": "one_bar", "times": 0, "timespan": "second"}])
    assert seconds_of(lake).outcome == "revised"
    report = build_panel(lake, "SPY", WEDNESDAY)
    assert (report.outcome, report.state, report.revision) == ("revised", "suspect", 2)
    assert report.suspect_because == ("second_bars is suspect",)
    assert report.changes == f"rows added 0, removed 0, changed {report.rows} since revision 1"
    after, rows = held(lake, PANEL)
    assert {name for name, digest in after.inputs.items() if digest != before.inputs[name]} == {"second_bars"}
    assert set(rows.column("stale_underlying").to_pylist()) == {True}
    assert verify(lake, OF_OPTIONS[PANEL]).findings == ()


def test_of_provisional_seconds_the_panel_is_provisional(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    chain_of(lake)
    bars_of(lake)
    that_evening = Lake(lake.settings, now=lambda: dt.datetime(2024, 11, 27, 23, tzinfo=dt.UTC))
    seconds_of(that_evening, provisional=True)
    assert build_panel(lake, "SPY", WEDNESDAY).state == "provisional"
    seconds_of(lake)
    assert build_panel(lake, "SPY", WEDNESDAY).state == "complete"


def test_a_session_without_an_option_bar_has_a_panel_without_rows(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = fetched(another(lake, monkeypatch, SELECTION__DTE_MIN="4000", SELECTION__DTE_MAX="4001"))
    report = build_panel(lake, "SPY", WEDNESDAY)
    assert (report.outcome, report.state, report.rows) == ("created", "empty", 0)
    assert verify(lake, OF_OPTIONS[PANEL]).findings == ()
    assert build_panel(lake, "SPY", WEDNESDAY).outcome == "unchanged"


def test_the_size_of_a_bar_is_that_of_the_bars(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = fetched(another(lake, monkeypatch, BAR_SIZE="1 second", SELECTION__DTE_MAX="2"))
    another(lake, monkeypatch, BAR_SIZE="1 minute")  # what the settings say by now is of later sessions
    build_panel(lake, "SPY", WEDNESDAY)
    rows = held(lake, PANEL)[1].to_pylist()
    starts = {row["timestamp"] for row in rows}
    assert max(start % 60_000 for start in starts) == 59_000
    assert {row["underlying_age_s"] for row in rows} == {float(second) for second in range(60)}
    expiring = [row for row in rows if row["contract"].startswith("O:SPY241127")]
    assert {row["years_to_expiry"] for row in expiring} == {
        (1_732_741_200_000 - row["timestamp"] - 1_000) / 31_536_000_000 for row in expiring
    }


def test_an_early_close(lake: Lake) -> None:
    fetched(lake, FRIDAY)
    build_panel(lake, "SPY", FRIDAY)
    rows = held(lake, PANEL, FRIDAY)[1].to_pylist()
    closes_ms = 1_732_903_200_000  # 13:00 New York
    late = [row for row in rows if row["timestamp"] >= closes_ms]
    assert len(late) > 20
    assert all(row["after_close"] for row in late)
    assert {row["no_iv"] for row in late if row["contract"].startswith("O:SPY241129")} == {"expired"}
    assert {row["no_iv"] for row in late if not row["contract"].startswith("O:SPY241129")} == {None}
    assert not any(row["after_close"] for row in rows if row["timestamp"] < closes_ms)


# --- what is missing --------------------------------------------------------------------------------------------------


def test_without_the_underlying_it_is_said_what_is_missing_and_made_once_it_is_there(lake: Lake) -> None:
    chain_of(lake)
    bars_of(lake)
    with pytest.raises(UnderlyingMissing) as told:
        build_panel(lake, "SPY", WEDNESDAY)
    assert str(told.value) == (
        "SPY 2024-11-27 option panel: the second bars of SPY on that session are not in the lake, of which the"
        " underlying's prices are. It is tried again; fetch them with  make backfill FROM=2024-11-27 TO=2024-11-27"
    )
    assert isinstance(told.value, Retryable)
    assert not folder(lake, "option_panel").exists()
    seconds_of(lake)
    assert build_panel(lake, "SPY", WEDNESDAY).outcome == "created"


def test_an_underlying_that_no_dag_fetches_is_fetched_by_a_command_that_says_so(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain_of(lake)
    bars_of(lake)
    monkeypatch.setenv("MARKETLAKE__TICKERS", '["QQQ"]')
    with pytest.raises(
        UnderlyingMissing, match=r"with  MARKETLAKE__TICKERS='\[\"SPY\"\]' make backfill FROM=2024-11-27"
    ):
        build_panel(Lake(settings.load(), now=lake.now), "SPY", WEDNESDAY)


@of_wednesday
def test_seconds_that_do_not_prove_themselves_are_none(lake: Lake) -> None:
    file = lake.storage.root / "processed/spy/date=2024-11-27/bars.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    with pytest.raises(UnderlyingMissing, match="do not prove themselves.*FROM=2024-11-27 TO=2024-11-27 REFETCH=1$"):
        build_panel(lake, "SPY", WEDNESDAY)


def test_without_bars_it_is_said_what_is_missing(lake: Lake) -> None:
    chain_of(lake)
    seconds_of(lake)
    with pytest.raises(InputMissing) as told:
        build_panel(lake, "SPY", WEDNESDAY)
    assert str(told.value) == (
        "SPY 2024-11-27 option panel: the lake holds no option bars of it that prove themselves. Clear the task"
        " fetch_bars of this session, or fetch all of it with  make backfill DATASET=options FROM=2024-11-27"
        " TO=2024-11-27 REFETCH=1"
    )
    assert not isinstance(told.value, UnderlyingMissing)


@of_wednesday
def test_bars_whose_selection_was_not_published_are_not_valued_until_it_is(lake: Lake) -> None:
    """Between the two of them a task was killed."""
    (folder(lake, "option_selection") / "selection.parquet").unlink()
    with pytest.raises(InputMissing, match="the selection that is held is another one than its option bars name"):
        build_panel(lake, "SPY", WEDNESDAY)
    bars_of(lake)
    assert held(lake, SELECTION)[0].content_hash == held(lake, BARS)[0].inputs["option_selection"]
    assert build_panel(lake, "SPY", WEDNESDAY).outcome == "created"


@of_wednesday
def test_a_selection_of_other_bars_is_none(lake: Lake, simulator: Simulator) -> None:
    before = (folder(lake, "option_selection") / "selection.parquet").read_bytes()
    faults = [{"fault": "one_bar", "times": 0, "contract": "O:SPY241129C00605000", "timespan": "minute"}]
    simulator.faults.set(str(WEDNESDAY), faults)
    assert bars_of(lake).outcome == "revised"
    (folder(lake, "option_selection") / "selection.parquet").write_bytes(before)
    with pytest.raises(InputMissing, match="the selection that is held is another one"):
        build_panel(lake, "SPY", WEDNESDAY)


def test_a_chain_of_later_is_not_the_one_that_the_bars_are_of(lake: Lake, simulator: Simulator) -> None:
    """It became a revision, because the list of the session before could be had by then."""
    simulator.faults.set(str(TUESDAY), [{"fault": "not_entitled", "times": 0, "timespan": "contracts"}])
    fetched(lake)
    simulator.faults.clear()
    assert chain_of(lake).outcome == "revised"
    with pytest.raises(InputMissing, match="the chain that is held is another one than its option bars were selected"):
        build_panel(lake, "SPY", WEDNESDAY)
    bars_of(lake)
    assert build_panel(lake, "SPY", WEDNESDAY).outcome == "created"


@of_wednesday
def test_a_chain_that_is_lost_is_missed(lake: Lake) -> None:
    (folder(lake, "option_chain") / "chain.parquet").unlink()
    with pytest.raises(InputMissing, match="the chain that is held is another one"):
        build_panel(lake, "SPY", WEDNESDAY)


def test_a_date_without_a_session_is_told_as_that(lake: Lake) -> None:
    with pytest.raises(NotASession, match="2024-11-28"):
        build_panel(lake, "SPY", dt.date(2024, 11, 28))


@of_wednesday
def test_without_quantlib_nothing_is_published(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "QuantLib", None)
    with pytest.raises(EngineMissing, match="python -m pip install QuantLib"):
        build_panel(lake, "SPY", WEDNESDAY)
    assert not folder(lake, "option_panel").exists()


# --- rates and dividends ----------------------------------------------------------------------------------------------


@of_wednesday
def test_constants_of_the_settings_come_before_what_was_known(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    build_panel(lake, "SPY", WEDNESDAY)
    known = {name: set(held(lake, PANEL)[1].column(name).to_pylist()) for name in ("rate", "dividends_pv")}
    assert min(len(values) for values in known.values()) > 1
    constant = another(lake, monkeypatch, RATES__SOURCE="constant", DIVIDENDS__SOURCE="none")
    assert build_panel(constant, "SPY", WEDNESDAY).outcome == "revised"
    certificate, rows = held(lake, PANEL)
    assert (certificate.basis["rates"], certificate.basis["dividends"]) == ("constant 0.04", "none")
    assert set(rows.column("rate").to_pylist()) == {0.04}
    assert set(rows.column("dividends_pv").to_pylist()) == {0.0}
    quarterly = another(lake, monkeypatch, RATES__CONSTANT="0.05", DIVIDENDS__SOURCE="constant")
    assert build_panel(quarterly, "SPY", WEDNESDAY).outcome == "revised"
    certificate, rows = held(lake, PANEL)
    basis = (certificate.basis["rates"], certificate.basis["dividends"])
    assert basis == ("constant 0.05", "constant 1.8 USD a quarter")
    assert set(rows.column("rate").to_pylist()) == {0.05}
    assert len(set(rows.column("dividends_pv").to_pylist())) == 2


def test_what_was_known_when_the_bars_were_fetched_stays_and_a_line_says_so(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    constant = another(lake, monkeypatch, RATES__SOURCE="constant", DIVIDENDS__SOURCE="none")
    fetched(constant)
    vendors = another(lake, monkeypatch, RATES__SOURCE="treasury", DIVIDENDS__SOURCE="vendor")
    with caplog.at_level(logging.WARNING, "marketlake.ingest.options.panel"):
        build_panel(vendors, "SPY", WEDNESDAY)
    assert [record.getMessage() for record in caplog.records if record.name.endswith("options.panel")] == [
        "SPY 2024-11-27 option bars: its bars were fetched with a constant rate, which stays: constant 0.04",
        "SPY 2024-11-27 option bars: its bars were fetched with other dividends, which stay: none",
    ]
    assert held(lake, PANEL)[0].basis["rates"] == "constant 0.04"
