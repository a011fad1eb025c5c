"""One lake holds bars of one kind: adjusted or not, the vendor's or another host's."""

from __future__ import annotations

import datetime as dt

from marketlake.errors import SettingsError
from marketlake.partitions.dataset_store import DatasetStore
from marketlake.polygon.hosts import is_vendor, source_kind


def require_same_kind(
    store: DatasetStore, ticker: str, *, adjusted: bool, host: str | None = None, session: dt.date | None = None
) -> None:
    """Raise SettingsError where the lake holds bars adjusted otherwise, or of another source than ``host``:
    the vendor's bars never stand beside those of a simulator or mirror. What is looked at is the last
    partition of each ticker, and that of ``session``.
    """
    held_here = store.partitions
    last = [(name, held_here.newest(name)) for name in {ticker, *held_here.tickers()}]
    own = [(ticker, held_here.certificate(store.spec.key(ticker, session)))] if session else []
    for name, held in (*last, *own):
        if held is None:
            continue
        if name == ticker and held.adjusted is not adjusted:
            raise SettingsError(
                f"bars.adjusted = {str(adjusted).lower()}, but the lake holds {ticker} with adjusted ="
                f" {str(held.adjusted).lower()}. One lake holds one kind: set it back, or choose another storage.root."
            )
        if host is not None and source_kind(held.source_host) != source_kind(host):
            raise SettingsError(
                f"{host} is {'' if is_vendor(host) else 'not '}the vendor's, but the lake holds {name} {held.session}"
                f" from {held.source_host}. One lake holds one kind: choose another storage.root or api.base_url, or"
                f" remove {held_here.path(held.key)} if it does not belong there."
            )
