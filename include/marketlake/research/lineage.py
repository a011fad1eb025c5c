"""Subjects whose rows count only beside those that they are of: an underlying's selections and panels."""

from __future__ import annotations

import datetime as dt

from marketlake.dataset_names import OPTION_BARS
from marketlake.datasets import DATASETS, EVERY, OF_OPTIONS
from marketlake.datasets.dataset import Dataset
from marketlake.datasets.option_lineage import OF_BARS, is_of
from marketlake.lake import Lake
from marketlake.research.selection import GONE, NOT_YET, UNNAMED, Found, Subject


def readable() -> dict[str, Dataset]:
    """Every dataset that a lake may hold, by name."""
    return {**EVERY, **DATASETS}


def subject_in(lake: Lake, dataset: Dataset, ticker: str) -> Subject:
    """A ticker of a dataset; of those that are made beside option bars, one that looks whether they are of these."""
    return (SubjectOfBars if dataset.spec.name in OF_BARS else Subject)(lake, dataset, ticker)


class SubjectOfBars(Subject):
    """An underlying's selections or panels: one that is not of the session's option bars is as good as none."""

    def __init__(self, lake: Lake, dataset: Dataset, ticker: str) -> None:
        super().__init__(lake, dataset, ticker)
        self._bars = Subject(lake, OF_OPTIONS[OPTION_BARS], ticker)

    def held(self, session: dt.date) -> Found:
        """What ``processed/`` holds of a session, by the footers of two files."""
        return _if_of(self._lying(session), self._bars.held(session), UNNAMED)

    def as_of(self, session: dt.date, at: dt.datetime) -> Found:
        """What ``processed/`` held of a session at a time, beside the option bars that it held then."""
        bars = self._bars.as_of(session, at)
        return _if_of(super().as_of(session, at), bars, GONE if bars.state == GONE else NOT_YET)


def _if_of(found: Found, bars: Found, otherwise: str) -> Found:
    if found.certificate is None or is_of(found.certificate, bars.certificate):
        return found
    return Found(found.session, otherwise, found.path)
