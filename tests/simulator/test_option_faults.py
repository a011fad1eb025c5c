"""Faults of chains and of options' bars: what each changes, where, and how often."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from conftest import KEY
from polygon_simulator.faults import Faults
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

DAY = "2024-11-27"
CONTRACT, ANOTHER = "O:SPY241129C00605000", "O:SPY241129P00605000"
NOW_S = dt.datetime(2026, 11, 20, 17, tzinfo=dt.UTC).timestamp()


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(SmoothDays(), KEY, contracts="few", now_s=lambda: NOW_S) as simulator:
        yield simulator


@pytest.fixture
def few(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.faults.clear()


def get(simulator: Simulator, path: str, **query: Any) -> requests.Response:
    url = path if path.startswith("http") else simulator.url + path
    return requests.get(url, params=query, headers={"Authorization": f"Bearer {KEY}"}, timeout=10)


def listing(simulator: Simulator, limit: int = 50, **query: Any) -> list[list[dict[str, Any]]]:
    """The records of each page."""
    asked = {"underlying_ticker": "SPY", "as_of": DAY, "limit": limit, **query}
    answer, pages = get(simulator, "/v3/reference/options/contracts", **asked).json(), []
    for _ in range(99):
        pages.append(answer["results"])
        if "next_url" not in answer:
            return pages
        answer = get(simulator, answer["next_url"]).json()
    raise AssertionError("the listing does not end")


def tickers(pages: list[list[dict[str, Any]]]) -> list[str]:
    return [record["ticker"] for page in pages for record in page]


def bars(simulator: Simulator, ticker: str = CONTRACT, timespan: str = "minute") -> list[dict[str, Any]]:
    path = f"/v2/aggs/ticker/{ticker}/range/1/{timespan}/{DAY}/{DAY}"
    found: list[dict[str, Any]] = get(simulator, path, limit=50_000).json().get("results", [])
    return found


# --- the chain --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "count", "missing", "added"),
    [
        ("duplicated_contract", 153, set(), set()),
        (f"duplicated_contract:{CONTRACT}", 153, set(), set()),
        ("lost_contract", 151, {"O:SPY241127C00550000"}, set()),
        (f"lost_contract:{CONTRACT}", 151, {CONTRACT}, set()),
        ("foreign_root", 153, set(), {"O:SPYG241127C00550000"}),
        ("foreign_root:SPXW", 153, set(), {"O:SPXW241127C00550000"}),
        ("odd_strike", 154, set(), {"O:SPY241127C00587500", "O:SPY241127P00587500"}),
        ("odd_strike:612.5", 154, set(), {"O:SPY241127C00612500", "O:SPY241127P00612500"}),
        ("expired_contract", 152, {"O:SPY241127C00550000"}, {"O:SPY201127C00550000"}),
        ("other_fields", 152, set(), set()),
        ("without_type", 152, set(), set()),
        (
            "adjusted_contract", 156, set(),
            {"O:SPY1241127C00525000", "O:SPY1241127C00530000", "O:SPY1241127P00525000", "O:SPY1241127P00530000"},
        ),
    ],
)  # fmt: skip
def test_a_fault_of_one_page_changes_these_records_once(
    few: Simulator, fault: str, count: int, missing: set[str], added: set[str]
) -> None:
    whole = tickers(listing(few))
    few.faults.set(DAY, [{"fault": fault}])
    found = tickers(listing(few))
    assert len(found) == count
    assert set(whole) - set(found) == missing
    assert set(found) - set(whole) == added
    assert tickers(listing(few)) == whole


def test_what_faulty_records_say(few: Simulator) -> None:
    def second(fault: str) -> dict[str, Any]:
        few.faults.set(DAY, [{"fault": fault}])
        found: dict[str, Any] = listing(few)[0][1]
        return found

    assert (second("other_fields")["ticker"], second("other_fields")["strike_price"]) == ("O:SPY241127C00550000", 551)
    assert "contract_type" not in second("without_type")
    few.faults.set(DAY, [{"fault": "foreign_root:SPXW"}])
    foreign = next(one for one in listing(few)[0] if one["ticker"].startswith("O:SPXW"))
    assert foreign["underlying_ticker"] == "SPX"
    few.faults.set(DAY, [{"fault": "adjusted_contract"}])
    adjusted = listing(few)[0][0]
    assert adjusted == {
        "cfi": "OCASPS", "contract_type": "call", "exercise_style": "american", "expiration_date": "2024-11-27",
        "primary_exchange": "BATO", "shares_per_contract": 103, "strike_price": 525, "ticker": "O:SPY1241127C00525000",
        "underlying_ticker": "SPY",
        "additional_underlyings": [{"amount": 12.34, "type": "currency", "underlying": "USD"}],
    }  # fmt: skip


def test_a_chain_that_shrank_still_has_as_many_calls_as_puts(few: Simulator) -> None:
    few.faults.set(DAY, [{"fault": "shrunk_chain", "times": 0}])
    records = [record for page in listing(few) for record in page]
    assert len(records) == 106
    assert sum(record["contract_type"] == "call" for record in records) == 53


def test_a_page_is_lost(few: Simulator) -> None:
    whole = listing(few)
    few.faults.set(DAY, [{"fault": "lost_page"}])
    assert listing(few) == [whole[0], whole[2], whole[3]]
    assert listing(few) == whole


def test_a_page_comes_twice(few: Simulator) -> None:
    whole = listing(few)
    few.faults.set(DAY, [{"fault": "duplicated_page", "endpoint": "contracts", "page": 2}])
    assert listing(few) == [whole[0], whole[1], *whole[1:]]


def test_the_filter_is_forgotten_on_page_two(few: Simulator) -> None:
    whole = listing(few, contract_type="call")
    few.faults.set(DAY, [{"fault": "filter_lost"}])
    found = listing(few, contract_type="call")
    assert found[0] == whole[0]
    assert {record["underlying_ticker"] for record in found[1]} == {"SPY", "QQQ"}
    assert {record["contract_type"] for record in found[1]} == {"call", "put"}
    assert {record["underlying_ticker"] for page in found[2:] for record in page} == {"SPY"}


def test_as_of_is_ignored(few: Simulator) -> None:
    few.faults.set(DAY, [{"fault": "as_of_ignored", "times": 0}])
    found = listing(few, limit=1_000)
    assert found == listing(few, limit=1_000, as_of="2026-11-20")
    assert found[0][0]["expiration_date"] == "2026-11-20"


def test_a_chain_is_empty_once(few: Simulator) -> None:
    few.faults.set(DAY, [{"fault": "empty", "endpoint": "contracts"}])
    assert [len(page) for page in listing(few)] == [0]
    assert [len(page) for page in listing(few)] == [50, 50, 50, 2]


@pytest.mark.parametrize("path", ["/fed/v1/treasury-yields", "/stocks/v1/dividends"])
def test_a_list_without_a_date_takes_the_faults_of_any(few: Simulator, path: str) -> None:
    endpoint = "yields" if "fed" in path else "dividends"
    few.faults.set("*", [{"fault": "503", "endpoint": endpoint, "times": 2}])
    assert [get(few, path).status_code for _ in range(3)] == [503, 503, 200]
    assert [len(page) for page in listing(few)] == [50, 50, 50, 2]


# --- bars -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "second"),
    [
        ("negative", {"v": -1}),
        ("off_minute", {"t": 1_732_717_861_000}),
        ("off_second", {"t": 1_732_717_860_001}),
        ("free", {"o": 0, "h": 0, "l": 0, "c": 0}),
    ],
)
def test_a_fault_of_a_contracts_bars_changes_the_second_one_of_that_contract(
    few: Simulator, fault: str, second: dict[str, Any]
) -> None:
    whole, other, stock = bars(few), bars(few, ANOTHER), bars(few, "SPY")
    few.faults.set(DAY, [{"fault": fault, "contract": CONTRACT, "timespan": "minute"}])
    assert (bars(few, ANOTHER), bars(few, "SPY"), bars(few, timespan="day")[0]["v"]) == (other, stock, 8_139)
    assert bars(few) == [whole[0], whole[1] | second, *whole[2:]]
    assert bars(few) == whole


def test_a_traded_contract_answers_empty_once_and_is_filled_then(few: Simulator) -> None:
    few.faults.set(DAY, [{"fault": "empty", "contract": CONTRACT, "timespan": "minute"}])
    assert [len(bars(few)) for _ in range(2)] == [0, 238]


def test_a_bar_after_the_end_of_trading(few: Simulator) -> None:
    whole = bars(few)
    few.faults.set(DAY, [{"fault": "late_bar", "contract": "*", "timespan": "minute"}])
    assert bars(few) == [*whole, whole[-1] | {"t": 1_732_742_400_000}]  # 16:20


def test_unsorted_bars_and_a_price_below_zero(few: Simulator) -> None:
    whole = bars(few)
    few.faults.set(
        DAY, [{"fault": name, "contract": "*", "timespan": "minute"} for name in ("unsorted", "negative_price")]
    )
    assert bars(few) == [whole[0], whole[2], whole[1], *whole[3:]]
    assert bars(few)[1]["l"] == -whole[1]["l"]


def test_a_burst_of_429_is_for_any_contract_and_for_no_stock(few: Simulator) -> None:
    few.faults.set(DAY, [{"fault": "429", "contract": "*", "timespan": "minute", "times": 3}])
    path = f"/v2/aggs/ticker/{{}}/range/1/minute/{DAY}/{DAY}"
    asked = ["SPY", CONTRACT, ANOTHER, CONTRACT, ANOTHER]
    assert [get(few, path.format(ticker)).status_code for ticker in asked] == [200, 429, 429, 429, 200]


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        ({"fault": "empty"}, [("second", ""), ("second", "")]),
        ({"fault": "empty", "contract": "*"}, [("second", CONTRACT), ("second", ANOTHER)]),
        ({"fault": "empty", "contract": CONTRACT, "timespan": "day"}, [("day", CONTRACT)]),
        ({"fault": "empty", "endpoint": "contracts"}, [("contracts", "")]),
        ({"fault": "lost_page"}, [("contracts", "")]),
    ],
)
def test_a_fault_belongs_to_bars_of_stocks_of_contracts_or_to_a_list(
    fault: dict[str, Any], taken: list[tuple[str, str]]
) -> None:
    faults = Faults()
    faults.set(DAY, [fault | {"times": 0}])
    subjects = [(span, ticker) for span in ("second", "day") for ticker in ("", CONTRACT, ANOTHER)]
    subjects += [("contracts", ""), ("yields", "")]
    assert [one for one in subjects if faults.take(DAY, 1, *one)] == list(dict.fromkeys(taken))


def test_an_endpoint_that_is_none_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match="no such endpoint: chain. Known are contracts, contract, yields, dividends, snapshots, flat_file",
    ):
        Faults().set(DAY, [{"fault": "500", "endpoint": "chain"}])


def test_an_answer_waits_for_the_latency() -> None:
    with Simulator(SmoothDays(), KEY, contracts="few", latency_ms=120) as simulator:
        began_s = time.monotonic()
        assert get(simulator, "/v3/reference/options/contracts", underlying_ticker="SPY").status_code == 200
        assert time.monotonic() - began_s >= 0.12


def test_the_command_serves_few_contracts_by_an_option_plan_and_its_help_names_faults() -> None:
    command = [sys.executable, "-m", "polygon_simulator"]
    helped = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    words = ("adjusted_contract", "as_of_ignored", "filter_lost", "late_bar", "lost_page", "odd_strike", "--latency-ms")
    assert [word for word in words if word not in helped] == []
    given = ["--key", KEY, "--contracts", "few", "--option-plan", "none", "--latency-ms", "5"]
    faults = json.dumps({DAY: [{"fault": "foreign_root"}]})
    with subprocess.Popen([*command, *given, "--faults", faults], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("serving on ").strip()
        try:
            query = {"underlying_ticker": "SPY", "as_of": DAY, "limit": 1_000}
            listed = get_at(f"{url}/v3/reference/options/contracts", **query)["results"]
            refused = get_at(f"{url}/v2/aggs/ticker/{CONTRACT}/range/1/minute/{DAY}/{DAY}")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert len(listed) == 153
    assert "O:SPYG241127C00550000" in {record["ticker"] for record in listed}
    assert refused["status"] == "NOT_AUTHORIZED"


def get_at(url: str, **query: Any) -> dict[str, Any]:
    found = requests.get(url, params=query, headers={"Authorization": f"Bearer {KEY}"}, timeout=10)
    assert found.status_code == 200
    body: dict[str, Any] = found.json()
    return body
