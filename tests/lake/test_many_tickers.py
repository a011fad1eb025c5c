"""Several tickers, some with a class: each has its own ids, paths and rows, and they share one call budget."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from clocks import Clock
from conftest import KEY, NOW, a_client, files_under
from marketlake import open_lake, settings
from marketlake.coverage_page.subjects import subject_named, subjects_of
from marketlake.dataset_names import NAMES, OPTIONS, audit_dag_id, dag_id
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS
from marketlake.errors import BadArgument, SettingsError
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from marketlake.partitions import layout
from marketlake.polygon.api_key import ApiKey
from marketlake.polygon.call_budget import CallBudget, budget_for
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.transport import Transport
from marketlake.verify.verify import verify
from polygon_simulator.server import Simulator

DAY = dt.date(2024, 11, 26)
TICKERS = ["SPY", "BRK.B", "BRKB"]


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch, lake: Lake) -> Lake:
    monkeypatch.setenv("MARKETLAKE__TICKERS", json.dumps(TICKERS))
    return Lake(settings.load(), now=lambda: NOW)


def test_a_ticker_with_a_class_has_its_own_place_and_is_read_back_by_its_name(lake: Lake, waits: list[float]) -> None:
    for ticker in TICKERS[1:]:
        ingest(lake, SECOND_BARS, SECOND_BARS.spec.key(ticker, DAY), a_client(lake, waits))
    assert files_under(lake.storage.root) == {
        "processed/brk.b/date=2024-11-26/bars.parquet", "raw/brk.b/date=2024-11-26/rev=1/pages-*.tar",
        "processed/brkb/date=2024-11-26/bars.parquet", "raw/brkb/date=2024-11-26/rev=1/pages-*.tar",
    }  # fmt: skip
    assert len(open_lake(lake.storage.root).bars("2024-11-26", ticker="brk.b")) == 390
    held = [lake.store(SECOND_BARS.spec).partitions.certificate(SECOND_BARS.spec.key(one, DAY)) for one in TICKERS[1:]]
    assert [certificate.ticker for certificate in held if certificate] == ["BRK.B", "BRKB"]
    found = verify(lake, SECOND_BARS, ticker="BRK.B")
    assert (found.tickers, found.partitions, found.findings) == (("BRK.B",), 1, ())
    shown = subject_named(lake, None, "brk.b")
    assert (shown.ticker, [(one.ticker, one.held) for one in subjects_of(lake).subjects]) == (
        "BRK.B", [("SPY", False), ("BRK.B", True), ("BRKB", True)],
    )  # fmt: skip


TICKER = st.from_regex(r"[A-Z][A-Z0-9]{0,3}(\.[A-Z0-9]{1,3})?", fullmatch=True)


@given(st.sets(TICKER, min_size=2, max_size=12))
def test_no_two_tickers_share_a_dag_an_asset_or_a_path(tickers: set[str]) -> None:
    ids = [
        made(dataset, ticker) for ticker in tickers for dataset in (*NAMES, OPTIONS) for made in (dag_id, audit_dag_id)
    ]
    assert len(set(ids)) == len(ids)
    folders = {layout.ticker_folder(ticker).removeprefix("processed/") for ticker in tickers}
    assert len(folders) == len(tickers)
    assert {layout.place_of(f"{folder}/date=2024-11-26") for folder in folders} == {(one, DAY) for one in tickers}


@pytest.mark.parametrize("ticker", ["BRK-B", "BRK_B", "BRK/B", "brk.b", "BRK.", "BRK..B", ".B", "BACpL", "ABCDEFGH.IJ"])
def test_what_could_share_a_place_with_another_ticker_is_refused_with_the_way_to_write_it(
    monkeypatch: pytest.MonkeyPatch, ticker: str
) -> None:
    monkeypatch.setenv("MARKETLAKE__TICKERS", json.dumps([ticker]))
    with pytest.raises(SettingsError) as caught:
        settings.load()
    assert str(caught.value) == (
        f"tickers.0 (MARKETLAKE__TICKERS) = {ticker!r}: {ticker!r} is no stock ticker: capital letters and digits, a"
        " class behind a dot, as in BRK.B"
    )


def test_of_five_hundred_tickers_a_wrong_one_is_told_with_a_few_and_the_nearest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tickers = [f"{first}{second}" for first in "ABCDEFGHIJKLMNOPQRST" for second in "ABCDEFGHIJKLMNOPQRSTUVWXY"]
    monkeypatch.setenv("MARKETLAKE__TICKERS", json.dumps(tickers))
    monkeypatch.setenv("MARKETLAKE__STORAGE__ROOT", str(tmp_path))
    with pytest.raises(BadArgument) as caught:
        subject_named(Lake(settings.load(), now=lambda: NOW), "second_bars", "TYY")
    assert str(caught.value) == (
        "ticker='TYY' is none of AA, AB, AC, AD, AE, AF, AG, AH, AI, AJ, AK, AL, AM, AN, AO, AP, AQ, AR, AS, AT and 480"
        " more. Did you mean 'TY'?"
    )


def test_tasks_of_two_tickers_and_two_datasets_take_their_turns_of_one_budget(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, simulator: Simulator, tmp_path: Path
) -> None:
    monkeypatch.setenv("MARKETLAKE__API__REQUESTS_PER_MINUTE", "4")
    monkeypatch.setenv("MARKETLAKE__LOGGING__FOLDER", str(tmp_path / "logs"))
    clock, waited = Clock(), list[float]()

    def wait(seconds: float) -> None:
        waited.append(seconds)
        clock.pass_by(seconds)

    for dataset, ticker in ((SECOND_BARS, "SPY"), (SECOND_BARS, "BRK.B"), (MINUTE_BARS, "SPY")):
        configured = settings.load()  # as every task of every DAG does for itself
        budget = budget_for(configured, "api.massive.com")
        assert budget is not None
        own = CallBudget(budget._file, budget._calls, longest_wait_s=450, sleep=wait, now_s=clock.read)
        transport = Transport(requests.Session(), ApiKey(KEY, "a test"), configured.api, take_turn=own.take_turn)
        ingest(lake, dataset, dataset.spec.key(ticker, DAY), PolygonClient(transport))
    # 3 + 3 + 2 calls, four a minute: the fifth waits, which is the second ticker's.
    assert (len(simulator.requests), waited) == (8, [62.001])
