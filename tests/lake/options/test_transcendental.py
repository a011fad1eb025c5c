"""Exponentials and logarithms: what they are, where there is none, and that every processor has the same ones."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketlake.options.transcendental import exp, log, log1p, normal

INCLUDE = Path(__file__).resolve().parents[3] / "include"
INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (exp, 0.0, 1.0),
        (exp, 1.0, 2.718281828459045),
        (exp, -0.0025, 0.9975031223974601),
        (exp, 709.7, 1.6549840276802644e308),
        (exp, 709.8, INF),
        (exp, INF, INF),
        (exp, -746.0, 0.0),
        (exp, -INF, 0.0),
        (exp, NAN, NAN),
        (log, 1.0, 0.0),
        (log, 2.0, 0.6931471805599453),
        (log, INF, INF),
        (log, 0.0, NAN),
        (log, -1.0, NAN),
        (log, NAN, NAN),
        (log1p, 0.0238, 0.02352119504134582),
        (log1p, 1e-20, 1e-20),
        (log1p, -1.0, NAN),
        (log1p, INF, INF),
        (normal, 0.0, 0.5),
        (normal, 1.0, 0.8413447460685429),
        (normal, -40.0, 0.0),
        (normal, INF, 1.0),
        (normal, NAN, NAN),
    ],
)
def test_a_number(function: object, value: float, expected: float) -> None:
    (found,) = function(np.array([value])).tolist()
    assert found == pytest.approx(expected, rel=1e-15, abs=0, nan_ok=True)


@given(st.lists(st.floats(width=64), max_size=8))
def test_each_number_is_the_same_whoever_stands_beside_it(values: list[float]) -> None:
    for function in (exp, log, log1p, normal):
        together = function(np.array(values, dtype=float))
        alone = [function(np.array([value]))[0] for value in values]
        assert np.array_equal(together, np.array(alone, dtype=float), equal_nan=True)


def test_the_shape_stays() -> None:
    assert exp(np.zeros((2, 3))).tolist() == [[1.0] * 3] * 2
    assert exp(np.zeros(0)).shape == (0,)


MADE = """
import datetime as dt
from panels import panel_of
from marketlake.options.rates import TreasuryCurve
from marketlake.options.dividends import ConstantDividends
from marketlake.rows.option_panel import PANELS
from panels import CALENDAR

ten_ms = 1_732_719_600_000
names = [f"O:SPY{expiry}{kind}{strike:05}000" for expiry in ("241129", "250131") for kind in "CP"
         for strike in range(580, 621, 2)]
bars = [(name, ten_ms + 60_000 * minute, 0.5 + 3 * (number % 7) + 0.37 * minute)
        for number, name in enumerate(names) for minute in range(30)]
seconds = [(ten_ms + 1_000 * second, 598.0 + 0.01 * (second % 97)) for second in range(1_800)]
curve = TreasuryCurve(dt.date(2024, 11, 26), {"yield_1_month": 4.76, "yield_3_month": 4.62})
panel = panel_of(bars, seconds, dt.date(2024, 11, 27), rates=curve, dividends=ConstantDividends(1.8, CALENDAR))
print(panel.num_rows, PANELS.rows.content_hash(panel))
"""


def of_a_processor(without: str) -> str:
    """What a new process makes, on this processor without some of what it can do."""
    paths = os.pathsep.join([str(INCLUDE), *(entry for entry in sys.path if entry.endswith("support"))])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MADE],
        env={"PYTHONPATH": paths, "NPY_DISABLE_CPU_FEATURES": without},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def test_a_panel_is_the_same_on_processors_of_which_numpys_own_exponentials_differ() -> None:
    """Else a panel that another machine makes anew would be a revision, and nothing would have changed.

    With AVX-512 numpy's own differ from those without.
    """
    features = np._core._multiarray_umath.__cpu_features__
    optional = [name for name in np._core._multiarray_umath.__cpu_dispatch__ if features[name]]
    made = of_a_processor("")
    assert made.startswith("2520 ")
    assert of_a_processor(" ".join(optional)) == made
