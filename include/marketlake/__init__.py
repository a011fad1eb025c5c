"""Per-second market data as partitions that carry their own evidence. Knows nothing of Airflow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketlake.research.lake import open_lake as open_lake

_ELSEWHERE = {
    "changes": ("marketlake.partitions.changes", None),
    "open_lake": ("marketlake.research.lake", "open_lake"),
}


def __getattr__(name: str) -> Any:
    """What the documentation imports from here, loaded when it is first asked for."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _ELSEWHERE[name]
    return getattr(import_module(module), attribute) if attribute else import_module(module)
