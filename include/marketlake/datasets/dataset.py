"""What everything above and below knows of a dataset, whichever it is."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from marketlake.lake import Lake
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.fetch import Fetch, Listing
from marketlake.quality.checks import Check
from marketlake.quality.reconciliation import Reconciliation
from marketlake.rows.spec import DatasetSpec, PartitionKey
from marketlake.sessions import SessionHours
from marketlake.settings import Settings


class EmptyRule(enum.Enum):
    """What an answer without a row means. The value: how often it is asked for until that is believed."""

    REFUSED = 3
    """The session traded, so there must be rows: the answer is refused."""
    ALLOWED = 2
    """There may be none: the session is empty, with the answers as evidence."""
    SHOWN_ELSEWHERE = 0
    """There may be none: what shows it stands in another dataset of the same session."""

    @property
    def attempts(self) -> int:
        """How often an answer without a row is asked for."""
        return self.value


@dataclass(frozen=True)
class Decoded:
    """The rows of a fetch, in the dataset's format, and the vendor's ids of the pages they came in."""

    rows: pa.Table
    request_ids: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """What one session takes: calls to the API, with the pages of a dense day, and bytes in the lake."""

    requests: int
    bytes: int


class Dataset(Protocol):
    """One kind of rows, however they are come by: what they are, and when they may stand in the lake."""

    @property
    def spec(self) -> DatasetSpec:
        """Its name, its place and its rows."""

    @property
    def empty(self) -> EmptyRule:
        """What an answer without a row means."""

    @property
    def bounds_silence(self) -> bool:
        """Whether a final session's checks bound the time without a row in regular hours."""

    def check(self, rows: pa.Table, hours: SessionHours, max_silence_s: float | None) -> list[Check]:
        """Every check of a session's rows. ``max_silence_s``: as in ``quality.max_silence_s``; None: not looked at."""


class FetchedDataset(Dataset, Protocol):
    """Rows that are made of the vendor's answers, and of those that are stored as well."""

    def own_pages(self, fetch: Fetch) -> Listing:
        """The pages that the rows are made of; a certificate's ``raw_digest`` is of their bodies."""

    def inputs(self, fetch: Fetch, rows: pa.Table) -> Mapping[str, str]:
        """Digests of what the rows of a fetch are made of, or stand for, beside their own pages; none of most."""

    def basis(self, fetch: Fetch) -> Mapping[str, str]:
        """By what the rows are made, by name, as texts; nothing of most."""

    def decode(self, lake: Lake, fetch: Fetch, key: PartitionKey) -> Decoded:
        """The rows of a fetch. Raises RefusedData or UndecodableBody on pages that are not those asked for."""

    def reconcile(self, lake: Lake, rows: pa.Table, fetch: Fetch, key: PartitionKey) -> Reconciliation:
        """The rows held against whatever else the fetch has. Never raises on what that holds."""


class ListedDataset(FetchedDataset, Protocol):
    """Rows that one listing of the API gives, session by session."""

    def fetch(self, lake: Lake, client: PolygonClient, key: PartitionKey) -> tuple[Fetch, Decoded]:
        """Ask for the rows of one session. Raises Retryable, StopAndTell or RefusedData, with the bodies."""

    def longer(self, lake: Lake, client: PolygonClient, key: PartitionKey) -> Mapping[str, Listing]:
        """Ask for what the rows are held against. What fails is in the listing, and raises nothing."""

    def without_longer(self, because: str) -> Mapping[str, Listing]:
        """The same, not asked for, for one reason."""

    def has_rows(self, lake: Lake, client: PolygonClient, key: PartitionKey) -> bool:
        """Whether the API has anything of a session, in one cheap call. Raises as ``fetch`` does."""

    def cost(self, configured: Settings) -> Cost:
        """What one dense session takes."""
