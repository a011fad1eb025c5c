"""What a dataset is: how its rows are asked for, when they may enter the lake, and what they are held against."""

from __future__ import annotations

from collections.abc import Mapping

from marketlake.dataset_names import OPTIONS
from marketlake.datasets.dataset import Dataset, ListedDataset
from marketlake.datasets.option_bars import OPTION_BARS
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.datasets.option_panel import OPTION_PANEL
from marketlake.datasets.option_selection import OPTION_SELECTION
from marketlake.datasets.option_snapshot import OPTION_SNAPSHOT
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS
from marketlake.errors import SettingsError
from marketlake.settings import Settings

DATASETS: Mapping[str, ListedDataset] = {dataset.spec.name: dataset for dataset in (SECOND_BARS, MINUTE_BARS)}
"""Every dataset that the settings can ask for by its own name, in the order of ``dataset_names.NAMES``."""

OF_OPTIONS: Mapping[str, Dataset] = {
    dataset.spec.name: dataset for dataset in (OPTION_CHAIN, OPTION_SELECTION, OPTION_BARS, OPTION_PANEL)
}
"""The datasets of options, in the order of ``dataset_names.OPTION_NAMES``: a session is made of all of them."""

EVERY: Mapping[str, Dataset] = {**DATASETS, **OF_OPTIONS, OPTION_SNAPSHOT.spec.name: OPTION_SNAPSHOT}
"""Everything that a lake may hold."""


def parts_of(name: str, configured: Settings) -> tuple[Dataset, ...]:
    """What a session is made of: of a dataset it alone, of options those of the four that are on."""
    if name != OPTIONS:
        return (DATASETS[name],)
    off = frozenset() if configured.options.panel.enabled else frozenset({OPTION_PANEL.spec.name})
    return tuple(dataset for name, dataset in OF_OPTIONS.items() if name not in off)


def foremost_of(name: str) -> Dataset:
    """The part of a session that is fetched, under which notes of the whole session are kept: the dataset, or bars."""
    return OPTION_BARS if name == OPTIONS else DATASETS[name]


def dataset_named(name: str) -> ListedDataset:
    """The dataset of that name that is fetched by itself. Raises SettingsError, with those that there are."""
    dataset = DATASETS.get(name)
    if dataset is None:
        raise SettingsError(f"there is no dataset {name!r}: those are {', '.join(DATASETS)}{_also(name)}.")
    return dataset


def _also(name: str) -> str:
    """What else is to be said of a name that is a dataset's, and not fetched by itself."""
    if name in OF_OPTIONS:
        return f"; {name} is made together with the others, as {OPTIONS}"
    return f"; {name} is collected on the session itself, and cannot be fetched later" if name in EVERY else ""


def datasets_named(name: str) -> list[Dataset]:
    """The dataset of that name, or with ``options`` the four of them. Raises SettingsError, with all names."""
    if name == OPTIONS:
        return list(OF_OPTIONS.values())
    if name not in EVERY:
        raise SettingsError(f"there is no dataset {name!r}: those are {', '.join([*EVERY, OPTIONS])}.")
    return [EVERY[name]]
