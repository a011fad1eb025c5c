"""Who answers: the vendor under its two names, by its API or its flat files, or anybody else."""

from __future__ import annotations

API_HOSTS = frozenset({"api.massive.com", "api.polygon.io"})
_VENDOR_HOSTS = API_HOSTS | {"files.massive.com", "files.polygon.io"}


def is_vendor(host: str) -> bool:
    """Whether a host, with or without a port, is the vendor's: bars of any other may be made up."""
    return host.partition(":")[0] in _VENDOR_HOSTS


def source_kind(host: str) -> str:
    """What must not mix in one lake: the vendor, under either name, or any other host, whatever its port."""
    return "the vendor" if is_vendor(host) else host.partition(":")[0]
