"""What was measured: a figure, its peer in the same run, and the ratio that passes or does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
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
    def holds(self) -> bool:
        """Whether the limit is kept."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.more_is_better else self.value <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self) | {"value": self.value, "holds": self.holds}


def table(figures: Sequence[Figure]) -> str:
    """One line a figure, the ratio first."""
    lines = [f"{'ratio':>8}  {'limit':>8}  {'':4}  figure"]
    for one in figures:
        limit = "" if one.limit is None else f"{'≥' if one.more_is_better else '≤'} {one.limit:g}"
        verdict = "" if one.limit is None else "ok" if one.holds else "MISS"
        against = f"; {one.peer_name} {_spread(one.peer, one.unit)}" if one.peer else ""
        note = f" ({one.note})" if one.note else ""
        lines.append(
            f"{one.value:>8.3f}  {limit:>8}  {verdict:4}  {one.name}: {_spread(one.ours, one.unit)}{against}{note}"
        )
    return "\n".join(lines)


def _spread(runs: Sequence[float], unit: str) -> str:
    several = f" [{min(runs):.3g} to {max(runs):.3g}, {len(runs)} runs]" if len(runs) > 1 else ""
    return f"{median(runs):.3g} {unit}{several}"
