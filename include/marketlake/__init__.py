"""Per-second market data as partitions that carry their own evidence. Knows nothing of Airflow."""

from importlib import import_module
from types import ModuleType

_MOVED = {"changes": "marketlake.partitions.changes"}


def __getattr__(name: str) -> ModuleType:
    """What the documentation imports from here, loaded when it is first asked for."""
    if name in _MOVED:
        return import_module(_MOVED[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
