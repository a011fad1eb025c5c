"""Judging a panel: whether its figures are numbers, and there where they must be."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from marketlake.options.pricing import NO_IV
from marketlake.quality.checks import Check, flag, observed
from marketlake.rows.option_panel import FLAGS

_SOLVED = ("iv", "delta", "gamma", "vega", "theta")
_FIGURES = (
    *_SOLVED,
    "underlying",
    "underlying_age_s",
    "years_to_expiry",
    "rate",
    "dividends_pv",
    "forward",
    "forward_parity",
)


def check_panel(panel: pa.Table) -> list[Check]:
    """Every check of the rows of one session, blocking ones first. They ascend by contract, then by time."""
    column = {name: panel.column(name).to_numpy() for name in _FIGURES}
    absent = {name: panel.column(name).is_null().to_numpy() for name in (*_FIGURES, "no_iv")}
    masks = {
        "infinite_number": np.logical_or.reduce([np.isinf(values) for values in column.values()]),
        "nan_number": np.logical_or.reduce([np.isnan(column[name]) & ~absent[name] for name in _FIGURES]),
        "iv_not_positive": ~absent["iv"] & ~(column["iv"] > 0),
        "iv_without_greeks": np.logical_or.reduce([absent[name] != absent["iv"] for name in _SOLVED]),
        "no_iv_disagrees": absent["iv"] == absent["no_iv"],
        "underlying_without_age": absent["underlying"] != absent["underlying_age_s"],
        "negative_age": column["underlying_age_s"] < 0,
    }
    reasons = panel.column("no_iv").to_pylist()
    return [
        *(flag(panel, name, np.asarray(mask)) for name, mask in masks.items()),
        *(observed(f"no_iv_{reason}", reasons.count(reason)) for reason in NO_IV),
        *(observed(name, int(panel.column(name).to_numpy().sum())) for name in FLAGS),
    ]
