"""What a dataset is: how its rows are asked for, when they may enter the lake, and what they are held against."""

from __future__ import annotations

from collections.abc import Mapping

from marketlake.datasets.dataset import Dataset
from marketlake.datasets.option_chain import OPTION_CHAIN
from marketlake.datasets.stock_bars import MINUTE_BARS, SECOND_BARS
from marketlake.errors import SettingsError

DATASETS: Mapping[str, Dataset] = {dataset.spec.name: dataset for dataset in (SECOND_BARS, MINUTE_BARS)}
"""Every dataset that the settings can ask for by its own name, in the order of ``dataset_names.NAMES``."""

EVERY: Mapping[str, Dataset] = {**DATASETS, OPTION_CHAIN.spec.name: OPTION_CHAIN}
"""Everything that a lake may hold."""


def dataset_named(name: str) -> Dataset:
    """The dataset of that name. Raises SettingsError, with those that there are."""
    dataset = DATASETS.get(name)
    if dataset is None:
        raise SettingsError(f"there is no dataset {name!r}: those are {', '.join(DATASETS)}.")
    return dataset
