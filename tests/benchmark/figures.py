"""What was measured: a figure, its peer in the same run, and the ratio that passes or does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median, stdev
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A median of ours and of a peer, with each run of both; without a peer, ``limit`` is of ours alone.

    ``limit`` is the most that the ratio may be or, where more is better, the least; None of a row to know.
    """

    name: str
    unit: str
    ours: Sequence[float]
    peer_name: str = ""
    peer: Sequence[float] = ()
    limit: float | None = None
    more_is_better: bool = False
    note: str = ""

    @property
    def value(self) -> float:
        """The ratio of the medians; ours, where there is no peer."""
        return median(self.ours) / (median(self.peer) if self.peer else 1.0)

    @property
    def noise(self) -> float:
        """The standard error of the ratio, as a share of it. A side that ran once is as uncertain as a run of the other
        side; 0 if both ran once, so that nothing is known.
        """
        sides = [side for side in (self.ours, self.peer) if side]
        errors = [_scatter(side) / math.sqrt(len(side)) for side in sides if len(side) > 1]
        single = max((_scatter(side) for side in sides if len(side) > 1), default=0.0)
        return math.hypot(*errors, *(single for side in sides if len(side) == 1))

    @property
    def is_kept(self) -> bool:
        """Whether the ratio itself keeps the limit."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.more_is_better else self.value <= self.limit

    @property
    def holds(self) -> bool:
        """Whether the limit is kept, or missed by no more than two standard errors: by nothing that a run can show."""
        if self.is_kept or self.limit is None:
            return True
        return abs(self.value - self.limit) <= 2 * self.noise * self.value

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self) | {"value": self.value, "noise": self.noise, "holds": self.holds}


def table(figures: Sequence[Figure]) -> str:
    """One line a figure, the ratio first."""
    lines = [f"{'ratio':>8}  {'limit':>8}  {'':4}  figure"]
    for one in figures:
        limit = "" if one.limit is None else f"{'≥' if one.more_is_better else '≤'} {one.limit:g}"
        verdict = "" if one.limit is None else "ok" if one.is_kept else "ok?" if one.holds else "MISS"
        against = f"; {one.peer_name} {_spread(one.peer, one.unit)}" if one.peer else ""
        note = f" ({one.note})" if one.note else ""
        lines.append(
            f"{one.value:>8.3f}  {limit:>8}  {verdict:4}  {one.name}: {_spread(one.ours, one.unit)}{against}{note}"
        )
    return "\n".join(lines)


def _scatter(runs: Sequence[float]) -> float:
    """The standard deviation of a side's runs, as a share of their median."""
    return stdev(runs) / median(runs)


def _spread(runs: Sequence[float], unit: str) -> str:
    several = f" [{min(runs):.3g} to {max(runs):.3g}, {len(runs)} runs]" if len(runs) > 1 else ""
    return f"{median(runs):.3g} {unit}{several}"
