"""One lake holds bars of one kind: adjusted or not, the vendor's or another host's."""

from __future__ import annotations

import datetime as dt

from marketlake.errors import SettingsError
from marketlake.partitions.store import PartitionStore
from marketlake.polygon.hosts import is_vendor, source_kind


def require_same_kind(
    store: PartitionStore, ticker: str, *, adjusted: bool, host: str | None = None, session: dt.date | None = None
) -> None:
    """Raise SettingsError where the lake holds bars adjusted otherwise, or of another source than ``host``:
    the vendor's bars never stand beside those of a simulator or mirror. What is looked at is the last
    partition of each ticker, and that of ``session``.
    """
    last = [(name, store.newest(name)) for name in {ticker, *store.tickers()}]
    own = [(ticker, store.certificate(ticker, session))] if session else []
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
                f" remove {store.key(name, held.session)} if it does not belong there."
            )
