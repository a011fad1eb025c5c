"""The indexes of this process: one a ticker of a dataset, so that a second look reads no footer again."""

from __future__ import annotations

from threading import Lock
from typing import overload

from marketlake.coverage.index import CoverageIndex
from marketlake.coverage_page.options import OptionIndex, Options
from marketlake.coverage_page.subjects import Shown, index_for
from marketlake.research.selection import Subject

_Key = tuple[str, str, str, tuple[str, ...]]
_indexes: dict[_Key, CoverageIndex | OptionIndex] = {}
_making = Lock()


@overload
def index_of(subject: Subject) -> CoverageIndex: ...
@overload
def index_of(subject: Options) -> OptionIndex: ...
@overload
def index_of(subject: Shown) -> CoverageIndex | OptionIndex: ...
def index_of(subject: Shown) -> CoverageIndex | OptionIndex:
    """The index of what is shown, for every request."""
    needed = subject.needed if isinstance(subject, Options) else ()
    key = (subject.lake.storage.where, subject.name, subject.ticker, needed)
    with _making:
        if key not in _indexes:
            _indexes[key] = index_for(subject, keep=True)
        return _indexes[key]
