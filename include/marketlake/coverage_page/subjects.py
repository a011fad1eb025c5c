"""What the page can show: a ticker of a dataset each, or its options, of the settings or of the lake."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from marketlake.coverage.index import CoverageIndex
from marketlake.coverage_page.options import OptionIndex, Options
from marketlake.dataset_names import OPTION_NAMES, OPTIONS, audit_dag_id, dag_id, made_as, run_title
from marketlake.datasets import DATASETS, OF_OPTIONS
from marketlake.errors import BadArgument
from marketlake.lake import Lake
from marketlake.research.arguments import one_of
from marketlake.research.opening import source_of
from marketlake.research.selection import Subject

Shown = Subject | Options
"""What has a calendar."""

_SHOWN = (*DATASETS, OPTIONS)


class SubjectEntry(msgspec.Struct, frozen=True):
    """One ticker of one dataset, or of options.

    ``held``: the lake has a folder of it; ``configured``: the settings want it.
    """

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
    entries = [entry for name in _SHOWN for entry in _entries(lake, name)]
    return SubjectList(entries, lake.storage.where, source_of(lake))


def subject_named(lake: Lake, dataset: str | None, ticker: str | None) -> Shown:
    """One that can be shown; without a name the first. Raises BadArgument, with those that there are."""
    known = subjects_of(lake).subjects
    name = known[0].dataset if dataset is None else one_of("dataset", dataset, _SHOWN)
    return _shown(lake, name, _chosen(lake, known, name, ticker))


def rows_named(lake: Lake, dataset: str | None, ticker: str | None) -> Subject:
    """One whose rows, certificates and revisions can be looked at: of options each dataset by its own name.

    Raises BadArgument, with those that there are.
    """
    known = subjects_of(lake).subjects
    first = next((entry.dataset for entry in known if entry.dataset in DATASETS), OPTION_NAMES[0])
    name = first if dataset is None else one_of("dataset", dataset, (*DATASETS, *OF_OPTIONS))
    chosen = _chosen(lake, known, made_as(name), ticker)
    return Subject(lake, DATASETS.get(name) or OF_OPTIONS[name], chosen)


def subjects_named(lake: Lake, dataset: str | None, ticker: str | None) -> list[Shown]:
    """Every one that can be shown, or those of a dataset, or of a ticker. Raises BadArgument if there is none."""
    known = subjects_of(lake).subjects
    datasets = [one_of("dataset", dataset, _SHOWN)] if dataset else list(_SHOWN)
    tickers = sorted({entry.ticker for entry in known if entry.dataset in datasets})
    if not tickers:
        raise _nothing(lake, datasets[0])
    chosen = [one_of("ticker", ticker, tickers)] if ticker else tickers
    return [_shown(lake, entry.dataset, entry.ticker) for entry in known
            if entry.dataset in datasets and entry.ticker in chosen]  # fmt: skip


def index_for(subject: Shown, *, keep: bool) -> CoverageIndex | OptionIndex:
    """A new index of what is shown. ``keep``: as of ``CoverageIndex``."""
    if isinstance(subject, Options):
        return OptionIndex(subject, keep=keep)
    return CoverageIndex(subject.lake, subject.spec, subject.ticker, keep=keep)


def _shown(lake: Lake, name: str, ticker: str) -> Shown:
    return Options(lake, ticker) if name == OPTIONS else Subject(lake, DATASETS[name], ticker)


def _chosen(lake: Lake, known: Iterable[SubjectEntry], name: str, ticker: str | None) -> str:
    tickers = [entry.ticker for entry in known if entry.dataset == name]
    if not tickers:
        raise _nothing(lake, name)
    return tickers[0] if ticker is None else one_of("ticker", ticker.upper(), tickers)


def _nothing(lake: Lake, name: str) -> BadArgument:
    remedy = "Set options.enabled" if name == OPTIONS else f"Give datasets.{name}.tickers one"
    return BadArgument(
        f"dataset={name!r}: neither the settings nor the lake at {lake.storage.where} have a ticker of it. {remedy}."
    )


def _entries(lake: Lake, name: str) -> Iterable[SubjectEntry]:
    configured, held = dict.fromkeys(lake.settings.tickers_of(name)), _held(lake, name)
    for ticker in configured | held:
        yield SubjectEntry(
            name,
            ticker,
            dag_id(name, ticker),
            audit_dag_id(name, ticker),
            run_title(name, ticker),
            held=ticker in held,
            configured=ticker in configured,
        )


def _held(lake: Lake, name: str) -> dict[str, None]:
    """The tickers that the lake has a folder of, of options in any of their datasets."""
    datasets = OF_OPTIONS.values() if name == OPTIONS else [DATASETS[name]]
    found = (ticker for dataset in datasets for ticker in lake.store(dataset.spec).partitions.tickers())
    return dict.fromkeys(found)
