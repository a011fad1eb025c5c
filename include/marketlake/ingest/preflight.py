"""What is asked before anything is created: does the lake take data, and does the key give it?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from marketlake.datasets.dataset import Dataset, ListedDataset
from marketlake.errors import StorageError
from marketlake.ingest.one_kind import require_same_kind
from marketlake.lake import Lake
from marketlake.polygon.call_budget import MARGIN_S, MINUTE_S
from marketlake.polygon.client import PolygonClient
from marketlake.rows.spec import PartitionKey
from marketlake.storage.local import LocalStorage


@dataclass(frozen=True)
class Estimate:
    """What a range will cost. ``requests`` assumes dense sessions, and as many answers as questions for what they are
    held against. ``least_min`` is how long they take at ``api.requests_per_minute``; None without a limit.
    """

    sessions: int
    requests: int
    bytes: int
    least_min: float | None


def estimate(lake: Lake, dataset: ListedDataset, sessions: int) -> Estimate:
    """The cost of fetching that many dense sessions."""
    cost = dataset.cost(lake.settings)
    requests = sessions * cost.requests
    return Estimate(sessions, requests, sessions * cost.bytes, minutes_of_calls(lake, requests))


def minutes_of_calls(lake: Lake, requests: int) -> float | None:
    """How long so many calls take at ``api.requests_per_minute``; None without a limit."""
    a_minute = lake.settings.api.requests_per_minute
    return requests / a_minute * (MINUTE_S + MARGIN_S) / 60 if a_minute else None


def require_lake(lake: Lake, dataset: ListedDataset, sessions: int = 0) -> None:
    """Raise StorageError if the lake cannot be written, lacks room, or holds the other adjustment."""
    require_place(lake, [dataset], sessions, estimate(lake, dataset, sessions).bytes)


def require_place(lake: Lake, datasets: Iterable[Dataset], sessions: int = 0, more_bytes: int = 0) -> None:
    """Raise StorageError if the lake cannot be written, lacks room for so many bytes more, or holds the other
    adjustment.
    """
    for dataset in datasets:
        lake.store(dataset.spec).storage.require_writable()
    _require_room(lake, sessions, more_bytes)
    require_same_kind(lake)


def _require_room(lake: Lake, sessions: int, more_bytes: int) -> None:
    free = lake.storage.free_bytes()
    if free is None:  # a bucket; logs, and what is fetched by parts, need a disk all the same
        name, where, more_bytes = "logging.folder", str(lake.settings.logging_folder), 0
        free = LocalStorage(lake.settings.logging_folder).free_bytes()
    else:
        name, where = "storage.root", lake.storage.where
    floor = lake.settings.storage.min_free_bytes
    needed = floor + more_bytes
    if free < needed:
        raise StorageError(
            f"{name} {where} has {free / 1e9:.1f} GB free; {needed / 1e9:.1f} GB are needed"
            f" (storage.min_free_bytes = {floor}, and {sessions} sessions). Free some, or move {name}."
        )


def sessions_without_rows(
    lake: Lake, dataset: ListedDataset, client: PolygonClient, keys: Iterable[PartitionKey]
) -> list[PartitionKey]:
    """Those of these sessions that the API has nothing of: it is asked for a little of each.

    Raises what ``PolygonClient`` raises on a key or plan that cannot serve them. A session without rows
    is no such thing: it will fail by itself, in the open. Raises SettingsError if the lake holds rows
    of another kind of host.
    """
    require_same_kind(lake, host=client.host)
    return [key for key in sorted(set(keys)) if not dataset.has_rows(lake, client, key)]
