"""Judging a panel: whether its figures are numbers, there where they must be, and agree with each other."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketlake.options.panel import STALE_S
from marketlake.options.pricing import ADJUSTED_CONTRACT, BELOW_INTRINSIC, NO_IV
from marketlake.quality.checks import Check, flag, observed
from marketlake.quality.option_checks import order
from marketlake.rows.option_panel import FLAGS, SOLVED
from marketlake.sessions import SessionHours

_FIGURES = (
    *SOLVED,
    "underlying",
    "underlying_age_s",
    "years_to_expiry",
    "rate",
    "dividends_pv",
    "forward",
    "forward_parity",
)

Columns = dict[str, np.ndarray]


def check_panel(panel: pa.Table, hours: SessionHours) -> list[Check]:
    """Every check of the rows of one session, blocking ones first. They ascend by contract, then by time."""
    start = panel.column("timestamp").to_numpy()
    column = {name: panel.column(name).to_numpy() for name in (*_FIGURES, *FLAGS)}
    absent = {name: panel.column(name).is_null().to_numpy() for name in (*_FIGURES, "no_iv")}
    masks = {
        "outside_day": (start < hours.day_start_ms) | (start >= hours.day_end_ms),
        **order(panel),
        **_numbers(column, absent),
        **_presence(column, absent),
        **_flags(panel, column),
    }
    return [*(flag(panel, name, np.asarray(mask)) for name, mask in masks.items()), *_counts(panel)]


def _numbers(column: Columns, absent: Columns) -> Columns:
    """Figures that are none, or that no option has."""
    return {
        "infinite_number": np.logical_or.reduce([np.isinf(column[name]) for name in _FIGURES]),
        "nan_number": np.logical_or.reduce([np.isnan(column[name]) & ~absent[name] for name in _FIGURES]),
        "iv_not_positive": ~absent["iv"] & ~(column["iv"] > 0),
        "delta_beyond_one": np.abs(column["delta"]) > 1,
        "negative_greek": (column["gamma"] < 0) | (column["vega"] < 0),
        "negative_age": column["underlying_age_s"] < 0,
    }


def _presence(column: Columns, absent: Columns) -> Columns:
    """Figures that are there without what they are made of, or are not there with it."""
    return {
        "iv_without_greeks": np.logical_or.reduce([absent[name] != absent["iv"] for name in SOLVED]),
        "no_iv_disagrees": absent["iv"] == absent["no_iv"],
        "iv_after_expiry": ~absent["iv"] & (column["years_to_expiry"] <= 0),
        "underlying_without_age": absent["underlying"] != absent["underlying_age_s"],
        "underlying_without_forward": absent["underlying"] != absent["forward"],
        "parity_without_forward": absent["forward"] & ~absent["forward_parity"],
    }


def _flags(panel: pa.Table, column: Columns) -> Columns:
    """Flags that say something else than the figures beside them."""
    no_iv = panel.column("no_iv")

    def because(reason: str) -> np.ndarray:
        return np.asarray(pc.fill_null(pc.equal(no_iv, reason), False).to_numpy())

    return {
        "no_iv_unknown": ~pc.is_in(no_iv, pa.array([*NO_IV, None], pa.string())).to_numpy(),
        "below_intrinsic_disagrees": column["below_intrinsic"] != because(BELOW_INTRINSIC),
        "adjusted_contract_disagrees": column["adjusted_contract"] != because(ADJUSTED_CONTRACT),
        "stale_underlying_disagrees": column["stale_underlying"] != ~(column["underlying_age_s"] <= STALE_S),
        "itm_without_forward": column["itm"] & np.isnan(column["forward"]),
    }


def _counts(panel: pa.Table) -> list[Check]:
    """How many rows have no iv, by reason, and how many have each flag."""
    counted = pc.value_counts(panel.column("no_iv").combine_chunks())
    counts = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    return [
        *(observed(f"no_iv_{reason}", counts.get(reason, 0)) for reason in NO_IV),
        *(observed(name, pc.sum(panel.column(name)).as_py() or 0) for name in FLAGS),
    ]
