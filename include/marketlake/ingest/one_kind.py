"""One lake holds rows of one kind: adjusted or not, the vendor's or another host's."""

from __future__ import annotations

from marketlake.datasets import EVERY
from marketlake.errors import SettingsError
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate
from marketlake.partitions.lake_file import LAKE_FILE, LakeKind, record, recorded_kind
from marketlake.polygon.hosts import is_vendor, source_kind
from marketlake.rows.spec import PartitionKey


def require_same_kind(lake: Lake, *, host: str | None = None, key: PartitionKey | None = None) -> None:
    """Raise SettingsError if the lake holds rows adjusted otherwise than the settings say, or of another source than
    ``host``: the vendor's rows never stand beside those of a simulator or mirror. ``key``: look at its partition, too.
    """
    _require_kind(lake, recorded_kind(lake.storage) or _derived_kind(lake), host)
    partitions = lake.store(EVERY[key.dataset].spec).partitions if key else None
    held = partitions.certificate(key) if partitions and key else None
    if partitions and held:
        way_out = f"remove {partitions.path(held.key)} if it does not belong there"
        _require(lake, _kind_of(held), host, holds=f"the lake's {held.key}", way_out=way_out)


def record_kind(lake: Lake, host: str) -> None:
    """Write down, once, what the lake is, before anything enters it. Raises SettingsError if it is of another kind."""
    kind = recorded_kind(lake.storage)
    if kind is None:
        found = _derived_kind(lake) or LakeKind.of(host, adjusted=lake.settings.bars.adjusted)
        record(lake.storage, found, lake.settings.storage.lock_timeout_s)
        kind = recorded_kind(lake.storage)  # somebody else may have been first
    _require_kind(lake, kind, host)


def _require_kind(lake: Lake, kind: LakeKind | None, host: str | None) -> None:
    if kind is not None:
        way_out = f"if nothing of it is left, remove {LAKE_FILE} there"
        _require(lake, kind, host, holds=lake.storage.where, way_out=way_out)


def _require(lake: Lake, kind: LakeKind, host: str | None, *, holds: str, way_out: str) -> None:
    adjusted = lake.settings.bars.adjusted
    if kind.adjusted is not adjusted:
        raise SettingsError(
            f"bars.adjusted = {str(adjusted).lower()}, but {holds} holds rows with adjusted ="
            f" {str(kind.adjusted).lower()}. One lake holds one kind: set it back, or choose another storage.root;"
            f" {way_out}."
        )
    if host is not None and source_kind(host) != kind.source:
        raise SettingsError(
            f"{host} is {'' if is_vendor(host) else 'not '}the vendor's, but {holds} holds rows from {kind.source}. One"
            f" lake holds one kind: choose another storage.root or api.base_url; {way_out}."
        )


def _kind_of(certificate: Certificate) -> LakeKind:
    return LakeKind.of(certificate.source_host, adjusted=certificate.adjusted)


def _derived_kind(lake: Lake) -> LakeKind | None:
    """What a lake of an earlier version is, by the newest session of any ticker; None if it holds nothing."""
    stores = [lake.store(dataset.spec).partitions for dataset in EVERY.values()]
    certificates = (store.newest(ticker) for store in stores for ticker in store.tickers())
    newest = max(filter(None, certificates), key=lambda certificate: certificate.session, default=None)
    return _kind_of(newest) if newest else None
