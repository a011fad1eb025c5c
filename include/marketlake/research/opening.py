"""The lake at a folder, or that of the settings, for those who only read."""

from __future__ import annotations

from pathlib import Path

from marketlake import commands, settings
from marketlake.datasets import EVERY
from marketlake.errors import BadArgument, PlaceUnusable, StorageError
from marketlake.lake import Lake
from marketlake.lake_root import LakeRoot, above, last_part, root_of
from marketlake.partitions.certificate import State
from marketlake.partitions.lake_file import LAKE_FILE, recorded_kind
from marketlake.partitions.layout import PROCESSED
from marketlake.polygon.hosts import source_kind
from marketlake.research.lineage import readable, subject_in
from marketlake.research.selection import Subject
from marketlake.rows.bars import SECONDS
from marketlake.settings import Settings

_PREFIXES = {dataset.spec.prefix for dataset in EVERY.values()} - {""}


def opened(root: str | Path | None) -> Lake:
    """The lake at ``root``, a folder from the current one on, or ``s3://bucket/prefix`` by the settings' connection to
    it; None: that of the settings. Raises BadArgument, and PlaceUnusable for a lake of another layout.
    """
    configured = settings.load()
    if root is not None:
        configured = _at(configured, _place(root))
    lake, place = Lake(configured), configured.storage_root
    if isinstance(place, Path) and not place.is_dir():
        raise BadArgument(f"root={str(place)!r} is no folder: {_remedy(root)}")
    if last_part(place) in _PREFIXES and _is_lake(Lake(_at(configured, above(place)))):
        raise BadArgument(f"root={str(place)!r} is a dataset's folder within a lake: give {str(above(place))!r}.")
    if not _is_lake(lake):
        raise BadArgument(f"root={str(place)!r} holds no lake, no {PROCESSED}/ in it: {_remedy(root)}")
    _require_known_layout(lake)
    return lake


def _require_known_layout(lake: Lake) -> None:
    """Raise PlaceUnusable if files may lie elsewhere than this version looks."""
    try:
        recorded_kind(lake.storage)
    except PlaceUnusable:
        raise
    except StorageError:
        return  # that ``lake.json`` is damaged moves no file: what is held can be read


def _at(configured: Settings, root: LakeRoot) -> Settings:
    return configured.model_copy(update={"storage": configured.storage.model_copy(update={"root": root})})


def source_of(lake: Lake) -> str:
    """Whose bars a lake holds: "the vendor", or the host that served them; "nobody" of an empty one."""
    try:
        recorded = recorded_kind(lake.storage)
    except PlaceUnusable:
        raise
    except StorageError:
        return f"nobody knows whom ({LAKE_FILE} cannot be read)"
    if recorded is not None:
        return recorded.source
    partitions = lake.store(SECONDS).partitions  # an earlier version wrote no lake.json, and had no other dataset
    newest = [certificate for ticker in partitions.tickers() if (certificate := partitions.newest(ticker))]
    return source_kind(newest[0].source_host) if newest else "nobody"


def summary(lake: Lake) -> str:
    """What a lake holds, in words: a clause a ticker of a dataset."""
    return "; ".join(_summary(subject) for subject in subjects(lake)) or "empty"


def subjects(lake: Lake) -> list[Subject]:
    """Every ticker of every dataset that the lake holds a partition of."""
    every = [subject_in(lake, dataset, ticker) for dataset in readable().values()
             for ticker in lake.store(dataset.spec).partitions.tickers()]  # fmt: skip
    return [subject for subject in every if subject.store.partitions.present(subject.ticker)]


def _summary(subject: Subject) -> str:
    """From when to when, and how many sessions are complete."""
    present = sorted(subject.store.partitions.present(subject.ticker))
    expected = subject.lake.calendar.sessions(present[0], present[-1])
    states = [found.state for found in subject.find(present)]
    return (
        f"{subject.spec.name} of {subject.ticker}, {present[0]} to {present[-1]},"
        f" {states.count(State.COMPLETE)} of {len(expected)} sessions complete"
    )


def _place(root: str | Path) -> LakeRoot:
    try:
        place = root_of(root)
        return place.absolute() if isinstance(place, Path) else place
    except (TypeError, ValueError) as exc:
        raise BadArgument(f"root={root!r}: {exc}.") from exc


def _is_lake(lake: Lake) -> bool:
    places = [lake.store(dataset.spec).storage for dataset in EVERY.values()]
    return lake.storage.exists(LAKE_FILE) or any(PROCESSED in place.folders("") for place in places)


def _remedy(root: str | Path | None) -> str:
    if root is None:
        command = commands.fetching_any()
        return f"fetch a session, with  {command}  , or name the folder of a lake, as in open_lake('.demo/data')."
    return "give the folder in which processed/ lies, such as 'data', or nothing for the lake of the settings."
