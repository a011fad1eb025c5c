"""Three recorded sessions from the vendor's pages to a tensor and its realised variance."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import needs_real_days
from marketlake.research import features
from research_lake import RECORDED, Ground, prepared, recorded

__all__ = ["prepared"]
OPEN_MS, DAY_MS = 1_381_152_600_000, 86_400_000
"""2013-10-07 09:30 New York, and from one session to the next."""


@needs_real_days
def test_recorded_sessions_are_dense_arrays_with_a_mask_of_what_traded(prepared: Ground) -> None:
    tensor = prepared.lake.tensor("2013-10-07", "2013-10-09", fields=["open", "close", "volume"], dtype="float64")
    assert tensor.shape == tensor.values.shape == (3, 23_400, 3)
    assert tensor.mask.sum(axis=1).tolist() == [15_769, 20_569, 19_584]
    for number, session in enumerate(RECORDED):
        regular = [bar for bar in recorded(session) if 0 <= bar["t"] - OPEN_MS - number * DAY_MS < 23_400_000]
        steps = [(bar["t"] - OPEN_MS - number * DAY_MS) // 1000 for bar in regular]
        assert np.flatnonzero(tensor.mask[number]).tolist() == steps
        assert tensor.values[number, steps, 1].tolist() == [bar["c"] for bar in regular]
        assert np.isnan(tensor.values[number][~tensor.mask[number]]).all()


@needs_real_days
@pytest.mark.parametrize(
    ("number", "of_seconds", "of_five_minutes"),
    [
        (0, 7.02767751700e-05, 2.70238035929e-05),
        (1, 9.80883900545e-05, 5.42641013609e-05),
        (2, 1.13145454120e-04, 5.35442476827e-05),
    ],
)
def test_the_realised_variance_of_a_recorded_session_to_twelve_digits(
    prepared: Ground, number: int, of_seconds: float, of_five_minutes: float
) -> None:
    values = prepared.lake.tensor(RECORDED[number], fields=["open", "close"], dtype="float64").values[0]
    prices = features.price_grid(values[:, 0], values[:, 1])
    assert features.realised_variance(prices) == pytest.approx(of_seconds, rel=5e-12)
    assert features.realised_variance(prices, 300) == pytest.approx(of_five_minutes, rel=5e-12)
