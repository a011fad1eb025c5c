"""Stock bars of one size: second bars, and minute bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from marketlake.datasets.dataset import Cost, Decoded, EmptyRule
from marketlake.lake import Lake
from marketlake.polygon import aggregates
from marketlake.polygon.aggregates import Page, require_echo
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.fetch import Fetch, Listing
from marketlake.polygon.request import BarRequest, Timespan
from marketlake.quality.checks import Check, run_checks
from marketlake.quality.longer_bars import fetch_longer_bars, without_longer_bars
from marketlake.quality.reconciliation import Reconciliation, reconcile
from marketlake.rows.bars import BARS, MINUTES, SECONDS
from marketlake.rows.spec import DatasetSpec, PartitionKey
from marketlake.sessions import SessionHours
from marketlake.settings import Settings


@dataclass(frozen=True)
class StockBars:
    """A ticker's bars of one size. ``compared_with``: the longer bars that they are held against.

    Of a dense session: ``bars_a_day``, and the bytes of its partition and of its raw pages.
    """

    spec: DatasetSpec
    size: Timespan
    compared_with: tuple[Timespan, ...]
    bars_a_day: int
    bytes_a_session: int
    raw_bytes_a_session: int
    empty: EmptyRule = EmptyRule.REFUSED
    bounds_silence: bool = True

    def fetch(self, lake: Lake, client: PolygonClient, key: PartitionKey) -> tuple[Fetch, Decoded]:
        """One request for the whole New York day, page after page. Raises as ``PolygonClient.fetch`` does."""
        answer = client.fetch(self._request(lake, key), while_empty=self.empty.attempts)
        return answer.as_fetch(self.size.value, client.host), _decoded(answer.pages, key)

    def own_pages(self, fetch: Fetch) -> Listing:
        """The pages of bars of this size."""
        return fetch.of(self.size.value)

    def inputs(self, fetch: Fetch, rows: pa.Table) -> Mapping[str, str]:  # noqa: ARG002
        """None: bars are made of their pages alone."""
        return {}

    def basis(self, fetch: Fetch) -> Mapping[str, str]:  # noqa: ARG002
        """Nothing beside what was asked for."""
        return {}

    def decode(self, lake: Lake, fetch: Fetch, key: PartitionKey) -> Decoded:
        """The bars of a fetch. Raises MalformedPage or UndecodableBody."""
        request = self._request(lake, key)
        pages = [aggregates.decode(body) for body in self.own_pages(fetch).bodies]
        for number, page in enumerate(pages, 1):
            require_echo(page, request, number)
        return _decoded(pages, key)

    def longer(self, lake: Lake, client: PolygonClient, key: PartitionKey) -> Mapping[str, Listing]:
        """The longer bars of the same day, a request each."""
        return fetch_longer_bars(client, self._request(lake, key), self.compared_with)

    def without_longer(self, because: str) -> Mapping[str, Listing]:
        """None of the longer bars, for one reason."""
        return without_longer_bars(self.compared_with, because)

    def check(self, rows: pa.Table, hours: SessionHours, max_silence_s: float | None) -> list[Check]:
        """Every check of the bars, and of a session with bars how silent it was."""
        return run_checks(rows, hours, self.size, max_silence_s if rows.num_rows else None)

    def reconcile(self, lake: Lake, rows: pa.Table, fetch: Fetch, key: PartitionKey) -> Reconciliation:
        """The bars held against the longer ones."""
        request = self._request(lake, key)
        return reconcile(rows, fetch.listings, request, lake.settings.reconcile, self.compared_with)

    def has_rows(self, lake: Lake, client: PolygonClient, key: PartitionKey) -> bool:
        """Ask for one bar."""
        return client.probe(self._request(lake, key)) > 0

    def cost(self, configured: Settings) -> Cost:
        """The pages of a dense day, and a request for each length that it is held against."""
        pages = -(-self.bars_a_day // configured.api.page_limit)
        longer = len(self.compared_with) if configured.reconcile.enabled else 0
        raw_bytes = self.raw_bytes_a_session if configured.storage.keep_raw_pages else 0
        return Cost(pages + longer, self.bytes_a_session + raw_bytes)

    def _request(self, lake: Lake, key: PartitionKey) -> BarRequest:
        """Raises NotASession."""
        return BarRequest(key.ticker, lake.calendar.hours(key.session), lake.settings.bars.adjusted, self.size)


def _decoded(pages: list[Page] | tuple[Page, ...], key: PartitionKey) -> Decoded:
    """The bars of all pages of a listing, in the schema of a partition."""
    bars = pa.concat_tables([page.rows for page in pages]).combine_chunks()
    column = pa.DictionaryArray.from_arrays(np.zeros(bars.num_rows, np.int32), [key.ticker]).cast(pa.string())
    rows = bars.add_column(BARS.get_field_index("ticker"), BARS.field("ticker"), column).cast(BARS)
    return Decoded(rows, tuple(page.request_id for page in pages))


# Sizes are of simulated days, which are dense: a day of 2013 takes half.
SECOND_BARS = StockBars(
    SECONDS,
    Timespan.SECOND,
    compared_with=(Timespan.MINUTE, Timespan.DAY),
    bars_a_day=46_800,
    bytes_a_session=600_000,
    raw_bytes_a_session=900_000,
)
MINUTE_BARS = StockBars(
    MINUTES,
    Timespan.MINUTE,
    compared_with=(Timespan.DAY,),
    bars_a_day=960,
    bytes_a_session=30_000,
    raw_bytes_a_session=40_000,
)
