"""The panel of a session: its option bars beside the underlying, with implied volatility and greeks."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from marketlake.datasets.dataset import EmptyRule
from marketlake.quality.checks import Check
from marketlake.quality.panel_checks import check_panel
from marketlake.rows.option_panel import PANELS
from marketlake.rows.spec import DatasetSpec
from marketlake.sessions import SessionHours


@dataclass(frozen=True)
class OptionPanel:
    """It is derived from bars, chain and underlying, and made anew whenever one of them is another."""

    spec: DatasetSpec = PANELS
    empty: EmptyRule = EmptyRule.SHOWN_ELSEWHERE
    bounds_silence: bool = False

    def check(self, rows: pa.Table, hours: SessionHours, max_silence_s: float | None) -> list[Check]:  # noqa: ARG002
        """Whether the figures are numbers, and there where they must be."""
        return check_panel(rows, hours)


OPTION_PANEL = OptionPanel()
