"""What the certificate of option bars says of how they were asked for: the frozen rule, and the length of a bar."""

from __future__ import annotations

from marketlake.errors import BadArgument
from marketlake.options.selection import FrozenRule
from marketlake.polygon.request import Timespan
from marketlake.research.reading import damaged
from marketlake.research.selection import Chosen, Subject


def frozen_rule(subject: Subject, bars: Chosen) -> FrozenRule:
    """The rule that a session's contracts were selected by, and the price of then. Raises DamagedPartition."""
    try:
        return FrozenRule.from_canonical(bars.certificate.basis.get("rule", ""))
    except BadArgument as exc:
        raise damaged(
            subject, bars.path, bars, f"its certificate names no frozen rule ({exc}). Fetch it again."
        ) from exc


def bar_ms(subject: Subject, bars: Chosen) -> int:
    """How long a bar of a session is. Raises DamagedPartition."""
    try:
        return Timespan(bars.certificate.basis.get("bar_size", "")).length_ms
    except ValueError as exc:
        raise damaged(
            subject, bars.path, bars, f"its certificate names no size of a bar ({exc}). Fetch it again."
        ) from exc
