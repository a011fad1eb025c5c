"""What a panel must not say."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable

import pyarrow as pa
import pytest

from marketlake.datasets.option_panel import OPTION_PANEL
from marketlake.quality.panel_checks import check_panel
from marketlake.rows.option_panel import FLAGS, PANEL, SOLVED
from panels import CALENDAR, chain_of, panel_of

DAY = dt.date(2024, 11, 27)
HOURS = CALENDAR.hours(DAY)
TEN_MS = 1_732_719_600_000
CALL, ODD, TODAY = "O:SPY241220C00600000", "O:SPY241220P00590000", "O:SPY241127C00500000"
FIRST, SECOND, THIRD, LATE = range(4)
"""Rows: expired, then two of a call, and an odd contract."""


def sound() -> pa.Table:
    bars = [(TODAY, HOURS.regular_end_ms, 97.0), (CALL, TEN_MS, 9.3), (CALL, TEN_MS + 60_000, 9.4), (ODD, TEN_MS, 6.0)]
    chain = chain_of([TODAY, CALL, ODD], SPY241220P00590000={"standard": False})
    return panel_of(bars, [(TEN_MS, 598.5)], DAY, chain=chain)


def changed(row: int, **values: object) -> pa.Table:
    rows = sound().to_pylist()
    rows[row] |= values
    return pa.Table.from_pylist(rows, schema=PANEL)


def failed(panel: pa.Table) -> set[str]:
    return {check.name for check in check_panel(panel, HOURS) if not check.ok}


def test_a_sound_panel_passes_and_is_counted() -> None:
    checks = check_panel(sound(), HOURS)
    assert [check.name for check in checks if not check.ok] == []
    counts = {check.name: check.count for check in checks if not check.blocking}
    assert counts == {
        "no_iv_adjusted_contract": 1, "no_iv_missing": 0, "no_iv_no_price": 0, "no_iv_expired": 1,
        "no_iv_below_intrinsic": 0, "no_iv_above_maximum": 0, "no_iv_unsolved": 0, "itm": 3, "stale_underlying": 2,
        "estimated_dividend": 0, "near_ex_dividend": 0, "below_intrinsic": 0, "after_close": 1, "adjusted_contract": 1,
    }  # fmt: skip
    assert [name for name in counts if name in FLAGS] == list(FLAGS)
    assert OPTION_PANEL.check(sound(), HOURS, None) == checks


@pytest.mark.parametrize(
    ("panel", "names"),
    [
        (lambda: changed(SECOND, iv=math.nan), {"nan_number", "iv_not_positive"}),
        (lambda: changed(SECOND, forward_parity=math.nan), {"nan_number"}),
        (lambda: changed(SECOND, vega=math.inf), {"infinite_number"}),
        (lambda: changed(SECOND, rate=math.inf), {"infinite_number"}),
        (lambda: changed(SECOND, iv=0.0), {"iv_not_positive"}),
        (lambda: changed(SECOND, delta=-1.01), {"delta_beyond_one"}),
        (lambda: changed(SECOND, gamma=-0.01), {"negative_greek"}),
        (lambda: changed(SECOND, vega=-0.01), {"negative_greek"}),
        (lambda: changed(SECOND, underlying_age_s=-1.0), {"negative_age"}),
        (lambda: changed(SECOND, theta=None), {"iv_without_greeks"}),
        (lambda: changed(SECOND, iv=None), {"iv_without_greeks", "no_iv_disagrees"}),
        (lambda: changed(SECOND, **dict.fromkeys(SOLVED)), {"no_iv_disagrees"}),
        (lambda: changed(SECOND, no_iv="missing"), {"no_iv_disagrees"}),
        (lambda: changed(SECOND, years_to_expiry=0.0), {"iv_after_expiry"}),
        (lambda: changed(SECOND, underlying_age_s=None), {"underlying_without_age", "stale_underlying_disagrees"}),
        (lambda: changed(FIRST, forward=None), {"underlying_without_forward", "itm_without_forward"}),
        (
            lambda: changed(FIRST, forward=None, itm=False, forward_parity=500.0),
            {"underlying_without_forward", "parity_without_forward"},
        ),
        (lambda: changed(FIRST, no_iv="because"), {"no_iv_unknown"}),
        (lambda: changed(FIRST, no_iv="below_intrinsic"), {"below_intrinsic_disagrees"}),
        (lambda: changed(SECOND, below_intrinsic=True), {"below_intrinsic_disagrees"}),
        (lambda: changed(SECOND, adjusted_contract=True), {"adjusted_contract_disagrees"}),
        (lambda: changed(LATE, no_iv="missing"), {"adjusted_contract_disagrees"}),
        (lambda: changed(SECOND, stale_underlying=True), {"stale_underlying_disagrees"}),
        (lambda: changed(FIRST, stale_underlying=False), {"stale_underlying_disagrees"}),
        (lambda: changed(THIRD, timestamp=TEN_MS), {"duplicate_bar"}),
        (lambda: changed(THIRD, timestamp=TEN_MS - 60_000), {"descending"}),
        (lambda: changed(THIRD, contract=ODD), {"descending"}),
        (lambda: changed(LATE, timestamp=HOURS.day_end_ms), {"outside_day"}),
        (lambda: changed(FIRST, timestamp=HOURS.day_start_ms - 1), {"outside_day"}),
    ],
)
def test_what_must_not_enter(panel: Callable[[], pa.Table], names: set[str]) -> None:
    assert failed(panel()) == names


def test_the_first_row_that_offends_is_shown() -> None:
    (check,) = [check for check in check_panel(changed(SECOND, rate=math.inf), HOURS) if not check.ok]
    assert (check.blocking, check.count) == (True, 1)
    assert f'"row": 1, "contract": "{CALL}", "timestamp": {TEN_MS}' in check.detail
