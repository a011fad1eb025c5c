"""What was seen, row by row."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Table:
    """Rows of step, outcome and whether it is as it must be; printed as they come."""

    rows: list[tuple[str, str, bool]] = field(default_factory=list)
    started_s: float = field(default_factory=time.monotonic)

    def add(self, step: str, outcome: str, *, ok: bool = True) -> None:
        """A row more."""
        self.rows.append((step, outcome, ok))
        print(
            f"{time.monotonic() - self.started_s:6.0f} s  {'ok   ' if ok else 'WRONG'}  {step}: {outcome}", flush=True
        )

    @property
    def ok(self) -> bool:
        """Whether every row is as it must be."""
        return all(ok for *_, ok in self.rows)

    def text(self) -> str:
        """As Markdown."""
        lines = [f"| {step} | {outcome} | {'yes' if ok else '**no**'} |" for step, outcome, ok in self.rows]
        return "\n".join(["| step | outcome | as it must be |", "|---|---|---|", *lines])
