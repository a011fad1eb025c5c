"""What the page can show: a ticker of a dataset each, of the settings or of the lake."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from marketlake.dataset_names import audit_dag_id, dag_id, run_title
from marketlake.datasets import DATASETS
from marketlake.errors import BadArgument
from marketlake.lake import Lake
from marketlake.research.arguments import one_of
from marketlake.research.opening import source_of
from marketlake.research.selection import Subject


class SubjectEntry(msgspec.Struct, frozen=True):
    """One ticker of one dataset. ``held``: the lake has a folder of it; ``configured``: the settings want it."""

    dataset: str
    ticker: str
    dag_id: str
    audit_dag_id: str
    title: str
    held: bool
    configured: bool


class SubjectList(msgspec.Struct, frozen=True):
    """Everything that can be shown, where the lake lies, and whose rows it holds."""

    subjects: list[SubjectEntry]
    where: str
    source: str


def subjects_of(lake: Lake) -> SubjectList:
    """Every ticker of the settings or of the lake, by dataset; those of the settings first."""
    entries = [entry for name in DATASETS for entry in _entries(lake, name)]
    return SubjectList(entries, lake.storage.where, source_of(lake))


def subject_named(lake: Lake, dataset: str | None, ticker: str | None) -> Subject:
    """One that can be shown; without a name the first. Raises BadArgument, with those that there are."""
    known = subjects_of(lake).subjects
    name = known[0].dataset if dataset is None else one_of("dataset", dataset, DATASETS)
    tickers = [entry.ticker for entry in known if entry.dataset == name]
    if not tickers:
        raise _nothing(lake, name)
    chosen = tickers[0] if ticker is None else one_of("ticker", ticker.upper(), tickers)
    return Subject(lake, DATASETS[name], chosen)


def subjects_named(lake: Lake, dataset: str | None, ticker: str | None) -> list[Subject]:
    """Every one that can be shown, or those of a dataset, or of a ticker. Raises BadArgument if there is none."""
    known = subjects_of(lake).subjects
    datasets = [one_of("dataset", dataset, DATASETS)] if dataset else list(DATASETS)
    tickers = sorted({entry.ticker for entry in known if entry.dataset in datasets})
    if not tickers:
        raise _nothing(lake, datasets[0])
    chosen = [one_of("ticker", ticker, tickers)] if ticker else tickers
    return [Subject(lake, DATASETS[entry.dataset], entry.ticker) for entry in known
            if entry.dataset in datasets and entry.ticker in chosen]  # fmt: skip


def _nothing(lake: Lake, dataset: str) -> BadArgument:
    return BadArgument(
        f"dataset={dataset!r}: neither the settings nor the lake at {lake.storage.where} have a ticker of it. Give"
        f" datasets.{dataset}.tickers one."
    )


def _entries(lake: Lake, dataset: str) -> Iterable[SubjectEntry]:
    configured = lake.settings.tickers_of(dataset)
    held = lake.store(DATASETS[dataset].spec).partitions.tickers()
    for ticker in [*configured, *(other for other in held if other not in configured)]:
        yield SubjectEntry(
            dataset,
            ticker,
            dag_id(dataset, ticker),
            audit_dag_id(dataset, ticker),
            run_title(dataset, ticker),
            held=ticker in held,
            configured=ticker in configured,
        )
