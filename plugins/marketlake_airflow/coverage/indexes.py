"""The indexes of this process: one a ticker of a dataset, so that a second look reads no footer again."""

from __future__ import annotations

from threading import Lock

from marketlake.coverage.index import CoverageIndex
from marketlake.research.selection import Subject

_indexes: dict[tuple[str, str, str], CoverageIndex] = {}
_making = Lock()


def index_of(subject: Subject) -> CoverageIndex:
    """The index of a subject, for every request."""
    key = (subject.store.storage.where, subject.spec.name, subject.ticker)
    with _making:
        if key not in _indexes:
            _indexes[key] = CoverageIndex(subject.lake, subject.spec, subject.ticker, keep=True)
        return _indexes[key]
