"""No look-ahead, from the vendor's answers to the panel: two days that are the same up to a moment."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from conftest import KEY, NOW, a_client
from marketlake import settings
from marketlake.datasets.stock_bars import SECOND_BARS
from marketlake.ingest.options.panel import build_panel
from marketlake.ingest.session import ingest
from marketlake.lake import Lake
from option_lake import BARS, PANEL, SELECTION, WEDNESDAY, bars_of, chain_of, held
from polygon_simulator.days import Bar
from polygon_simulator.server import Simulator
from smooth_days import SmoothDays

OPENS_MS = 1_732_717_800_000
"""09:30 New York on WEDNESDAY."""
RULE, PRICES = "rule", ("open", "high", "low", "close")


@dataclass(frozen=True)
class AnotherEnd:
    """Smooth days; every price that is not over by a moment is higher by a fiftieth."""

    moment_ms: int

    def bars(self, ticker: str, day: dt.date) -> list[Bar]:
        return [self._changed(bar) for bar in SmoothDays().bars(ticker, day)]

    def _changed(self, bar: Bar) -> Bar:
        if bar["t"] + 1_000 <= self.moment_ms:
            return bar
        return bar | {name: round(bar[name] * 1.02, 2) for name in ("o", "h", "l", "c", "vw")}


def collected(days: SmoothDays | AnotherEnd, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake with that session of options, and its panel."""
    with Simulator(days, KEY, contracts="few", now_s=NOW.timestamp) as simulator, monkeypatch.context() as patched:
        patched.setenv("MARKETLAKE__STORAGE__ROOT", str(folder))
        patched.setenv("POLYGON_BASE_URL", simulator.url)
        lake = Lake(settings.load(), now=lambda: NOW)
        ingest(lake, SECOND_BARS, SECOND_BARS.spec.key("SPY", WEDNESDAY), a_client(lake, []))
        chain_of(lake)
        bars_of(lake)
        build_panel(lake, "SPY", WEDNESDAY)
        return lake


def over_by(moment_ms: int, rows: pa.Table) -> pa.Table:
    return rows.filter(pc.less_equal(rows.column("timestamp"), moment_ms - 60_000))


@pytest.mark.parametrize(
    ("reference", "moment_ms"),
    [
        ("previous_close", OPENS_MS),
        ("previous_close", OPENS_MS + 5_430_500),
        ("open_0930", OPENS_MS + 60_000),  # the end of the second that opened
        ("open_0930", OPENS_MS + 12_000_000),
    ],
)
def test_nothing_that_happens_later_changes_selection_or_panel(
    reference: str, moment_ms: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETLAKE__OPTIONS__ENABLED", "true")
    monkeypatch.setenv("MARKETLAKE__OPTIONS__SELECTION__REFERENCE", reference)
    lakes = [
        collected(days, tmp_path / name, monkeypatch)
        for name, days in {"here": SmoothDays(), "there": AnotherEnd(moment_ms)}.items()
    ]
    (here, selected), (there, also_selected) = (held(lake, SELECTION) for lake in lakes)
    chosen = ["contract", "selected", "reason"]
    assert selected.select(chosen).equals(also_selected.select(chosen))
    assert set(selected.column("selected").to_pylist()) == {True, False}
    assert here.basis[RULE] == there.basis[RULE]
    for name in (BARS, PANEL):
        ours, theirs = (held(lake, name)[1] for lake in lakes)
        assert over_by(moment_ms, ours).equals(over_by(moment_ms, theirs))
        assert not ours.select(PRICES).equals(theirs.select(PRICES))  # else there would be nothing to see
